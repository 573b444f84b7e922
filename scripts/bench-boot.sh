#!/usr/bin/env bash
# bench-boot.sh: how fast localhost/pulp boots and stops. RUNS=5. PRODUCT=galaxy: localhost/galaxy.
. "$(dirname "$0")/host.sh"
QUIET=1 host_podman
need python3=python3
say "measuring (load now: $(cut -d' ' -f1 /proc/loadavg); anything else that runs spoils it)"
status=/pulp/api/v3/status/
[ "${PRODUCT:-pulp}" != galaxy ] || status=/api/galaxy/pulp/api/v3/status/
python3 tests/bench/boot.py --image "localhost/${PRODUCT:-pulp}" --status "$status" --runs "${RUNS:-5}" --out "$cache/boot.json"

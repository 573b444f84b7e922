#!/usr/bin/env bash
# bench-boot.sh: how fast localhost/pulp boots and stops. RUNS=5. PRODUCT=galaxy: localhost/galaxy. ENVIRONMENT="NAME=VALUE NAME=VALUE" is
# for the container: with PULP_OTEL_ENABLED=true it says what exporting metrics costs.
. "$(dirname "$0")/host.sh"
QUIET=1 host_podman
need python3=python3
say "measuring (load now: $(cut -d' ' -f1 /proc/loadavg); anything else that runs spoils it)"
status=/pulp/api/v3/status/
[ "${PRODUCT:-pulp}" != galaxy ] || status=/api/galaxy/pulp/api/v3/status/
words=()
for pair in ${ENVIRONMENT:-}; do words+=(--env "$pair"); done
python3 tests/bench/boot.py --image "${PULP_IMAGE:-localhost/${PRODUCT:-pulp}}" ${words[@]+"${words[@]}"} --status "$status" --runs "${RUNS:-5}" --out "$cache/boot.json"

#!/usr/bin/env bash
# bench-serve.sh: how fast localhost/pulp serves content and the API, beside a plain nginx. BIG=1000 (MB), SECONDS_EACH=10;
# ENVIRONMENT="NAME=VALUE NAME=VALUE" is for the container.
. "$(dirname "$0")/host.sh"
QUIET=1 host_podman
need python3=python3 wrk=wrk curl=curl
say "measuring (load now: $(cut -d' ' -f1 /proc/loadavg); anything else that runs spoils it)"
words=()
for pair in ${ENVIRONMENT:-}; do words+=(--env "$pair"); done
python3 tests/bench/serve.py --image "${PULP_IMAGE:-localhost/pulp}" --big "${BIG:-1000}" --seconds "${SECONDS_EACH:-10}" \
    ${words[@]+"${words[@]}"} --out "$cache/serve.json"

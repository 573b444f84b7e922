#!/usr/bin/env bash
# bench-work.sh: how localhost/pulp does under work: tasks, API requests, missing paths, listings, syncs, pulls.
# ONLY="tasks memory" chooses; ENVIRONMENT="NAME=VALUE NAME=VALUE" is for the container.
. "$(dirname "$0")/host.sh"
QUIET=1 host_podman
need python3=python3 wrk=wrk curl=curl skopeo=skopeo docker-registry=docker-registry
say "measuring (load now: $(cut -d' ' -f1 /proc/loadavg); anything else that runs spoils it)"
words=()
[ -z "${ONLY:-}" ] || read -ra words <<<"--only $ONLY"
for pair in ${ENVIRONMENT:-}; do words+=(--env "$pair"); done
PYTHONDONTWRITEBYTECODE=1 python3 tests/bench/work.py --image "${PULP_IMAGE:-localhost/pulp}" ${words[@]+"${words[@]}"} --out "$cache/work.json"

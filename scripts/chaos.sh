#!/usr/bin/env bash
# chaos.sh: kills and stops random processes of Pulp while clients work. CHAOS_MINUTES=30, CHAOS_SEED, PULP_IMAGE.
. "$(dirname "$0")/host.sh"
QUIET=1 host_podman
need python3=python3
words=(--image "${PULP_IMAGE:-localhost/pulp}" --minutes "${CHAOS_MINUTES:-30}" --out "$cache/chaos.json")
[ -z "${CHAOS_SEED:-}" ] || words+=(--seed "$CHAOS_SEED")
say "chaos for ${CHAOS_MINUTES:-30} minutes (the report is .cache/chaos.json)"
PYTHONDONTWRITEBYTECODE=1 python3 tests/chaos/chaos.py "${words[@]}"

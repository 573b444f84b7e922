#!/usr/bin/env bash
# Stops and removes Pulp, and Galaxy; their data stays in the volumes pulp-settings, pulp-storage, pulp-pgsql,
# pulp-containers, and galaxy-….
. "$(dirname "$0")/host.sh"
have podman || exit 0
QUIET=1 host_podman

stop() {
    local begin code
    begin=$(date +%s%N)
    podman_calmly stop -t 10 "$1" >/dev/null
    code=$(podman container inspect -f '{{.State.ExitCode}}' "$1")
    say "$1 stopped in $((($(date +%s%N) - begin) / 1000000)) ms with exit code $code"
    podman_calmly rm "$1" >/dev/null
}

running=()
for name in pulp galaxy; do ! podman container exists $name || running+=("$name"); done
[ ${#running[@]} -gt 0 ] || say "pulp does not run"
for name in ${running[@]+"${running[@]}"}; do stop "$name"; done

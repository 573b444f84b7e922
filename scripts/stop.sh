#!/usr/bin/env bash
# Stops and removes Pulp; its data stays in the volumes pulp-settings, pulp-storage, pulp-pgsql, pulp-containers.
. "$(dirname "$0")/host.sh"
have podman || exit 0
QUIET=1 host_podman
podman container exists pulp || { say "pulp does not run"; exit 0; }
begin=$(date +%s%N)
podman_calmly stop -t 10 pulp >/dev/null
code=$(podman container inspect -f '{{.State.ExitCode}}' pulp)
say "pulp stopped in $((($(date +%s%N) - begin) / 1000000)) ms with exit code $code"
podman_calmly rm pulp >/dev/null

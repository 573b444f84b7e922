#!/usr/bin/env bash
# Stops and removes the demonstration; its database stays in the volume `pulp-init-demo`.
. "$(dirname "$0")/host.sh"
have podman || exit 0
QUIET=1 host_podman
podman container exists pulp-init-demo || { say "pulp-init-demo does not run"; exit 0; }
begin=$(date +%s%N)
podman_calmly stop -t 10 pulp-init-demo >/dev/null
code=$(podman container inspect -f '{{.State.ExitCode}}' pulp-init-demo)
say "pulp-init-demo stopped in $((($(date +%s%N) - begin) / 1000000)) ms with exit code $code"
podman_calmly rm pulp-init-demo >/dev/null

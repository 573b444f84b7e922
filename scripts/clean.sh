#!/usr/bin/env bash
# Removes the demonstration with its database and images, and everything else that was kept between runs.
. "$(dirname "$0")/host.sh"
if have podman; then
    QUIET=1 host_podman
    podman_calmly rm -f -t 10 pulp-init-demo >/dev/null 2>&1 || true
    podman volume rm pulp-init-demo >/dev/null 2>&1 || true
    podman rmi -f localhost/pulp-init-demo localhost/pulp-init-base >/dev/null 2>&1 || true
fi
rm -rf .cache

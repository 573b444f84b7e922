#!/usr/bin/env bash
# Removes the containers of `make run` and `make demo` with their data and images, and all that was kept between runs.
. "$(dirname "$0")/host.sh"
if have podman; then
    QUIET=1 host_podman
    podman_calmly rm -f -t 10 pulp pulp-init-demo >/dev/null 2>&1 || true
    podman volume rm pulp-init-demo pulp-settings pulp-storage pulp-pgsql pulp-containers >/dev/null 2>&1 || true
    podman rmi -f localhost/pulp localhost/pulp-minimal localhost/pulp-web localhost/pulp-init-demo localhost/pulp-init-base >/dev/null 2>&1 || true
fi
rm -rf .cache

#!/usr/bin/env bash
# Removes the containers of `make run` and `make demo` with their data and images, and all that was kept between runs.
. "$(dirname "$0")/host.sh"
if have podman; then
    QUIET=1 host_podman
    podman_calmly rm -f -t 10 pulp galaxy pulp-init-demo >/dev/null 2>&1 || true
    podman volume rm pulp-init-demo {pulp,galaxy}-{settings,storage,pgsql,containers} pulp-secrets >/dev/null 2>&1 || true
    podman rmi -f localhost/{pulp,galaxy}{,-minimal,-web} localhost/pulp-{postgres,redis,kube-tools,s3-test} \
        localhost/pulp-init-{demo,base,base-bookworm} localhost/{pulp,galaxy}-init-tools >/dev/null 2>&1 || true
fi
rm -rf .cache

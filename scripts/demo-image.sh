#!/usr/bin/env bash
# demo-image.sh BINARY: builds localhost/pulp-init-demo around it.
. "$(dirname "$0")/host.sh"
binary=$1 image=localhost/pulp-init-demo
scripts/base.sh
QUIET=1 host_podman # base.sh has said it

stage_programs "$binary"

# shellcheck disable=SC2016
codename=$(podman run --rm --network=none localhost/pulp-init-base sh -c '. /etc/os-release; echo "$VERSION_CODENAME"')
mapfile -t mounts < <(host_build_mounts "$codename")
say "building $image (the first time takes a minute or two; the log is .cache/image.log)"
# --format docker: OCI's own format has no HEALTHCHECK.
podman build --quiet --format docker --tag $image \
    --build-context "bin=$cache/bin" "${mounts[@]}" \
    --build-arg "BASE=localhost/pulp-init-base" \
    --build-arg "VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)" \
    --build-arg "REVISION=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" \
    --file images/demo/Containerfile images/demo >"$cache/image.log" 2>&1 \
    || { tail -n 20 "$cache/image.log" >&2; die "cannot build $image: see .cache/image.log"; }
say "built $image, $(podman image inspect -f '{{.Size}}' $image | awk '{ printf "%.0f MB", $1 / 1e6 }')"

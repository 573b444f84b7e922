#!/usr/bin/env bash
# lock.sh [PRODUCT...]: resolves anew what pip installs in the images, and writes images/PRODUCT/requirements.lock (`pulp`
# and `galaxy`).
# lock.sh --check: fails if one of those files was made of other requirements than there are now. Needs no network.
. "$(dirname "$0")/host.sh"
. scripts/product.sh
containerfile=images/pulp

# The versions that an image is built of by default, `NAME=VERSION` a line.
versions_of() {
    if [ "$1" = pulp ]; then sed -n 's/^ARG \(PULP[A-Z_]*_VERSION\)="\(.*\)"$/\1=\2/p' $containerfile/Containerfile
    else product_arguments "$1" | grep '^[A-Z_]*_VERSION='; fi
}

check() {
    local here=images/$1 versions
    mapfile -t versions < <(versions_of "$1")
    env "${versions[@]}" REQUIREMENTS="$here" python3 -B $containerfile/files/requirements current \
        || die "$here/requirements.lock is not of what requirements.in and the build arguments ask for: make lock"
}

lock() {
    local here=images/$1 suite base versions arguments mounts
    suite=$(product_suite "$1") base=$(product_base "$1")
    mapfile -t versions < <(versions_of "$1")
    mapfile -t arguments < <(product_build_args "$1")
    scripts/base.sh "$suite"
    QUIET=1 host_podman
    mapfile -t mounts < <(host_build_mounts "$suite")
    say "resolving what pip installs for $1 (a few minutes)"
    podman build --format docker --quiet --network host --target tools --tag "localhost/$1-init-tools" "${mounts[@]}" \
        ${arguments[@]+"${arguments[@]}"} --build-arg "BASE=$base" --build-context "bin=$cache/bin" \
        --build-context "repository=$PWD" --build-context "product=$PWD/$here" \
        --file $containerfile/Containerfile $containerfile >"$cache/lock.log" 2>&1 || die "cannot build the tools: see .cache/lock.log"
    local pip=(--env PIP_BREAK_SYSTEM_PACKAGES=1 --env PIP_ROOT_USER_ACTION=ignore --env CFLAGS=-fpermissive)
    [ ! -e "$cache/host/ca.crt" ] || pip+=(--volume "$cache/host:/run/host:ro" --env PIP_CERT=/run/host/ca.crt
        --env SSL_CERT_FILE=/run/host/ca.crt)
    [ -z "${PIP_INDEX_URL:-}" ] || pip+=(--env PIP_INDEX_URL --env UV_DEFAULT_INDEX="$PIP_INDEX_URL")
    podman run --rm --network host --volume "$PWD/$here:/in:ro" --volume "$PWD/$containerfile/files:/files:ro" "${pip[@]}" \
        "${versions[@]/#/--env=}" "localhost/$1-init-tools" \
        bash -c 'mkdir /w && cp /in/requirements* /files/requirements /w/ && pip3 install --quiet --target /w/uv uv \
            && export PYTHONPATH=/w/uv && exec python3 /w/requirements lock' >"$cache/requirements.lock" 2>>"$cache/lock.log" \
        || { tail -n 5 "$cache/lock.log" >&2; die "cannot resolve: see .cache/lock.log"; }
    mv "$cache/requirements.lock" "$here/requirements.lock"
    say "wrote $here/requirements.lock: $(grep -c '^[a-z0-9].*==' "$here/requirements.lock") packages"
}

if [ "${1:-}" = --check ]; then
    for product in pulp galaxy; do check $product; done
    exit
fi
[ $# -gt 0 ] || set -- pulp galaxy
for product in "$@"; do lock "$product"; done

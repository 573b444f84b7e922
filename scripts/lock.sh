#!/usr/bin/env bash
# lock.sh: resolves anew what pip installs in the Pulp images, and writes images/pulp/requirements.lock.
# lock.sh --check: fails if that file was made of other requirements than there are now. Needs no network.
. "$(dirname "$0")/host.sh"
here=images/pulp
# The versions that the image is built of by default.
mapfile -t versions < <(sed -n 's/^ARG \(PULP[A-Z_]*_VERSION\)="\(.*\)"$/\1=\2/p' $here/Containerfile)

if [ "${1:-}" = --check ]; then
    env "${versions[@]}" REQUIREMENTS=$here python3 -B $here/files/requirements current \
        || die "$here/requirements.lock is not of what requirements.in and the Containerfile ask for: make lock"
    exit
fi
scripts/base.sh
QUIET=1 host_podman
mapfile -t mounts < <(host_build_mounts trixie)
say "resolving what pip installs (a few minutes)"
podman build --format docker --quiet --network host --target tools --tag localhost/pulp-init-tools "${mounts[@]}" \
    --build-arg BASE=localhost/pulp-init-base --build-context "bin=$cache/bin" --build-context "repository=$PWD" \
    --file $here/Containerfile $here >"$cache/lock.log" 2>&1 || die "cannot build the tools: see .cache/lock.log"
pip=(--env PIP_BREAK_SYSTEM_PACKAGES=1 --env PIP_ROOT_USER_ACTION=ignore --env CFLAGS=-fpermissive)
[ ! -e "$cache/host/ca.crt" ] || pip+=(--volume "$cache/host:/run/host:ro" --env PIP_CERT=/run/host/ca.crt
    --env SSL_CERT_FILE=/run/host/ca.crt)
[ -z "${PIP_INDEX_URL:-}" ] || pip+=(--env PIP_INDEX_URL --env UV_DEFAULT_INDEX="$PIP_INDEX_URL")
podman run --rm --network host --volume "$PWD/$here:/in:ro" "${pip[@]}" "${versions[@]/#/--env=}" localhost/pulp-init-tools \
    bash -c 'mkdir /w && cp /in/requirements* /in/files/requirements /w/ && pip3 install --quiet --target /w/uv uv \
        && export PYTHONPATH=/w/uv && exec python3 /w/requirements lock' >"$cache/requirements.lock" 2>>"$cache/lock.log" \
    || { tail -n 5 "$cache/lock.log" >&2; die "cannot resolve: see .cache/lock.log"; }
mv "$cache/requirements.lock" $here/requirements.lock
say "wrote $here/requirements.lock: $(grep -c '^[a-z0-9].*==' $here/requirements.lock) packages"

#!/usr/bin/env bash
# image.sh BINARY [TARGET...]: builds localhost/pulp (and localhost/pulp-minimal, localhost/pulp-web) around it.
# PRODUCT=galaxy builds localhost/galaxy, localhost/galaxy-minimal and localhost/galaxy-web by the same targets.
# TAG names another image than localhost/pulp: localhost/TAG, localhost/TAG-minimal.
# Versions are build args: PULP_BUILD_ARGS="--build-arg PULPCORE_VERSION===3.123.1" make image
# PULP_UI_URL is a release of the web interface (https://…/pulp-ui.tar.gz), or a directory of this host with one.
# NIGHTLY=1 takes the newest of all plugins, pre-releases too, and tags the image so.
. "$(dirname "$0")/host.sh"
. scripts/product.sh
product=${PRODUCT:-pulp}
[ -e "images/$product/requirements.in" ] || die "there is no product $product: PRODUCT is pulp or galaxy"
binary=$1
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(pulp)
suite=$(product_suite "$product") base=$(product_base "$product")
scripts/base.sh "$suite"
QUIET=1 host_podman # base.sh has said it

stage_programs "$binary"

mapfile -t mounts < <(host_build_mounts "$suite")
# pip is to trust what this host trusts, and to use its mirror.
[ ! -e "$cache/host/ca.crt" ] || mounts+=(--build-arg=PIP_CERT=/run/host/ca.crt)
[ -z "${PIP_INDEX_URL:-}" ] || mounts+=("--build-arg=PIP_INDEX_URL=$PIP_INDEX_URL")
mapfile -t arguments < <(product_build_args "$product")
# The user's come after those of the product, and win.
read -ra extra <<<"${PULP_BUILD_ARGS:-}"
if [ -d "${PULP_UI_URL:-}" ]; then extra+=(--build-context "ui=$PULP_UI_URL")
elif [ -n "${PULP_UI_URL:-}" ]; then extra+=(--build-arg "PULP_UI_URL=$PULP_UI_URL"); fi
branch=$(sed -n 's/^ARG PULPCORE_VERSION="==\(3\.[0-9]*\).*/\1/p' images/pulp/Containerfile)
[ "$product" = pulp ] || branch=$(product_arguments "$product" | sed -n 's/^GALAXY_NG_VERSION===\([0-9]*\.[0-9]*\).*/\1/p')
tags=(latest stable "$branch")
if [ -n "${NIGHTLY:-}" ]; then
    tags=(nightly)
    extra+=(--build-arg PIP_PRE=1)
    while read -r name; do extra+=(--build-arg "$name="); done \
        < <(sed -n 's/^ARG \([A-Z_]*_VERSION\)=.*/\1/p' images/pulp/Containerfile)
fi
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# What it stands on. A base that was made here, of Debian's packages, has a digest that no registry knows.
base_digest=$(podman image inspect -f '{{.Digest}}' "$base")
base_name=docker.io/library/debian:$suite-slim
[ "$suite" != trixie ] || base_name=${BASE_IMAGE:-$base_name}
podman image exists "$base_name" || base_name="Debian $suite, made by mmdebstrap"
revision=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
for target in "${targets[@]}"; do
    image=localhost/${TAG:-$product}
    [ "$target" = pulp ] || image+=-$target
    log=$cache/image-$target.log
    [ "$product" = pulp ] || log=$cache/image-$product-$target.log
    say "building $image (the first time takes five minutes; the log is .cache/${log##*/})"
    # --format docker: OCI's own format has no HEALTHCHECK. --network host: a host's mirror may be on it alone.
    podman build --format docker --layers --network host --target "$target" "${tags[@]/#/--tag=$image:}" \
        --build-context "bin=$cache/bin" --build-context "repository=$PWD" --build-context "product=$PWD/images/$product" \
        "${mounts[@]}" ${arguments[@]+"${arguments[@]}"} --build-arg "BASE=$base" --label "org.opencontainers.image.base.digest=$base_digest" \
        --label "org.opencontainers.image.base.name=$base_name" \
        --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
        --build-arg "CREATED=$(git log -1 --format=%cI 2>/dev/null || date -u +%FT%TZ)" \
        ${extra[@]+"${extra[@]}"} \
        --file images/pulp/Containerfile images/pulp >"$log" 2>&1 &
    build=$!
    # A person sees which step it is at.
    seen=''
    while kill -0 $build 2>/dev/null; do
        sleep 1
        now=$(grep -o '^\[[0-9/]*\] STEP [0-9/]*: [A-Z]* [^ ]*' "$log" 2>/dev/null | tail -n 1) || true
        [ "$now" = "$seen" ] || { [ ! -t 2 ] || printf '    %s\n' "$now" >&2; seen=$now; }
    done
    wait $build || { tail -n 20 "$log" >&2; die "cannot build $image: see .cache/${log##*/}"; }
    # As upstream's documentation calls it: `podman run pulp/pulp`.
    [ -n "${TAG:-}" ] || podman tag "$image:${tags[0]}" "${tags[@]/#/localhost/pulp/${image#localhost/}:}"
    say "built $image:${tags[*]}, $(podman image inspect -f '{{.Size}}' "$image:${tags[0]}" | awk '{ printf "%.0f MB", $1 / 1e6 }')"
done

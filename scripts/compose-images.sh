#!/usr/bin/env bash
# compose-images.sh BINARY: builds localhost/pulp-postgres and localhost/pulp-redis, for where no registry answers.
# TAG names another image than localhost/pulp: localhost/TAG-postgres, localhost/TAG-redis.
. "$(dirname "$0")/host.sh"
binary=$1
scripts/base.sh
QUIET=1 host_podman
stage_programs "$binary"
mapfile -t mounts < <(host_build_mounts trixie)
for name in postgres redis; do
    image=localhost/${TAG:-pulp}-$name log=$cache/image-$name.log
    say "building $image"
    podman build --format docker --layers --network host --tag "$image" "${mounts[@]}" \
        --build-context "bin=$cache/bin" --build-arg BASE=localhost/pulp-init-base \
        --file images/$name/Containerfile images >"$log" 2>&1 \
        || { tail -n 20 "$log" >&2; die "cannot build $image: see .cache/image-$name.log"; }
    say "built $image, $(podman image inspect -f '{{.Size}}' "$image" | awk '{ printf "%.0f MB", $1 / 1e6 }')"
done

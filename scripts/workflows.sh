#!/usr/bin/env bash
# workflows.sh [--few] [--https] [WORKFLOW...]: what Pulp's documentation promises, done with pulp-cli, twine, pip, dnf, apt, ansible-galaxy,
# gem, ostree, npm, mvn, flatpak, skopeo and schemathesis against the Pulp image (some 20 minutes). All of them together write
# docs/workflows.md. --few: those of clients that are installed in less than a minute, for `make test`. PULP_IMAGE names another image.
. "$(dirname "$0")/host.sh"
scripts/base.sh
QUIET=1 host_podman # base.sh has said it
need python3=python3
mapfile -t mounts < <(host_build_mounts trixie)
[ ! -e "$cache/host/ca.crt" ] || mounts+=(--build-arg=PIP_CERT=/run/host/ca.crt)
[ -z "${PIP_INDEX_URL:-}" ] || mounts+=("--build-arg=PIP_INDEX_URL=$PIP_INDEX_URL")
tag=localhost/pulp-init-clients options=(--tag localhost/pulp-init-clients)
if [ "${1:-}" = --few ]; then
    shift
    tag+=-few
    options=(--tag "$tag" --target few)
    set -- "$@" file oci promotion python users
fi
say "building $tag (the first time takes some minutes; the log is .cache/image-clients.log)"
podman build --format docker --layers --network host "${options[@]}" "${mounts[@]}" --file tests/workflows/Containerfile tests/workflows \
    >"$cache/image-clients.log" 2>&1 || { tail -n 20 "$cache/image-clients.log" >&2; die "cannot build the clients: see above"; }
write=()
[ $# -gt 0 ] || write=(--write docs/workflows.md)
exec env PYTHONDONTWRITEBYTECODE=1 python3 tests/workflows/run.py --image "${PULP_IMAGE:-localhost/pulp}" --clients "$tag" "${write[@]}" "$@"

#!/usr/bin/env bash
# quadlet.sh: compose/pulp.container and compose/pulp.socket under systemd: the first client starts Pulp, restarts refuse nobody, and
# a container that hangs is killed and replaced. systemd is a container's first process here, and podman runs within it.
# Where systemd does not start in a container, the exit code is 1, or 77 if PULP_INIT_MAY_SKIP lists systemd.
. "$(dirname "$0")/host.sh"
QUIET=1 host_podman
scripts/base.sh
mapfile -t mounts < <(host_build_mounts trixie)
podman build --format docker --layers --network host --quiet --tag localhost/pulp-systemd-test "${mounts[@]}" \
    --build-arg BASE=localhost/pulp-init-base --file images/systemd-test/Containerfile images >/dev/null
name=pulp-test-systemd-$$
# Images are read where this host's podman has them; containers need a disk that is not an overlay.
volume=$(podman volume create)
trap 'podman_calmly rm --force --time 1 $name >/dev/null 2>&1; podman volume rm --force "$volume" >/dev/null' EXIT
podman_calmly run --detach --name "$name" --privileged --cgroupns private --stop-signal SIGRTMIN+3 --tmpfs /run --tmpfs /tmp \
    --volume "$PWD/compose:/compose:ro" --volume "$PWD/tests/quadlet:/quadlet:ro" --volume "$volume:/var/lib/containers" \
    --volume "$(podman info --format '{{.Store.GraphRoot}}'):/images:ro" --entrypoint /quadlet/machine.sh localhost/pulp-systemd-test >/dev/null
# Until its sockets are open; that other units have nothing to do in a container, and fail, is of no interest.
is_up() { [ "$(podman exec "$name" systemctl is-active sockets.target 2>/dev/null)" = active ]; }
for _ in {1..100}; do
    ! is_up || break
    sleep 0.3
done
if ! is_up; then
    case ",${PULP_INIT_MAY_SKIP:-}," in *,systemd,*) say "quadlet: SKIPPED: systemd does not start in a container here" && exit 77 ;; esac
    podman logs "$name" >&2
    die "quadlet: systemd does not start in a container"
fi
podman exec "$name" bash /quadlet/steps.sh

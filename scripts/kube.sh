#!/usr/bin/env bash
# kube.sh [STAGE...]: what can be tested of compose/kube and compose/pulp.container without a cluster.
#
#   schemas   kubectl kustomize, and each object against Kubernetes' published schemas, unknown keys refused
#   quadlet   podman's generator makes a unit of systemd from compose/pulp.container
#   play      podman kube play of the pod: a file is published, downloaded, and there again after a restart
#
# kubectl and the generator are Debian's, in an image made for this; the schemas are those of kubernetes-validate (PyPI).
# Images: PULP_IMAGE, PULP_WEB_IMAGE, POSTGRES_IMAGE, REDIS_IMAGE.
. "$(dirname "$0")/host.sh"
stages=("$@")
[ ${#stages[@]} -gt 0 ] || stages=(schemas quadlet play)
version=1.37 port=${PORT:-18080} work=$cache/kube client=tests/compose/client.py
QUIET=1 host_podman
mkdir -p "$work"

tools() {
    scripts/base.sh
    mapfile -t mounts < <(host_build_mounts trixie)
    podman build --format docker --layers --network host --quiet --tag localhost/pulp-kube-tools "${mounts[@]}" \
        --build-arg BASE=localhost/pulp-init-base --file images/kube-tools/Containerfile images >/dev/null
}
tool() { podman_calmly run --rm --network none --volume "$PWD/compose:/compose:ro" localhost/pulp-kube-tools "$@"; }

stage_schemas() {
    need openssl=openssl
    [ -x "$work/venv/bin/kubernetes-validate" ] \
        || { python3 -m venv "$work/venv" && "$work/venv/bin/pip" install --quiet kubernetes-validate==$version.*; } \
        || die "cannot install kubernetes-validate $version"
    local what count
    for what in base one-node many-nodes; do tool kubectl kustomize /compose/kube/$what >"$work/$what.yaml"; done
    cp compose/kube/pod.yml "$work/pod.yaml"
    compose/kube/secrets.sh >"$work/secret.yaml"
    for what in base one-node many-nodes pod secret; do
        "$work/venv/bin/kubernetes-validate" --strict -k $version "$work/$what.yaml" >"$work/said" 2>&1 \
            || { cat "$work/said" >&2; die "kube: $what is not what Kubernetes $version takes"; }
        count=$(grep -c '^kind:' "$work/$what.yaml")
        [ "$(grep -c 'passed for resource' "$work/said")" = "$count" ] \
            || { cat "$work/said" >&2; die "kube: $what: not all of its $count objects were looked at"; }
        say "kube: $what: $count objects are what Kubernetes $version takes"
    done
    rm "$work/secret.yaml"
    # What no schema sees: names that lead nowhere.
    "$work/venv/bin/python3" tests/compose/manifests.py "$work/one-node.yaml" "$work/many-nodes.yaml" "$work/pod.yaml"
}

stage_quadlet() {
    tool sh -c 'QUADLET_UNIT_DIRS=/compose /usr/libexec/podman/quadlet -dryrun' >"$work/quadlet" 2>&1 \
        || { cat "$work/quadlet" >&2; die "kube: Quadlet refuses compose/pulp.container"; }
    ! grep -iE 'unsupported|error|warn' "$work/quadlet" >&2 || die "kube: Quadlet does not like compose/pulp.container"
    [ "$(grep -cE '^Type=notify|--sdnotify=container' "$work/quadlet")" = 2 ] \
        || die "kube: the unit does not wait until Pulp is ready"
    say "kube: Quadlet makes a unit of compose/pulp.container that is ready when Pulp is"
}

# The pod, on another port and with the images that are to be tested.
pod() {
    sed -e "s|localhost/pulp-minimal:stable|${PULP_IMAGE:-localhost/pulp-minimal:stable}|; s|localhost/pulp-web:stable|${PULP_WEB_IMAGE:-localhost/pulp-web:stable}|" \
        -e "s|localhost/pulp-postgres:latest|${POSTGRES_IMAGE:-localhost/pulp-postgres:latest}|; s|localhost/pulp-redis:latest|${REDIS_IMAGE:-localhost/pulp-redis:latest}|" \
        -e "s|hostPort: 8080|hostPort: $port, hostIP: 127.0.0.1|; s|pulp-pod-|pulp-test-pod-|g; s|name: pulp-pod$|name: pulp-test-pod|" compose/kube/pod.yml
}
clear_away() {
    podman pod rm -f -t 2 pulp-test-pod >/dev/null 2>&1 || true
    for volume in defaults secrets settings storage pgsql; do podman volume rm -f pulp-test-pod-$volume >/dev/null 2>&1 || true; done
}
answers() { curl --silent --fail --fail-early --max-time 10 -o /dev/null -o /dev/null "http://127.0.0.1:$port/pulp/"{api/v3/status,content}/; }
play() {
    podman_calmly kube play "$work/pod.yml" >/dev/null
    local end=$((SECONDS + 600))
    until answers; do
        [ $SECONDS -lt $end ] || {
            for name in $(podman ps -a --filter pod=pulp-test-pod --format '{{.Names}}'); do echo "--- $name" >&2; podman logs --tail 6 "$name" >&2 2>&1 || true; done
            die "kube: the pod does not answer"
        }
        sleep 1
    done
}

stage_play() {
    # catatonit holds the pod of podman together.
    need curl=curl catatonit=catatonit
    trap clear_away EXIT
    clear_away
    pod >"$work/pod.yml"
    local begin=$SECONDS file
    play
    # The password is set after the migrations.
    until podman logs pulp-test-pod-migrate 2>&1 | grep 'the user admin has' >/dev/null; do sleep 1; done
    PULP_PASSWORD=$(podman exec pulp-test-pod-api cat /run/pulp-secrets/admin_password)
    export PULP_PASSWORD
    file=$(python3 $client publish "http://127.0.0.1:$port" first)
    python3 $client check "http://127.0.0.1:$port" "$file"
    say "kube: podman's pod: a file published and downloaded, $((SECONDS - begin)) s after the start"
    podman_calmly kube play --down "$work/pod.yml" >/dev/null 2>&1
    play
    python3 $client check "http://127.0.0.1:$port" "$file"
    python3 $client publish "http://127.0.0.1:$port" second >/dev/null
    say "kube: and after it was taken down and played again"
}

tools
for stage in "${stages[@]}"; do "stage_$stage"; done

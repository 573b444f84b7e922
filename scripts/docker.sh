#!/usr/bin/env bash
# docker.sh: runs localhost/pulp with Docker as documented, by HTTPS, and checks what comes back. Docker's daemon is one
# of our own, with its data in .cache/docker, and ends with this script.
. "$(dirname "$0")/host.sh"
QUIET=1 host_podman
need dockerd=docker.io curl=curl iptables=iptables
need docker=docker-cli # in newer releases of Debian a package of its own
root=$cache/docker socket=unix://$cache/docker/docker.sock name=pulp-docker-test
mkdir -p "$root/exec"
export DOCKER_HOST=$socket
as_root dockerd --data-root "$root/data" --exec-root "$root/exec" --pidfile "$root/pid" --host "$socket" \
    --group "$(id -gn)" --bip 172.31.255.1/24 >"$root/log" 2>&1 &
daemon=$!
finish() {
    docker rm --force --volumes $name >/dev/null 2>&1 || true
    # The background job is a shell, whose end would leave the daemon behind.
    [ ! -s "$root/pid" ] || as_root kill "$(cat "$root/pid")" 2>/dev/null || true
    wait $daemon 2>/dev/null || true
}
trap finish EXIT
# The daemon says when it is ready only in its log.
until docker version >/dev/null 2>&1; do
    kill -0 $daemon 2>/dev/null || { tail -n 5 "$root/log" >&2; die "dockerd does not run here: see .cache/docker/log"; }
    sleep 0.2
done
id=$(podman image inspect -f '{{.Id}}' localhost/pulp)
if [ "$(cat "$root/loaded" 2>/dev/null)" != "$id" ]; then
    say "docker: loading the image"
    podman save --quiet localhost/pulp | docker load --quiet >/dev/null
    echo "$id" >"$root/loaded"
fi
say "docker: docker run -e PULP_HTTPS=true -p 443"
docker run --detach --name $name --env PULP_HTTPS=true --publish 127.0.0.1::443 --health-interval 2s \
    localhost/pulp >/dev/null
docker exec $name svctl wait -t 600s >/dev/null || { docker logs $name | tail -n 20 >&2; die "docker: Pulp is not ready"; }
port=$(docker port $name 443/tcp | sed 's/.*://')
docker cp $name:/etc/pulp/certs/pulp_webserver.crt "$root/ca.crt"
code=$(curl --silent --output /dev/null --write-out '%{http_code}' --cacert "$root/ca.crt" \
    "https://localhost:$port/pulp/api/v3/status/")
[ "$code" = 200 ] || die "docker: the status is $code instead of 200"
# HEALTHCHECK is docker's to run.
for _ in $(seq 60); do
    health=$(docker inspect -f '{{.State.Health.Status}}' $name)
    [ "$health" != healthy ] || break
    sleep 1
done
[ "$health" = healthy ] || die "docker: its health is $health"
docker stop --time 10 $name >/dev/null
code=$(docker inspect -f '{{.State.ExitCode}}' $name)
[ "$code" = 0 ] || die "docker: it stopped with $code instead of 0"
say "docker: answered by HTTPS, healthy, stopped with 0"

# What a task of pulp_container calls, where docker lets it (docs/volumes.md, "Images built inside Pulp").
say "docker: an image is built in the container, without privileges"
docker rm --force --volumes $name >/dev/null
docker run --detach --name $name --security-opt seccomp=unconfined --security-opt apparmor=unconfined localhost/pulp >/dev/null
docker exec $name svctl wait -t 600s >/dev/null || { docker logs $name | tail -n 20 >&2; die "docker: Pulp is not ready"; }
docker exec --interactive --user pulp $name sh >"$root/build" 2>&1 <<'BUILD' || { cat "$root/build" >&2; die "docker: the build failed"; }
set -e
cd "$(mktemp -d)"
cp /usr/sbin/ldconfig .
printf 'FROM scratch\nCOPY ldconfig /\nRUN ["/ldconfig", "-C", "/made"]\n' >Containerfile
podman build --file Containerfile --tag built . --isolation rootless
podman push --format oci built dir:image
BUILD
say "docker: RUN has run"

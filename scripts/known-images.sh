#!/usr/bin/env bash
# known-images.sh BINARY: three images of others, whose init is s6-overlay, supervisord and a shell script, with /init in its place. Each is
# built from a checkout of its repository and Debian's packages, and used. KNOWN=DIR has the checkouts; what is missing there is cloned.
. "$(dirname "$0")/host.sh"
binary=$1
known=$(realpath -m "${KNOWN:-$cache/known}")
scripts/base.sh
QUIET=1 host_podman
need git=git ssh=openssh-client curl=curl redis-cli=redis-tools jq=jq
stage_programs "$binary"
mkdir -p "$known"
# checkout REPOSITORY COMMIT: what was tried. A newer one may want other packages.
checkout() {
    local at=$known/${1#*/}
    [ -e "$at" ] || git clone --quiet "https://github.com/$1" "$at" || die "$1: cannot be cloned; put a checkout at $at, or name another directory in KNOWN"
    git -C "$at" checkout --quiet "$2" || die "$at: has no commit $2"
}
checkout linuxserver/docker-baseimage-debian 397cfe0b87a027ec01d17a1f1bd50f6aecdaa862
checkout linuxserver/docker-openssh-server 93fb9ee124d4c8a512a896ff4f1ed0f30cfe2517
checkout tiangolo/uwsgi-nginx-docker afe929aba32ab29cdb784cf370e396130ab4ae30
checkout redis/docker-library-redis e5650da99bb377b2ed4f9f1ef993ff24729b1c16

# shellcheck disable=SC2016
codename=$(podman run --rm --network=none localhost/pulp-init-base sh -c '. /etc/os-release; echo "$VERSION_CODENAME"')
mapfile -t mounts < <(host_build_mounts "$codename")
work=$(mktemp -d)
end_all() {
    local code=$? name
    for name in s6 supervisord shell; do
        if [ $code != 0 ]; then
            say "the log of $name:"
            podman logs --tail 40 known-$name >&2 || true
        fi
        podman rm --force --time 1 --volumes known-$name >/dev/null 2>&1 || true
    done
    rm -rf "$work"
    exit $code
}
trap end_all EXIT
for stage in s6 supervisord shell; do
    say "building localhost/known-$stage (the log is .cache/known-$stage.log)"
    podman build --quiet --format docker --tag "localhost/known-$stage" --target "$stage" \
        --build-context "bin=$cache/bin" --build-context "s6base=$known/docker-baseimage-debian" --build-context "s6app=$known/docker-openssh-server" \
        --build-context "uwsgi=$known/uwsgi-nginx-docker" --build-context "redis=$known/docker-library-redis" \
        "${mounts[@]}" --build-arg BASE=localhost/pulp-init-base --file images/known/Containerfile images/known >"$cache/known-$stage.log" 2>&1 \
        || { tail -n 20 "$cache/known-$stage.log" >&2; die "cannot build localhost/known-$stage"; }
done
# start STAGE OPTION...: runs it and waits until it is ready.
start() {
    local name=known-$1
    shift
    podman run --detach --name "$name" "$@" "localhost/$name" >/dev/null
    podman exec "$name" svctl wait -t 120s >/dev/null || die "$name does not become ready: $(podman exec "$name" svctl why)"
    [ "$(podman exec "$name" svctl health)" = healthy ] || die "$name is not healthy"
}
# ends STAGE: it stops in order, with exit code 0.
ends() {
    podman stop --time 20 "known-$1" >/dev/null
    [ "$(podman inspect --format '{{.State.ExitCode}}' "known-$1")" = 0 ] || die "known-$1 ends with $(podman inspect --format '{{.State.ExitCode}}' "known-$1")"
}

ssh-keygen -q -t ed25519 -N '' -f "$work/key"
start s6 --publish 127.0.0.1:12222:2222 --env PUBLIC_KEY="$(cat "$work/key.pub")" --env PUID=1234 --env PGID=1234
options=(-i "$work/key" -p 12222 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes)
who=$(ssh "${options[@]}" linuxserver.io@127.0.0.1 id -u)
[ "$who" = 1234 ] || die "known-s6: ssh says '$who' and not 1234"
podman exec known-s6 timeout 30 sh -c 'until grep -q "Accepted publickey" /config/logs/openssh/current; do sleep 0.1; done' || die "known-s6: its log service has no log"
podman exec known-s6 s6-rc -a list | grep -qx svc-openssh-server || die "known-s6: s6-rc does not list its service"
ends s6
say "s6-overlay: linuxserver/openssh-server runs unchanged: $(podman logs known-s6 2>&1 | grep -o 'ready in .*' | head -1)"

start supervisord --publish 127.0.0.1:18380:80
curl --silent --fail http://127.0.0.1:18380/ | grep -q 'Hello World from a default Nginx uWSGI' || die "known-supervisord: no answer"
# When one of its programs ends, so does the container.
podman exec known-supervisord svctl signal KILL uwsgi
code=$(timeout 30 podman wait known-supervisord) || die "known-supervisord goes on without uwsgi"
[ "$code" = 137 ] || die "known-supervisord ends with $code and not with uwsgi's 137"
say "supervisord: tiangolo/uwsgi-nginx runs with four definitions"

start shell --publish 127.0.0.1:16379:6379
[ "$(redis-cli -p 16379 set a b)" = OK ] || die "known-shell: redis does not answer"
[ "$(podman exec known-shell stat -c %U /proc/"$(podman exec known-shell svctl list --json redis | jq '.[0].pid')")" = redis ] || die "known-shell: redis is root"
podman stop --time 20 known-shell >/dev/null
podman start known-shell >/dev/null
podman exec known-shell svctl wait -t 60s
[ "$(redis-cli -p 16379 get a)" = b ] || die "known-shell: what was written is gone"
ends shell
say "a shell script: redis runs with one definition"

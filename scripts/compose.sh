#!/usr/bin/env bash
# compose.sh podman|docker [volumes|folders] [STAGE...]: runs compose/ with the real podman-compose or docker-compose.
#
# Stages, all of them unless named, in this order:
#   up       starts on empty volumes, without a setting; publishes a file and downloads it
#   scale    4 replicas each, and 1 again, while a client reads: no request may fail
#   rolling  restarts each container of Pulp in turn while a client reads: no request may fail
#   again    takes everything down and up again: the data are still there, no key is new
#   swap     the same data under the image with everything, and back (podman only)
#   figures  (only if named; podman) requests/s of content with 1, 2 and 4 replicas, and of nginx serving the same file.
#            Those of a machine that does something else besides are of no use: they are printed, not judged
#
# Images: PULP_IMAGE, PULP_WEB_IMAGE, POSTGRES_IMAGE, REDIS_IMAGE, and PULP_ALL_IMAGE for `swap`. PULP_PRODUCT=galaxy: they are
# Galaxy's, and the file is in a collection.
. "$(dirname "$0")/host.sh"
tool=${1:?podman or docker} kind=${2:-volumes}
shift; [ $# = 0 ] || shift
stages=("$@")
[ ${#stages[@]} -gt 0 ] || stages=(up scale rolling again swap)
project=pulp-compose-$tool-$kind
work=$cache/$project
client=tests/compose/client.py
all=${PULP_ALL_IMAGE:-localhost/pulp} single=$project-all

export PULP_IMAGE=${PULP_IMAGE:-localhost/pulp-minimal} PULP_WEB_IMAGE=${PULP_WEB_IMAGE:-localhost/pulp-web}
export POSTGRES_IMAGE=${POSTGRES_IMAGE:-localhost/pulp-postgres} REDIS_IMAGE=${REDIS_IMAGE:-localhost/pulp-redis}
export PULP_VOLUMES=$project PULP_FOLDERS=$work/folders PULP_PUBLISH=127.0.0.1:
export PULP_API_REPLICAS=2 PULP_CONTENT_REPLICAS=2 PULP_WORKER_REPLICAS=2
# A test machine is small.
export PULP_API_WORKERS=1 PULP_CONTENT_WORKERS=1
file=compose/compose.yml
[ "$kind" = volumes ] || file=compose/compose.folders.yml

QUIET=1 host_podman
need curl=curl
if [ "$tool" = podman ]; then
    need podman-compose=podman-compose
    host_names
    calmly() { grep -v 'unable to get systemd connection' >&2 || true; }
    compose() { podman-compose -f "$file" -p "$project" "$@" 2> >(calmly); }
    run() { podman "$@" 2> >(calmly); }
else
    need dockerd=docker.io docker-compose=docker-compose iptables=iptables
    need docker=docker-cli # in newer releases of Debian a package of its own
    compose() { docker-compose -f "$file" -p "$project" "$@"; }
    run() { docker "$@"; }
fi

dockerd_start() {
    root=$cache/docker
    mkdir -p "$root/exec"
    export DOCKER_HOST=unix://$root/docker.sock
    as_root dockerd --data-root "$root/data" --exec-root "$root/exec" --pidfile "$root/pid" --host "$DOCKER_HOST" \
        --group "$(id -gn)" --bridge none --default-address-pool base=172.31.128.0/18,size=24 >"$root/log" 2>&1 &
    daemon=$!
    until docker version >/dev/null 2>&1; do
        kill -0 $daemon 2>/dev/null || { tail -n 5 "$root/log" >&2; die "dockerd does not run here: see .cache/docker/log"; }
        sleep 0.2
    done
    local image id
    for image in "$PULP_IMAGE" "$PULP_WEB_IMAGE" "$POSTGRES_IMAGE" "$REDIS_IMAGE"; do
        id=$(podman image inspect -f '{{.Id}}' "$image")
        [ "$(docker image inspect -f '{{.Id}}' "$image" 2>/dev/null)" != "sha256:$id" ] || continue
        say "loading $image into docker"
        podman save --quiet "$image" | docker load --quiet >/dev/null
    done
}

containers() { run ps --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$1" --format '{{.Names}}'; }

clear_away() {
    run rm -f -t 5 "$single" >/dev/null 2>&1 || true
    # podman-compose removes only as many replicas as the file says.
    local left
    left=$(run ps -aq --filter "label=com.docker.compose.project=$project") || true
    # shellcheck disable=SC2086 # a word an id
    [ -z "$left" ] || run rm -f $left >/dev/null
    run network rm "${project}_default" >/dev/null 2>&1 || true
}

remove_data() {
    for volume in settings storage pgsql secrets containers; do run volume rm -f "$project-$volume" >/dev/null 2>&1 || true; done
    as_root rm -rf "$work/folders"
}

daemon='' reader=''
finish() {
    local code=$?
    [ -z "$reader" ] || kill "$reader" 2>/dev/null || true
    if [ $code != 0 ]; then
        say "$tool: what the containers said of errors, and last (all of it: ${work#"$PWD/"}/logs):"
        mkdir -p "$work/logs"
        for name in $(run ps -a --filter "label=com.docker.compose.project=$project" --format '{{.Names}}'); do
            echo "--- $name" >&2
            run logs "$name" >"$work/logs/$name" 2>&1 || true
            grep -E -A 40 'Traceback|ERROR' "$work/logs/$name" | head -n 120 >&2 || true
            tail -n 6 "$work/logs/$name" >&2
        done
    fi
    clear_away || true
    remove_data || true
    [ -z "$daemon" ] || { as_root kill "$(cat "$root/pid")" 2>/dev/null; wait "$daemon" 2>/dev/null; } || true
    exit $code
}
trap finish EXIT

web() { run port "$(containers pulp_web | head -n 1)" 8080/tcp | sed -n 's/.*:\([0-9]*\)$/http:\/\/127.0.0.1:\1/p' | head -n 1; }

# until_true SECONDS WHAT COMMAND...: asks until it is so.
until_true() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || die "$tool: still not $what"
        sleep 1
    done
}

answers() { curl --silent --fail --fail-early --max-time 10 -o /dev/null -o /dev/null "$(web)/pulp/"{api/v3/status,content}/; }
# there_are N: replicas of each, as the status tells; Galaxy's does not tell of the API.
there_are() {
    local all="content $1 worker $1"
    [ "${PULP_PRODUCT:-}" = galaxy ] || all="api $1 $all"
    [ "$(python3 $client status "$(web)" 2>/dev/null)" = "$all" ]
}

up() {
    compose up -d >"$work/up.log" 2>&1 || { tail -n 20 "$work/up.log" >&2; die "$tool: compose up failed"; }
    until_true "${PATIENCE:-600}" "answering at pulp_web" answers
    # The password is set after the migrations. What is read is not shown.
    until_true 120 "done with the password" password_set
    PULP_PASSWORD=$(run exec "$(containers pulp_api | head -n 1)" cat /run/pulp-secrets/admin_password)
    export PULP_PASSWORD
}

password_set() {
    [ "$(run inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$(run ps -a --filter "label=com.docker.compose.project=$project" \
        --filter label=com.docker.compose.service=set_init_password_service --format '{{.Names}}')")" = 'exited 0' ]
}

reading() {
    python3 $client read "$(web)" "$1" 4 >"$work/read.log" 2>&1 &
    reader=$!
}

read_well() {
    local code=0
    kill "$reader"
    wait "$reader" || code=$?
    reader=''
    [ $code = 0 ] || { cat "$work/read.log" >&2; die "$tool: a request failed while $1"; }
    say "$tool: $1: $(tail -n 1 "$work/read.log")"
}

# How many replicas of content have answered, by their own logs.
serving() {
    local name count=0
    for name in $(containers pulp_content); do
        [ "$(run logs "$name" 2>&1 | grep -cF "GET $first")" = 0 ] || count=$((count + 1))
    done
    echo $count
}
four_serve() { [ "$(serving)" = 4 ]; }

stage_up() {
    local begin=$SECONDS
    up
    say "$tool: $kind: up after $((SECONDS - begin)) s"
    first=$(python3 $client publish "$(web)" first)
    python3 $client check "$(web)" "$first"
    until_true 60 "at two replicas each" there_are 2
    ! grep -qF -e "$PULP_PASSWORD" "$work/up.log" || die "$tool: a password is in compose's output"
}

stage_scale() {
    reading "$first"
    if [ "$tool" = podman ]; then
        # podman-compose knows no --scale.
        PULP_API_REPLICAS=4 PULP_CONTENT_REPLICAS=4 PULP_WORKER_REPLICAS=4 compose up -d >"$work/scale.log" 2>&1 || true
    else
        compose up -d --no-recreate --scale pulp_api=4 --scale pulp_content=4 --scale pulp_worker=4 >"$work/scale.log" 2>&1
    fi
    until_true 300 "at four replicas each" there_are 4
    until_true 120 "served by four replicas of content" four_serve
    local service name
    for service in pulp_api pulp_content pulp_worker; do
        for name in $(containers $service | sort | tail -n +3); do run stop -t 35 "$name" >/dev/null; done
    done
    until_true 60 "at two workers" workers_are 2
    read_well "scaled to 4 and back to 2"
    for service in pulp_api pulp_content pulp_worker; do
        for name in $(run ps -a --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$service" --format '{{.Names}}' | sort | tail -n +3); do
            run rm "$name" >/dev/null
        done
    done
}
workers_are() { python3 $client status "$(web)" | grep "worker $1\$" >/dev/null; }

ready() { run exec "$1" readyz.py "$2"; }

# found NAME SINCE: whether the reader's requests come to a container. With podman a restart gives it another address,
# of which nginx hears within five seconds: who restarts its neighbour before that has none of the two.
# Not grep -q, which ends at the first one: the logs are long, and a command that cannot write the rest has failed.
found() { run logs --since "$2" "$1" 2>&1 | grep Python-urllib >/dev/null; }

stage_rolling() {
    local name since
    reading "$first"
    for name in $(containers pulp_api); do
        run restart -t 35 "$name" >/dev/null
        since=$(date -u +%FT%TZ)
        until_true 120 "ready: $name" ready "$name" /pulp/api/v3/status/
        until_true 60 "asked by nginx: $name" found "$name" "$since"
    done
    for name in $(containers pulp_content); do
        run restart -t 35 "$name" >/dev/null
        since=$(date -u +%FT%TZ)
        until_true 120 "ready: $name" ready "$name" /pulp/content/
        until_true 60 "asked by nginx: $name" found "$name" "$since"
    done
    for name in $(containers pulp_worker); do run restart -t 60 "$name" >/dev/null; done
    until_true 120 "at two workers" workers_are 2
    read_well "rolling restart"
}

fingerprints() {
    run exec -u root "$(containers pulp_api | head -n 1)" sh -c 'sha256sum /etc/pulp/certs/* /run/pulp-secrets/*' | sort
}

stage_again() {
    local before
    before=$(fingerprints)
    compose down >"$work/down.log" 2>&1 || true
    clear_away
    up
    [ "$(fingerprints)" = "$before" ] || die "$tool: a key is not what it was"
    python3 $client check "$(web)" "$first"
    second=$(python3 $client publish "$(web)" second)
    say "$tool: $kind: down and up again, with its data"
}

stage_swap() {
    [ "$tool" = podman ] || return 0
    compose down >"$work/down.log" 2>&1 || true
    clear_away
    local from=("--volume=$project-settings:/etc/pulp" "--volume=$project-storage:/var/lib/pulp" "--volume=$project-pgsql:/var/lib/pgsql")
    [ "$kind" = volumes ] || from=("--volume=$PULP_FOLDERS/settings:/etc/pulp" "--volume=$PULP_FOLDERS/pulp_storage:/var/lib/pulp" "--volume=$PULP_FOLDERS/pgsql:/var/lib/pgsql")
    run run --detach --name "$single" "${from[@]}" --publish 127.0.0.1::80 "$all" >/dev/null
    until_true 300 "ready in one container" run exec "$single" svctl wait -t 60s
    local url path
    url=http://$(run port "$single" 80/tcp | head -n 1)
    for path in "$first" ${second:+"$second"}; do python3 $client check "$url" "$path"; done
    third=$(python3 $client publish "$url" third)
    run stop -t 10 "$single" >/dev/null
    run rm "$single" >/dev/null
    say "podman: $kind: the data of compose in one container"
    up
    for path in "$first" ${second:+"$second"} "$third"; do python3 $client check "$(web)" "$path"; done
    python3 $client publish "$(web)" fourth >/dev/null
    say "podman: $kind: the data of one container in compose"
}

# measure WHAT URL: requests/s over some seconds; all answers must be good.
measure() {
    local out
    wrk --threads 1 --connections 16 --duration 2s "$2" >/dev/null # warms caches up
    out=$(wrk --threads 1 --connections 16 --duration "${SECONDS_EACH:-5}s" --latency "$2")
    ! grep 'Non-2xx' <<<"$out" >&2 || die "$tool: $1: not all answers were good"
    printf '%-40s %9s requests/s, median %s, 99 %% %s\n' "$1" \
        "$(sed -n 's/^Requests\/sec: *//p' <<<"$out")" "$(awk '/50%/ { print $2 }' <<<"$out")" "$(awk '/99%/ { print $2 }' <<<"$out")"
}

stage_figures() {
    need wrk=wrk
    local number name url
    url=$(web)
    say "$tool: $(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg) before, file of 100,000 bytes, 16 connections"
    curl --silent --output "$work/file" "$url$first"
    chmod 644 "$work/file"
    printf '%s\n' 'pid /tmp/pid; error_log stderr error; events {} http { access_log off; sendfile on; tcp_nopush on;' \
        'client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;' \
        'server { listen 8080; root /srv; } }' >"$work/nginx.conf"
    run run --detach --name "$single" --publish 127.0.0.1::8080 --volume "$work/nginx.conf:/etc/nginx/nginx.conf:ro" \
        --volume "$work/file:/srv/file:ro" "$PULP_WEB_IMAGE" >/dev/null
    name=http://$(run port "$single" 8080/tcp | head -n 1)/file
    until_true 30 "served by nginx" curl --silent --fail --output /dev/null "$name"
    measure "nginx, the same file" "$name"
    run rm -f -t 2 "$single" >/dev/null
    for number in 4 2 1; do
        PULP_CONTENT_REPLICAS=4 compose up -d pulp_content >"$work/figures.log" 2>&1 || true
        for name in $(containers pulp_content | sort | tail -n +$((number + 1))); do run stop -t 35 "$name" >/dev/null; done
        for name in $(containers pulp_content); do until_true 120 "ready: $name" ready "$name" /pulp/content/; done
        # nginx may know those that are gone for five seconds more.
        until_true 60 "at $number" has_content $number
        measure "content, $number of a process each" "$url$first"
    done
}
has_content() { python3 $client status "$(web)" | grep "content $1 " >/dev/null; }

mkdir -p "$work/folders"
[ "$tool" = podman ] || dockerd_start
clear_away
remove_data
mkdir -p "$work/folders"
second=''
for stage in "${stages[@]}"; do "stage_$stage"; done

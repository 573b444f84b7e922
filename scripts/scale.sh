#!/usr/bin/env bash
# scale.sh [STAGE...]: Pulp as on many machines, each container in a network namespace of its own, as restricted as in
# Kubernetes and with its settings (compose/kube/many-nodes/settings.py): a primary and a standby of PostgreSQL, redis,
# content in S3, replicas behind two pulp-web, and an nginx before these as the cluster's load balancer.
#
# Stages, all of them unless named:
#   figures   requests/s of content with 1, 2 and 4 replicas, and of nginx serving the same file
#   costs     connections to the database and memory of each container
#   rolling   every container of Pulp, of nginx and redis restarted while a client reads: no request may fail
#   failover  the primary is killed, the standby promoted: Pulp reads and writes again
#
# Figures of a machine that does something else besides are of no use: they are printed, not judged.
# Images: PULP_IMAGE, PULP_WEB_IMAGE, POSTGRES_IMAGE, REDIS_IMAGE, S3_IMAGE. SECONDS_EACH=5 of load a figure.
. "$(dirname "$0")/host.sh"
stages=("$@")
[ ${#stages[@]} -gt 0 ] || stages=(figures costs rolling failover)
pulp=${PULP_IMAGE:-localhost/pulp-minimal} web=${PULP_WEB_IMAGE:-localhost/pulp-web}
postgres=${POSTGRES_IMAGE:-localhost/pulp-postgres} redis=${REDIS_IMAGE:-localhost/pulp-redis}
s3=${S3_IMAGE:-localhost/pulp-s3-test}
prefix=pulp-scale network=pulpscale subnet=10.189.77
work=$cache/scale client=$PWD/tests/compose/client.py
QUIET=1 host_podman
need wrk=wrk openssl=openssl curl=curl
host_names

run() { podman_calmly "$@"; }
reader=''
finish() {
    local code=$? name
    if [ $code != 0 ]; then
        for name in $(podman ps -a --filter "label=$prefix" --format '{{.Names}}'); do
            echo "--- $name" >&2
            podman logs --tail 4 "$name" >&2 2>&1 || true
        done
    fi
    remove
    exit $code
}
remove() {
    podman ps -aq --filter "label=$prefix" | xargs -r podman rm -f -t 2 >/dev/null 2>&1 || true
    as_root rm -rf "$work"
    podman network rm -f $network >/dev/null 2>&1 || true
}
trap finish EXIT

# until_true SECONDS WHAT COMMAND...: asks until it is so.
until_true() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || die "scale: still not $what"
        sleep 1
    done
}

# start NAME USER OPTION... -- IMAGE [COMMAND...]: as Kubernetes would under `restricted`.
start() {
    local name=$1 user=$2 options=()
    shift 2
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
    run run --detach --name "$prefix-$name" --network-alias "$name" --label $prefix --network $network --restart on-failure \
        --user "$user" --read-only --cap-drop all --security-opt no-new-privileges --tmpfs /tmp \
        ${options[@]+"${options[@]}"} "$@" >/dev/null
}

# A directory that anybody may write, as an emptyDir is. (podman gives a volume the mode of what it is mounted on.)
empty_dir() { mkdir -p "$work/$1" && as_root chmod 1777 "$work/$1"; }

secrets() {
    mkdir -p "$work/certs" "$work/s3"
    compose/kube/secrets.sh >"$work/secret.yml"
    sed -n 's/^  \([a-z_.]*\): \([A-Za-z0-9+\/=]*\)$/\1 \2/p' "$work/secret.yml" | while read -r name value; do
        [ "$name" = name ] || echo "$value" | base64 -d >"$work/certs/$name"
    done
    printf test >"$work/s3/access_key"
    printf test >"$work/s3/secret_key"
    rm "$work/secret.yml"
    as_root chown -R 0:700 "$work/certs" "$work/s3"
    chmod 440 "$work"/certs/* "$work"/s3/*
    # PostgreSQL's container sees this one alone, as user 26.
    install -m 440 -g 26 "$work/certs/database_password" "$work/database_password"
    PULP_PASSWORD=$(cat "$work/certs/admin_password")
    export PULP_PASSWORD
}

postgres() {
    empty_dir "$1-run"
    start "$1" 26:26 --ip "$subnet.25${1#pg}" --volume "$work/$1-run:/run" --volume "$work/$1:/var/lib/pgsql" \
        --volume "$work/database_password:/etc/pulp-secrets/database_password:ro" \
        --env POSTGRES_USER=pulp --env POSTGRES_DB=pulp --env POSTGRES_PASSWORD_FILE=/etc/pulp-secrets/database_password \
        --env POSTGRES_MAX_CONNECTIONS=300 -- "$postgres"
    until_true 120 "ready: $1" podman exec "$prefix-$1" svctl health
}

# The standby copies the primary, and follows it.
standby() {
    local password
    password=$(openssl rand -hex 24)
    echo "create role standby login replication password '$password'" \
        | podman exec -i "$prefix-pg1" psql -qX -h /run/postgresql -U postgres -d postgres -f -
    empty_dir pg2
    PGPASSWORD=$password run run --rm --label $prefix --network $network --user 26:26 --env PGPASSWORD \
        --volume "$work/pg2:/var/lib/pgsql" "$postgres" pg_basebackup --host $subnet.251 --username standby \
        --pgdata /var/lib/pgsql/data --write-recovery-conf --checkpoint fast
    postgres pg2
    until_true 60 "following" follows
}
follows() {
    [ "$(podman exec $prefix-pg1 psql -AtX -h /run/postgresql -U postgres -c 'select state from pg_stat_replication')" = streaming ]
}

# pulp NAME COMMAND [OPTION...]. The data have addresses, not names: names may not be found for seconds while containers
# come and go (see podman-names.py), and each request asks for the database.
pulp() {
    local name=$1 command=$2
    shift 2
    empty_dir "$name"
    start "$name" 700:700 --volume "$PWD/compose/kube/many-nodes/settings.py:/etc/pulp/settings.py:ro" \
        --volume "$work/certs:/etc/pulp/certs:ro" --volume "$work/s3:/etc/pulp/s3:ro" \
        --volume "$work/$name:/var/lib/pulp" --env HOME=/tmp \
        --env POSTGRES_HOST=$subnet.251,$subnet.252 --env REDIS_LOCATION=redis://$subnet.244:6379/0 \
        --env S3_ENDPOINT=http://$subnet.243:5000 --env PULP_CONTENT_ORIGIN=http://$subnet.240:8080 \
        --env PULP_REDIRECT_TO_OBJECT_STORAGE=true \
        --env PULP_API_WORKERS=1 --env PULP_CONTENT_WORKERS=1 "$@" -- "$pulp" sh -c "$command"
}
replica() { pulp "$1$2" "exec pulp-$1" --network-alias "pulp-$1"; }

front() {
    local number
    for number in 1 2; do start web$number 700:700 --ip $subnet.24$number -- "$web"; done
    cat >"$work/nginx.conf" <<END
pid /tmp/nginx.pid; error_log stderr error;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
    sendfile on;
    upstream web { server $subnet.241:8080 max_fails=1 fail_timeout=2s; server $subnet.242:8080 max_fails=1 fail_timeout=2s; }
    server {
        listen 8080;
        client_max_body_size 0;
        location / { proxy_pass http://web; proxy_connect_timeout 2s; proxy_set_header Host \$http_host; }
    }
    # The measure: the same file, served by nginx itself.
    server { listen 8081; location / { root /tmp/file; } }
}
END
    chmod 644 "$work/nginx.conf"
    start front 700:700 --ip $subnet.240 --volume "$work/nginx.conf:/etc/nginx/nginx.conf:ro" -- "$web"
}

answers() { curl --silent --fail --max-time 10 --output /dev/null "http://$subnet.240:8080/pulp/api/v3/status/"; }
migrated() { [ "$(podman inspect -f '{{.State.Status}} {{.State.ExitCode}}' $prefix-migrate)" = 'exited 0' ]; }
ready() { podman exec "$prefix-$1" readyz.py "$2"; }
api_ready() { ready "$1" /pulp/api/v3/status/; }
content_ready() { ready "$1" /pulp/content/; }
url=http://$subnet.240:8080

s3_image() {
    [ -z "${S3_IMAGE:-}" ] || return 0
    local mounts
    scripts/base.sh
    mapfile -t mounts < <(host_build_mounts trixie)
    [ ! -e "$cache/host/ca.crt" ] || mounts+=(--build-arg=PIP_CERT=/run/host/ca.crt)
    podman build --format docker --layers --network host --quiet --tag "$s3" "${mounts[@]}" \
        --build-arg BASE=localhost/pulp-init-base --file images/s3-test/Containerfile images >/dev/null
}

everything() {
    remove
    s3_image
    secrets
    podman network create --subnet $subnet.0/24 --label $prefix $network >/dev/null
    empty_dir pg1
    start redis 700:700 --ip $subnet.244 -- "$redis"
    start s3 65534:65534 --ip $subnet.243 -- "$s3"
    postgres pg1
    standby
    until_true 60 "a bucket" podman exec $prefix-s3 python3 -c "
import boto3
boto3.client('s3', endpoint_url='http://127.0.0.1:5000', aws_access_key_id='test', aws_secret_access_key='test',
             region_name='us-east-1').create_bucket(Bucket='pulp')"
    pulp migrate "wait_on_postgres.py && pulp-setup migrations && exec set_init_password.sh" \
        --env PULP_DEFAULT_ADMIN_PASSWORD_FILE=/etc/pulp/certs/admin_password
    local number
    for number in 1 2; do replica api $number; replica worker $number; done
    replica content 1
    front
    until_true 600 "migrated" migrated
    until_true 600 "answering at the front" answers
    until_true 120 "ready: content" content_ready content1
    file=$(python3 "$client" publish $url first)
    python3 "$client" check $url "$file"
    say "scale: PostgreSQL with a standby, redis, S3, 2 API, 1 content, 2 workers, 2 web: a file published and downloaded"
}

# measure WHAT URL: requests/s over several seconds; all answers must be 200.
measure() {
    local out
    wrk --threads 1 --connections 16 --duration 2s "$2" >/dev/null # warms caches up
    out=$(wrk --threads 1 --connections 16 --duration "${SECONDS_EACH:-5}s" --latency "$2")
    ! grep -q 'Non-2xx' <<<"$out" || die "scale: $1: $(grep Non-2xx <<<"$out")"
    printf '%-44s %8s requests/s, median %s, 99 %% %s\n' "$1" \
        "$(sed -n 's/^Requests\/sec: *//p' <<<"$out")" "$(awk '/50%/ { print $2 }' <<<"$out")" "$(awk '/99%/ { print $2 }' <<<"$out")"
}

stage_figures() {
    say "scale: $(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg) before, file of 100,000 bytes, 16 connections"
    curl --silent --location --output "$work/file" "$url$file"
    podman exec $prefix-front mkdir -p /tmp/file
    podman exec -i $prefix-front sh -c 'cat >/tmp/file/file' <"$work/file"
    measure "nginx, the same file" "http://$subnet.240:8081/file"
    measure "content: 1 replica, sending to S3" "$url$file"
    replica content 2
    until_true 300 "ready: content2" content_ready content2
    sleep_until_looked_up
    measure "content: 2 replicas, sending to S3" "$url$file"
    replica content 3
    replica content 4
    until_true 300 "ready: content3" content_ready content3
    until_true 300 "ready: content4" content_ready content4
    sleep_until_looked_up
    measure "content: 4 replicas, sending to S3" "$url$file"
}
# What each replica holds of the database and of memory.
stage_costs() {
    local name
    for name in $(podman ps --filter "label=$prefix" --format '{{.Names}}' | sort); do
        printf '%-28s %4s connections, %s\n' "$name" "$(podman exec $prefix-pg1 psql -AtX -h /run/postgresql -U postgres -c \
            "select count(*) from pg_stat_activity where client_addr = '$(podman inspect -f "{{.NetworkSettings.Networks.$network.IPAddress}}" "$name")'")" \
            "$(podman stats --no-stream --format '{{.MemUsage}}' "$name" | cut -d/ -f1)"
    done
}

# nginx's answers of the name server are valid for five seconds: until the newest replica has been asked.
sleep_until_looked_up() {
    local newest
    newest=$(podman ps --filter "label=$prefix" --format '{{.Names}}' | grep content | sort | tail -n 1)
    until_true 60 "asked: $newest" asked "$newest"
}
asked() {
    curl --silent --fail --output /dev/null "$url$file"
    [ "$(podman logs "$1" 2>&1 | grep -c 'GET /pulp/content/first')" != 0 ]
}

reading() {
    python3 "$client" read $url "$file" 4 >"$work/read.log" 2>&1 &
    reader=$!
}
read_well() {
    local code=0
    kill "$reader"
    wait "$reader" || code=$?
    [ $code = 0 ] || { cat "$work/read.log" >&2; die "scale: a request failed: $1"; }
    say "scale: $1: $(tail -n 1 "$work/read.log")"
}

stage_rolling() {
    local number
    podman container exists $prefix-content2 || { replica content 2; until_true 300 "ready: content2" content_ready content2; }
    sleep_until_looked_up
    reading
    for number in 1 2; do
        run restart -t 40 $prefix-api$number >/dev/null
        until_true 300 "ready: api$number" api_ready api$number
        run restart -t 40 $prefix-content$number >/dev/null
        until_true 300 "ready: content$number" content_ready content$number
        run restart -t 40 $prefix-worker$number >/dev/null
        run restart -t 40 $prefix-web$number >/dev/null
        until_true 60 "ready: web$number" curl --silent --fail --output /dev/null "http://$subnet.24$number:8080/pulp/api/v3/status/"
    done
    run restart -t 10 $prefix-redis >/dev/null
    until_true 60 "ready: redis" podman exec $prefix-redis redis-cli ping
    read_well "every container of Pulp, nginx and redis restarted"
}

stage_failover() {
    local begin
    follows || die "scale: the standby does not follow"
    podman kill $prefix-pg1 >/dev/null
    begin=$(date +%s%N)
    podman exec $prefix-pg2 psql -AtX -h /run/postgresql -U postgres -c 'select pg_promote()' >/dev/null
    until_true 120 "answering after the failover" answers
    say "scale: primary killed, standby promoted: the API reads after $((($(date +%s%N) - begin) / 1000000)) ms"
    python3 "$client" check $url "$file"
    python3 "$client" publish $url second >/dev/null
    say "scale: and a task has run after $((($(date +%s%N) - begin) / 1000000)) ms"
}

everything
for stage in "${stages[@]}"; do "stage_$stage"; done

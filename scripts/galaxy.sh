#!/usr/bin/env bash
# galaxy.sh [STAGE...]: Ansible Galaxy's image as its users meet it, with the real `ansible-galaxy` (that of the image) and
# the documented commands. `make image-galaxy` builds what it tests.
#
# Stages, all of them unless named:
#   approval   no settings: a namespace, a token, a collection published, seen in staging, approved, installed with what it
#              depends on; wrong tokens and names; links have the published port; the interface; a stop
#   open       PULP_GALAXY_REQUIRE_CONTENT_APPROVAL=false: a collection is published without anybody's approval
#   https      the documented folders, HTTPS, a host name; a second start; the password set again
#   mounted    a settings.py of one's own
#   single     galaxy-minimal behind galaxy-web, with as many replicas as one likes
#   sync       a second Galaxy gets collections of the first, with a token of it
#   again      the image is started anew on volumes with content, which GALAXY_OLDER_IMAGE (or the same) has written
#   browser    a person logs in, in Chromium; pictures are left in .cache/galaxy-login
#   compose    compose/ with galaxy-minimal and galaxy-web, scaled while a client reads
#   tests      those of tests/image that hold for Galaxy, too (PULP_INIT_PRODUCT=galaxy)
#
# GALAXY_IMAGE, GALAXY_MINIMAL_IMAGE and GALAXY_WEB_IMAGE name other images, POSTGRES_IMAGE and REDIS_IMAGE those beside
# them, GALAXY_TEST_PORT the first of ten ports.
. "$(dirname "$0")/host.sh"
stages=("$@")
[ ${#stages[@]} -gt 0 ] || stages=(approval open https mounted single sync again browser compose tests)
image=${GALAXY_IMAGE:-localhost/galaxy}
minimal=${GALAXY_MINIMAL_IMAGE:-$image-minimal} web=${GALAXY_WEB_IMAGE:-$image-web}
export POSTGRES_IMAGE=${POSTGRES_IMAGE:-$image-postgres} REDIS_IMAGE=${REDIS_IMAGE:-$image-redis}
port=${GALAXY_TEST_PORT:-18300} password=correct-horse-battery
label=pulp-init-galaxy-test network=galaxytest
work=$cache/galaxy
QUIET=1 host_podman
need curl=curl jq=jq
if ! podman image exists "$image"; then
    say "galaxy: SKIPPED: there is no image $image: make image-galaxy"
    exit 0
fi

finish() {
    local code=$? name
    if [ $code != 0 ]; then
        for name in $(podman ps -a --filter "label=$label" --format '{{.Names}}'); do
            echo "--- $name" >&2
            podman logs --tail 15 "$name" >&2 2>&1 || true
        done
    fi
    remove
    exit $code
}
remove() {
    podman ps -aq --filter "label=$label" | xargs -r podman rm -f -v -t 2 >/dev/null 2>&1 || true
    podman network rm -f $network >/dev/null 2>&1 || true
    podman volume rm -f galaxytest-{storage,again-{settings,storage,pgsql}} >/dev/null 2>&1 || true
    as_root rm -rf "$work"
}
trap finish EXIT
remove
mkdir -p "$work"

passed() { say "galaxy: $*"; }
is() { [ "$2" = "$3" ] || die "galaxy: $1 is '$2' instead of '$3'"; }
has() { case $2 in *"$3"*) ;; *) die "galaxy: $1 has no '$3': $2" ;; esac; }

# start NAME OPTION...: the image, until all of it is ready.
start() {
    local name=galaxy-test-$1 begin
    shift
    begin=$(date +%s%N)
    podman_calmly run --detach --name "$name" --label $label --env "PULP_DEFAULT_ADMIN_PASSWORD=$password" "$@" "$image" >/dev/null
    wait_for "$name"
    passed "$name is ready after $((($(date +%s%N) - begin) / 1000000)) ms"
}
wait_for() {
    local tries=0 code=69
    while [ $code = 69 ] && [ $((tries += 1)) -le 50 ]; do # 69: the control socket is not there yet
        code=0
        podman exec "$1" svctl wait -t 300s >/dev/null 2>&1 || code=$?
    done
    is "svctl wait in $1" $code 0
}

# stop NAME: the container, which is to end by itself.
stop() {
    local name=galaxy-test-$1 begin
    begin=$(date +%s%N)
    podman_calmly stop -t 10 "$name" >/dev/null
    is "the exit code of $name" "$(podman container inspect -f '{{.State.ExitCode}}' "$name")" 0
    passed "$name stopped after $((($(date +%s%N) - begin) / 1000000)) ms"
}

# ask METHOD PATH [OPTION...]: the API, as the administrator; the body, or the status by --write-out.
ask() {
    local method=$1 path=$2
    shift 2
    curl --silent --show-error --insecure --user "admin:$password" --request "$method" "$@" "$origin$path"
}
send() { ask "$1" "$2" --header 'Content-Type: application/json' --data "$3"; }
status_of() { curl --silent --insecure --output /dev/null --write-out '%{http_code}' "$@"; }

# Waits until a task of Pulp's has ended well, by its address as galaxy_ng gives it.
ended() {
    local tries=0 state
    until state=$(ask GET "/api/galaxy/pulp/api/v3/tasks/$1/" | jq -r .state) && [[ $state =~ ^(completed|failed|canceled)$ ]]; do
        [ $((tries += 1)) -lt 120 ] || die "galaxy: the task $1 is still $state"
        sleep 0.5
    done
    is "the task $1" "$state" completed
}

# collection NAME VERSION [DEPENDENCY]: an archive of shop.NAME in $work.
collection() {
    local name=$1 version=$2 depends=${3:-}
    mkdir -p "$work/$name/meta" "$work/$name/roles/one/tasks"
    cat >"$work/$name/galaxy.yml" <<END
namespace: shop
name: $name
version: $version
readme: README.md
authors: [somebody]
license: [MIT]
tags: [linux]
repository: https://example.com/shop
dependencies: {${depends:+$depends: '>=1.0.0'}}
END
    echo "# $name" | tee "$work/$name/README.md" >"$work/$name/roles/one/README.md"
    echo "requires_ansible: '>=2.15.0'" >"$work/$name/meta/runtime.yml"
    printf -- '---\n- name: Nothing\n  ansible.builtin.debug:\n    msg: one\n' >"$work/$name/roles/one/tasks/main.yml"
    galaxy collection build --force "$name" >/dev/null
}

# ansible-galaxy, as somebody on this host runs it; $work is its directory.
galaxy() {
    podman run --rm --network host --label $label --volume "$work:/w:z" --workdir /w --env HOME=/w \
        --env ANSIBLE_GALAXY_IGNORE=true --env ANSIBLE_NOCOLOR=true "$image" ansible-galaxy "$@" 2>&1
}
publish() { galaxy collection publish --server "$origin/api/galaxy/" --token "$token" "$1"; }
token_of() { ask POST /api/galaxy/v3/auth/token/ | jq -r .token; }
collections_in() { ask GET "/api/galaxy/v3/plugin/ansible/content/$1/collections/index/" | jq -r '[.data[].name] | sort | join(" ")'; }

# staged NAME VERSION: waits for it. Where an import ends a task of its own begins, which puts the collection there.
staged() {
    local tries=0
    until [ "$(status_of --user "admin:$password" "$origin/api/galaxy/v3/plugin/ansible/content/staging/collections/index/shop/$1/versions/$2/")" = 200 ]; do
        [ $((tries += 1)) -lt 120 ] || die "galaxy: $1 $2 is not in staging"
        sleep 0.5
    done
}

# approve NAME VERSION: moves it from staging to published, as the interface's button does.
approve() {
    local answer
    staged "$1" "$2"
    answer=$(ask POST "/api/galaxy/v3/collections/shop/$1/versions/$2/move/staging/published/")
    for task in $(jq -r '.[] | strings' <<<"$answer" | sort -u); do ended "$task"; done
}

# Links that Galaxy gives have the address by which it was asked.
links_fit() {
    local url
    url=$(ask GET "/api/galaxy/v3/plugin/ansible/content/published/collections/index/shop/$1/versions/$2/" | jq -r .download_url)
    has "download_url" "$url" "$origin/"
    is "the archive behind it" "$(status_of --location --user "admin:$password" "$url")" 200
}

interface() {
    is "the interface's page" "$(status_of "$origin/ui/")" 200
    has "the interface's page" "$(curl --silent --insecure "$origin/ui/login")" 'id="root"'
    has "the address that / leads to" "$(curl --silent --insecure --output /dev/null --write-out '%{redirect_url}' "$origin/")" "$origin/ui/"
    local script
    script=$(curl --silent --insecure "$origin/ui/" | grep -o '/static/galaxy_ng/js/App[^"]*')
    is "its program" "$(status_of "$origin$script")" 200
}

approval() {
    origin=http://localhost:$port
    start approval --publish "127.0.0.1:$port:80"
    is "svctl health" "$(podman exec galaxy-test-approval svctl health >/dev/null && echo well)" well
    interface
    for repository in staging published rejected community rh-certified; do
        is "the repository $repository" "$(status_of --user "admin:$password" \
            "$origin/api/galaxy/v3/plugin/ansible/content/$repository/collections/")" 200
    done
    token=$(token_of)
    collection tools 1.0.0
    collection base 1.0.0
    collection app 2.0.0 shop.base
    has "publishing without a namespace" "$(publish shop-tools-1.0.0.tar.gz || true)" "Namespace in filename not found"
    is "the namespace" "$(send POST /api/galaxy/v3/namespaces/ '{"name": "shop", "groups": []}' | jq -r .name)" shop
    has "a wrong token" "$(token=wrong publish shop-tools-1.0.0.tar.gz || true)" "HTTP Code: 403"
    is "nobody's request" "$(status_of "$origin/api/galaxy/v3/namespaces/")" 403
    for archive in shop-tools-1.0.0 shop-base-1.0.0 shop-app-2.0.0; do
        has "publishing $archive" "$(publish $archive.tar.gz)" "successfully published"
    done
    for one in "tools 1.0.0" "base 1.0.0" "app 2.0.0"; do staged "${one% *}" "${one#* }"; done
    is "staging" "$(collections_in staging)" "app base tools"
    is "published" "$(collections_in published)" ""
    has "installing what nobody approved" "$(install tools || true)" "Failed to resolve"
    for one in "tools 1.0.0" "base 1.0.0" "app 2.0.0"; do approve "${one% *}" "${one#* }"; done
    is "staging" "$(collections_in staging)" ""
    is "published" "$(collections_in published)" "app base tools"
    links_fit tools 1.0.0
    install app >/dev/null
    for name in app base; do [ -e "$work/installed/ansible_collections/shop/$name/MANIFEST.json" ] || die "galaxy: $name is not installed"; done
    big
    all_ended_well
    stop approval
}
install() {
    rm -rf "$work/installed"
    galaxy collection install --server "$origin/api/galaxy/" --token "$token" --collections-path /w/installed "shop.$1"
}

# No task has failed, of which nobody was told.
all_ended_well() { is "tasks that failed" "$(ask GET "/api/galaxy/pulp/api/v3/tasks/?state=failed" | jq -c '[.results[].name]')" "[]"; }

# 20 MB that nothing can make smaller.
big() {
    mkdir -p "$work/big/files"
    head -c 20000000 /dev/urandom >"$work/big/files/blob"
    collection big 1.0.0
    has "publishing 20 MB" "$(publish shop-big-1.0.0.tar.gz)" "successfully published"
    approve big 1.0.0
    install big >/dev/null
    cmp "$work/big/files/blob" "$work/installed/ansible_collections/shop/big/files/blob"
}

open() {
    origin=http://localhost:$((port + 1))
    start open --publish "127.0.0.1:$((port + 1)):80" -e "PULP_GALAXY_REQUIRE_CONTENT_APPROVAL=false"
    token=$(token_of)
    send POST /api/galaxy/v3/namespaces/ '{"name": "shop", "groups": []}' >/dev/null
    collection tools 1.1.0
    has "publishing" "$(publish shop-tools-1.1.0.tar.gz)" "successfully published"
    is "staging" "$(collections_in staging)" ""
    is "published" "$(collections_in published)" tools
    install tools >/dev/null
    links_fit tools 1.1.0
    stop open
}

https() {
    origin=https://localhost:$((port + 2))
    mkdir -p "$work"/{settings/certs,pulp_storage,pgsql,containers}
    local folders=(--volume "$work/settings/certs:/etc/pulp/certs:Z" --volume "$work/pulp_storage:/var/lib/pulp:Z"
        --volume "$work/pgsql:/var/lib/pgsql:Z" --volume "$work/containers:/var/lib/containers:Z")
    local options=(--publish "127.0.0.1:$((port + 2)):443" -e "PULP_HTTPS=true" -e "GALAXY_PORT=$((port + 2))"
        -e "GALAXY_HOSTNAME=my.galaxy.host.example.com,localhost" "${folders[@]}")
    start https "${options[@]}"
    send POST /api/galaxy/v3/namespaces/ '{"name": "shop", "groups": []}' >/dev/null
    token=$(token_of)
    has "the token" "$token" ""
    # A registry's clients are sent to the name that was given, whatever name they used; the certificate has it.
    has "the realm of /v2/" "$(curl --silent --insecure --head --header 'Host: elsewhere' "$origin/v2/")" \
        "realm=\"https://my.galaxy.host.example.com:$((port + 2))/token/\""
    has "the certificate" "$(openssl s_client -connect "localhost:$((port + 2))" </dev/null 2>/dev/null \
        | openssl x509 -noout -ext subjectAltName)" "my.galaxy.host.example.com"
    password=another-horse-battery
    podman exec galaxy-test-https bash -c "pulpcore-manager reset-admin-password --password '$password'" >/dev/null
    is "the namespace" "$(ask GET /api/galaxy/v3/namespaces/shop/ | jq -r .name)" shop
    stop https
    podman rm galaxy-test-https >/dev/null
    # The data is that of the folders, and the password the later one.
    start https "${options[@]}"
    is "the namespace" "$(ask GET /api/galaxy/v3/namespaces/shop/ | jq -r .name)" shop
    is "the token" "$(status_of --header "Authorization: Token $token" "$origin/api/galaxy/v3/namespaces/")" 200
    stop https
    password=correct-horse-battery
}

mounted() {
    origin=http://localhost:$((port + 3))
    mkdir -p "$work/own"
    printf "CONTENT_ORIGIN = 'http://galaxy.example.org:81'\nGALAXY_REQUIRE_CONTENT_APPROVAL = False\n" >"$work/own/settings.py"
    start mounted --publish "127.0.0.1:$((port + 3)):80" --volume "$work/own:/etc/pulp:Z"
    token=$(token_of)
    send POST /api/galaxy/v3/namespaces/ '{"name": "shop", "groups": []}' >/dev/null
    collection tools 1.2.0
    has "publishing" "$(publish shop-tools-1.2.0.tar.gz)" "successfully published"
    has "download_url" "$(ask GET /api/galaxy/v3/plugin/ansible/content/published/collections/index/shop/tools/versions/1.2.0/ \
        | jq -r .download_url)" "http://galaxy.example.org:81/"
    stop mounted
}

# one NAME COMMAND...: a process of galaxy-minimal.
one() {
    local name=$1
    shift
    podman_calmly run --detach --name "galaxy-test-$name" --label $label --network $network --network-alias "${name%%[0-9]*}" \
        --volume "$work/single:/etc/pulp:z" --volume galaxytest-storage:/var/lib/pulp "$minimal" "$@" >/dev/null
}

single() {
    origin=http://localhost:$((port + 4))
    podman network create $network >/dev/null
    host_names
    mkdir -p "$work/single/certs"
    openssl rand -base64 32 >"$work/single/certs/database_fields.symmetric.key"
    printf 'SECRET_KEY = "aabbcc"\nDATABASES = {"default": {"HOST": "database", "ENGINE": "django.db.backends.postgresql", "NAME": "pulp", "USER": "pulp", "PASSWORD": "password"}}\nREDIS_HOST = "redis"\nREDIS_PORT = 6379\nCACHE_ENABLED = True\n' >"$work/single/settings.py"
    chmod -R a+rX "$work/single"
    podman_calmly run --detach --name galaxy-test-database --label $label --network $network --network-alias database \
        --env POSTGRES_USER=pulp --env POSTGRES_PASSWORD=password --env POSTGRES_DB=pulp "$POSTGRES_IMAGE" >/dev/null
    podman_calmly run --detach --name galaxy-test-redis --label $label --network $network --network-alias redis \
        "$REDIS_IMAGE" >/dev/null
    podman_calmly run --rm --name galaxy-test-migrations --label $label --network $network --volume "$work/single:/etc/pulp:z" \
        --volume galaxytest-storage:/var/lib/pulp --env "PULP_DEFAULT_ADMIN_PASSWORD=$password" "$minimal" \
        bash -c 'wait_on_postgres.py && pulp-setup migrations && set_init_password.sh'
    one pulp-api1 pulp-api
    one pulp-api2 pulp-api
    one pulp-content1 pulp-content
    one pulp-worker1 pulp-worker
    podman_calmly run --detach --name galaxy-test-web --label $label --network $network \
        --publish "127.0.0.1:$((port + 4)):8080" "$web" >/dev/null
    local tries=0
    until [ "$(status_of "$origin/api/galaxy/pulp/api/v3/status/")" = 200 ]; do
        [ $((tries += 1)) -lt 120 ] || die "galaxy: galaxy-web does not answer"
        sleep 1
    done
    interface
    token=$(token_of)
    send POST /api/galaxy/v3/namespaces/ '{"name": "shop", "groups": []}' >/dev/null
    collection tools 1.3.0
    has "publishing" "$(publish shop-tools-1.3.0.tar.gz)" "successfully published"
    approve tools 1.3.0
    install tools >/dev/null
    links_fit tools 1.3.0
    podman volume rm -f galaxytest-storage >/dev/null 2>&1 || true
}

# A second Galaxy, in the same network, takes over what the first has published. Clients of the second need not know the first.
sync() {
    podman network create $network >/dev/null
    host_names
    origin=http://localhost:$((port + 5))
    start first --network $network --network-alias first.example.com --publish "127.0.0.1:$((port + 5)):80" \
        -e "PULP_GALAXY_REQUIRE_CONTENT_APPROVAL=false"
    token=$(token_of)
    send POST /api/galaxy/v3/namespaces/ '{"name": "shop", "groups": []}' >/dev/null
    collection base 1.0.0
    collection app 2.0.0 shop.base
    publish shop-base-1.0.0.tar.gz >/dev/null
    publish shop-app-2.0.0.tar.gz >/dev/null
    local firsts=$token
    origin=http://localhost:$((port + 6))
    start second --network $network --publish "127.0.0.1:$((port + 6)):80"
    is "community" "$(collections_in community)" ""
    take_from_first wrong
    has "a sync with a wrong token" "$(task_of_sync failed | jq -r .error.description)" "403"
    take_from_first "$firsts"
    task_of_sync completed >/dev/null
    is "community" "$(collections_in community)" "app base"
    stop first
    token=$(token_of)
    rm -rf "$work/installed"
    galaxy collection install --server "$origin/api/galaxy/content/community/" --token "$token" --collections-path /w/installed \
        shop.app >/dev/null
    for name in app base; do [ -e "$work/installed/ansible_collections/shop/$name/MANIFEST.json" ] || die "galaxy: $name is not installed"; done
    stop second
}
# take_from_first TOKEN: where the community's collections come from. A token is in no command line.
take_from_first() {
    TOKEN=$1 jq -n '{url: "http://first.example.com/api/galaxy/content/published/", token: env.TOKEN, policy: "immediate",
        requirements_file: "collections:\n  - name: shop.app\n"}' \
        | ask PUT /api/galaxy/content/community/v3/sync/config/ --header 'Content-Type: application/json' --data @- >/dev/null
}
# task_of_sync STATE: starts a sync of the community's collections and waits until its task has ended so.
task_of_sync() {
    local task tries=0 found
    task=$(ask POST /api/galaxy/content/community/v3/sync/ | jq -r .task)
    until found=$(ask GET "/api/galaxy/pulp/api/v3/tasks/$task/") && [[ $(jq -r .state <<<"$found") =~ ^(completed|failed)$ ]]; do
        [ $((tries += 1)) -lt 240 ] || die "galaxy: the sync has not ended: $found"
        sleep 0.5
    done
    is "the sync's task ($(jq -r .error.description <<<"$found"))" "$(jq -r .state <<<"$found")" "$1"
    printf %s "$found"
}

again() {
    origin=http://localhost:$((port + 7))
    local newer=$image volume
    local options=(--publish "127.0.0.1:$((port + 7)):80")
    for volume in settings:/etc/pulp storage:/var/lib/pulp pgsql:/var/lib/pgsql; do options+=(--volume "galaxytest-again-$volume"); done
    image=${GALAXY_OLDER_IMAGE:-$image} start again "${options[@]}"
    local was
    was=$(ask GET /api/galaxy/ | jq -r .galaxy_ng_version)
    token=$(token_of)
    send POST /api/galaxy/v3/namespaces/ '{"name": "shop", "groups": []}' >/dev/null
    collection base 1.0.0
    publish shop-base-1.0.0.tar.gz >/dev/null
    approve base 1.0.0
    stop again
    podman rm galaxy-test-again >/dev/null
    image=$newer
    start again "${options[@]}"
    passed "galaxy_ng $was is now $(ask GET /api/galaxy/ | jq -r .galaxy_ng_version)"
    install base >/dev/null # with the token of before
    collection app 2.0.0 shop.base
    publish shop-app-2.0.0.tar.gz >/dev/null
    approve app 2.0.0
    install app >/dev/null
    all_ended_well
    stop again
}

browser() {
    origin=http://localhost:$((port + 8))
    start browser --publish "127.0.0.1:$((port + 8)):80"
    GALAXY_PASSWORD=$password scripts/galaxy-login.sh "$origin/" "$cache/galaxy-login"
    stop browser
}

compose() { PULP_PRODUCT=galaxy PULP_IMAGE=$minimal PULP_WEB_IMAGE=$web scripts/compose.sh podman volumes up scale; }

tests() {
    need_cargo
    PULP_INIT_PRODUCT=galaxy PULP_IMAGE=$image PULP_MINIMAL_IMAGE=$minimal PULP_WEB_IMAGE=$web cargo test --quiet --locked \
        --workspace --features docs,containers --test image -- bill:: collections:: external:: imports:: interrupted:: killed:: \
        places:: product:: restricted:: secrets:: single:: structure:: supervision:: upgrade::
}

for stage in "${stages[@]}"; do
    case $stage in
        approval | open | https | mounted | single | sync | again | browser | compose | tests)
            remove
            mkdir -p "$work"
            say "galaxy: $stage"
            "$stage"
            ;;
        *) die "galaxy: there is no stage $stage" ;;
    esac
done
passed "${stages[*]}: passed"

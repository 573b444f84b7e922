# shellcheck shell=bash disable=SC2034,SC2317 # the steps use what is here
# Sourced before each workflow, in the container of the clients. It shares the network of Pulp's, which it calls pulp.example.com.
pulp=${PULP_ORIGIN:?}
registry=${pulp#*://}
# Other Pulps, by HTTP: one for what is exported and for users who are known elsewhere; one that signs; one with its content in S3.
second=${PULP_SECOND:-}
signs=${PULP_SIGNS:-}
stored=${PULP_STORED:-}
verify=false # whether there is a certificate to look at
[[ $pulp != https:* ]] || verify=true
# What is synced from: files of this container, served by itself.
source=http://localhost:9000
sources=/work/source
own=/work/${workflow:?}
mkdir -p "$sources" "$own"
cd "$own" || exit

# api METHOD PATH [JSON]: an answer of the REST API.
api() {
    curl --silent --show-error --fail-with-body --netrc --request "$1" ${3:+--header 'Content-Type: application/json' --data "$3"} \
        "$pulp$2"
}

# at ADDRESS: what follows is done with another Pulp.
at() {
    pulp=$1 registry=${1#*://} verify=false
    pulp() { command pulp --base-url "$pulp" "$@"; }
}

# form PATH FIELD...: an upload by the REST API.
form() {
    local path=$1 field fields=()
    shift
    for field in "$@"; do fields+=(--form "$field"); done
    curl --silent --show-error --fail-with-body --netrc "${fields[@]}" "$pulp$path"
}

# ended: waits for the task that the answer on standard input names, and prints what it has created.
ended() {
    local task found tries=0
    # Some plugins name it with its server.
    task=$(jq --raw-output '.task // error("there is no task")' | sed 's|^https\?://[^/]*||')
    [ -n "$task" ] || return 1
    until found=$(api GET "$task") && [[ $(jq --raw-output .state <<<"$found") =~ ^(completed|failed|canceled)$ ]]; do
        [ $((tries += 1)) -lt 300 ] || { echo "the task goes on and on: $found" >&2; return 1; }
        sleep 0.2
    done
    [ "$(jq --raw-output .state <<<"$found")" = completed ] || { jq .error <<<"$found" >&2; return 1; }
    jq --raw-output '.created_resources[]' <<<"$found"
}

# content PATH [OPTION...]: what the content app serves, to curl with these options.
content() { curl --silent --show-error --fail "${@:2}" "$pulp/pulp/content/$1"; }

# refused COMMAND...: succeeds if the command does not.
refused() { ! "$@" >/dev/null 2>&1; }

# deb_package NAME VERSION DIRECTORY: makes a package of Debian there.
deb_package() {
    mkdir -p tree/DEBIAN "tree/opt/$1"
    printf '%s\n' "Package: $1" "Version: $2" 'Architecture: amd64' 'Maintainer: Somebody <somebody@example.com>' 'Description: a package' >tree/DEBIAN/control
    echo "$2" >"tree/opt/$1/version"
    dpkg-deb --root-owner-group --build tree "$3" >/dev/null
    rm -rf tree
}

# apt_ WORD...: apt-get with sources.list and lists of this directory.
apt_() {
    apt-get -qq -o Dir::Etc::SourceList="$PWD/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$PWD/lists" \
        -o APT::Sandbox::User=root "$@"
}

# collection NAME VERSION [DEPENDENCY]: makes a collection of Ansible in this directory.
collection() {
    mkdir -p "$1/meta"
    printf '%s\n' 'namespace: shop' "name: $1" "version: $2" 'readme: README.md' 'authors: [somebody]' 'license: [MIT]' 'tags: [linux]' \
        'repository: https://example.com/one' "dependencies: {${3:+$3: '*'}}" >"$1/galaxy.yml"
    echo "# $1" >"$1/README.md"
    echo "requires_ansible: '>=2.16.0'" >"$1/meta/runtime.yml"
    ansible-galaxy collection build --force "$1" >/dev/null
}

# The server of the sources comes and goes.
source_goes() { pkill -f 'http.server 9000' || true; until refused curl --silent "$source/"; do sleep 0.1; done; }
source_comes() {
    curl --silent --output /dev/null "$source/" && return
    python3 -m http.server 9000 --directory "$sources" >/dev/null 2>&1 &
    until curl --silent --output /dev/null "$source/"; do sleep 0.1; done
}
source_comes

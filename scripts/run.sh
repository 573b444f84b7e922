#!/usr/bin/env bash
# Starts Pulp and waits until all of it is ready, showing what it waits for. Does nothing that is already done.
# PRODUCT=galaxy starts Ansible Galaxy instead, under that name and with volumes of its own.
# PORT=8080 is the port, PULP_HTTPS=true as for the image, PULP_DEFAULT_ADMIN_PASSWORD the administrator's password.
. "$(dirname "$0")/host.sh"
name=${PRODUCT:-pulp}
image=localhost/$name
QUIET=1 host_podman

state() { podman container inspect -f "$1" "$name" 2>/dev/null; }
in_use() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() {
    local port=${PORT:-8080}
    while in_use "$port"; do port=$((port + 1)); done
    echo "$port"
}

inside=80 scheme=http
[ "${PULP_HTTPS:-false}" != true ] || { inside=443 scheme=https; }
log=''
if [ "$(state '{{.State.Running}} {{.Image}}')" = "true $(podman image inspect -f '{{.Id}}' "$image")" ]; then
    say "$name is already running"
else # stopped, or from an older image
    podman_calmly rm -f -t 10 "$name" >/dev/null || true
    port=$(free_port)
    say "starting $name on 127.0.0.1:$port"
    fuse=()
    [ ! -e /dev/fuse ] || fuse=(--device /dev/fuse)
    podman_calmly run --detach --name "$name" --publish "127.0.0.1:$port:$inside" ${fuse[@]+"${fuse[@]}"} \
        --env PULP_HTTPS="${PULP_HTTPS:-false}" --env PULP_PORT="$port" --env PULP_DEFAULT_ADMIN_PASSWORD \
        --volume "$name-settings:/etc/pulp" --volume "$name-storage:/var/lib/pulp" \
        --volume "$name-pgsql:/var/lib/pgsql" --volume "$name-containers:/var/lib/containers" "$image" >/dev/null \
        || die "cannot start $name: see the line above; \`make stop\` and \`make run\` begin anew"
    podman logs --follow "$name" 2>&1 & # its own boot log is the progress that is shown
    log=$!
fi

ready=69 tries=0
while [ $ready = 69 ] && [ $((tries += 1)) -le 50 ]; do # 69: the control socket is not there yet
    ready=0
    podman exec "$name" svctl wait -t 300s >/dev/null 2>"$cache/wait.err" || ready=$?
done
if [ -n "$log" ]; then
    sleep 0.3 # podman's logs come a moment later
    kill "$log" 2>/dev/null || true
    wait "$log" 2>/dev/null || true
fi
if [ $ready != 0 ]; then
    cat "$cache/wait.err" >&2
    podman exec "$name" svctl list -a >&2 || true
    die "$name is not ready (svctl wait: exit $ready); its log: podman logs $name"
fi

port=$(podman port "$name" $inside/tcp | sed 's/.*://')
in_use "$port" || die "$name is ready, but 127.0.0.1:$port does not answer: does this host let podman publish ports?"
echo
podman exec "$name" svctl list
answers="Pulp answers on $scheme://localhost:$port/pulp/api/v3/status/"
client="pip install pulp-cli && pulp config create --username admin --base-url $scheme://localhost:$port"
if [ "$name" = galaxy ]; then
    answers="Galaxy answers on $scheme://localhost:$port/"
    client="ansible-galaxy collection publish -s $scheme://localhost:$port/api/galaxy/ --token TOKEN ARCHIVE"
fi
cat <<TEXT

$answers

Next:
  podman exec -it $name pulpcore-manager reset-admin-password
  $client
  podman exec $name svctl status pulp-api
  make stop
TEXT

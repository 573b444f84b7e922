#!/usr/bin/env bash
# Starts the demonstration and waits until every service in it is ready. Does nothing that is already done.
. "$(dirname "$0")/host.sh"
name=pulp-init-demo image=localhost/pulp-init-demo
QUIET=1 host_podman

state() { podman container inspect -f "$1" $name 2>/dev/null; }
in_use() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() {
    local port=${PORT:-8080}
    while in_use "$port"; do port=$((port + 1)); done
    echo "$port"
}

log=''
if [ "$(state '{{.State.Running}} {{.Image}}')" = "true $(podman image inspect -f '{{.Id}}' $image)" ]; then
    say "$name is already running"
else # stopped, or from an older image
    podman_calmly rm -f -t 10 $name >/dev/null || true
    port=$(free_port)
    say "starting $name on 127.0.0.1:$port"
    podman_calmly run --detach --name $name --publish "127.0.0.1:$port:8080" \
        --volume pulp-init-demo:/var/lib/postgresql $image >/dev/null \
        || die "cannot start $name: see the line above; \`make demo-stop\` and \`make demo\` begin anew"
    podman logs --follow $name 2>&1 & # its own boot log is the progress that is shown
    log=$!
fi

ready=69 tries=0
while [ $ready = 69 ] && [ $((tries += 1)) -le 50 ]; do # 69: the control socket is not there yet
    ready=0
    podman exec $name svctl wait -t 90s >/dev/null 2>"$cache/wait.err" || ready=$?
done
if [ -n "$log" ]; then
    sleep 0.3 # podman's logs come a moment later
    kill "$log" 2>/dev/null || true
    wait "$log" 2>/dev/null || true
fi
if [ $ready != 0 ]; then
    cat "$cache/wait.err" >&2
    podman exec $name svctl list -a >&2 || true
    die "$name is not ready (svctl wait: exit $ready); its log: podman logs $name"
fi

port=$(podman port $name 8080/tcp | sed 's/.*://')
in_use "$port" || die "$name is ready, but 127.0.0.1:$port does not answer: does this host let podman publish ports?"
echo
podman exec $name svctl list
cat <<TEXT

The demonstration answers on http://127.0.0.1:$port/

Try:
  podman exec -it $name svctl status postgres
  podman exec -it $name svctl restart nginx
  podman exec -it $name svctl logs -f
  podman exec $name svctl health
  make demo-stop
TEXT

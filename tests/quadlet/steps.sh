#!/bin/bash
# What systemd and podman make of compose/pulp.container and compose/pulp.socket. Runs in the machine of scripts/quadlet.sh.
set -euo pipefail
url=http://localhost:8080/pulp/api/v3/status/
boot=120 # seconds that a boot may take here

die() {
    printf 'quadlet: %s\n' "$*"
    systemctl status --no-pager --full pulp.socket pulp.service || true
    journalctl --no-pager --lines 60 --unit pulp.service
    exit 1
} >&2
said() { printf 'quadlet: %s\n' "$*"; }
property() { systemctl show --property "$1" --value pulp.service; }
# within SECONDS WHAT COMMAND...
within() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ $SECONDS -lt $end ] || die "not seen in time: $what"
        sleep 0.2
    done
}
answers() { curl --silent --show-error --fail --max-time $boot --output /dev/null "$@" "$url"; }

# As docs/socket-activation.md says, with checks of health that are soon impatient: a boot takes longer than they allow.
sed -e '/^PublishPort=/d' -e 's/^HealthInterval=.*/HealthInterval=1s/' -e 's/^HealthRetries=.*/HealthRetries=3/' \
    /compose/pulp.container >/etc/containers/systemd/pulp.container
cp /compose/pulp.socket /etc/systemd/system/
systemctl daemon-reload
systemctl enable --now --quiet pulp.socket

[ "$(property ActiveState)" = inactive ] || die "Pulp runs before there is a client"
answers || die "the first client got no answer"
[ "$(property ActiveState)" = active ] || die "Pulp answers, and is not active"
[[ "$(property StatusText)" == "ready in "* ]] || die "systemd was told: $(property StatusText)"
[ "$(property NRestarts)" = 0 ] || die "the first boot was killed"
{ answers --ipv6 && answers --ipv4; } || die "no answer by IPv6 or by IPv4"
said "the first client started Pulp and got its answer; checks of health did not kill the boot: $(property StatusText)"

# Clients ask all the time; curl's code 7 is a connection that was refused.
ask() {
    local code
    while [ ! -e /tmp/done ]; do
        code=0
        answers 2>/dev/null || code=$?
        echo $code
    done
}
ask >/tmp/codes &
within $boot "answers before the restart" test -s /tmp/codes
systemctl restart pulp.service
answers || die "no answer after the restart"
touch /tmp/done
wait
! grep --quiet --line-regexp 7 /tmp/codes || die "clients were refused during the restart: $(sort /tmp/codes | uniq -c)"
said "a restart refused no client: $(grep --count --line-regexp 0 /tmp/codes) answers"

healthy() { [ "$(podman inspect --format '{{.State.Health.Status}}' pulp)" = healthy ]; }
within 60 "a check of health that passes" healthy
id=$(podman inspect --format '{{.Id}}' pulp)
# PID 1 that does nothing any more.
kill -STOP "$(podman inspect --format '{{.State.Pid}}' pulp)"
another() { [ "$(property ActiveState)" = active ] && [ "$(podman inspect --format '{{.Id}}' pulp 2>/dev/null)" != "$id" ]; }
within $((boot + 60)) "another container in the place of the one that hung" another
answers || die "no answer after the container was killed"
[ "$(property NRestarts)" -ge 1 ] || die "systemd did not restart it"
said "a container that hung was killed and replaced"

systemctl stop pulp.socket pulp.service
[ "$(property Result)" = success ] || die "the stop: $(property Result)"
said "stopped"

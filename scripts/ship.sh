#!/usr/bin/env bash
# ship.sh: `svctl ship` with the real rsyslog and a real collector of OpenTelemetry (Rotel, from PyPI). `make build` builds what it tests.
. "$(dirname "$0")/common.sh"
programs=${PULP_INIT_PROGRAMS:-target/x86_64-unknown-linux-gnu/release}
need rsyslogd=rsyslog python3=python3-venv
if ! [ -d "$cache/rotel" ]; then
    python3 -m venv "$cache/rotel.new"
    "$cache/rotel.new/bin/pip" install --quiet rotel
    mv "$cache/rotel.new" "$cache/rotel"
fi
collector=$(echo "$cache"/rotel/lib/python3*/site-packages/rotel/rotel-agent)
work=$(mktemp -d) port=${SHIP_TEST_PORT:-19514}
mkdir "$work/services.d"
export INIT_RUNTIME_DIR=$work/run
define() { cat >"$work/services.d/$1.toml"; }
define lines <<END
type = "oneshot"
exec = ["sh", "-c", "seq -f 'line %g of two thousand, ü' 1 2000"]
autostart = false
END
define ship <<END
exec = ["$PWD/$programs/svctl", "ship", "syslog+tcp://127.0.0.1:$port", "syslog+udp://127.0.0.1:$port", "otlp+http://127.0.0.1:$((port + 1))"]
[ready]
notify = true
END
printf 'log-ring = "4MiB"\n' >"$work/services.d/init.toml"
cat >"$work/rsyslog.conf" <<END
module(load="imtcp")
module(load="imudp")
template(name="line" type="string" string="%app-name% %hostname% %timestamp:::date-rfc3339% %msg%\n")
ruleset(name="tcp") { action(type="omfile" file="$work/tcp.log" template="line") }
ruleset(name="udp") { action(type="omfile" file="$work/udp.log" template="line") }
input(type="imtcp" address="127.0.0.1" port="$port" ruleset="tcp")
input(type="imudp" address="127.0.0.1" port="$port" ruleset="udp" rcvbufsize="4m")
END
rsyslogd -n -f "$work/rsyslog.conf" -i "$work/rsyslog.pid" >"$work/rsyslog.out" 2>&1 &
rsyslog=$!
"$programs/pulp-init" --services "$work/services.d" >"$work/log" 2>&1 &
init=$!
end_all() {
    local code=$?
    [ $code = 0 ] || tail -n 20 "$work"/log "$work"/rotel.log "$work"/rsyslog.out >&2 || true
    kill $init $rsyslog "${rotel:-$init}" 2>/dev/null || true
    wait || true
    rm -rf "$work"
    exit $code
}
trap end_all EXIT
tries=0
until "$programs/svctl" wait -t 60s ship >/dev/null 2>&1; do
    [ $((tries += 1)) -le 100 ] || die "ship: it does not start: $(cat "$work/log")"
    sleep 0.1
done
"$programs/svctl" start lines
# has FILE TEXT: waits until it is there.
has() {
    local tries=0
    until grep -qF "$2" "$1" 2>/dev/null; do
        [ $((tries += 1)) -le 600 ] || die "ship: '$2' does not come to $1"
        sleep 0.1
    done
}
has "$work/tcp.log" "line 2000 of"
[ "$(grep -c '^lines [^ ]* [0-9T:.-]*Z  \?line [0-9]* of two thousand, ü$' "$work/tcp.log")" = 2000 ] \
    || die "ship: rsyslog has by TCP: $(grep -c '^lines' "$work/tcp.log") lines, such as $(grep -m 1 '^lines' "$work/tcp.log")"
has "$work/udp.log" "line 1 of"
has "$work/tcp.log" "lines: ending -> done"
# The collector comes later than the lines.
"$collector" start --otlp-http-endpoint "127.0.0.1:$((port + 1))" --exporter blackhole --debug-log logs \
    --debug-log-verbosity detailed --pid-file "$work/rotel.pid" >"$work/rotel.log" 2>&1 &
rotel=$!
has "$work/rotel.log" "line 2000 of two thousand, ü"
has "$work/rotel.log" "service.name"
# A server that goes and comes back gets what came meanwhile.
kill $rsyslog
wait $rsyslog || true
"$programs/svctl" restart lines
mv "$work/tcp.log" "$work/before.log"
rsyslogd -n -f "$work/rsyslog.conf" -i "$work/rsyslog.pid" >"$work/rsyslog.out" 2>&1 &
rsyslog=$!
has "$work/tcp.log" "line 2000 of"
say "ship: rsyslog by TCP and UDP, and a collector of OpenTelemetry, have what a service wrote"

#!/usr/bin/env bash
# console.sh: `svctl serve` as a service, with the real Prometheus and in a browser. `make build` builds what it tests. Pictures are left
# in .cache/console.
. "$(dirname "$0")/common.sh"
programs=${PULP_INIT_PROGRAMS:-target/x86_64-unknown-linux-gnu/release}
pictures=$cache/console port=${CONSOLE_TEST_PORT:-19180}
need curl=curl jq=jq prometheus=prometheus
work=$(mktemp -d)
umask 077
openssl rand -hex 32 >"$work/token"
umask 022
mkdir "$work/services.d"
export INIT_RUNTIME_DIR=$work/run
define() { cat >"$work/services.d/$1.toml"; }
define web <<END
description = "says what time it is"
exec = ["sh", "-c", "while echo '<b>it is</b>' \$(date +%T); do sleep 1; done"]
END
define broken <<END
exec = ["sh", "-c", "echo 'no such database'; exit 3"]
[restart]
delay = "10s"
END
define once <<END
type = "oneshot"
exec = ["true"]
END
define console <<END
exec = ["$PWD/$programs/svctl", "serve", "--listen", "127.0.0.1:$port", "--token-file", "$work/token"]
[ready]
notify = true
END
"$programs/pulp-init" --services "$work/services.d" >"$work/log" 2>&1 &
init=$!
end_all() {
    local code=$?
    [ $code = 0 ] || tail -n 20 "$work"/log "$work"/prometheus.log >&2 || true
    [ -z "${driver:-}" ] || end_browser || true
    kill "${prometheus:-$init}" 2>/dev/null || true
    kill $init 2>/dev/null || true
    wait || true
    rm -rf "$work"
    exit $code
}
trap end_all EXIT
tries=0 code=69 # the control socket is not there yet
while [ $code = 69 ] && [ $((tries += 1)) -le 100 ]; do
    code=0
    "$programs/svctl" wait -t 60s console >/dev/null 2>&1 || code=$?
done
[ $code = 0 ] || die "console: it does not start: $(cat "$work/log")"

# ---- Prometheus ----

cat >"$work/prometheus.yml" <<END
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: init
    static_configs: [{targets: ['127.0.0.1:$port']}]
END
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" --web.listen-address=127.0.0.1:$((port + 1)) \
    --log.level=warn >"$work/prometheus.log" 2>&1 &
prometheus=$!
# asked QUERY: the value of the first result.
asked() {
    curl --silent --get --data-urlencode "query=$1" "http://127.0.0.1:$((port + 1))/api/v1/query" | jq -r '.data.result[0].value[1] // ""'
}
# becomes QUERY VALUE
becomes() {
    local tries=0 found
    until found=$(asked "$1") && [ "$found" = "$2" ]; do
        [ $((tries += 1)) -lt 150 ] || die "console: Prometheus says '$found' for $1 and not '$2'"
        sleep 0.2
    done
}
becomes 'up{job="init"}' 1
becomes 'init_service_state{service="web",state="up"}' 1
becomes 'count(init_service_state{service="web"})' 12
becomes 'init_service_restarts_total{service="broken"} > bool 0' 1
becomes 'init_service_log_lines_total{service="web"} > bool 1' 1
becomes 'rate(init_service_cpu_seconds_total{service="console"}[10s]) >= bool 0' 1
# Each question of the dashboard for Grafana is one that Prometheus has an answer to.
mapfile -t questions < <(jq -r '.. | .expr? // empty' docs/grafana.json)
[ ${#questions[@]} -ge 6 ] || die "console: docs/grafana.json has no questions"
for question in "${questions[@]}"; do
    becomes "count(${question//\$job/init}) > bool 0" 1
done
say "console: Prometheus $(prometheus --version 2>&1 | sed -n 's/^prometheus, version \([^ ]*\).*/\1/p') reads the metrics"

# ---- a browser ----

. scripts/browser.sh
trap end_all EXIT
go "http://localhost:$port/"
until_true "showing the services" there 'tr td.up'
picture looks
says restart && die "console: a person without the token is offered changes"
type_into '#token input' "$(cat "$work/token")"
click '#token button'
until_true "offering changes" there 'button[aria-label="restart web"]'
click '#services tr:last-child td:first-child button'
until_true "showing output" says '<b>it is</b>'
click 'button[aria-label="stop broken"]'
until_true "showing the stop" says 'stopped by hand'
until_true "showing the boot" there 'img[src^="blob:"]'
picture acts
show 'img[src^="blob:"]'
picture boot
"$programs/svctl" is-failed -q broken && die "console: the page's stop did not reach the service"
say "console: a person looks, reads output and stops a service in a browser; pictures are in $pictures"

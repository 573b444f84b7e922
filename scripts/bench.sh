#!/usr/bin/env bash
# bench.sh BINARY full|quick: measures us beside the floor (and, full, the peers), writes the report, checks the bars.
. "$(dirname "$0")/common.sh"
binary=$1 mode=$2
need gcc=gcc /usr/include/stdio.h=libc6-dev python3=python3
work=$cache/bench
mkdir -p "$work/bin"
ln -sf "$PWD/$binary" "$work/bin/pulp-init"
ln -sf "$PWD/${binary%/*}/svctl" "$work/bin/svctl"
ln -sf "$PWD/${binary%/*}/init-probe" "$work/bin/init-probe"

peers=floor,pulp-init,pulp-init+log
runs=3
scenarios=boot-100,boot-1000,chain-100,idle-100,restart,reap,shutdown,log-line-logger,log-bulk-logger,client
report=$work/quick.md
path=(--bin-dir "$work/bin")
if [ "$mode" = full ]; then
    peers=$peers,s6,runit,horust,supervisord,tini,dumb-init,catatonit
    runs=5 scenarios='' report=tests/bench/REPORT.md
    need s6-svscan=s6 runsvdir=runit supervisord=supervisor tini=tini dumb-init=dumb-init catatonit=catatonit
    if [ ! -x "$cache/horust/bin/horust" ]; then
        need_cargo
        say "building horust (some minutes; its log: .cache/horust.log)"
        cargo install --locked --root "$cache/horust" horust >"$cache/horust.log" 2>&1 \
            || say "horust does not build here: left out"
    fi
    path+=(--bin-dir "$cache/horust/bin")
fi
# What is measured can be chosen: PEERS, RUNS, SCENARIOS.
peers=${PEERS:-$peers} runs=${RUNS:-$runs} scenarios=${SCENARIOS:-$scenarios}

bench=(python3 tests/bench/bench.py)
[ "$(id -u)" = 0 ] || bench=(sudo env "PATH=$PATH" "${bench[@]}") # a pid namespace with its own /run needs root
out=$work/$mode.jsonl
rm -f "$out"
say "measuring $peers, $runs runs each (load now: $(cut -d' ' -f1 /proc/loadavg); anything else that runs spoils it)"
"${bench[@]}" run "${path[@]}" --peer "$peers" --scenario "$scenarios" --runs "$runs" --out "$out"

say "report: $report"
bars=0
verdicts=$(python3 tests/bench/bars.py "$out") || bars=1
{
    echo "# Measured on $(date -u +%F)"
    echo
    echo "$(nproc) CPUs ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)), kernel $(uname -r)," \
        "commit $(git rev-parse --short HEAD). Medians of $runs runs (min-max)."
    # shellcheck disable=SC2016 # a fence of Markdown
    printf '\n## The bars\n\n```\n%s\n```\n\n## All figures\n' "$verdicts"
    "${bench[@]}" report "$out"
} >"$report"
printf '%s\n' "$verdicts"
exit $bars

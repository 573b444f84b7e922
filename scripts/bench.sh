#!/usr/bin/env bash
# bench.sh BINARY full|quick: measures us beside the floor (and, full, the peers), writes the report, checks the bars.
. "$(dirname "$0")/common.sh"
binary=$1 mode=$2
need gcc=gcc /usr/include/stdio.h=libc6-dev python3=python3
work=$cache/bench
mkdir -p "$work/bin"
ln -sf "$PWD/$binary" "$work/bin/pulp-init"
ln -sf "$PWD/$binary" "$work/bin/svctl"

peers=floor,pulp-init,pulp-init+log runs=3 path=(--bin-dir "$work/bin")
if [ "$mode" = full ]; then
    need runsvdir=runit supervisord=supervisor tini=tini dumb-init=dumb-init s6-svscan=s6 catatonit=catatonit
    if [ ! -x "$cache/horust/bin/horust" ]; then
        say "building horust (its log: .cache/horust.log)"
        need_cargo
        cargo install --quiet --locked --root "$cache/horust" horust >"$cache/horust.log" 2>&1 \
            || say "horust does not build here: left out"
    fi
    path+=(--bin-dir "$cache/horust/bin")
    peers=$peers,s6,runit,horust,supervisord,tini,dumb-init,catatonit runs=5
fi
run=(python3 tests/bench/bench.py)
[ "$(id -u)" = 0 ] || run=(sudo env "PATH=$PATH" "${run[@]}") # a pid namespace with its own /run needs root
out=$work/$mode.jsonl report=$work/$mode.md
rm -f "$out"
PEERS=${PEERS:-$peers}
say "measuring $PEERS, $runs runs each, into $out"
"${run[@]}" run "${path[@]}" --peer "$PEERS" --runs "${RUNS:-$runs}" ${SCENARIOS:+--scenario "$SCENARIOS"} --out "$out"
"${run[@]}" report "$out" >"$report"
say "report: $report"
python3 tests/bench/bars.py "$out"

#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS (600), or those named in TARGETS. Fails at the first finding.
. "$(dirname "$0")/common.sh"
need_cargo
need c++=g++
fuzz=$cache/cargo-fuzz/bin/cargo-fuzz
[ -x "$fuzz" ] || { say "building cargo-fuzz"; cargo install --quiet --locked --root "$cache/cargo-fuzz" cargo-fuzz; }
# libFuzzer's instrumentation needs flags that the stable compiler takes only when it is told to pretend.
export RUSTC_BOOTSTRAP=1
read -ra targets <<<"${TARGETS:-$("$fuzz" list)}"
for target in "${targets[@]}"; do
    say "fuzz: $target for ${FUZZ_SECONDS:-600} s"
    "$fuzz" run "$target" -- -max_total_time="${FUZZ_SECONDS:-600}" -print_final_stats=1
done

#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS (600), or those named in TARGETS. Fails at the first finding.
. "$(dirname "$0")/common.sh"
need_cargo
need c++=g++
fuzz=$cache/cargo-fuzz/bin/cargo-fuzz
[ -x "$fuzz" ] || { say "building cargo-fuzz"; cargo install --quiet --locked --root "$cache/cargo-fuzz" cargo-fuzz; }
# libFuzzer's instrumentation needs flags that a stable compiler takes only when told to pretend.
export RUSTC_BOOTSTRAP=1
read -ra targets <<<"${TARGETS:-$("$fuzz" list | tr '\n' ' ')}"
for target in "${targets[@]}"; do
    say "fuzz: $target for ${FUZZ_SECONDS:-600} s"
    # New inputs go to the first directory; the second is the corpus in git, which only people add to.
    mkdir -p "$cache/fuzz/$target" "fuzz/corpus/$target"
    "$fuzz" run --sanitizer "${SANITIZER:-address}" "$target" "$cache/fuzz/$target" "fuzz/corpus/$target" -- \
        -max_total_time="${FUZZ_SECONDS:-600}" -print_final_stats=1 -close_fd_mask=1 2>&1 | tee "$cache/fuzz/$target.log" \
        | grep --line-buffered -E 'pulse|DONE|ERROR|panicked|stat::|crash-'
done

#!/usr/bin/env bash
# Makes small mistakes in the code of PACKAGES (init-plan init-core), one at a time, and runs their unit tests. Fails if
# the tests notice fewer than LEAST (90) percent of the mistakes that compile. SHARD=k/n makes only each n-th of them.
. "$(dirname "$0")/common.sh"
need_cargo
mutants=$cache/cargo-mutants/bin/cargo-mutants
[ -x "$mutants" ] || {
    say "building cargo-mutants"
    cargo install --quiet --locked --root "$cache/cargo-mutants" cargo-mutants
}
# Most mistakes that the simulation finds at all, it finds in few cases. One that these miss is what a test in
# src/core/scenarios is for.
export PULP_INIT_SIMULATIONS=${PULP_INIT_SIMULATIONS:-400} PROPTEST_CASES=${PROPTEST_CASES:-200}
read -ra packages <<<"${PACKAGES:-init-plan init-core}"
arguments=()
for package in "${packages[@]}"; do arguments+=(--package "$package"); done
[ -z "${SHARD:-}" ] || arguments+=(--shard "$SHARD")
# Exit codes 2 and 3 say that mutants were missed or timed out, which the shares below are about.
code=0
"$mutants" mutants "${arguments[@]}" --gitignore true --jobs "${JOBS:-1}" --output "$cache/mutants" || code=$?
case $code in 0 | 2 | 3) ;; *) die "cargo mutants did not come to its end (exit code $code)" ;; esac
results=$cache/mutants/mutants.out
count() { wc -l <"$results/$1.txt"; }
caught=$(($(count caught) + $(count timeout)))
viable=$((caught + $(count missed)))
[ "$viable" -gt 0 ] || die "no mutant compiles: see .cache/mutants/mutants.out"
share=$((100 * caught / viable))
say "$caught of $viable mutants caught ($share %), $(count unviable) did not compile; missed: .cache/mutants/mutants.out/missed.txt"
[ "$share" -ge "${LEAST:-90}" ] || die "fewer than ${LEAST:-90} % of the mutants are caught"

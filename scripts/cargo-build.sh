#!/usr/bin/env bash
# cargo-build.sh ARGUMENT...: `cargo build`, by way of cargo-auditable, which puts the list of crates into each program. It
# is 4 kB that nothing loads; scanners read it, and so does the SBOM of the images. Where it cannot be had, programs
# are built without, and this says so.
. "$(dirname "$0")/common.sh"
auditable=$cache/cargo-auditable/bin
[ -x "$auditable/cargo-auditable" ] || {
    say "building cargo-auditable (once)"
    # Without the flags of a static program, with which it does not compile.
    env -u RUSTFLAGS cargo install --quiet --locked --root "$cache/cargo-auditable" cargo-auditable >"$cache/auditable.log" 2>&1 || true
}
PATH=$auditable:$PATH
# It tells cargo to call it in place of rustc, by its path. Cargo takes that path into the names of symbols, so the same source would
# give other programs in another folder. The bare name does as well.
if have cargo-auditable; then
    CARGO=$PWD/scripts/cargo-by-name.sh exec cargo-auditable auditable build "$@"
fi
say "cargo-auditable cannot be had (see .cache/auditable.log): the programs will not say which crates are in them"
exec cargo build "$@"

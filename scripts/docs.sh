#!/usr/bin/env bash
# docs.sh: writes what is generated into docs/. `docs.sh --check` fails where that changes something.
. "$(dirname "$0")/common.sh"
cargo build --quiet --locked -p svctl --features docs --bin svctl
binary=target/debug/svctl
mkdir -p docs/man docs/completions
"$binary" man docs/man
UPDATE=1 cargo test --quiet --locked --package init-plan --features docs --test docs

changed=$(git status --porcelain docs src/init/help.txt)
if [ "${1:-}" = --check ] && [ -n "$changed" ]; then
    die "docs/ is not what the code generates: run \`make docs\` and commit:"$'\n'"$changed"
fi
say "docs: generated"

#!/usr/bin/env bash
# docs.sh BINARY: writes what is generated into docs/. `docs.sh BINARY --check` fails where that changes something.
. "$(dirname "$0")/common.sh"
binary=$1
mkdir -p docs/man docs/completions
# One line for each thing that is generated.
"$binary" svctl man docs/man
for shell in bash zsh fish; do "$binary" svctl completions $shell >"docs/completions/svctl.$shell"; done
"$binary" init schema >docs/services.schema.json

changed=$(git status --porcelain docs)
if [ "${2:-}" = --check ] && [ -n "$changed" ]; then
    die "docs/ is not what the code generates: run \`make docs\` and commit:"$'\n'"$changed"
fi
say "docs: generated"

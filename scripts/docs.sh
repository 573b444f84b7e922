#!/usr/bin/env bash
# docs.sh BINARY: writes what is generated into docs/. `docs.sh BINARY --check` fails where that changes something.
. "$(dirname "$0")/common.sh"
binary=$1
mkdir -p docs/man docs/completions
"$binary" svctl man docs/man
for shell in bash zsh fish; do "$binary" svctl completions $shell >"docs/completions/svctl.$shell"; done
"$binary" init schema >docs/services.schema.json
"$binary" init states >docs/states.dot
if [ "${2:-}" = --check ] && [ -n "$(git status --porcelain docs/man docs/completions docs/services.schema.json docs/states.dot)" ]; then
    git status --short docs >&2
    die "docs/ is not what the code generates: run \`make docs\` and commit"
fi
say "docs: generated"

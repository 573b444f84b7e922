#!/usr/bin/env bash
# Builds the programs twice from nothing, in two folders, for two users' homes of cargo, and compares them byte by byte.
. "$(dirname "$0")/common.sh"
need_cargo
programs=(pulp-init svctl init-probe pulp-setup)
base=$(mktemp -d "$cache/reproducible.XXXXXX")
trap 'rm -rf "$base"' EXIT
home=${CARGO_HOME:-$HOME/.cargo}

# once FOLDER: a build there, with a home of cargo there.
once() {
    local dir=$1
    mkdir -p "$dir/source" "$dir/cargo"
    git ls-files -z | xargs -0 cp --parents --target-directory "$dir/source"
    cp -r "$home/registry" "$dir/cargo/"
    [ ! -e "$home/config.toml" ] || cp "$home/config.toml" "$dir/cargo/"
    [ ! -e "$cache/cargo-auditable" ] || { mkdir -p "$dir/source/.cache"; cp -r "$cache/cargo-auditable" "$dir/source/.cache/"; }
    say "building in ${dir#"$cache"/}"
    (unset MAKEFLAGS MFLAGS CARGO_TARGET_DIR && CARGO_HOME=$dir/cargo make --quiet --directory "$dir/source" build)
}
built() { printf %s "$1/source/target/$(host_triple)/release/$2"; }

once "$base/one"
once "$base/another-place/deeper"
for program in "${programs[@]}"; do
    one=$(built "$base/one" "$program") other=$(built "$base/another-place/deeper" "$program")
    cmp "$one" "$other" || die "$program differs: see above"
    say "$program: $(sha256sum "$one" | cut -d ' ' -f 1), twice"
done

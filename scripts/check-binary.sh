#!/usr/bin/env bash
# check-binary.sh BINARY: is the supervisor static, small enough, and able to run where there is nothing else?
. "$(dirname "$0")/common.sh"
binary=$1 most=2500000
need readelf=binutils

size=$(stat -c %s "$binary")
[ "$size" -le $most ] || die "$binary has $size bytes, more than $most: see [profile.release] in Cargo.toml"
segments=$(readelf -lW "$binary")
! grep -q INTERP <<<"$segments" || die "$binary is not static: it needs $(grep -o '/lib[^]]*' <<<"$segments")"
! grep -q 'GNU_STACK.*RWE' <<<"$segments" || die "$binary has an executable stack"

# A root directory with nothing but the program, as in an image FROM scratch.
root=$(mktemp -d "$cache/scratch.XXXXXX")
trap 'rm -rf "$root"' EXIT
cp "$binary" "$root/init"
enter=(unshare --user --map-root-user --root="$root")
[ "$(id -u)" != 0 ] || enter=(chroot "$root")
"${enter[@]}" /init --version >"$root/out" 2>&1 || die "$binary does not run in an empty root: $(cat "$root/out")"
say "binary: static, $size bytes ($((size * 100 / most)) % of what is allowed), runs in an empty root: $(cat "$root/out")"

#!/usr/bin/env bash
# What is linked into the programs, as cargo-deny judges it: licences, banned crates, sources (deny.toml), and known
# vulnerabilities where the database of advisories can be had.
. "$(dirname "$0")/common.sh"
need_cargo
deny=$cache/cargo-deny/bin/cargo-deny
[ -x "$deny" ] || {
    say "building cargo-deny (some minutes, once)"
    cargo install --quiet --locked --root "$cache/cargo-deny" cargo-deny
}
"$deny" --locked check --hide-inclusion-graph licenses bans sources
if "$deny" fetch db >"$cache/audit.log" 2>&1; then "$deny" --locked check advisories
else say "advisories: NOT CHECKED, the database cannot be had here (see .cache/audit.log)"; fi

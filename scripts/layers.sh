#!/usr/bin/env bash
# Fails if a crate depends, directly or not, on one that its layer must not know (docs/architecture.md).
. "$(dirname "$0")/common.sh"
need_cargo
failed=0
# without CRATE FORBIDDEN...
without() {
    local crate=$1 used
    shift
    used=$(cargo tree --quiet --locked --package "$crate" --edges normal --prefix none --format '{p}') \
        || die "layers: cannot list what $crate depends on"
    for forbidden in "$@"; do
        if grep -q "^$forbidden v" <<<"$used"; then
            say "layers: $crate depends on $forbidden:"
            cargo tree --quiet --locked --package "$crate" --edges normal --invert "$forbidden" >&2 || true
            failed=1
        fi
    done
}
kernel=(libc nix rustix signal-hook tempfile procfs)
network=(rustls ring tokio ureq httparse)
without init-plan "${kernel[@]}" "${network[@]}" clap init-core init-control init-probe pulp-init svctl pulp-setup
without init-core "${kernel[@]}" "${network[@]}" clap init-control init-probe pulp-init svctl pulp-setup
without init-control "${network[@]}" clap init-probe pulp-init svctl pulp-setup
without init-probe tokio clap init-core init-control pulp-init svctl pulp-setup
without pulp-init "${network[@]}" clap init-probe svctl pulp-setup
without svctl rustls ring init-probe pulp-init pulp-setup
without pulp-setup init-core init-control pulp-init svctl
[ "$failed" = 0 ] || die "layers: a crate depends on what it must not know"

#!/usr/bin/env bash
# cargo-by-name.sh ARGUMENT...: cargo, as cargo-build.sh has cargo-auditable call it. See there.
RUSTC_WORKSPACE_WRAPPER=cargo-auditable exec cargo "$@"

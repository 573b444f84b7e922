# shellcheck shell=bash
# Sourced by every script: where things are, how a script speaks, how it installs what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # not in everybody's path, but runc and iptables live there
cache=$PWD/.cache
mkdir -p "$cache"
# Some programs of the tools are built by us; asked once, so that no architecture is named anywhere.
host_triple() { rustc -vV | sed -n 's/^host: //p'; }

say() { [ -n "${QUIET:-}" ] || printf '==> %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif have sudo; then sudo "$@"; else die "cannot run '$*': needs root"; fi
}

# stage_programs BINARY: our programs alone in .cache/bin, so that the build of an image sees nothing else of target/.
stage_programs() {
    local name
    mkdir -p "$cache/bin"
    for name in pulp-init svctl init-probe pulp-setup; do
        cmp -s "${1%/*}/$name" "$cache/bin/$name" || cp "${1%/*}/$name" "$cache/bin/$name"
    done
}

# need COMMAND=PACKAGE...: installs the packages of those commands (or, with a slash, files) that are not there.
need() {
    local pair missing=()
    for pair in "$@"; do
        case ${pair%%=*} in
            /*) [ -e "${pair%%=*}" ] || missing+=("${pair#*=}") ;;
            *) have "${pair%%=*}" || missing+=("${pair#*=}") ;;
        esac
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    have apt-get || die "cannot install ${missing[*]}: there is no apt-get here; install them by hand"
    say "installing ${missing[*]}"
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    as_root "${apt[@]}" update >"$cache/apt.log" 2>&1 || say "apt-get update failed (see .cache/apt.log): trying anyway"
    as_root "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >>"$cache/apt.log" 2>&1 \
        || { tail -n 5 "$cache/apt.log" >&2; die "cannot install ${missing[*]}: see .cache/apt.log"; }
}

need_cargo() {
    have cargo || die "cannot find cargo: install Rust 1.88 or newer from https://rustup.rs"
    need gcc=gcc /usr/include/stdio.h=libc6-dev
}

#!/usr/bin/env bash
# base.sh [SUITE]: makes localhost/pulp-init-base, the Debian that the demonstration and the container tests stand on: from
# a registry if one answers, else from Debian's mirrors. Another release than trixie is localhost/pulp-init-base-SUITE.
# Kept until `make clean`.
. "$(dirname "$0")/host.sh"
suite=${1:-trixie}
base=localhost/pulp-init-base
[ "$suite" = trixie ] || base+=-$suite
wanted=docker.io/library/debian:$suite-slim
[ "$suite" != trixie ] || wanted=${BASE_IMAGE:-$wanted}

from_registry() {
    # The manifest is small: whoever does not send it in 10 s would not send the image either.
    timeout 10 podman manifest inspect "$wanted" >/dev/null 2>&1 || return 1
    say "base image: pulling $wanted"
    timeout 300 podman pull -q "$wanted" >/dev/null && podman tag "$wanted" "$base"
}

from_mirrors() {
    need mmdebstrap=mmdebstrap
    local mirror sources
    as_root apt-get -qq update >"$cache/apt.log" 2>&1 || true # knows no mirrors before the first update
    # This host may be of another release, but its mirror has all of them.
    mirror=$(host_sources | sed -n 's|^deb \(http[^ ]*/debian\)/\? .*|\1|p' | head -n 1)
    mirror=${mirror:-http://deb.debian.org/debian}
    sources="deb $mirror $suite main
deb $mirror $suite-updates main
deb ${mirror%/debian}/debian-security $suite-security main"
    say "base image: no registry answers, building Debian $suite with mmdebstrap (a minute)"
    # The mirrors of this host stay out of the image: it gets Debian's own.
    # shellcheck disable=SC2016
    mmdebstrap --quiet --variant=minbase --format=tar \
        --aptopt='Acquire::Languages "none"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin' \
        --customize-hook='rm -f "$1"/etc/apt/sources.list.d/* "$1"/etc/resolv.conf "$1"/etc/hostname' \
        --customize-hook="printf 'deb http://deb.debian.org/debian $suite main\ndeb http://deb.debian.org/debian $suite-updates main\ndeb http://deb.debian.org/debian-security $suite-security main\n' >\"\$1\"/etc/apt/sources.list" \
        "$suite" "$cache/base.tar" - <<<"$sources"
    podman import -q -c 'CMD ["bash"]' -m "Debian $suite, minbase" "$cache/base.tar" "$base" >/dev/null
    rm -f "$cache/base.tar"
}

host_podman
if podman image exists "$base"; then say "base image: $base is there"; exit; fi
from_registry || from_mirrors
say "base image: $base"

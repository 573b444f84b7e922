#!/usr/bin/env bash
# Makes localhost/pulp-init-base, the Debian that the demonstration and the container tests stand on: from a
# registry if one answers, else from this host's package mirrors. Kept until `make clean`.
. "$(dirname "$0")/host.sh"
base=localhost/pulp-init-base
wanted=${BASE_IMAGE:-docker.io/library/debian:stable-slim}

from_registry() {
    # The manifest is small: whoever does not send it in 10 s would not send the image either.
    timeout 10 podman manifest inspect "$wanted" >/dev/null 2>&1 || return 1
    say "base image: pulling $wanted"
    timeout 300 podman pull -q "$wanted" >/dev/null && podman tag "$wanted" $base
}

from_mirrors() {
    need mmdebstrap=mmdebstrap
    local suite sources
    suite=$(host_codename)
    as_root apt-get -qq update >"$cache/apt.log" 2>&1 || true # knows no mirrors before the first update
    sources=$(host_sources) || sources="deb http://deb.debian.org/debian ${suite:=stable} main"
    say "base image: no registry answers, building Debian $suite with mmdebstrap (a minute)"
    # The mirrors of this host stay out of the image: it gets Debian's own.
    # shellcheck disable=SC2016
    mmdebstrap --quiet --variant=minbase --format=tar \
        --aptopt='Acquire::Languages "none"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook='rm -f "$1"/etc/apt/sources.list.d/* "$1"/etc/resolv.conf "$1"/etc/hostname' \
        --customize-hook="printf 'deb http://deb.debian.org/debian $suite main\n' >\"\$1\"/etc/apt/sources.list" \
        "$suite" "$cache/base.tar" - <<<"$sources"
    podman import -q -c 'CMD ["bash"]' -m "Debian $suite, minbase" "$cache/base.tar" $base >/dev/null
    rm -f "$cache/base.tar"
}

host_podman
if podman image exists $base; then say "base image: $base is there"; exit; fi
from_registry || from_mirrors
say "base image: $base"

# shellcheck shell=bash
# Sourced, instead of common.sh, by scripts that use podman: makes podman work on this host without touching /etc.
#
# What differs from the defaults goes into .cache/containers.conf and .cache/storage.conf, which podman is pointed
# at by CONTAINERS_CONF and CONTAINERS_STORAGE_CONF. Where the defaults do, neither file exists.
# Says what it found, one line each, unless QUIET is set.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

host_podman() {
    # crun is Debian's default, runc the one that also runs on hybrid cgroups.
    need podman=podman runc=runc iptables=iptables /usr/lib/podman/netavark=netavark /usr/lib/podman/aardvark-dns=aardvark-dns \
        /usr/share/ca-certificates=ca-certificates
    [ "$(id -u)" = 0 ] || host_rootless
    if [ -n "${CONTAINERS_CONF:-}" ]; then say "podman: settings in $CONTAINERS_CONF, as \$CONTAINERS_CONF says"
    else host_containers_conf; fi
    host_storage
}

host_rootless() {
    need newuidmap=uidmap slirp4netns=slirp4netns fuse-overlayfs=fuse-overlayfs
    grep -q "^$(id -un):" /etc/subuid 2>/dev/null \
        || die "cannot run containers as $(id -un): no line in /etc/subuid; as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $(id -un)"
    say "podman: without root, as $(id -un)"
}

host_containers_conf() {
    local engine=() containers=() nofile nproc pid_max
    if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
        engine+=('runtime = "runc"')
        if [ -d /sys/fs/cgroup/unified ]; then say "cgroups: hybrid, so podman gets --runtime runc"
        else say "cgroups: version 1, so podman gets --runtime runc"; fi
    fi
    [ -d /run/systemd/system ] || engine+=('cgroup_manager = "cgroupfs"' 'events_logger = "file"')
    # podman asks for 1048576 files; where that is above the hard limit the container does not start.
    nofile=$(ulimit -Hn) nproc=$(ulimit -Hu)
    if [ "$nofile" != unlimited ] && [ "$nofile" -lt 1048576 ]; then
        # podman lowers its own limit on processes to pid_max, and then cannot give more than that.
        pid_max=$(cat /proc/sys/kernel/pid_max)
        [ "$nproc" != unlimited ] && [ "$nproc" -lt "$pid_max" ] || nproc=$pid_max
        containers+=("default_ulimits = [\"nofile=$nofile:$nofile\", \"nproc=$nproc:$nproc\"]")
        say "limits: at most $nofile open files here, so containers get nofile=$nofile nproc=$nproc"
    fi
    [ $((${#engine[@]} + ${#containers[@]})) -gt 0 ] || { rm -f "$cache/containers.conf"; return 0; }
    printf '%s\n' '[containers]' ${containers[@]+"${containers[@]}"} '[engine]' ${engine[@]+"${engine[@]}"} \
        >"$cache/containers.conf"
    export CONTAINERS_CONF=$cache/containers.conf
    say "podman: settings in .cache/containers.conf (nothing in /etc is changed)"
}

# The default storage if it works, so that a plain `podman exec` finds our containers; else one of our own.
host_storage() {
    local driver
    if [ -z "${CONTAINERS_STORAGE_CONF:-}" ] && ! driver=$(podman info -f '{{.Store.GraphDriverName}}' 2>"$cache/podman.err"); then
        say "storage: the default one does not work ($(tail -n 1 "$cache/podman.err"))"
        driver=vfs
        [ ! -e /dev/fuse ] || ! have fuse-overlayfs || driver=overlay
        { printf '[storage]\ndriver = "%s"\ngraphroot = "%s"\nrunroot = "%s"\n' \
            $driver "$cache/storage" "${TMPDIR:-/tmp}/pulp-init-podman-$(id -u)"
          [ $driver = vfs ] || printf '[storage.options.overlay]\nmount_program = "%s"\n' "$(command -v fuse-overlayfs)"
        } >"$cache/storage.conf"
        export CONTAINERS_STORAGE_CONF=$cache/storage.conf
        say "storage: .cache/storage instead; before using podman by hand: export CONTAINERS_STORAGE_CONF=$CONTAINERS_STORAGE_CONF"
    fi
    driver=$(podman info -f '{{.Store.GraphDriverName}}') || die "cannot use podman: see the line above"
    say "podman: $(podman version -f '{{.Client.Version}}'), $(podman info -f '{{.Host.OCIRuntime.Name}}'), storage $driver"
    [ "$driver" != vfs ] || say "storage: vfs copies every layer whole; builds are slow and need space"
}

# What a build inside a container needs of this host, in one directory that is mounted and never copied:
# its CA bundle, its proxy, and, where the image is the same release, its package mirrors.
# host_build_mounts CODENAME: prints the options for `podman build`.
host_build_mounts() {
    local dir=$cache/host bundle=/etc/ssl/certs/ca-certificates.crt
    mkdir -p "$dir"
    { [ ! -e $bundle ] || { cp $bundle "$dir/ca.crt"; echo 'Acquire::https::CaInfo "/run/host/ca.crt";'; }
      apt-config dump 2>/dev/null | grep -E '^Acquire::https?::Proxy ' || true
      if [ "$1" = "$(host_codename)" ] && host_sources >"$dir/sources.list"; then
          echo 'Dir::Etc::SourceList "/run/host/sources.list"; Dir::Etc::SourceParts "-";'
      fi
    } >"$dir/apt.conf"
    chmod -R a+rX "$dir"
    printf '%s\n' --volume="$dir:/run/host:ro" --build-arg=APT_CONFIG=/run/host/apt.conf
}

# shellcheck source=/dev/null
host_codename() { (. /etc/os-release && printf %s "${VERSION_CODENAME:-}"); }

# This host's mirrors of Debian (and of no one else) as lines of a sources.list; fails if there are none.
host_sources() {
    # shellcheck disable=SC2016 # apt's variables, not the shell's
    apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' \
        2>/dev/null | sort -u | grep .
}

# While the calling script runs, its containers find each other by name.
host_names() {
    need python3=python3 /usr/lib/podman/aardvark-dns=aardvark-dns
    PYTHONDONTWRITEBYTECODE=1 python3 scripts/podman-names.py $$ </dev/null &
}

# Without systemd podman has nobody to time a HEALTHCHECK, and says so at each run and stop as if it were an error.
# (By way of a file: a container that outlives us would hold a pipe open.)
podman_calmly() {
    local code=0
    podman "$@" 2>"$cache/podman.err" || code=$?
    grep -v 'unable to get systemd connection' "$cache/podman.err" >&2 || true
    return $code
}

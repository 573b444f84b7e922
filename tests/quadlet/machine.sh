#!/bin/bash
# The first program of the machine: gives it control groups of version 2, also where the host has both versions, and becomes systemd.
set -e
umount --recursive /sys/fs/cgroup || true # there may be nothing
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /etc/containers/systemd
cat >/etc/containers/storage.conf <<'STORAGE'
[storage]
driver = "overlay"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
[storage.options]
additionalimagestores = ["/images"]
STORAGE
# No more than this container may have itself; and the controller of pids may be one of version 1.
cat >/etc/containers/containers.conf <<CONTAINERS
[containers]
pids_limit = 0
default_ulimits = ["nofile=$(ulimit -Hn):$(ulimit -Hn)", "nproc=10000:10000"]
CONTAINERS
exec env container=podman /lib/systemd/systemd

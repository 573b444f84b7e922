#!/usr/bin/env bash
# bring.sh BINARY: all that people bring to the images, at length: what `make test` leaves out because it takes minutes each.
. "$(dirname "$0")/host.sh"
binary=$1
need strace=strace haproxy=haproxy wrk=wrk
host_podman
export PULP_INIT_PROGRAMS=$PWD/${binary%/*}
# Uploads of 3 GB, restarts under load, seconds of load on 80 processes, boots beside a user who swaps directories, upgrades that
# are killed, and every system call of root's.
export PULP_INIT_AT_LENGTH=1 PULP_INIT_CHAOS=${CHAOS_MINUTES:-1} PULP_INIT_BIG_UPLOADS=1 PULP_INIT_ACTIVATIONS=${ACTIVATIONS:-50} PULP_INIT_CROWD=${CROWD:-600}
export PULP_INIT_HOSTILE=1 PULP_INIT_SWAPS=${SWAPS:-50} PULP_INIT_UPGRADES=${UPGRADES:-5} PULP_INIT_TRACE=1
topics=(bring:: sockets:: crowded:: upgrade:: interrupted:: derived:: settings_folder:: trust:: hostile:: swaps:: trace:: chaos::)
cargo test --locked --no-fail-fast --workspace --features docs,containers --test image -- --nocapture "${@:2}" "${topics[@]}"
scripts/quadlet.sh

#!/usr/bin/env bash
# test.sh BINARY: lint, then every test. Those that need a container, or the Pulp image, run where podman does.
# ONLY=fast leaves these out. With CI=true (or STRICT=1) it is an error if they cannot run, and a test that is skipped
# fails. The last line sums up: N passed, N failed, N skipped.
# A shell that starts this in the background has it ignore SIGINT, and so would each program under test.
[ -n "${DEFAULT_SIGNALS:-}" ] || DEFAULT_SIGNALS=1 exec env --default-signal=INT,QUIT "$0" "$@"
. "$(dirname "$0")/host.sh"
binary=$1
begin=$SECONDS
not_run=
step() { say "$(printf '%02d:%02d' $(((SECONDS - begin) / 60)) $(((SECONDS - begin) % 60))) $*"; }

# What a machine of CI may lack (see tests/needs/lib.rs). Each test that is skipped for it is still counted and named.
may_skip=(
    ipv6                 # many hosts of CI give their containers no IPv6
    cgroup-v2            # a container of CI mostly may not make cgroups, and some hosts have version 1 only
    cgroup-v1-pids       # the same, where there is version 2 only
    old-postgresql       # Debian has one release; upgrades are tested in the image, which brings the others
    catatonit            # podman works without it, and Debian only suggests it
    interrupted-upgrades # minutes for each: by hand, with PULP_INIT_UPGRADES
    swaps                # the same, with PULP_INIT_SWAPS
    crowd                # the same, with PULP_INIT_CROWD
    big-uploads          # the same, with PULP_INIT_BIG_UPLOADS
    flood                # the same, with PULP_INIT_FLOOD
    time                 # the same, with PULP_INIT_AT_LENGTH: half a minute each, and others nearly cover them
    chaos                # the same, with PULP_INIT_CHAOS, and `make chaos`
    caddy                # a proxy before Pulp; Debian's package would start one on port 80 of this machine
    wrk                  # with PULP_INIT_ACTIVATIONS
    chromium             # 300 MB, to look at the web interface
    systemd              # as a container's first process; some hosts do not let it
)
PULP_INIT_MAY_SKIP=${PULP_INIT_MAY_SKIP-$(IFS=,; echo "${may_skip[*]}")}
export PULP_INIT_MAY_SKIP
output=$cache/tests.log
skips=$cache/skips
: >"$output"
: >"$skips"
export PULP_INIT_SKIPS=$cache/skips.run
building=
trap 'code=$?; [ -z "$building" ] || pkill -P "$building" || true; summary $code' EXIT

# tests FEATURES ARGUMENT...: cargo test; what it prints is kept, and who skipped. Always of the whole workspace and with the
# features of the run before: cargo would build all libraries again for a package by itself, as it needs less of them.
tests() {
    local features=$1 code=0
    shift
    : >"$PULP_INIT_SKIPS"
    cargo test --quiet --locked --no-fail-fast --workspace --features "$features" "$@" 2>&1 | tee -a "$output" || code=$?
    # A test that skips parts of itself, once or many times, is one that was skipped.
    sort -u "$PULP_INIT_SKIPS" | awk -F': ' '!seen[$1]++' >>"$skips"
    return $code
}

# sum WORD: how many tests PASSED or FAILED in all runs.
sum() { sed -n "s/^test result: .* \([0-9]*\) $1;.*/\1/p" "$output" | awk '{ all += $1 } END { print all + 0 }'; }

# For cargo a test that may be skipped, and was, has passed.
summary() {
    local code=$1 skipped
    skipped=$(wc -l <"$skips")
    sed 's/^/skipped: /' "$skips"
    [ -z "$not_run" ] || echo "not run: $not_run"
    [ "$code" = 0 ] || say "not passed (exit code $code)"
    echo "$(($(sum passed) - skipped)) passed, $(sum failed) failed, $skipped skipped"
}

step "lint"
scripts/lint.sh "$binary"
step "instructions of init, beside the reference"
scripts/instructions.sh "$binary"
# Some tests of the init steps run the real nginx and PostgreSQL of this host, others compare with its s6. No cluster is made
# for Debian's own.
need nginx=nginx-light haproxy=haproxy openssl=openssl ip=iproute2 s6-svscan=s6 execlineb=execline
if [ ! -e /usr/lib/postgresql ]; then
    need /usr/share/postgresql-common=postgresql-common
    as_root mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.d/pulp-init.conf >/dev/null
    need /usr/lib/postgresql=postgresql
fi
if [ "${ONLY:-}" != fast ]; then
    step "whether containers run here"
    if (scripts/base.sh) && QUIET=1 host_podman && podman run --rm --network=none localhost/pulp-init-base true; then
        # Builds wait for packages, and tests for processes: together they take less time.
        scripts/image.sh "$binary" minimal web pulp >"$cache/images.log" 2>&1 &
        building=$!
    fi
fi
step "unit tests and tests with real processes"
# The programs under test are those that ship, and those in which system calls fail on request.
export PULP_INIT_PROGRAMS=$PWD/${binary%/*}
make --no-print-directory build-faulty
PULP_INIT_FAULTY_PROGRAMS=$PWD/target/faults/$(host_triple)/release
export PULP_INIT_FAULTY_PROGRAMS
# The service that tests supervise is an example, which `cargo test --test NAME` alone would not build.
cargo build --quiet --locked --workspace --features docs --examples
tests docs
python3 -B -m unittest discover tests/python
tests docs,faults --test faults --test without_handles

if [ "${ONLY:-}" = fast ]; then step "containers: left out (ONLY=fast)"; exit; fi
if [ -n "$building" ]; then
    step "tests in containers"
    export PULP_INIT_TEST_IMAGE=localhost/pulp-init-base
    # What a container changes for PID 1: all of it has run in namespaces.
    tests docs,containers --test pid1 -- access:: anywhere:: boot:: container:: hostile:: lifecycle:: readiness:: shutdown:: \
        signals:: socket:: stop:: strays:: terminal::
    step "the Pulp images"
    wait "$building" || { tail -n 25 "$cache/images.log" >&2; die "cannot build the images: see above"; }
    cat "$cache/images.log" >&2
    step "tests of the Pulp images"
    need strace=strace
    PULP_INIT_TRACE=1 PULP_INIT_CHAOS=${PULP_INIT_CHAOS-0} tests docs,containers --test image -- --nocapture
    step "what Pulp's documentation promises, with some of its clients (all of it: make test-workflows)"
    scripts/workflows.sh --few
    step "the Pulp image with Docker"
    scripts/docker.sh
    step "compose, and the manifests of Kubernetes (all of it: make test-compose test-kube test-scale)"
    scripts/compose-images.sh "$binary"
    scripts/compose.sh podman volumes up scale
    scripts/kube.sh schemas quadlet
    code=0
    scripts/quadlet.sh || code=$?
    case $code in
        0) ;;
        77) not_run="compose/pulp.container under systemd: it does not start in a container here" ;;
        *) exit $code ;;
    esac
else
    if [ "${STRICT:-}" = 1 ] || [ "${CI:-}" = true ]; then die "cannot run containers here: see above"; fi
    step "containers: NOT TESTED, podman does not work here (see above; with CI=true or STRICT=1 this is an error)"
    not_run="all tests in containers and of the Pulp images: podman does not work here"
fi
step "done"

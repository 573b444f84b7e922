#!/usr/bin/env bash
# test.sh BINARY: lint, then every test. Those that need a container, or the Pulp image, run where podman does.
# ONLY=fast leaves these out; with STRICT=1 it is an error if they cannot run.
. "$(dirname "$0")/host.sh"
binary=$1
begin=$SECONDS
step() { say "$(printf '%02d:%02d' $(((SECONDS - begin) / 60)) $(((SECONDS - begin) % 60))) $*"; }

step "lint"
scripts/lint.sh "$binary"
step "unit tests and tests with real processes"
# The programs under test are those that ship, and those in which system calls fail on request.
export PULP_INIT_PROGRAMS=$PWD/${binary%/*}
make --no-print-directory build-faulty
export PULP_INIT_FAULTY_PROGRAMS=$PWD/target/faults/$(host_triple)/release
# The service that tests supervise is an example; `cargo test --test NAME` alone would not build it.
cargo build --quiet --locked --examples
# Some tests of the init steps run the real nginx and PostgreSQL of this host. No cluster is made for Debian's own.
need nginx=nginx-light
if [ ! -e /usr/lib/postgresql ]; then
    need /usr/share/postgresql-common=postgresql-common
    as_root mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.d/pulp-init.conf >/dev/null
    need /usr/lib/postgresql=postgresql
fi
cargo test --quiet --locked --workspace --features docs
cargo test --quiet --locked --features faults --test faults --test without_handles

if [ "${ONLY:-}" = fast ]; then step "containers: left out (ONLY=fast)"; exit; fi
step "tests in containers"
if (scripts/base.sh) && QUIET=1 host_podman && podman run --rm --network=none localhost/pulp-init-base true; then
    export PULP_INIT_TEST_CONTAINER=1 PULP_INIT_TEST_IMAGE=localhost/pulp-init-base
    cargo test --quiet --locked --features docs --test pid1
    step "the Pulp images"
    scripts/image.sh "$binary" minimal web pulp
    step "tests of the Pulp images"
    PULP_IMAGE_TESTS=1 cargo test --quiet --locked --features docs --test image -- --nocapture
    step "the Pulp image with Docker"
    scripts/docker.sh
    step "compose, and the manifests of Kubernetes (all of it: make test-compose test-kube test-scale)"
    scripts/compose-images.sh "$binary"
    scripts/compose.sh podman volumes up scale
    scripts/kube.sh schemas quadlet
else
    [ "${STRICT:-}" != 1 ] || die "cannot run containers here: see above"
    step "containers: NOT TESTED, podman does not work here (see above; STRICT=1 makes this an error)"
fi
step "done"

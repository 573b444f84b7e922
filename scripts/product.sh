# shellcheck shell=bash
# Sourced: what an image is built of, by the name of the product, `pulp` or `galaxy`. What differs from Pulp is in
# images/PRODUCT/arguments, which Pulp itself does not have.

# The lines NAME=VALUE of those.
product_arguments() { grep -v '^#' "images/$1/arguments" 2>/dev/null || true; }

# The same as options of `podman build`, one a line.
product_build_args() { product_arguments "$1" | sed 's/^/--build-arg=/'; }

# The release of Debian that it stands on.
product_suite() {
    local suite
    suite=$(product_arguments "$1" | sed -n 's/^DEBIAN=//p')
    echo "${suite:-trixie}"
}

# The image of that release which scripts/base.sh makes.
product_base() {
    local suite
    suite=$(product_suite "$1")
    if [ "$suite" = trixie ]; then echo localhost/pulp-init-base; else echo "localhost/pulp-init-base-$suite"; fi
}

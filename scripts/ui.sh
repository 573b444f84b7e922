#!/usr/bin/env bash
# ui.sh DIR: Pulp's web interface, as a person uses it in a browser. DIR has what was built of pulp-ui (its `dist`). `make image` builds the
# image. Pictures are left in .cache/ui.
. "$(dirname "$0")/host.sh"
dist=$(realpath "${1:?the directory with pulp-ui, as its npm run build makes it}")
[ -f "$dist/index.html" ] || die "$dist: there is no index.html in it"
QUIET=1 host_podman
pictures=$cache/ui port=${UI_TEST_PORT:-18280} name=pulp-ui-test
PASSWORD=$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')
end_all() {
    local code=$?
    [ $code = 0 ] || podman logs --tail 20 $name >&2 || true
    [ -z "${driver:-}" ] || end_browser || true
    podman rm --force --time 1 --volumes $name >/dev/null 2>&1 || true
    exit $code
}
trap end_all EXIT
PULP_DEFAULT_ADMIN_PASSWORD=$PASSWORD podman run --detach --name $name --publish "127.0.0.1:$port:80" --env PULP_DEFAULT_ADMIN_PASSWORD \
    --volume "$dist:/var/lib/operator/static/pulp_ui:ro" localhost/pulp >/dev/null
podman exec $name svctl wait -t 120s >/dev/null
# shellcheck source=scripts/browser.sh
. scripts/browser.sh
trap end_all EXIT
go "http://localhost:$port/ui/login/"
until_true "at the form to log in" there 'input[type=password]'
picture login
type_into 'input[type=text]' admin
type_into 'input[type=password]' "$PASSWORD"
click 'button[type=submit]'
until_true "logged in" says "Database connection"
picture home
# A table that the API fills.
go "http://localhost:$port/ui/users"
until_true "showing who may log in" there 'table tbody tr td'
says admin || die "the page with users does not show admin"
picture users
say "the web interface works in a browser; pictures are in $pictures"

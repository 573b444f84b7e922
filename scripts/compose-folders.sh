#!/usr/bin/env bash
# compose-folders.sh: writes compose/compose.folders.yml, which is compose.yml with folders in the place of volumes.
# shellcheck disable=SC2016 # the expressions are those of the compose files
# With --check, says whether it is so.
. "$(dirname "$0")/common.sh"
folders() {
    sed -e '/^# The names of the image with everything/,$d' compose/compose.yml \
        | sed -e 's|^# Pulp, a container a process, on named volumes.*|# Pulp, a container a process, in folders: those of the quickstart, and `secrets`. docs/compose.md says more.|' \
            -e 's|podman-compose |podman-compose -f compose.folders.yml |; s|docker compose |docker compose -f compose.folders.yml |' \
            -e 's|# Passwords and keys are made at the first start, on volumes: none is in this file.|# The folders are beside this file, or where PULP_FOLDERS says. Made from compose.yml by scripts/compose-folders.sh.|' \
            -e 's|- ./settings.py:\(.*\):ro$|- ./settings.py:\1:ro,z|' \
            -e 's|- secrets:\(/[^:]*\):ro$|- ${PULP_FOLDERS:-.}/secrets:\1:ro,z|; s|- secrets:\(/[^:]*\)$|- ${PULP_FOLDERS:-.}/secrets:\1:z|' \
            -e 's|- settings:\(/.*\)$|- ${PULP_FOLDERS:-.}/settings:\1:z|; s|- storage:\(/.*\)$|- ${PULP_FOLDERS:-.}/pulp_storage:\1:z|' \
            -e 's|- pgsql:\(/.*\)$|- ${PULP_FOLDERS:-.}/pgsql:\1:z|' \
        | sed -e '${/^$/d}'
}
if [ "${1:-}" = --check ]; then
    folders | diff -u compose/compose.folders.yml - >&2 || die "compose.folders.yml is not what compose.yml says: run scripts/compose-folders.sh"
else
    folders >compose/compose.folders.yml
fi

#!/usr/bin/env bash
# secrets.sh: prints a Secret with new keys and passwords for Pulp. Once per installation, and keep a copy: without
# database_fields.symmetric.key a backup of the database is worth little.
#
#   ./secrets.sh | kubectl apply --namespace pulp -f -          ./secrets.sh >secret.yml; podman kube play secret.yml
set -euo pipefail
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
openssl rand -base64 32 >database_fields.symmetric.key
openssl rand -base64 48 | tr -d '\n' >secret_key
for name in database_password admin_password; do openssl rand -hex 24 | tr -d '\n' >$name; done
openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out token_private_key.pem
openssl pkey -in token_private_key.pem -pubout -out token_public_key.pem
printf '%s\n' 'apiVersion: v1' 'kind: Secret' 'metadata:' '  name: pulp-secrets' 'type: Opaque' 'data:'
for file in *; do printf '  %s: %s\n' "$file" "$(base64 -w 0 "$file")"; done

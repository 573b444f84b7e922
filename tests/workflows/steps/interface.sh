# The API's own description
# A session: a request with a password costs the server its hash.
login() {
    curl --silent --show-error --fail --cookie-jar cookies --output /dev/null "$pulp/auth/login/"
    printf %s "$PULP_PASSWORD" | curl --silent --show-error --fail --cookie cookies --cookie-jar cookies --output /dev/null --header "Referer: $pulp/auth/login/" \
        --data-urlencode "csrfmiddlewaretoken=$(awk '$6 == "csrftoken" { print $7 }' cookies)" --data username=admin \
        --data-urlencode password@- "$pulp/auth/login/"
    grep --quiet sessionid cookies
}

#: It is one of OpenAPI 3, of each part that the image has
curl --silent --show-error --fail --netrc "$pulp/pulp/api/v3/docs/api.json" >api.json
jq -r .openapi api.json | grep '^3\.'
for part in core file rpm deb python ansible container maven gem npm ostree; do
    jq -e --arg part "/$part/" '[.paths | keys[] | select(contains($part))] | length > 0' api.json
done

#: schemathesis asks each of its addresses that may be read: what fails in the server is known of Pulp
login
COOKIE=sessionid=$(awk '$6 == "sessionid" { print $7 }' cookies)
export COOKIE
cat >schemathesis.toml <<'EOF'
headers = { Cookie = "${COOKIE}" }
workers = 2
[generation]
max-examples = 2
[phases.coverage]
enabled = false
[phases.stateful]
enabled = false
[checks]
enabled = false
not_a_server_error.enabled = true
EOF
/opt/schemathesis/bin/schemathesis run --include-method GET --seed 1 --url "$pulp" api.json >report || true
[ "$(sed -n 's/.*Tested: *//p' report)" -gt 500 ]
failed=$(grep 'curl -X GET' report | grep --invert-match --extended-regexp '__i?regex=|orphaned_for=' || true)
[ -z "$failed" ] || { echo "$failed"; exit 1; }

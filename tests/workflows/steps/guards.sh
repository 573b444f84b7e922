# Who may download
# A file in a distribution that a guard looks after.
guarded() { # NAME GUARD
    pulp file repository create --name "$1"
    echo "of $1" >"$1.txt"
    pulp file content upload --relative-path "$1.txt" --file "$1.txt" --repository "$1"
    pulp file publication create --repository "$1"
    form /pulp/api/v3/distributions/file/file/ "name=$1" "base_path=guarded/$1" "content_guard=$2" \
        "repository=$(pulp file repository show --name "$1" | jq -r .pulp_href)" | ended
}
guard() { api POST "/pulp/api/v3/contentguards/$1/" "$2" | jq -r .pulp_href; }
certificates() { # NAME: an authority, and a certificate of it
    openssl req -quiet -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" -keyout "$1.ca.key" -out "$1.ca.pem"
    openssl req -quiet -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=client of $1" -keyout "$1.key" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA "$1.ca.pem" -CAkey "$1.ca.key" -days 2 -out "$1.pem" 2>/dev/null
}
# By HTTPS a client shows its certificate itself; by HTTP a proxy before Pulp says which one it has seen.
shows() { # NAME PATH [CURL'S OPTION...]
    local proof=(--header "X-CLIENT-CERT: $(jq -sRr @uri "$1.pem")")
    if $verify; then proof=(--cert "$1.pem" --key "$1.key"); fi
    content "${@:2}" "${proof[@]}"
}

#: A role lets users download, and nobody else
pulp user create --username reader --password read-4-me
pulp user create --username stranger --password read-4-me
members=$(guard core/rbac '{"name": "members"}')
api POST "${members}add_role/" '{"role": "core.rbaccontentguard_downloader", "users": ["reader"]}' >/dev/null
guarded members "$members"
[ "$(content guarded/members/members.txt --user reader:read-4-me)" = "of members" ]
refused content guarded/members/members.txt
refused content guarded/members/members.txt --user stranger:read-4-me
refused content guarded/members/members.txt --user reader:wrong

#: A certificate lets in whoever has it, and no certificate of another authority
certificates ours
certificates theirs
x509=$(guard certguard/x509 "$(jq -n --rawfile ca ours.ca.pem '{name: "x509", ca_certificate: $ca}')")
guarded x509 "$x509"
[ "$(shows ours guarded/x509/x509.txt)" = "of x509" ]
refused shows theirs guarded/x509/x509.txt
refused content guarded/x509/x509.txt
# By HTTPS it counts only with its key.
! $verify || refused content guarded/x509/x509.txt --header "X-CLIENT-CERT: $(jq -sRr @uri ours.pem)"

#: A header with a secret lets in, too
header=$(guard core/header '{"name": "header", "header_name": "x-download", "header_value": "s3cret"}')
guarded header "$header"
[ "$(content guarded/header/header.txt --header "x-download: $(printf s3cret | base64)")" = "of header" ]
refused content guarded/header/header.txt --header 'x-download: wrong'

#: Of several guards one is enough
any=$(guard core/composite "$(jq -n --arg a "$members" --arg b "$x509" '{name: "any", guards: [$a, $b]}')")
guarded any "$any"
[ "$(content guarded/any/any.txt --user reader:read-4-me)" = "of any" ]
[ "$(shows ours guarded/any/any.txt)" = "of any" ]
refused content guarded/any/any.txt

#: Who is let in gets a file from the cache and in parts, and the next one is asked again
for time in 1 2 3; do
    [ "$(shows ours guarded/x509/x509.txt --range 3-6)" = x509 ]
    refused content guarded/x509/x509.txt
done

# Users who are known elsewhere
mkdir -p ldap
cat >slapd.conf <<EOF
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix dc=example,dc=com
directory $own/ldap
EOF
slapadd -f slapd.conf <<EOF
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
dc: example
o: example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: uid=carol,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: carol
cn: Carol
sn: Example
mail: carol@example.com
userPassword: $(slappasswd -s known-3lsewhere)
EOF
slapd -f slapd.conf -h ldap://0.0.0.0:3890/
until ldapwhoami -x -H ldap://localhost:3890 >/dev/null 2>&1; do sleep 0.1; done
asked() { curl --silent --show-error --fail "$@" "$second/pulp/api/v3/repositories/"; }

#: A user of an LDAP server logs in with the password there
asked --user carol:known-3lsewhere | jq -e '.count >= 0'
api_user=$(curl --silent --fail --user "admin:$PULP_PASSWORD" "$second/pulp/api/v3/users/?username=carol" | jq -r '.results[0].email')
[ "$api_user" = carol@example.com ]

#: A wrong password, and nobody's, are refused
refused asked --user carol:wrong
refused asked --user nobody:known-3lsewhere

#: Such a user gets roles as others do
refused curl --silent --fail --user carol:known-3lsewhere --request POST --header 'Content-Type: application/json' \
    --data '{"name": "of-carol"}' "$second/pulp/api/v3/repositories/file/file/"
pulp --base-url "$second" user role-assignment add --username carol --role file.filerepository_creator --object ""
curl --silent --fail --user carol:known-3lsewhere --request POST --header 'Content-Type: application/json' \
    --data '{"name": "of-carol"}' "$second/pulp/api/v3/repositories/file/file/" | jq -e '.name == "of-carol"'

#: A proxy that has logged a user in names them in a header (REMOTE_USER), as with OAuth2 and Keycloak
asked --header 'X-User: admin' | jq -e '.count >= 1'
refused asked --header 'X-User: not-there'

#: With LDAP away, users of Pulp's own go on
pkill slapd
until refused ldapwhoami -x -H ldap://localhost:3890; do sleep 0.1; done
asked --user "admin:$PULP_PASSWORD" >/dev/null
refused asked --user carol:known-3lsewhere

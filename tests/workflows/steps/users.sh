# Two users and a registry
password=push-4-me
as() { skopeo copy --quiet --dest-tls-verify=$verify --dest-creds "$1:$password" tarball:layer.tar "docker://$registry/$2"; }
reads() { skopeo inspect --tls-verify=$verify --creds "$1:$password" "docker://$registry/$2" >/dev/null; }
mkdir -p layer && echo users >layer/file && tar -C layer --mtime=@0 -cf layer.tar file

#: A user pushes into the namespace of their name, without any role, and into no other
for user in alice bob; do pulp user create --username $user --password $password; done
as alice alice/app:1
refused as alice carol/app:1

#: Nobody else pushes there
refused as bob alice/app:2

#: What is private is read by its owner, and by nobody else until the owner lets them
distribution=$(api GET '/pulp/api/v3/distributions/container/container/?name=alice/app' | jq -r '.results[0].pulp_href')
api PATCH "$distribution" '{"private": true}' | ended
reads alice alice/app:1
refused reads bob alice/app:1
refused skopeo inspect --tls-verify=$verify --no-creds "docker://$registry/alice/app:1"
namespace=$(api GET '/pulp/api/v3/pulp_container/namespaces/?name=alice' | jq -r '.results[0].pulp_href')
api POST "${namespace}add_role/" '{"role": "container.containernamespace_consumer", "users": ["bob"]}' >/dev/null
reads bob alice/app:1
refused as bob alice/app:3

#: What a user may see of the API is what their roles say
curl --silent --fail --user "bob:$password" "$pulp/pulp/api/v3/repositories/" | jq -e 'all(.results[]; .name != "alice/app")' ||
    curl --silent --fail --user "bob:$password" "$pulp/pulp/api/v3/repositories/" | jq -c '[.results[].name]'
refused curl --silent --fail --user "bob:$password" --request POST --header 'Content-Type: application/json' \
    --data '{"name": "of-bob"}' "$pulp/pulp/api/v3/repositories/file/file/"

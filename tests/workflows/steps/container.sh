# Container images
image() { # NAME:TAG TEXT
    mkdir -p layer && echo "$2" >layer/file
    tar -C layer --mtime=@0 -cf layer.tar file
    skopeo copy --quiet --dest-tls-verify=$verify --dest-creds "admin:$PULP_PASSWORD" tarball:layer.tar "docker://$registry/$1"
}
digest() { skopeo inspect --tls-verify=$verify --format '{{.Digest}}' "docker://$registry/$1"; }

#: An image is pushed, and anybody reads it
image shop/app:1 one
image shop/app:2 two
skopeo list-tags --tls-verify=$verify "docker://$registry/shop/app" | jq -e '.Tags == ["1", "2"]'

#: A wrong password is refused
refused skopeo copy --quiet --dest-tls-verify=$verify --dest-creds admin:wrong tarball:layer.tar "docker://$registry/shop/app:3"

#: A repository syncs from another registry, of which it takes only some tags: here Pulp's own
pulp container remote create --name app --url "$pulp" --upstream-name shop/app --include-tags '["2"]'
pulp container repository create --name app-mirror --remote app
pulp container repository sync --name app-mirror
pulp container distribution create --name app-mirror --base-path mirror/app --repository app-mirror
skopeo list-tags --tls-verify=$verify "docker://$registry/mirror/app" | jq -e '.Tags == ["2"]'
[ "$(digest mirror/app:2)" = "$(digest shop/app:2)" ]

#: A tag is added to a version of a repository, and taken away
pulp container repository tag --name app-mirror --tag stable --digest "$(digest mirror/app:2)"
[ "$(digest mirror/app:stable)" = "$(digest mirror/app:2)" ]
pulp container repository untag --name app-mirror --tag stable
refused digest mirror/app:stable

#: On demand, layers are fetched when a client first asks for them
pulp container remote create --name later --url "$pulp" --upstream-name shop/app --policy on_demand
pulp container repository create --name app-later --remote later
pulp container repository sync --name app-later
pulp container distribution create --name app-later --base-path later/app --repository app-later
skopeo copy --quiet --src-tls-verify=$verify "docker://$registry/later/app:1" dir:taken
[ "$(jq -r '.layers[0].digest' taken/manifest.json | cut -d : -f 2)" = "$(sha256sum taken/"$(jq -r '.layers[0].digest' taken/manifest.json | cut -d : -f 2)" | cut -d ' ' -f 1)" ]

#: A layer that two images share is stored once
artifacts() { api GET '/pulp/api/v3/artifacts/?limit=1' | jq .count; }
before=$(artifacts)
image shop/copy:1 two
[ $(($(artifacts) - before)) -le 2 ] # the manifest and the configuration, which have the time of the push in them

#: A later sync adds what is new and keeps what has gone, and one that mirrors does not
pulp container remote create --name all --url "$pulp" --upstream-name shop/moving
pulp container repository create --name moving --remote all
repository=$(pulp container repository show --name moving | jq -r .pulp_href)
pulp container distribution create --name moving --base-path moving/app --repository moving
tags() { skopeo list-tags --tls-verify=$verify "docker://$registry/$1" | jq -c .Tags; }
image shop/moving:1 one
api POST "${repository}sync/" '{}' | ended
image shop/moving:2 two
pulp container repository untag --name shop/moving --tag 1
api POST "${repository}sync/" '{}' | ended
[ "$(tags moving/app)" = '["1","2"]' ]
api POST "${repository}sync/" '{"mirror": true}' | ended
[ "$(tags moving/app)" = '["2"]' ]

#: An earlier version is served beside the newest one
pulp container distribution create --name earlier --base-path earlier/app --repository moving --version 1
[ "$(tags earlier/app)" = '["1"]' ]

#: What is chosen goes into another repository, with all that it refers to
pulp container repository create --name chosen
pulp container distribution create --name chosen --base-path chosen/app --repository chosen
tag=$(api GET "/pulp/api/v3/content/container/tags/?name=2&repository_version=${repository}versions/3/" | jq -r '.results[0].pulp_href')
api POST "$(pulp container repository show --name chosen | jq -r .pulp_href)add/" "{\"content_units\": [\"$tag\"]}" | ended
[ "$(digest chosen/app:2)" = "$(digest moving/app:2)" ]
skopeo copy --quiet --src-tls-verify=$verify "docker://$registry/chosen/app:2" dir:chosen

#: What is not there is fetched from another registry when a client first asks for it (pull-through): here Pulp's own
api POST /pulp/api/v3/remotes/container/pull-through/ "{\"name\": \"through\", \"url\": \"$pulp\"}"
remote=$(api GET '/pulp/api/v3/remotes/container/pull-through/?name=through' | jq -r '.results[0].pulp_href')
api POST /pulp/api/v3/distributions/container/pull-through/ "{\"name\": \"through\", \"base_path\": \"through\", \"remote\": \"$remote\"}" | ended
skopeo copy --quiet --src-tls-verify=$verify --src-creds "admin:$PULP_PASSWORD" "docker://$registry/through/shop/app:2" dir:through
cmp through/manifest.json <(skopeo inspect --raw --tls-verify=$verify "docker://$registry/shop/app:2")

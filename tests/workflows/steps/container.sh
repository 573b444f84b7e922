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

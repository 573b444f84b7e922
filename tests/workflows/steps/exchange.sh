# A second Pulp
elsewhere() { # METHOD PATH [JSON]
    pulp=$second api "$@"
}
# What the second one does in many tasks: waits for all of them. The first one has begun all others when it ends; the group of an
# import or a replication never says that itself.
ended='.completed > 0 and .waiting + .running + .canceling == 0'
all_ended() {
    local group found tries=0
    group=$(jq --raw-output '.task_group')
    until found=$(elsewhere GET "$group") && jq -e "$ended" <<<"$found" >/dev/null; do
        [ $((tries += 1)) -lt 100 ] || { echo "the tasks go on and on: $found" >&2; return 1; }
        sleep 0.2
    done
    jq -e '.failed + .canceled == 0' <<<"$found" >/dev/null || { jq -c . <<<"$found" >&2; return 1; }
}
taken() { curl --silent --show-error --fail "$second/pulp/content/$1"; }
import() { # PATH
    elsewhere POST "${importer}imports/" "$(jq -n --arg path "$1" '{path: $path, create_repositories: true}')" | all_ended
}

#: Repositories are exported to a file
for name in one two; do
    pulp file repository create --name "moved-$name"
    echo "first of $name" >"$name.txt"
    pulp file content upload --relative-path "$name.txt" --file "$name.txt" --repository "moved-$name"
done
repositories=$(for name in one two; do pulp file repository show --name "moved-$name" | jq .pulp_href; done | jq -s .)
exporter=$(api POST /pulp/api/v3/exporters/core/pulp/ "$(jq -n --argjson all "$repositories" '{name: "moved", path: "/exchange/moved", repositories: $all}')" | jq -r .pulp_href)
export=$(api POST "${exporter}exports/" '{}' | ended | grep exports/)
archive=$(api GET "$export" | jq -r '.output_file_info | keys[]' | grep 'tar')

#: A Pulp that has no way to the first one imports them, and serves what is in them
importer=$(elsewhere POST /pulp/api/v3/importers/core/pulp/ '{"name": "moved"}' | jq -r .pulp_href)
import "$archive"
for name in one two; do
    repository=$(elsewhere GET "/pulp/api/v3/repositories/file/file/?name=moved-$name" | jq -r '.results[0].pulp_href')
    elsewhere POST /pulp/api/v3/publications/file/file/ "{\"repository\": \"$repository\"}" | (pulp=$second ended) >/dev/null
    elsewhere POST /pulp/api/v3/distributions/file/file/ "{\"name\": \"moved-$name\", \"base_path\": \"moved/$name\", \"repository\": \"$repository\"}" |
        (pulp=$second ended) >/dev/null
    taken "moved/$name/$name.txt" | cmp - "$name.txt"
done

#: Later only what is new is exported and imported
echo "second of one" >new.txt
pulp file content upload --relative-path new.txt --file new.txt --repository moved-one
export=$(api POST "${exporter}exports/" '{"full": false}' | ended | grep exports/)
import "$(api GET "$export" | jq -r '.output_file_info | keys[]' | grep 'tar')"
repository=$(elsewhere GET '/pulp/api/v3/repositories/file/file/?name=moved-one' | jq -r '.results[0].pulp_href')
elsewhere POST /pulp/api/v3/publications/file/file/ "{\"repository\": \"$repository\"}" | (pulp=$second ended) >/dev/null
taken moved/one/new.txt | cmp - new.txt
taken moved/one/one.txt | cmp - one.txt

#: A Pulp that has a way to the first one replicates what is marked there
pulp file repository create --name marked --autopublish
echo marked >marked.txt
pulp file content upload --relative-path marked.txt --file marked.txt --repository marked
api POST /pulp/api/v3/distributions/file/file/ "{\"name\": \"marked\", \"base_path\": \"marked\", \"pulp_labels\": {\"to\": \"second\"},
    \"repository\": \"$(pulp file repository show --name marked | jq -r .pulp_href)\"}" | ended
upstream=$(elsewhere POST /pulp/api/v3/upstream-pulps/ "$(jq -n --arg url "$pulp" --arg password "$PULP_PASSWORD" \
    '{name: "first", base_url: $url, api_root: "/pulp/", username: "admin", password: $password, tls_validation: false,
      q_select: "pulp_label_select=\"to=second\""}')" | jq -r .pulp_href)
elsewhere POST "${upstream}replicate/" '{}' | all_ended
taken marked/marked.txt | cmp - marked.txt
refused taken moved/two/marked.txt

#: A change is replicated, too
echo changed >later.txt
pulp file content upload --relative-path later.txt --file later.txt --repository marked
elsewhere POST "${upstream}replicate/" '{}' | all_ended
taken marked/later.txt | cmp - later.txt

#: Images are exported and imported, too
mkdir -p layer && echo moved >layer/file && tar -C layer -cf layer.tar file
skopeo copy --quiet --dest-tls-verify=$verify --dest-creds "admin:$PULP_PASSWORD" tarball:layer.tar "docker://$registry/moved/image:1"
repository=$(pulp container repository show --name moved/image | jq -r .pulp_href)
exporter=$(api POST /pulp/api/v3/exporters/core/pulp/ "{\"name\": \"image\", \"path\": \"/exchange/image\", \"repositories\": [\"$repository\"]}" | jq -r .pulp_href)
export=$(api POST "${exporter}exports/" '{}' | ended | grep exports/)
importer=$(elsewhere POST /pulp/api/v3/importers/core/pulp/ '{"name": "image"}' | jq -r .pulp_href)
import "$(api GET "$export" | jq -r '.output_file_info | keys[]' | grep 'tar')"
repository=$(elsewhere GET '/pulp/api/v3/repositories/?name=moved/image' | jq -r '.results[0].pulp_href')
elsewhere POST /pulp/api/v3/distributions/container/container/ "{\"name\": \"image\", \"base_path\": \"moved/image\", \"repository\": \"$repository\"}" |
    (pulp=$second ended) >/dev/null
[ "$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://${second#*://}/moved/image:1")" = \
    "$(skopeo inspect --tls-verify=$verify --format '{{.Digest}}' "docker://$registry/moved/image:1")" ]

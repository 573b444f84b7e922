# When the source is away
mkdir -p "$sources/far"
for name in asked never; do echo "the content of $name" >"$sources/far/$name"; done
(cd "$sources/far" && for file in asked never; do echo "$file,$(sha256sum "$file" | cut -d ' ' -f 1),$(stat -c %s "$file")"; done >PULP_MANIFEST)
mirror() { # NAME POLICY
    pulp file remote create --name "$1" --url "$source/far/PULP_MANIFEST" --policy "$2"
    pulp file repository create --name "$1" --remote "$1" --autopublish
    pulp file repository sync --name "$1"
    pulp file distribution create --name "$1" --base-path "$1" --repository "$1"
}

#: On demand, a file is fetched when a client first asks for it
mirror far-later on_demand
[ "$(api GET "/pulp/api/v3/content/file/files/?relative_path=asked" | jq '.results[0].artifact')" = null ]
content far-later/asked | cmp - "$sources/far/asked"

#: Without the source, what was fetched is served on, and only what was not is missing
source_goes
content far-later/asked | cmp - "$sources/far/asked"
refused content far-later/never
source_comes

#: What was synced at once needs no source any more
mirror far-now immediate
source_goes
content far-now/asked | cmp - "$sources/far/asked"
content far-now/never | cmp - "$sources/far/never"
source_comes

#: What was streamed is never kept
mirror far-stream streamed
content far-stream/asked | cmp - "$sources/far/asked"

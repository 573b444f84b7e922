# Content in S3
at "$stored"
mkdir -p swift devices/disk
cat >swift/swift.conf <<'EOF'
[swift-hash]
swift_hash_path_suffix = shop
[storage-policy:0]
name = one
default = yes
EOF
port=6200
for part in object container account; do
    swift-ring-builder swift/$part.builder create 6 1 1 >/dev/null
    swift-ring-builder swift/$part.builder add r1z1-127.0.0.1:$port/disk 1 >/dev/null
    swift-ring-builder swift/$part.builder rebalance >/dev/null
    printf '%s\n' '[DEFAULT]' "devices = $PWD/devices" 'mount_check = false' 'bind_ip = 127.0.0.1' "bind_port = $port" 'user = root' 'workers = 1' \
        "swift_dir = $PWD/swift" '[pipeline:main]' "pipeline = $part-server" "[app:$part-server]" "use = egg:swift#$part" >swift/$part-server.conf
    port=$((port + 1))
done
cat >swift/proxy-server.conf <<EOF
[DEFAULT]
bind_ip = 0.0.0.0
bind_port = 8085
user = root
workers = 1
swift_dir = $PWD/swift
[pipeline:main]
pipeline = catch_errors gatekeeper cache s3api tempauth slo proxy-server
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:11211
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_shop_pulp = kept-3lsewhere .admin
[filter:slo]
use = egg:swift#slo
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
EOF
printf '%s\n' '[default]' 'access_key = shop:pulp' 'secret_key = kept-3lsewhere' 'host_base = localhost:8085' 'host_bucket = localhost:8085' \
    'use_https = False' >s3cfg
s3() { s3cmd --quiet --config s3cfg "$@"; }
objects() { s3cmd --config s3cfg ls --recursive s3://pulp/ | wc -l; }

#: A bucket of OpenStack Swift, which speaks S3
memcached -u nobody -l 127.0.0.1 &
for part in object container account proxy; do
    swift-$part-server "swift/$part-server.conf" verbose >"swift/$part.log" 2>&1 &
done
until curl --silent --output /dev/null http://localhost:8085; do sleep 0.2; done
s3 mb s3://pulp

#: What is uploaded is an object of the bucket
head -c 20000000 /dev/urandom >large.bin
pulp file repository create --name kept --autopublish
pulp file distribution create --name kept --base-path kept --repository kept
pulp file content upload --relative-path large.bin --file large.bin --repository kept
s3 get "s3://pulp/artifact/$(sha256sum large.bin | cut -c 1-2)/$(sha256sum large.bin | cut -c 3-64)" got.bin
cmp got.bin large.bin

#: A client is sent to the bucket for it
content kept/large.bin --location --output got.bin --write-out '%{url_effective}\n' | tee effective
grep --quiet '^http://pulp.example.com:8085/pulp/artifact/' effective
cmp got.bin large.bin

#: An upload in chunks
form_chunk() { # HREF OFFSET LENGTH
    head -c $(($2 + $3)) large.bin | tail -c "$3" >chunk
    curl --silent --show-error --fail-with-body --netrc --request PUT --form file=@chunk \
        --header "Content-Range: bytes $2-$(($2 + $3 - 1))/20000000" "$pulp$1" >/dev/null
}
printf 1 | dd of=large.bin conv=notrunc status=none # another file
upload=$(api POST /pulp/api/v3/uploads/ '{"size": 20000000}' | jq -r .pulp_href)
form_chunk "$upload" 0 12000000
form_chunk "$upload" 12000000 8000000
api POST "${upload}commit/" "{\"sha256\": \"$(sha256sum large.bin | cut -d ' ' -f 1)\"}" | ended

#: A repository syncs into it, and what is not there yet is fetched on demand
mkdir -p "$sources/kept"
echo one >"$sources/kept/one.txt"
(cd "$sources/kept" && printf 'one.txt,%s,%s\n' "$(sha256sum one.txt | cut -d ' ' -f 1)" "$(stat -c %s one.txt)" >PULP_MANIFEST)
pulp file remote create --name demanded --url "${source/localhost/pulp.example.com}/kept/PULP_MANIFEST" --policy on_demand
pulp file repository create --name demanded --remote demanded --autopublish
pulp file repository sync --name demanded
pulp file distribution create --name demanded --base-path demanded --repository demanded
before=$(objects)
content demanded/one.txt --location | cmp - "$sources/kept/one.txt"
[ "$(objects)" -gt "$before" ]

#: An image is pushed, and its layers come from the bucket
mkdir -p layer && echo kept >layer/file && tar -C layer -cf layer.tar file
skopeo copy --quiet --dest-tls-verify=false --dest-creds "admin:$PULP_PASSWORD" tarball:layer.tar "docker://$registry/shop/kept:1"
skopeo copy --quiet --src-tls-verify=false "docker://$registry/shop/kept:1" dir:taken
layer=$(jq -r '.layers[0].digest' taken/manifest.json)
[ "sha256:$(sha256sum "taken/${layer#*:}" | cut -d ' ' -f 1)" = "$layer" ]

#: What nobody refers to any more is removed from the bucket
before=$(objects)
pulp file repository destroy --name kept
pulp orphan cleanup --protection-time 0
[ "$(objects)" -lt "$before" ]

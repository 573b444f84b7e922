# Signatures
at "$signs"
service() { api GET "/pulp/api/v3/signing-services/?name=$1" | jq -r ".results[0].$2"; }
# Somebody else's key.
export GNUPGHOME=$own/gnupg
mkdir -m 700 gnupg
gpg --batch --quiet --passphrase '' --quick-gen-key other@example.com ed25519 sign never
gpg --armor --export other@example.com >other.asc

#: The services of signing.md are there
service ansible-default public_key >key.asc
for kind in ansible container deb rpm; do
    service "$kind-default" script | grep "^/var/lib/pulp/scripts/"
done

#: A release of an apt repository is signed: apt takes it with the key, and with no other one
mkdir -p lists/partial
deb_package signed 1.0 .
pulp deb repository create --name signed-deb
form /pulp/api/v3/content/deb/packages/ file=@signed_1.0_amd64.deb "repository=$(pulp deb repository show --name signed-deb | jq -r .pulp_href)" \
    distribution=stable component=main | ended
publication=$(api POST /pulp/api/v3/publications/deb/apt/ "$(jq -n --arg service "$(service deb-default pulp_href)" \
    --arg repository "$(pulp deb repository show --name signed-deb | jq -r .pulp_href)" '{repository: $repository, signing_service: $service}')" | ended | grep publications)
pulp deb distribution create --name signed-deb --base-path signed-deb --publication "$publication"
echo "deb [signed-by=$PWD/other.asc] $pulp/pulp/content/signed-deb/ stable main" >sources.list
refused apt_ -o APT::Update::Error-Mode=any update
echo "deb [signed-by=$PWD/key.asc] $pulp/pulp/content/signed-deb/ stable main" >sources.list
apt_ -o APT::Update::Error-Mode=any update
apt_ download signed

#: An rpm package is signed when it is uploaded, and the repository's metadata with it: dnf looks at both
printf '%s\n' 'Name: signed' 'Version: 1.0' 'Release: 1' 'Summary: a package' 'License: MIT' 'BuildArch: noarch' '%description' 'A package.' '%files' >signed.spec
rpmbuild --quiet --define "_topdir $PWD/build" --define "_rpmdir $PWD" -bb signed.spec
api POST /pulp/api/v3/repositories/rpm/rpm/ "$(jq -n --arg package "$(service rpm-default pulp_href)" --arg metadata "$(service ansible-default pulp_href)" \
    --arg fingerprint "$(service rpm-default pubkey_fingerprint)" '{name: "signed-rpm", autopublish: true, repo_config: {gpgcheck: 1, repo_gpgcheck: 1},
    package_signing_service: $package, package_signing_fingerprint: $fingerprint, metadata_signing_service: $metadata}')"
form /pulp/api/v3/content/rpm/packages/ file=@noarch/signed-1.0-1.noarch.rpm "repository=$(pulp rpm repository show --name signed-rpm | jq -r .pulp_href)" | ended
pulp rpm distribution create --name signed-rpm --base-path signed-rpm --repository signed-rpm --generate-repo-config
mkdir -p repos
content signed-rpm/config.repo >repos/pulp.repo
dnf --quiet --assumeyes --installroot "$PWD/root" --releasever 1 --setopt=reposdir="$PWD/repos" --setopt=cachedir="$PWD/cache" install signed

#: A collection is signed: ansible-galaxy takes it with the key, and none without a signature
pulp ansible repository create --name signed
pulp ansible distribution create --name signed --base-path signed --repository signed
printf '%s\n' '[galaxy]' 'server_list = pulp' '[galaxy_server.pulp]' "url = $pulp/pulp_ansible/galaxy/signed/" 'username = admin' \
    "password = $PULP_PASSWORD" >ansible.cfg
collection signed 1.0.0
pulp ansible content upload --file shop-signed-1.0.0.tar.gz --repository signed
api POST "$(pulp ansible repository show --name signed | jq -r .pulp_href)sign/" "$(jq -n --arg service "$(service ansible-default pulp_href)" \
    '{content_units: ["*"], signing_service: $service}')" | ended
collection unsigned 1.0.0
pulp ansible content upload --file shop-unsigned-1.0.0.tar.gz --repository signed
gpg --batch --quiet --no-default-keyring --keyring "$PWD/keys.gpg" --import key.asc
install() { ansible-galaxy collection install --collections-path "$PWD/installed" --keyring "$PWD/keys.gpg" --required-valid-signature-count +1 "$1"; }
install shop.signed
refused install shop.unsigned
ansible-galaxy collection install --collections-path "$PWD/installed" shop.unsigned # it is there

#: An image is signed: skopeo takes it by a policy that wants the key
tar --mtime=@0 -cf layer.tar key.asc
skopeo copy --quiet --dest-tls-verify=false --dest-creds "admin:$PULP_PASSWORD" tarball:layer.tar "docker://$registry/shop/signed:1"
policy() { # KEY
    jq -n --arg key "$PWD/$1" '{default: [{type: "signedBy", keyType: "GPGKeys", keyPath: $key, signedIdentity: {type: "matchRepository"}}]}' >policy.json
}
take() { rm -rf taken && skopeo copy --quiet --policy policy.json --src-tls-verify=false "docker://$registry/shop/signed:1" dir:taken; }
policy key.asc
refused take
api POST "$(pulp container repository show --name shop/signed | jq -r .pulp_href)sign/" \
    "{\"manifest_signing_service\": \"$(service container-default pulp_href)\"}" | ended
take
policy other.asc
refused take

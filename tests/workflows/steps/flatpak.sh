# Flatpak
export XDG_DATA_HOME=$own/data HOME=$own
application() { # VERSION: of org.example.Shop, as an OCI image
    rm -rf tree shop && mkdir -p tree/files/bin tree/export
    printf '%s\n' '#!/bin/sh' "echo $1" >tree/files/bin/shop && chmod +x tree/files/bin/shop
    printf '%s\n' '[Application]' 'name=org.example.Shop' 'runtime=org.example.Platform/x86_64/1' 'sdk=org.example.Sdk/x86_64/1' 'command=shop' >tree/metadata
    flatpak build-export --disable-sandbox repository tree stable
    flatpak build-bundle --oci repository shop org.example.Shop stable
    skopeo copy --quiet --dest-tls-verify=$verify --dest-creds "admin:$PULP_PASSWORD" oci:shop "docker://$registry/flatpak/shop:latest"
}
flatpak_() { dbus-run-session -- flatpak --user "$@"; }

#: An application is pushed as an image, and is in the index
application 1.0
curl --silent --show-error --fail --get "$pulp/index/static" --data 'label:org.flatpak.ref:exists=1' --data 'tag=latest' |
    jq -e '.Results[] | select(.Name == "flatpak/shop").Images[0].Labels["org.flatpak.ref"] == "app/org.example.Shop/x86_64/stable"'

#: flatpak finds and installs it
flatpak_ remote-add pulp "oci+$pulp"
flatpak_ remote-ls --columns=application pulp | grep --quiet org.example.Shop
flatpak_ install --noninteractive --no-deps pulp org.example.Shop
[ "$(sh "$(flatpak --user info --show-location org.example.Shop)/files/bin/shop")" = 1.0 ]

#: A newer one is pushed, and flatpak updates to it
application 2.0
rm -rf data/flatpak/oci # flatpak looks at the index again after half an hour
flatpak_ update --noninteractive --no-deps
[ "$(sh "$(flatpak --user info --show-location org.example.Shop)/files/bin/shop")" = 2.0 ]

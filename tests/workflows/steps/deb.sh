# Debian

#: A repository syncs from one that apt-ftparchive has made
mkdir -p "$sources/deb/pool" "$sources/deb/dists/stable/main/binary-amd64" lists/partial
deb_package shop 1.0 "$sources/deb/pool"
(cd "$sources/deb" && apt-ftparchive packages pool >dists/stable/main/binary-amd64/Packages && gzip -kf dists/stable/main/binary-amd64/Packages \
    && apt-ftparchive -o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Codename=stable \
        -o APT::FTPArchive::Release::Components=main -o APT::FTPArchive::Release::Architectures=amd64 release dists/stable >Release \
    && mv Release dists/stable/)
pulp deb remote create --name deb --url "$source/deb" --distribution stable --component main --architecture amd64
pulp deb repository create --name deb --remote deb
pulp deb repository sync --name deb
first=$(pulp deb publication create --repository deb | jq -r .pulp_href)
pulp deb distribution create --name deb --base-path deb --publication "$first"

#: apt-get takes its package
echo "deb [trusted=yes] $pulp/pulp/content/deb/ stable main" >sources.list
apt_ update
apt_ download shop
dpkg-deb --extract shop_1.0_amd64.deb out
[ "$(cat out/opt/shop/version)" = 1.0 ]

#: A second update transfers nothing that has not changed
apt_ -o quiet=0 update | tee update.log
grep --quiet 'Hit:' update.log
refused grep 'Get:' update.log

#: A package of one's own is uploaded, and apt-get takes it
deb_package depot 3.0 .
form /pulp/api/v3/content/deb/packages/ "file=@$(ls depot_*.deb)" "repository=$(pulp deb repository show --name deb | jq -r .pulp_href)" \
    distribution=stable component=main | ended
second=$(pulp deb publication create --repository deb | jq -r .pulp_href)
pulp deb distribution update --name deb --publication "$second"
apt_ update
apt_ download depot

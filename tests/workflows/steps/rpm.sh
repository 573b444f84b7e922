# RPM
package() { # NAME VERSION
    printf '%s\n' "Name: $1" "Version: $2" 'Release: 1' 'Summary: a package' 'License: MIT' 'BuildArch: noarch' '%description' 'A package.' \
        '%install' "mkdir -p %{buildroot}/opt/$1" "echo $2 >%{buildroot}/opt/$1/version" '%files' "/opt/$1" >"$1.spec"
    rpmbuild --quiet --define "_topdir $PWD/build" --define "_rpmdir $3" -bb "$1.spec"
}
# A system of its own, so that Debian's is left alone.
dnf_() { dnf --quiet --assumeyes --installroot "$PWD/root" --releasever 1 --setopt=reposdir="$PWD/repos" --setopt=cachedir="$PWD/cache" "$@"; }

#: A repository syncs from one that createrepo_c has made
mkdir -p "$sources/rpm" repos
package shop 1.0 "$sources/rpm"
package depot 1.0 "$sources/rpm"
createrepo_c --quiet "$sources/rpm"
pulp rpm remote create --name rpm --url "$source/rpm/"
pulp rpm repository create --name rpm --remote rpm
pulp rpm repository sync --name rpm
first=$(pulp rpm publication create --repository rpm --repo-config '{"gpgcheck": 0}' | jq -r .pulp_href)
pulp rpm distribution create --name rpm --base-path rpm --publication "$first" --generate-repo-config

#: dnf installs from it, by the config.repo that Pulp writes
content rpm/config.repo >repos/pulp.repo
dnf_ install shop
[ "$(cat root/opt/shop/version)" = 1.0 ]

#: A second makecache takes repomd.xml alone, for which dnf asks without a condition
: >root/var/log/dnf.librepo.log
dnf_ --refresh makecache
[ "$(grep --only-matching 'Downloading: .*' root/var/log/dnf.librepo.log)" = "Downloading: $pulp/pulp/content/rpm/repodata/repomd.xml" ]

#: A newer package is uploaded, and dnf takes it
package shop 2.0 "$PWD"
pulp rpm content upload --file noarch/shop-2.0-1.noarch.rpm --relative-path shop-2.0-1.noarch.rpm --repository rpm
second=$(pulp rpm publication create --repository rpm --repo-config '{"gpgcheck": 0}' | jq -r .pulp_href)
pulp rpm distribution update --name rpm --publication "$second"
dnf_ --refresh upgrade shop
[ "$(cat root/opt/shop/version)" = 2.0 ]

#: A mirror has the source's metadata, byte by byte
pulp rpm repository create --name exact --remote rpm
pulp rpm repository sync --name exact --sync-policy mirror_complete
pulp rpm distribution create --name exact --base-path exact --publication \
    "$(pulp rpm publication list --repository exact | jq -r '.[0].pulp_href')"
content exact/repodata/repomd.xml | cmp - "$sources/rpm/repodata/repomd.xml"

# OSTree
#: Commits are imported from an archive
mkdir -p tree
echo one >tree/file
ostree --repo=made init --mode=archive
ostree --repo=made commit --branch=os/stable --subject=one tree
tar -cf made.tar made
pulp ostree repository create --name os
pulp ostree repository import-all --name os --file made.tar --repository_name made
pulp ostree distribution create --name os --base-path os --repository os

#: ostree pulls them
ostree --repo=taken init --mode=archive
ostree --repo=taken remote add --no-gpg-verify pulp "$pulp/pulp/content/os"
ostree --repo=taken pull --mirror pulp os/stable
[ "$(ostree --repo=taken cat os/stable /file)" = one ]

#: A repository syncs from another one: here that of Pulp itself
pulp ostree remote create --name os --url "$pulp/pulp/content/os/" --policy immediate
pulp ostree repository create --name mirror --remote os
pulp ostree repository sync --name mirror
pulp ostree repository version show --repository mirror | jq -e '.content_summary.present."ostree.commit".count == 1'

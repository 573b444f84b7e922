# Files of any kind
# What a distribution had served before is served on for some days, for clients that have older metadata
# (DISTRIBUTED_PUBLICATION_RETENTION_PERIOD). So the manifest says what is there.
lists() { content iso/PULP_MANIFEST | cut -d , -f 1 | sort | tr '\n' ' '; }
mkdir -p "$sources/iso"
for name in one two three; do echo "the content of $name" >"$sources/iso/$name.iso"; done
(cd "$sources/iso" && for file in *.iso; do echo "$file,$(sha256sum "$file" | cut -d ' ' -f 1),$(stat -c %s "$file")"; done >PULP_MANIFEST)

#: A repository gets what a remote has, by one sync
pulp file remote create --name iso --url "$source/iso/PULP_MANIFEST"
pulp file repository create --name iso --remote iso
pulp file repository sync --name iso
first=$(pulp file publication create --repository iso | jq -r .pulp_href)
pulp file distribution create --name iso --base-path iso --publication "$first"

#: A client downloads what the source has
content iso/one.iso | cmp - "$sources/iso/one.iso"
content iso/PULP_MANIFEST | sort | cmp - <(sort "$sources/iso/PULP_MANIFEST")

#: A file is added, and another one removed
echo "the content of four" >four.iso
pulp file content upload --file four.iso --relative-path four.iso --repository iso
pulp file repository content remove --repository iso --sha256 "$(sha256sum "$sources/iso/two.iso" | cut -d ' ' -f 1)" --relative-path two.iso
second=$(pulp file publication create --repository iso | jq -r .pulp_href)
pulp file distribution update --name iso --publication "$second"
content iso/four.iso | cmp - four.iso
[ "$(lists)" = "four.iso one.iso three.iso " ]

#: A rollback to an earlier version takes both back
pulp file distribution update --name iso --publication "$first"
[ "$(lists)" = "one.iso three.iso two.iso " ]
content iso/two.iso | cmp - "$sources/iso/two.iso"
api POST "$(pulp file repository show --name iso | jq -r .pulp_href)modify/" \
    "$(pulp file repository version show --repository iso --version 1 | jq '{base_version: .pulp_href}')" | ended
pulp file repository version show --repository iso | jq -e '.number == 4 and .content_summary.present."file.file".count == 3'

#: A repository keeps as many versions as it is told
pulp file repository update --name iso --retain-repo-versions 2
# The newest, the one before, and those that are distributed, or were lately.
[ "$(pulp file repository version list --repository iso | jq length)" -le 4 ]

# Development, test and production
mkdir -p "$sources/app"
release() {
    echo "release $1" >"$sources/app/app.bin"
    (cd "$sources/app" && echo "app.bin,$(sha256sum app.bin | cut -d ' ' -f 1),$(stat -c %s app.bin)" >PULP_MANIFEST)
}
serves() { [ "$(content "$1/app.bin")" = "release $2" ]; }

#: Each stage has a distribution of its own, of the same repository
release 1
pulp file remote create --name release --url "$source/app/PULP_MANIFEST"
pulp file repository create --name release --remote release
pulp file repository sync --name release
one=$(pulp file publication create --repository release | jq -r .pulp_href)
for stage in dev test prod; do
    pulp file distribution create --name "$stage" --base-path "stages/$stage" --publication "$one"
    serves "stages/$stage" 1
done

#: A new release reaches development alone
release 2
pulp file repository sync --name release --mirror
two=$(pulp file publication create --repository release | jq -r .pulp_href)
pulp file distribution update --name dev --publication "$two"
serves stages/dev 2
serves stages/test 1
serves stages/prod 1

#: It is promoted to test, and then to production, at once and without copying anything
pulp file distribution update --name test --publication "$two"
serves stages/test 2
pulp file distribution update --name prod --publication "$two"
serves stages/prod 2

#: It is taken back from production at once
pulp file distribution update --name prod --publication "$one"
serves stages/prod 1
serves stages/dev 2

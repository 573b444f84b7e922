# Python
wheel() { # NAME VERSION
    python3 - "$1" "$2" <<'END'
import sys, zipfile
name, version = sys.argv[1:]
info = f"{name}-{version}.dist-info"
with zipfile.ZipFile(f"{name}-{version}-py3-none-any.whl", "w") as wheel:
    wheel.writestr(f"{name}.py", f"VERSION = {version!r}\n")
    wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/RECORD", "")
END
}
installed() { PYTHONPATH=$1 python3 -c "import $2; print($2.VERSION)"; }
take() { rm -rf out && pip install --trusted-host pulp.example.com --quiet --no-cache-dir --target out "$@"; }

#: twine uploads a package
wheel shop 1.0
pulp python repository create --name py
pulp python distribution create --name py --base-path py --repository py
twine upload --disable-progress-bar --non-interactive --repository-url "$pulp/pypi/py/legacy/" shop-1.0-*.whl

#: pip installs it, and its newer version once that is there
until curl --silent --location "$pulp/pypi/py/simple/shop/" | grep --quiet 'shop-1.0'; do sleep 0.2; done
take --index-url "$pulp/pypi/py/simple/" shop
[ "$(installed out shop)" = 1.0 ]
wheel shop 2.0
twine upload --disable-progress-bar --non-interactive --repository-url "$pulp/pypi/py/legacy/" shop-2.0-*.whl
until curl --silent --location "$pulp/pypi/py/simple/shop/" | grep --quiet 'shop-2.0'; do sleep 0.2; done
take --index-url "$pulp/pypi/py/simple/" shop
[ "$(installed out shop)" = 2.0 ]

#: A second resolve transfers nothing that has not changed: its requests are answered with 304
resolve() { pip install --trusted-host pulp.example.com --cache-dir "$PWD/cache" --dry-run --ignore-installed -vvv --index-url "$pulp/pypi/py/simple/" shop; }
resolve >/dev/null
resolve | grep --only-matching 'GET .* HTTP/1.1" .*' | tee second.log
[ "$(grep --count ' 304 ' second.log)" = "$(wc -l <second.log)" ]

#: A repository syncs from another index: here that of Pulp itself
pulp python remote create --name py-other --url "$pulp/pypi/py/" --includes '["shop"]'
pulp python repository create --name py-mirror --remote py-other
pulp python repository sync --name py-mirror
pulp python distribution create --name py-mirror --base-path py-mirror --repository py-mirror
take --index-url "$pulp/pypi/py-mirror/simple/" 'shop==1.0'
[ "$(installed out shop)" = 1.0 ]

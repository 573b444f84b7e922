#!/usr/bin/env python3
"""Does what Pulp's documentation promises with the programs that people use, against a container of the image.

Each file of steps/ is a workflow: a script of bash, in which a line `#: …` says what the commands below it show. The clients run in a
container that shares the network of Pulp's. A step that fails ends its workflow; the others go on.

    run.py [--image localhost/pulp] [--clients localhost/pulp-init-clients] [--https] [--write docs/workflows.md] [WORKFLOW ...]
"""

import argparse
import datetime
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
# How long a workflow may take, in seconds.
LIMIT = 600
# Under which clients know Pulp.
NAME = "pulp.example.com"
CLI = """[cli]
base_url = "{origin}"
username = "admin"
password = "{password}"
"""
# By HTTPS Pulp is at a port that is not HTTPS's own. Nothing else is set.
HTTPS = {"PULP_HTTPS": "true", "PULP_CLIENT_CERTIFICATES": "true", "PULP_HTTPS_PORT": "9443", "PULP_HTTP_PORT": "9080"}
# Directories that Pulp may export to and import from.
EXCHANGE = {"PULP_ALLOWED_EXPORT_PATHS": '["/exchange"]', "PULP_ALLOWED_IMPORT_PATHS": '["/exchange"]'}
# What the second Pulp knows of users: an LDAP server of the clients, and a proxy that has logged a user in.
SECOND = """
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "pulpcore.backends.ObjectRolePermissionBackend",
    "django_auth_ldap.backend.LDAPBackend",
    "pulpcore.app.authentication.PulpNoCreateRemoteUserBackend",
]
AUTH_LDAP_SERVER_URI = "ldap://pulp.example.com:3890"
AUTH_LDAP_USER_DN_TEMPLATE = "uid=%(user)s,ou=people,dc=example,dc=com"
AUTH_LDAP_USER_ATTR_MAP = {"first_name": "cn", "last_name": "sn", "email": "mail"}
REMOTE_USER_ENVIRON_NAME = "HTTP_X_USER"
REST_FRAMEWORK__DEFAULT_AUTHENTICATION_CLASSES = [
    "rest_framework.authentication.SessionAuthentication",
    "pulpcore.app.authentication.BasicAuthentication",
    "pulpcore.app.authentication.PulpRemoteUserAuthentication",
]
"""
# A Pulp whose content is in a bucket of the clients' server. By its new name, storages.backends.s3.S3Storage, the registry of
# pulp_container 2.30 does not know it (`NotImplementedError` in `RedirectsMixin`): each request for a layer is a 500.
STORED = """
MEDIA_ROOT = ""
STORAGES = {
    "default": {
        "BACKEND": "storages.backends.s3boto3.S3Boto3Storage",
        "OPTIONS": {
            "access_key": "shop:pulp",
            "secret_key": "kept-3lsewhere",
            "bucket_name": "pulp",
            "endpoint_url": "http://pulp.example.com:8085",
            "region_name": "us-east-1",
            "addressing_style": "path",
            "signature_version": "s3v4",
        },
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
"""
# And whose metrics go to the clients' collector.
METRICS = {
    "PULP_OTEL_ENABLED": "true",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://pulp.example.com:4318",
    "OTEL_METRIC_EXPORT_INTERVAL": "1000",
}
# Where the clients find the certificates that they trust, where they do not look there by themselves.
TRUST = "/etc/ssl/certs/ca-certificates.crt"


# What the page says last.
LIMITS = """## What does not work, and what was not tried

- **The registry with its content in S3** answers 500 for layers if the storage is named `storages.backends.s3.S3Storage`, or is Google's:
  pulp_container 2.30 knows `storages.backends.s3boto3.S3Boto3Storage` and Azure's alone (`NotImplementedError` in `RedirectsMixin`). The
  older name is the same storage.
- **Versions of Maven without a digit**, such as Debian's `debian`, are taken for a part of the group: pulp_maven 0.36 cannot keep the
  file, and breaks off the download (`MavenContentMixin.group_artifact_version_filename`).
- **A Maven artifact that is deployed anew**, with other bytes, after its repository was removed stays what it was until orphans are
  cleaned up: coordinates are a content's identity. Pulp answers that all is well.
- **oras-py 0.2** asks for a token to read and never for another one to write (`TokenAuth.authenticate_request`), so it cannot push
  where the two differ. Artifacts are pushed by HTTP in the table of the specification's requests.
- **500 for a question that makes no sense**: a regular expression that PostgreSQL cannot read (`name__regex=`), and an `orphaned_for` of
  more minutes than a date can have. pulpcore 3.123 passes both on without a look.
- **cosign, helm and oras** themselves are in none of Debian, PyPI, npm and crates.io. What they send and ask for is in that table.
- **flatpak** looks at the index of a remote half an hour after it last did, as Pulp sends no time with it.
"""


class Workflow:
    """A file of steps, and what came of them."""

    def __init__(self, path):
        self.name = path.stem
        head, *steps = re.split(r"^#: ", path.read_text(), flags=re.MULTILINE)
        title, _, self.preamble = head.partition("\n")
        self.title = title.removeprefix("# ")
        # Of each what it promises, and its commands.
        self.steps = [tuple(part.strip("\n") for part in step.split("\n", 1)) for step in steps]
        # Of each that was begun the seconds that it took; the last one is the one that failed, if any did.
        self.seconds = []
        self.passed = False
        self.output = ""
        # What it has written in table.md, for the page.
        self.table = ""

    def script(self):
        marks = f"/work/{self.name}.marks"
        lines = ["set -euo pipefail", f"workflow={self.name}", f": >{marks}", f"trap 'echo $? $EPOCHREALTIME >>{marks}' EXIT"]
        lines += [". /workflows/lib.sh", self.preamble]
        for promise, commands in self.steps:
            lines += [f"echo begin $EPOCHREALTIME >>{marks}", f"echo {quoted('#: ' + promise)}", commands]
        return "\n".join(lines) + "\n"

    def run(self, clients):
        try:
            done = clients.run("bash", "-c", 'cat >"/work/$0.sh"; exec bash "/work/$0.sh" </dev/null 2>&1', self.name, given=self.script())
            self.output, code = done.stdout, done.returncode
        except subprocess.TimeoutExpired as expired:
            self.output, code = (expired.stdout or b"").decode(errors="replace") + f"\nnot done after {LIMIT} s\n", 1
        marks = [line.split() for line in clients.run("cat", f"/work/{self.name}.marks").stdout.splitlines()]
        times = [float(mark[1]) for mark in marks]
        self.seconds = [end - begin for begin, end in zip(times, times[1:])][: len(self.steps)]
        self.table = clients.run("sh", "-c", f"cat /work/{self.name}/table.md 2>/dev/null").stdout
        self.passed = code == 0

    def results(self):
        """Of each step what it promises, its commands, what came of it, and its seconds."""
        for index, (promise, commands) in enumerate(self.steps):
            begun = index < len(self.seconds)
            failed = begun and not self.passed and index == len(self.seconds) - 1
            yield promise, commands, "failed" if failed else "passed" if begun else "not reached", self.seconds[index] if begun else None


class Container:
    """A container that goes when we do."""

    def __init__(self, name, *options, image, env=None):
        self.name = f"pulp-workflows-{name}-{os.getpid()}"
        self.podman("run", "--detach", "--name", self.name, *options, image, env=env)

    def podman(self, *words, env=None):
        done = subprocess.run(["podman", *words], capture_output=True, text=True, env={**os.environ, **(env or {})})
        if done.returncode != 0:
            sys.exit(f"podman {words[0]}: {done.stderr.strip()}")
        return done.stdout

    def run(self, *words, given=""):
        return subprocess.run(["podman", "exec", "-i", self.name, *words], input=given, capture_output=True, text=True, timeout=LIMIT)

    def remove(self):
        subprocess.run(["podman", "rm", "-f", "-v", "-t", "5", self.name], capture_output=True)


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def variables(values):
    """Options of podman that set them."""
    return [f"--env={name}={value}" for name, value in values.items()]


def keys():
    """The volume of the Pulp that signs."""
    return f"pulp-workflows-keys-{os.getpid()}"


def signing(arguments, containers, folder):
    """Does what docs/signing.md says before the boot; options of podman with the key and the scripts."""
    guide = (HERE.parents[1] / "docs" / "signing.md").read_text().split("\n## 3.")[0]
    scripts = re.findall(r"`(\w+\.sh)`:\n\n```sh\n(.*?)^```", guide, flags=re.MULTILINE | re.DOTALL)
    lines = ["mkdir -p /var/lib/pulp/scripts"]
    lines += [f"cat >/var/lib/pulp/scripts/{name} <<'END'\n{text}END" for name, text in scripts]
    lines += re.findall(r"^\$ podman exec -u pulp pulp (.*)$", guide, flags=re.MULTILINE)
    within = ["run", "--rm", "--volume", f"{keys()}:/var/lib/pulp", "--user", "pulp", "--entrypoint", "sh", arguments.image, "-euc"]
    said = containers[0].podman(*within, "\n".join(lines))
    fingerprint = re.search(r"^fpr:*([0-9A-F]{40}):$", said, flags=re.MULTILINE)[1]
    return ["--volume", f"{keys()}:/var/lib/pulp", f"--env=PULP_SIGNING_KEY_FINGERPRINT={fingerprint}"]


# Other Pulps, each in a network of its own, by the variable in which steps find its address: what podman is told, besides.
OTHERS = {
    "second": lambda arguments, containers, folder: ["--volume", f"{folder}/exchange:/exchange", *settings(folder, SECOND), *variables(EXCHANGE)],
    "signs": signing,
    "stored": lambda arguments, containers, folder: [*settings(folder, STORED), *variables(METRICS)],
}


def settings(folder, text):
    """Options of podman that give a Pulp these settings."""
    own = Path(tempfile.mkdtemp(dir=folder))
    own.chmod(0o755)
    (own / "settings.py").write_text(text)
    return ["--volume", f"{own}:/etc/pulp"]


def other(name, arguments, secret, containers, folder):
    """Starts another Pulp; its address."""
    first = containers[0].podman("inspect", "--format", "{{.NetworkSettings.IPAddress}}", containers[0].name).strip()
    options = ["--add-host", f"{NAME}:{first}", "--env", "PULP_DEFAULT_ADMIN_PASSWORD", *OTHERS[name](arguments, containers, folder)]
    pulp = Container(name, *options, image=arguments.image, env=secret)
    containers.append(pulp)
    pulp.podman("exec", pulp.name, "svctl", "wait", "--timeout", "300s")
    return "http://" + pulp.podman("inspect", "--format", "{{.NetworkSettings.IPAddress}}", pulp.name).strip()


def started(arguments, password, containers, folder, needed):
    origin = f"https://{NAME}:{HTTPS['PULP_HTTPS_PORT']}" if arguments.https else f"http://{NAME}"
    secret = {"PULP_DEFAULT_ADMIN_PASSWORD": password, "PULP_PASSWORD": password, "TWINE_PASSWORD": password}
    options = ["--hostname", NAME, "--add-host", f"{NAME}:127.0.0.1", "--env", "PULP_DEFAULT_ADMIN_PASSWORD"]
    options += ["--volume", f"{folder}/exchange:/exchange", *variables(EXCHANGE), "--env=PULP_FLATPAK_INDEX=true"]
    if arguments.https:
        options += variables(HTTPS)
    pulp = Container("pulp", *options, image=arguments.image, env=secret)
    containers.append(pulp)
    pulp.podman("exec", pulp.name, "svctl", "wait", "--timeout", "300s")
    others = {name: other(name, arguments, secret, containers, folder) for name in needed}
    # The clients have the hosts of Pulp's container, too.
    options = ["--network", f"container:{pulp.name}", "--volume", f"{HERE}:/workflows:ro", "--tmpfs", "/work:exec"]
    options += ["--env", "PULP_PASSWORD", "--env", "TWINE_PASSWORD", "--env", "TWINE_USERNAME=admin", "--env", f"PULP_ORIGIN={origin}"]
    options += [f"--env=PULP_{name.upper()}={address}" for name, address in others.items()]
    options += [f"--env={name}={TRUST}" for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")]
    clients = Container("clients", *options, image=arguments.clients, env=secret)
    containers.append(clients)
    hosts = [NAME, *(address.removeprefix("http://") for address in others.values())]
    for path, text in [
        ("/root/.config/pulp/cli.toml", CLI.format(origin=origin, password=password)),
        ("/root/.netrc", "".join(f"machine {host} login admin password {password}\n" for host in hosts)),
    ]:
        clients.run("bash", "-c", 'umask 077; mkdir -p "${0%/*}"; cat >"$0"', path, given=text)
    if arguments.https:
        certificate = pulp.podman("exec", pulp.name, "cat", "/etc/pulp/certs/pulp_webserver.crt")
        clients.run("bash", "-c", "cat >/usr/local/share/ca-certificates/pulp.crt && update-ca-certificates", given=certificate)
        # Pulp syncs from itself, too.
        anchor = "/etc/pki/ca-trust/source/anchors/pulp.crt"
        pulp.podman("exec", pulp.name, "sh", "-c", f"cp /etc/pulp/certs/pulp_webserver.crt {anchor} && update-ca-trust")
    return clients


def page(workflows, arguments):
    """What docs/workflows.md says."""
    steps = [result for workflow in workflows for result in workflow.results()]
    passed = sum(result == "passed" for _, _, result, _ in steps)
    lines = [
        "# What works, with which client",
        "",
        "`make test-workflows` has written this page: it does what Pulp's documentation promises with the programs that people use, against a",
        f"fresh container of `{arguments.image}`. {passed} of {len(steps)} steps passed on {datetime.date.today()}, on two cores. The commands are those of",
        "`tests/workflows/steps`, as they ran; `lib.sh` beside them has the few functions that they use.",
        "",
    ]
    for workflow in workflows:
        lines += [f"## {workflow.title}", "", "| what | result | seconds |", "|---|---|---|"]
        lines += [
            f"| {promise} | {result} | {'' if seconds is None else f'{seconds:.1f}'} |"
            for promise, _, result, seconds in workflow.results()
        ]
        lines += ["", "```bash"]
        lines += [f"# {promise}\n{commands}\n" for promise, commands, _, _ in workflow.results()]
        lines[-1] = lines[-1].rstrip("\n")
        lines += ["```", ""]
        lines += [workflow.table] if workflow.table else []
    lines += [LIMITS]
    return "\n".join(lines)


def main():
    # Who is told to end removes its containers, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--image", default="localhost/pulp")
    parser.add_argument("--clients", default="localhost/pulp-init-clients")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--https", action="store_true", help="Pulp by HTTPS, with a certificate of its own, at another port")
    parser.add_argument("--keep", action="store_true", help="leave the containers, to look at what failed")
    parser.add_argument("names", nargs="*", metavar="WORKFLOW")
    arguments = parser.parse_args()
    workflows = [Workflow(path) for path in sorted((HERE / "steps").glob("*.sh"))]
    unknown = set(arguments.names) - {workflow.name for workflow in workflows}
    if unknown:
        sys.exit(f"there is no workflow {', '.join(sorted(unknown))}: see tests/workflows/steps")
    workflows = [workflow for workflow in workflows if not arguments.names or workflow.name in arguments.names]
    containers = []
    folder = Path(tempfile.mkdtemp(prefix="pulp-workflows-"))
    (folder / "exchange").mkdir()
    (folder / "exchange").chmod(0o777)
    try:
        # Only some need others than the first one.
        texts = "".join(commands for workflow in workflows for _, commands in [("", workflow.preamble), *workflow.steps])
        needed = [name for name in OTHERS if f"${name}" in texts]
        clients = started(arguments, secrets.token_urlsafe(16), containers, folder, needed)
        for workflow in workflows:
            workflow.run(clients)
            for promise, _, result, seconds in workflow.results():
                print(f"{result:11} {'' if seconds is None else f'{seconds:6.1f} s':8}  {workflow.name}: {promise}", flush=True)
            if not workflow.passed:
                print("\n".join(f"    {line}" for line in workflow.output.splitlines()[-25:]), flush=True)
    finally:
        for container in reversed(containers if not arguments.keep else []):
            container.remove()
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run(["podman", "volume", "rm", "--force", keys()], capture_output=True)
    if arguments.write:
        with tempfile.NamedTemporaryFile("w", dir=arguments.write.parent, delete=False) as file:
            file.write(page(workflows, arguments))
        os.chmod(file.name, 0o644)
        os.replace(file.name, arguments.write)
    results = [result for workflow in workflows for _, _, result, _ in workflow.results()]
    failed = len(results) - results.count("passed")
    print(f"{len(results) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not all(workflow.passed for workflow in workflows) else 0)


if __name__ == "__main__":
    main()

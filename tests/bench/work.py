#!/usr/bin/env python3
"""How the Pulp image does under work: queued tasks, many API requests, paths that are not there, big listings, syncs, pulls.

Each measurement has containers of its own, of the image without settings unless it says which. What it takes to measure is
made by Pulp's own API, or, where that would take hours, by Pulp's models in the container.

    work.py [--image localhost/pulp] [--only NAME ...] [--env NAME=VALUE ...] [--out FILE.json]
"""

import argparse
import contextlib
import gzip
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from serve import PASSWORD, Nginx, Pulp, megabytes, requests, run

TASKS = 1000
REQUESTS = 50_000
MANY = 100_000
# How many ask for a path that is not there, and how often all of them together.
ASKING, ASKED = 32, 200
# The bytes of an image, and how many pull a small one at once.
IMAGE, PULLS = 500_000_000, 200
# Files, or packages, of a source.
UNITS = 5000
TRIVIAL = "pulpcore.app.tasks.test.dummy_task"
QUEUE = f"""
from django_guid import set_guid
from pulpcore.tasking.tasks import dispatch
set_guid("bench")
for _ in range({TASKS}): dispatch('{TRIVIAL}')
"""
TOOK = f"""select count(*), coalesce(extract(epoch from max(finished_at) - min(started_at)), 0)
from core_task where name = '{TRIVIAL}' and state = 'completed';"""
# Artifacts without files: they are listed and missed, and never sent.
ROWS = f"""
create temporary table made as select gen_random_uuid() as artifact, gen_random_uuid() as content, sha256(n::text::bytea) as sum,
    lpad(n::text, 6, '0') || '.bin' as name, (select pulp_id from core_domain where name = 'default') as domain
    from generate_series(1, {MANY}) as n;
insert into core_artifact (pulp_id, pulp_created, file, size, sha256, sha384, sha512, timestamp_of_interest, pulp_domain_id)
    select artifact, now(), 'artifact/' || name, 20000, encode(sum, 'hex'), encode(substring(sum for 16) || sum, 'hex'),
    encode(sum || sum, 'hex'), now(), domain from made;
insert into core_content (pulp_id, pulp_created, pulp_type, timestamp_of_interest, pulp_domain_id, pulp_labels)
    select content, now(), 'file.file', now(), domain, '' from made;
insert into file_filecontent (content_ptr_id, relative_path, digest, _pulp_domain_id)
    select content, name, encode(sum, 'hex'), domain from made;
insert into core_contentartifact (pulp_id, pulp_created, relative_path, artifact_id, content_id)
    select gen_random_uuid(), now(), name, artifact, content from made;
analyze core_artifact, core_content, file_filecontent, core_contentartifact;
"""
VERSION = """
from pulp_file.app.models import FileContent, FileRepository
with FileRepository.objects.get(name="many").new_version() as version:
    version.add_content(FileContent.objects.all())
"""


@contextlib.contextmanager
def container(args, *environment):
    pulp = Pulp(args.image, [*args.env, *environment])
    try:
        yield pulp
    finally:
        pulp.remove()


def shell(pulp, code):
    return run("podman", "exec", "--interactive", pulp.name, "pulpcore-manager", "shell", "--no-imports", input=code)


def sql(pulp, statements):
    return run("podman", "exec", "--interactive", "--user", "pulp", pulp.name, "psql", "--host", "/run/postgresql",
               "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", input=statements)


def taken(pulp):
    """How many tasks are done, and in how many seconds."""
    number, seconds = sql(pulp, TOOK).split("|")
    return int(number), float(seconds)


def cpu(pulp):
    """Seconds of CPU that all processes of the container have taken: of either version of cgroups."""
    script = "cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || awk '/^usage_usec/ { print $2 * 1000 }' /sys/fs/cgroup/cpu.stat"
    return float(run("podman", "exec", pulp.name, "sh", "-c", script)) / 1e9


def tasks(args):
    """1,000 tasks that do nothing, queued while there is no worker, for each type of worker."""
    result = {}
    for kind in ("pulpcore", "redis"):
        with container(args, f"PULP_WORKER_TYPE={kind}") as pulp:
            run("podman", "exec", pulp.name, "svctl", "stop", "pulp-worker")
            shell(pulp, QUEUE)
            before = cpu(pulp)
            run("podman", "exec", pulp.name, "svctl", "start", "pulp-worker")
            until = time.monotonic() + 600
            while (done := taken(pulp))[0] < TASKS and time.monotonic() < until:
                time.sleep(2)
            result[f"{TASKS:,} tasks, {kind} workers, tasks/s"] = done[0] / max(done[1], 1e-9)
            result[f"CPU of one, {kind} workers, ms"] = (cpu(pulp) - before) / TASKS * 1000
    return result


def memory(args):
    """Memory of the API's processes, before and after many requests."""
    with container(args) as pulp:
        url = f"{pulp.url}/pulp/api/v3/status/"
        requests(url, 3)
        before = memory_of(pulp, "pulpcore-api")
        done, peak = 0, before
        while done < REQUESTS:
            done += requests(url, 10) * 10
            peak = max(peak, memory_of(pulp, "pulpcore-api"))
        after = memory_of(pulp, "pulpcore-api")
    return {"API, MB before": before, f"API, MB after {REQUESTS:,} requests": after, "API, MB at most meanwhile": peak,
            "growth, %": (after / before - 1) * 100}


def memory_of(pulp, program):
    """PSS in MB of all processes of a program."""
    total = 0
    for line in run("podman", "top", pulp.name, "hpid", "args").splitlines():
        pid, _, words = line.partition(" ")
        if words.strip().startswith(program):
            with open(f"/proc/{pid}/smaps_rollup") as rows:
                total += sum(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
    return total / 1000


class Client:
    """A connection that asks again and again, and notes how long each answer took to begin."""

    def __init__(self, url):
        self.url = urllib.parse.urlsplit(url)
        self.connection = None

    def ask(self, path=None, **headers):
        """The status, the seconds until the answer began, and its body."""
        began = time.monotonic()
        for again in (True, False):
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=300)
                self.connection.request("GET", path or self.url.path, headers=headers)
                answer = self.connection.getresponse()
                break
            except (http.client.RemoteDisconnected, ConnectionResetError):
                self.connection = None
                if not again:
                    raise
        took = time.monotonic() - began
        return answer.status, took, answer.read()


class Other:
    """Another client, who asks for a small file meanwhile, 50 times a second."""

    def __init__(self, url):
        self.url, self.times, self.ends = url, [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        client = Client(self.url)
        while not self.ends.wait(0.02):
            status, took, _ = client.ask()
            assert status == 200, status
            self.times.append(took)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()


def p99(times):
    return sorted(times)[max(0, -(-len(times) * 99 // 100) - 1)]


def many(pulp):
    """Publishes MANY files below `many`, and a small one below `small`; returns the address of that."""
    kinds = "/pulp/api/v3/{}/file/file/"
    repository = pulp.call(kinds.format("repositories"), {"name": "many"})["pulp_href"]
    sql(pulp, ROWS)
    shell(pulp, VERSION)
    pulp.wait(pulp.call("/pulp/api/v3/publications/file/file/", {"repository": repository})["task"])
    pulp.wait(pulp.call(kinds.format("distributions"), {"name": "many", "base_path": "many", "repository": repository})["task"])
    with open("/tmp/pulp-bench-small", "w") as small:
        small.write("x" * 20_000)
    return pulp.publish("/tmp/pulp-bench-small", "small")[0]


def together(url, paths):
    """ASKING clients ask for all of these paths; returns how long each answer took."""
    times, left, lock = [], list(paths), threading.Lock()

    def client():
        one = Client(url)
        while True:
            with lock:
                if not left:
                    return
                path = left.pop()
            status, took, _ = one.ask(path)
            assert status == 404, status
            with lock:
                times.append(took)

    threads = [threading.Thread(target=client) for _ in range(ASKING)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def missing(args):
    """Paths that are not there in a repository of 100,000 files, and its listing, while another client asks for a small file."""
    result = {}
    with container(args) as pulp:
        small = many(pulp)
        alone = Other(small)
        with alone:
            time.sleep(5)
        result["a small file alone, p99 ms"] = p99(alone.times) * 1000
        with Other(small) as other:
            times = []
            for turn in range(10):
                times += together(pulp.url, [f"/pulp/content/many/missing{turn}.bin"] * ASKED)
        result[f"one missing path, {ASKED} times by {ASKING}, p99 ms"] = p99(times) * 1000
        result["a small file meanwhile, p99 ms"] = p99(other.times) * 1000
        with Other(small) as other:
            times = together(pulp.url, [f"/pulp/content/many/other{turn}.bin" for turn in range(ASKED)])
        result[f"{ASKED} missing paths by {ASKING}, p99 ms"] = p99(times) * 1000
        result["a small file meanwhile (2), p99 ms"] = p99(other.times) * 1000
        listing = Client(f"{pulp.url}/pulp/content/many/")
        for what in ("first", "again"):
            with Other(small) as other:
                status, took, body = listing.ask()
                time.sleep(0.3)
            assert status == 200 and body.count(b"<a href") > MANY, status
            result[f"listing of {MANY:,}, {what}, begins after ms"] = took * 1000
            result[f"a small file meanwhile, {what}, p99 ms"] = p99(other.times) * 1000
    return result


class Registry:
    """Debian's docker-registry, with its files in a directory."""

    CONFIG = "{{version: 0.1, log: {{level: error, accesslog: {{disabled: true}}}}, storage: {{filesystem: {{rootdirectory: {}}}}}, http: {{addr: '127.0.0.1:{}'}}}}"

    def __init__(self, directory):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with open(f"{directory}/registry.yml", "w") as config:
            config.write(self.CONFIG.format(f"{directory}/registry", port))
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(["docker-registry", "serve", f"{directory}/registry.yml"], stderr=subprocess.DEVNULL)
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                return
            time.sleep(0.05)

    def remove(self):
        self.process.kill()
        self.process.wait()


def skopeo(*words):
    began = time.monotonic()
    run("skopeo", "copy", "--quiet", *words)
    return time.monotonic() - began


def pulled(address, directory):
    took = skopeo("--src-tls-verify=false", f"docker://{address}", f"dir:{directory}")
    shutil.rmtree(directory)
    return took


def token(url, name):
    """Anybody's, for the service that the registry names."""
    try:
        urllib.request.urlopen(f"{url}/v2/")
    except urllib.error.HTTPError as refused:
        service = re.search('service="([^"]*)"', refused.headers["WWW-Authenticate"])[1]
    with urllib.request.urlopen(f"{url}/token/?service={service}&scope=repository:{name}:pull") as answer:
        return json.load(answer)["token"]


def pulls(args):
    """An image of 500 MB: by skopeo, beside Debian's registry; its layer by curl, beside nginx; and 200 at once of a small one."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp"))
        os.chmod(directory, 0o755)
        run("sh", "-c", f"cd {directory} && mkdir layer && head -c {IMAGE} /dev/urandom >layer/file && tar -cf layer.tar layer"
            " && head -c 100000 layer/file >layer/small && tar -cf small.tar layer/small")
        pulp = stack.enter_context(container(args))
        registry, nginx = Registry(directory), Nginx(args.image, directory)
        stack.callback(registry.remove)
        stack.callback(nginx.remove)
        host, other = pulp.url.removeprefix("http://"), registry.url.removeprefix("http://")
        for name in ("layer", "small"):
            skopeo("--dest-tls-verify=false", "--dest-creds", f"admin:{PASSWORD}", f"tarball:{directory}/{name}.tar", f"docker://{host}/bench/{name}:1")
        skopeo("--dest-tls-verify=false", f"tarball:{directory}/layer.tar", f"docker://{other}/bench/layer:1")
        times = {address: [] for address in (host, other)}
        for _ in range(5):
            for address in times:
                times[address].append(pulled(f"{address}/bench/layer:1", f"{directory}/pulled"))
        ours, theirs = statistics.median(times[host]), statistics.median(times[other])
        result = {"an image of 500 MB, s": ours, "of docker-registry, s": theirs, "of its speed, %": theirs / ours * 100}
        bearer = ("--location", "--header", f"Authorization: Bearer {token(pulp.url, 'bench/layer')}")
        manifest = json.loads(run("curl", "--silent", "--fail", *bearer, "--header", "Accept: application/vnd.oci.image.manifest.v1+json",
                                  f"{pulp.url}/v2/bench/layer/manifests/1"))
        layer = manifest["layers"][0]
        result["its layer, MB/s"] = megabytes(f"{pulp.url}/v2/bench/layer/blobs/{layer['digest']}", layer["size"], *bearer)
        result["a file, nginx, MB/s"] = megabytes(f"{nginx.url}/layer.tar", os.path.getsize(f"{directory}/layer.tar"))
        began, failed = time.monotonic(), []
        threads = [threading.Thread(target=attempt, args=(failed, f"{host}/bench/small:1", f"{directory}/{n}")) for n in range(PULLS)]
        with Other(f"{pulp.url}/pulp/api/v3/livez/"):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        result[f"{PULLS} pulls at once, s"] = time.monotonic() - began
        result["of them failed"] = len(failed)
    return result


def attempt(failed, address, directory):
    done = subprocess.run(["skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{address}", f"dir:{directory}"], capture_output=True, text=True)
    if done.returncode != 0:
        failed.append(done.stderr)
        print(done.stderr.strip()[-300:], file=sys.stderr)


def files(directory):
    """A source of UNITS files of a kilobyte."""
    lines = []
    for number in range(UNITS):
        data = f"{number:06}".encode() * 170
        with open(f"{directory}/{number:06}.bin", "wb") as file:
            file.write(data)
        lines.append(f"{number:06}.bin,{hashlib.sha256(data).hexdigest()},{len(data)}\n")
    with open(f"{directory}/PULP_MANIFEST", "w") as manifest:
        manifest.writelines(lines)


PACKAGE = """<package type="rpm"><name>{name}</name><arch>noarch</arch><version epoch="0" ver="1.{number}" rel="1"/>
<checksum type="sha256" pkgid="YES">{sum}</checksum><summary>A package</summary><description>One of many.</description><packager></packager>
<url>http://example.com/</url><time file="1700000000" build="1700000000"/><size package="20000" installed="30000" archive="31000"/>
<location href="{name}.rpm"/><format><rpm:license>MIT</rpm:license><rpm:vendor/><rpm:group>Unspecified</rpm:group>
<rpm:buildhost>localhost</rpm:buildhost><rpm:sourcerpm>{name}.src.rpm</rpm:sourcerpm><rpm:header-range start="4504" end="6000"/>
<rpm:provides><rpm:entry name="{name}" flags="EQ" epoch="0" ver="1.{number}" rel="1"/></rpm:provides>
<rpm:requires><rpm:entry name="/bin/sh"/></rpm:requires></format></package>"""
NAMED = '<package pkgid="{sum}" name="{name}" arch="noarch"><version epoch="0" ver="1.{number}" rel="1"/>{rest}</package>'


def packages(directory):
    """A repository of UNITS rpm packages: its metadata, as packages are fetched on demand."""
    all = [{"number": number, "name": f"package{number:05}", "sum": hashlib.sha256(str(number).encode()).hexdigest()} for number in range(UNITS)]
    rest = "".join(f"<file>/usr/share/doc/package/file{number}</file>" for number in range(20))
    parts = {
        "primary": ('metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm"',
                    [PACKAGE.format(**one) for one in all]),
        "filelists": ('filelists xmlns="http://linux.duke.edu/metadata/filelists"', [NAMED.format(rest=rest, **one) for one in all]),
        "other": ('otherdata xmlns="http://linux.duke.edu/metadata/other"', [NAMED.format(rest="", **one) for one in all]),
    }
    os.mkdir(f"{directory}/repodata")
    records = []
    for kind, (element, entries) in parts.items():
        text = f'<?xml version="1.0"?>\n<{element} packages="{UNITS}">{"".join(entries)}</{element.split()[0]}>'.encode()
        packed = gzip.compress(text, 1)
        with open(f"{directory}/repodata/{kind}.xml.gz", "wb") as file:
            file.write(packed)
        records.append(f'<data type="{kind}"><checksum type="sha256">{hashlib.sha256(packed).hexdigest()}</checksum><open-checksum type="sha256">'
                       f'{hashlib.sha256(text).hexdigest()}</open-checksum><location href="repodata/{kind}.xml.gz"/><timestamp>1700000000</timestamp>'
                       f'<size>{len(packed)}</size><open-size>{len(text)}</open-size></data>')
    with open(f"{directory}/repodata/repomd.xml", "w") as repomd:
        repomd.write('<?xml version="1.0"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">'
                     f'<revision>1</revision>{"".join(records)}</repomd>')


def syncs(args):
    """A sync of 5,000 files of a kilobyte, all of them fetched, and of an rpm repository of 5,000 packages, on demand."""
    result = {}
    with container(args) as pulp, tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        for name, make in (("file", files), ("rpm", packages)):
            os.mkdir(f"{directory}/{name}")
            make(f"{directory}/{name}")
        os.chmod(directory, 0o755)
        run("podman", "cp", directory, f"{pulp.name}:/tmp/sources")
        run("podman", "exec", "--detach", pulp.name, "python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", "/tmp/sources", "8099")
        for name, path, policy in (("file", "file/PULP_MANIFEST", "immediate"), ("rpm", "rpm/", "on_demand")):
            remote = {"name": name, "url": f"http://127.0.0.1:8099/{path}", "policy": policy}
            remote = pulp.call(f"/pulp/api/v3/remotes/{name}/{name}/", remote)["pulp_href"]
            repository = pulp.call(f"/pulp/api/v3/repositories/{name}/{name}/", {"name": name})["pulp_href"]
            before, began, most = cpu(pulp), time.monotonic(), 0
            task = pulp.call(f"{repository}sync/", {"remote": remote})["task"]
            while pulp.call(task)["state"] in ("waiting", "running"):
                most = max(most, memory_of(pulp, "pulpcore-worker"))
                time.sleep(0.5)
            pulp.wait(task)
            result[f"sync of {UNITS:,}, {name}, s"] = time.monotonic() - began
            result[f"its CPU, {name}, s"] = cpu(pulp) - before
            result[f"memory of the workers at most, {name}, MB"] = most
    return result


MEASURES = {measure.__name__: measure for measure in (tasks, memory, missing, pulls, syncs)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default="localhost/pulp")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--out")
    args = parser.parse_args()
    result = {}
    for name in args.only:
        for what, figure in MEASURES[name](args).items():
            result[what] = round(figure, 1)
            print(f"{result[what]:12,.1f}  {what}", flush=True)
    if args.out:
        with open(args.out, "w") as out:
            json.dump({"env": args.env, **result}, out, indent=1)


if __name__ == "__main__":
    main()

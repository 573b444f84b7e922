"""A client of Pulp for the tests of compose, Kubernetes and scaling. Python's library alone.

    client.py publish URL NAME [SIZE]   makes a repository with one file of SIZE bytes, prints the file's path
    client.py check URL PATH            downloads it, compares it with what its name says; the registry must send clients
                                        to this address, too
    client.py status URL                prints how many: api N content N worker N (Galaxy does not tell of the API)
    client.py read URL PATH [THREADS]   reads the status and the file until it is told to end (TERM), then says how many
                                        requests there were and which failed; exit 1 if any did

With PULP_PRODUCT=galaxy it is a client of Galaxy, and the file is in a collection. The password of `admin` is in the variable
PULP_PASSWORD. A file's content follows from its name and size, so that
whoever finds it can tell whether it is whole.
"""

import base64
import collections
import hashlib
import http.client
import io
import json
import os
import signal
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.request
import uuid

PATIENCE = 300  # seconds; nothing waits longer
GALAXY = os.environ.get("PULP_PRODUCT") == "galaxy"
STATUS = "/api/galaxy/pulp/api/v3/status/" if GALAXY else "/pulp/api/v3/status/"


def content(name, size):
    """The bytes of a file."""
    block = hashlib.sha256(name.encode()).digest()
    return (block * (size // len(block) + 1))[:size]


class Api:
    """Pulp's REST API, as admin."""

    def __init__(self, url):
        self.url = url.rstrip("/")
        word = f"admin:{os.environ.get('PULP_PASSWORD', '')}"
        self.auth = "Basic " + base64.b64encode(word.encode()).decode()

    def call(self, method, path, body=None, kind="application/json"):
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        request = urllib.request.Request(self.url + path, data, {"Authorization": self.auth}, method=method)
        if data is not None:
            request.add_header("Content-Type", kind)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            sys.exit(f"{method} {path}: {error.code} {error.read(500)!r}")

    def task(self, answer):
        """Waits for the end of a task; it must succeed."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            task = self.call("GET", answer["task"])
            if task["state"] == "completed":
                return task
            if task["state"] in ("failed", "canceled", "skipped"):
                sys.exit(f"task {task['name']} {task['state']}: {task.get('error')}")
            time.sleep(0.2)
        sys.exit(f"task {answer['task']} is still {task['state']}")


def multipart(fields, filename, data):
    """A form with a file, and its type."""
    mark = uuid.uuid4().hex
    parts = [f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'
    return "".join(parts).encode() + head.encode() + data + f"\r\n--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"


def collection(name, data):
    """An archive of the collection shop.NAME with this file, as `ansible-galaxy collection build` makes it."""
    files = {"README.md": b"# A file\n", "meta/runtime.yml": b"requires_ansible: '>=2.15.0'\n", "files/file": data}
    listed = [{"name": folder, "ftype": "dir", "chksum_type": None, "chksum_sha256": None, "format": 1} for folder in (".", "meta", "files")]
    listed += [{"name": path, "ftype": "file", "chksum_type": "sha256", "chksum_sha256": hashlib.sha256(content).hexdigest(), "format": 1}
               for path, content in files.items()]
    files["FILES.json"] = json.dumps({"files": listed, "format": 1}).encode()
    about = {"namespace": "shop", "name": name, "version": "1.0.0", "authors": ["somebody"], "readme": "README.md", "tags": ["linux"],
             "description": None, "license": ["MIT"], "license_file": None, "dependencies": {}, "documentation": None,
             "repository": "https://example.com/shop", "homepage": None, "issues": None}
    manifest = {"name": "FILES.json", "ftype": "file", "chksum_type": "sha256",
                "chksum_sha256": hashlib.sha256(files["FILES.json"]).hexdigest(), "format": 1}
    files["MANIFEST.json"] = json.dumps({"collection_info": about, "file_manifest_file": manifest, "format": 1}).encode()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for path in ("MANIFEST.json", "FILES.json", *(path for path in files if not path.endswith(".json"))):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(files[path]), 0o644
            tar.addfile(member, io.BytesIO(files[path]))
    return archive.getvalue()


def publish_collection(url, name, size):
    api, v3 = Api(url), "/api/galaxy/v3"
    if "shop" not in [space["name"] for space in api.call("GET", f"{v3}/namespaces/?name=shop")["data"]]:
        api.call("POST", f"{v3}/namespaces/", {"name": "shop", "groups": []})
    data = collection(name, content(name, int(size)))
    file = f"shop-{name}-1.0.0.tar.gz"
    form, kind = multipart({"sha256": hashlib.sha256(data).hexdigest()}, file, data)
    api.task(api.call("POST", f"{v3}/artifacts/collections/", form, kind))
    # Where the import ends a task of its own begins, which puts it there.
    until = time.monotonic() + PATIENCE
    while name not in [one["name"] for one in api.call("GET", "/api/galaxy/v3/plugin/ansible/content/staging/collections/index/")["data"]]:
        if time.monotonic() > until:
            sys.exit(f"{name} is not in staging")
        time.sleep(0.2)
    moved = api.call("POST", f"{v3}/collections/shop/{name}/versions/1.0.0/move/staging/published/", {})
    for task in ("copy_task_id", "remove_task_id"):
        api.task({"task": f"/api/galaxy/pulp/api/v3/tasks/{moved[task]}/"})
    # Who may download it is sent to the content app, with a signature in the address.
    download = f"{url}/api/galaxy/v3/plugin/ansible/content/published/collections/artifacts/{file}"
    with urllib.request.urlopen(urllib.request.Request(download, headers={"Authorization": api.auth}), timeout=60) as answer:
        print(answer.url[answer.url.index("/pulp/content/"):])


def publish(url, name, size="100000"):
    if GALAXY:
        return publish_collection(url, name, size)
    api, v3 = Api(url), "/pulp/api/v3"
    repository = api.call("POST", f"{v3}/repositories/file/file/", {"name": name, "autopublish": True})["pulp_href"]
    file = f"{name}-{size}.bin"
    form, kind = multipart({"relative_path": file, "repository": repository}, file, content(name, int(size)))
    api.task(api.call("POST", f"{v3}/content/file/files/", form, kind))
    api.task(api.call("POST", f"{v3}/distributions/file/file/", {"name": name, "base_path": name, "repository": repository}))
    print(f"/pulp/content/{name}/{file}")


def expected(path):
    if GALAXY:
        return content(path.split("?")[0].rsplit("/", 1)[1].split("-")[1], 100000)
    name, _, size = path.rsplit("/", 1)[1].removesuffix(".bin").rpartition("-")
    return content(name, int(size))


def file_in(body):
    """What was published, in what has come."""
    if not GALAXY:
        return body
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return tar.extractfile("files/file").read()


def token_server(url):
    """Where the registry sends who wants to log in."""
    try:
        with urllib.request.urlopen(f"{url}/v2/", timeout=60) as answer:
            return f"nowhere: {answer.status}"
    except urllib.error.HTTPError as error:
        words = error.headers.get("WWW-Authenticate", f"nowhere: {error.code}").split('"')
        return words[1] if len(words) > 1 else words[0]


def check(url, path):
    told = token_server(url)
    if told != f"{url}/token/":
        sys.exit(f"clients of {url} are sent to {told}")
    with urllib.request.urlopen(url + path, timeout=60) as answer:
        if file_in(answer.read()) != expected(path):
            sys.exit(f"{path} is not what it was")


def status(url):
    with urllib.request.urlopen(url + STATUS, timeout=30) as answer:
        found = json.load(answer)
    print(*(f"{name} {len(found[f'online_{key}'])}" for name, key in
            (("api", "api_apps"), ("content", "content_apps"), ("worker", "workers")) if not GALAXY or f"online_{key}" in found))


def read(url, path, threads="4"):
    wanted = expected(path)
    counts, failures, slowest, ended = collections.Counter(), [], [0.0], threading.Event()

    def ask(what):
        begun = time.monotonic()
        try:
            # It follows to where the content is.
            with urllib.request.urlopen(url + what, timeout=60) as answer:
                body = answer.read()
            if what == path and file_in(body) != wanted:
                failures.append(f"{time.strftime('%T')} {what}: {len(body)} bytes")
        except (OSError, http.client.HTTPException, tarfile.TarError) as error:
            failures.append(f"{time.strftime('%T')} {what}: {error!r}")
        counts[what] += 1
        slowest[0] = max(slowest[0], time.monotonic() - begun)

    def work(number):
        while not ended.is_set():
            ask(path if number % 2 else STATUS)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(int(threads))]
    for worker in workers:
        worker.start()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    for worker in workers:
        worker.join()
    for failure in failures[:20]:
        print(failure)
    print(f"{sum(counts.values())} requests, {len(failures)} failed, slowest {slowest[0]:.1f} s")
    sys.exit(1 if failures or min(counts.values(), default=0) == 0 else 0)


if __name__ == "__main__":
    {"publish": publish, "check": check, "status": status, "read": read}[sys.argv[1]](*sys.argv[2:])

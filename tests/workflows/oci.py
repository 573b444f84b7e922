#!/usr/bin/env python3
"""Asks a registry for everything that the OCI distribution specification (1.1) names, and writes which of it it does.

    oci.py ORIGIN REPOSITORY

The user is admin, with the password in $PULP_PASSWORD. Prints a table in Markdown. Fails if something does not work that is not a known
limit of Pulp's registry.
"""

import base64
import hashlib
import json
import os
import re
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
HELM = "application/vnd.cncf.helm.config.v1+json"
CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
COSIGN = "application/vnd.dev.cosign.simplesigning.v1+json"
# What pulp_container does otherwise, and how it shows.
LIMITS = {
    "a chunk out of order is refused with 416": "it answers 500 (`raise Exception` in `BlobUploads.partial_update`), and takes nothing",
    "a blob that has not the digest it is said to have is refused with 400": (
        "`PUT` of a whole blob takes it: `BlobUploads.put` compares the digests of uploads in chunks alone. Who pulls it compares it"
    ),
    "a mount of a blob that is not there begins an upload": "it answers 404 (`RepositoryNotFound` in `mount_blob`)",
    "…and the answer says that the registry knows what a subject is (`OCI-Subject`)": "there is no such header",
    "who refers to a manifest (`referrers`)": "it answers 404, upon which clients use the tag that is named by the digest",
    "…of one kind": "the same",
    "a tag is deleted, and its manifest stays": "it answers 400; `pulp container repository untag` does it",
}


class Registry:
    def __init__(self, origin, user, password):
        self.origin, self.login = origin, "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=ssl.create_default_context()), Stay())
        self.tokens = {}

    def ask(self, method, path, body=None, headers=None):
        """Status, headers and body of an answer. With the token that the registry wants, if it wants one."""
        url = urllib.parse.urljoin(self.origin, path)
        place = urllib.parse.urlsplit(url).path.split("/blobs")[0].split("/manifests")[0].split("/tags")[0].split("/referrers")[0]
        scope = (method in ("GET", "HEAD"), place, "mount=" in url)
        status, found, text = self.send(method, url, body, headers, self.tokens.get(scope))
        if status == 401 and "www-authenticate" in found:
            wanted = dict(re.findall(r'(\w+)="([^"]*)"', found["www-authenticate"]))
            realm = wanted.pop("realm")
            # Who mounts is told two scopes: there they push, and here they pull.
            scopes = re.findall(r'scope="([^"]*)"', found["www-authenticate"])
            wanted = urllib.parse.urlencode({**wanted, "scope": scopes}, doseq=True)
            _, _, answer = self.send("GET", f"{realm}?{wanted}", None, None, self.login)
            self.tokens[scope] = "Bearer " + json.loads(answer)["token"]
            status, found, text = self.send(method, url, body, headers, self.tokens[scope])
        return Answer(status, found, text)

    def send(self, method, url, body, headers, authorization):
        request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
        if body is not None and not request.has_header("Content-type"):
            request.add_header("Content-Type", "application/octet-stream")
        if authorization:
            request.add_unredirected_header("Authorization", authorization)
        try:
            with self.opener.open(request, timeout=60) as answer:
                return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {name.lower(): value for name, value in error.headers.items()}, error.read()


class Stay(urllib.request.HTTPRedirectHandler):
    """Goes where it is sent for what it reads, and nowhere else."""

    def redirect_request(self, request, *rest):
        return super().redirect_request(request, *rest) if request.get_method() in ("GET", "HEAD") else None


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def is_one_of(self, *statuses):
        assert self.status in statuses, f"it answers {self.status}"
        return self

    def has(self, name, value=None):
        found = self.headers.get(name.lower())
        assert found is not None and (value is None or found == value), f"{name}: {found}"
        return self

    def code(self, *codes):
        found = [error["code"] for error in json.loads(self.body)["errors"]]
        assert found[0] in codes, found
        return self

    def json(self):
        return json.loads(self.body)


def digest(body):
    return "sha256:" + hashlib.sha256(body).hexdigest()


class Suite:
    def __init__(self, registry, name):
        self.registry, self.name, self.results = registry, name, []
        self.count = 0

    def path(self, rest, name=None):
        return f"/v2/{name or self.name}/{rest}"

    def ask(self, method, rest, body=None, name=None, **headers):
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.registry.ask(method, self.path(rest, name), body, headers)

    def follow(self, answer, method, body=None, query="", **headers):
        where = answer.headers["location"]
        if query:
            where += ("&" if "?" in where else "?") + query
        return self.registry.ask(method, where, body, {key.replace("_", "-"): value for key, value in headers.items()})

    def blob(self, text=None):
        """A blob of its own, uploaded in the usual two steps."""
        self.count += 1
        body = text or f"blob {self.count} {os.urandom(8).hex()}".encode()
        begun = self.ask("POST", "blobs/uploads/", b"").is_one_of(202)
        self.follow(begun, "PUT", body, "digest=" + digest(body)).is_one_of(201)
        return body

    def descriptor(self, kind, body):
        return {"mediaType": kind, "digest": digest(body), "size": len(body)}

    def manifest(self, config=(CONFIG, None), layers=((LAYER, None),), **more):
        kind, body = config
        body = body or self.blob(b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')
        made = {"schemaVersion": 2, "mediaType": MANIFEST, "config": self.descriptor(kind, body)}
        made["layers"] = [self.descriptor(kind, body or self.blob()) for kind, body in layers]
        return json.dumps({**made, **more}).encode()

    def put(self, reference, body, kind=MANIFEST):
        return self.ask("PUT", f"manifests/{reference}", body, Content_Type=kind)

    def try_all(self):
        for part, what, test in TESTS:
            try:
                test(self)
                result = ""
            except (AssertionError, KeyError, ValueError, urllib.error.URLError) as error:
                result = f"{type(error).__name__}: {error}" if not isinstance(error, AssertionError) else str(error)
            self.results.append((part, what, result))
        return self.results


TESTS = []


def test(part, what):
    def add(function):
        TESTS.append((part, what, function))
        return function

    return add


@test("pull", "`GET /v2/`: the registry answers, and says how to log in")
def version(suite):
    status, headers, _ = suite.registry.send("GET", suite.registry.origin + "/v2/", None, None, None)
    assert status == 200 or "www-authenticate" in headers, status
    suite.registry.ask("GET", "/v2/").is_one_of(200)


@test("push", "a blob by `POST` and `PUT`")
def two_steps(suite):
    body = suite.blob()
    suite.ask("HEAD", f"blobs/{digest(body)}").is_one_of(200).has("Content-Length", str(len(body)))


@test("push", "a blob by one `POST` with its digest")
def one_step(suite):
    body = b"in one request " + os.urandom(8)
    answer = suite.ask("POST", f"blobs/uploads/?digest={digest(body)}", body).is_one_of(201, 202)
    if answer.status == 202:  # as a registry may do that does not know this way
        suite.follow(answer, "PUT", body, "digest=" + digest(body)).is_one_of(201)
    suite.ask("HEAD", f"blobs/{digest(body)}").is_one_of(200)


@test("push", "a blob in chunks, by `PATCH`")
def chunks(suite):
    pieces = [os.urandom(1000), os.urandom(1000), os.urandom(1)]
    answer, at = suite.ask("POST", "blobs/uploads/", b"").is_one_of(202), 0
    for piece in pieces:
        place = f"{at}-{at + len(piece) - 1}"
        answer = suite.follow(answer, "PATCH", piece, Content_Range=place).is_one_of(202)
        at += len(piece)
        answer.has("Range", f"0-{at - 1}")
    body = b"".join(pieces)
    suite.follow(answer, "PUT", b"", "digest=" + digest(body)).is_one_of(201)
    assert suite.ask("GET", f"blobs/{digest(body)}").is_one_of(200).body == body


@test("push", "how far an upload is, by `GET`")
def progress(suite):
    answer = suite.ask("POST", "blobs/uploads/", b"").is_one_of(202)
    answer = suite.follow(answer, "PATCH", b"0123456789", Content_Range="0-9").is_one_of(202)
    suite.follow(answer, "GET").is_one_of(204).has("Range", "0-9")


@test("push", "a chunk out of order is refused with 416")
def out_of_order(suite):
    answer = suite.ask("POST", "blobs/uploads/", b"").is_one_of(202)
    answer = suite.follow(answer, "PATCH", b"0123456789", Content_Range="0-9").is_one_of(202)
    suite.follow(answer, "PATCH", b"0123456789", Content_Range="20-29").is_one_of(416)


@test("push", "a blob that has not the digest it is said to have is refused with 400")
def wrong_digest(suite):
    answer = suite.ask("POST", "blobs/uploads/", b"").is_one_of(202)
    suite.follow(answer, "PUT", b"this", "digest=" + digest(b"that")).is_one_of(400)


@test("push", "a blob of another repository is mounted, and not sent again")
def mount(suite):
    body = suite.blob()
    suite.put("mount", suite.manifest(layers=((LAYER, body),))).is_one_of(201)
    answer = suite.registry.ask("POST", f"/v2/{suite.name}-too/blobs/uploads/?mount={digest(body)}&from={suite.name}", b"")
    answer.is_one_of(201)
    suite.ask("HEAD", f"blobs/{digest(body)}", name=f"{suite.name}-too").is_one_of(200)


@test("push", "a mount of a blob that is not there begins an upload")
def no_mount(suite):
    suite.registry.ask("POST", f"/v2/{suite.name}/blobs/uploads/?mount={digest(os.urandom(8))}&from={suite.name}-none", b"").is_one_of(202)


@test("push", "a manifest by a tag")
def by_tag(suite):
    body = suite.manifest()
    suite.put("one", body).is_one_of(201).has("Location").has("Docker-Content-Digest", digest(body))


@test("push", "a manifest by its digest")
def by_digest(suite):
    body = suite.manifest()
    suite.put(digest(body), body).is_one_of(201)
    suite.ask("GET", f"manifests/{digest(body)}", Accept=MANIFEST).is_one_of(200)


@test("push", "a manifest of a blob that is not there is refused")
def without_blob(suite):
    body = suite.manifest(layers=((LAYER, os.urandom(8)),))
    suite.put("broken", body).is_one_of(400, 404)


@test("push", "an index of manifests")
def index(suite):
    body = suite.manifest()
    suite.put(digest(body), body).is_one_of(201)
    entry = {**suite.descriptor(MANIFEST, body), "platform": {"architecture": "arm64", "os": "linux"}}
    made = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
    suite.put("all", made, INDEX).is_one_of(201)
    assert suite.ask("GET", "manifests/all", Accept=f"{INDEX}, {MANIFEST}").is_one_of(200).body == made


@test("pull", "a blob by `GET` and `HEAD`")
def read_blob(suite):
    body = suite.blob()
    assert suite.ask("GET", f"blobs/{digest(body)}").is_one_of(200).body == body
    suite.ask("HEAD", f"blobs/{digest(body)}").is_one_of(200).has("Content-Length", str(len(body)))


@test("pull", "a part of a blob, by `Range`")
def part(suite):
    body = suite.blob()
    assert suite.ask("GET", f"blobs/{digest(body)}", Range="bytes=2-5").is_one_of(206).body == body[2:6]


@test("pull", "a manifest by `GET` and `HEAD`, byte by byte as it was sent")
def read_manifest(suite):
    body = suite.manifest()
    suite.put("read", body).is_one_of(201)
    for reference in ("read", digest(body)):
        answer = suite.ask("GET", f"manifests/{reference}", Accept=MANIFEST).is_one_of(200)
        assert answer.body == body
        answer.has("Content-Type", MANIFEST).has("Docker-Content-Digest", digest(body))
        suite.ask("HEAD", f"manifests/{reference}", Accept=MANIFEST).is_one_of(200).has("Content-Length", str(len(body)))


@test("pull", "what is not there is answered with 404 and a code of the specification")
def absent(suite):
    suite.ask("GET", "manifests/none", Accept=MANIFEST).is_one_of(404).code("MANIFEST_UNKNOWN", "NAME_UNKNOWN")
    suite.ask("GET", f"blobs/{digest(b'none')}").is_one_of(404).code("BLOB_UNKNOWN", "NAME_UNKNOWN")
    suite.ask("GET", "tags/list", name="no/where").is_one_of(404).code("NAME_UNKNOWN")


@test("discovery", "the list of tags, in order")
def tags(suite):
    body = suite.manifest()
    for tag in ("t3", "t1", "t2"):
        suite.put(tag, body).is_one_of(201)
    found = suite.ask("GET", "tags/list").is_one_of(200).json()
    assert found["name"] == suite.name and {"t1", "t2", "t3"} <= set(found["tags"]), found
    assert found["tags"] == sorted(found["tags"]), found


@test("discovery", "some of the tags, by `n` and `last`")
def some_tags(suite):
    body = suite.manifest()
    for tag in ("s1", "s2", "s3"):
        suite.put(tag, body).is_one_of(201)
    assert suite.ask("GET", "tags/list?n=2&last=s1").is_one_of(200).json()["tags"] == ["s2", "s3"]
    assert suite.ask("GET", "tags/list?n=0").is_one_of(200).json()["tags"] in ([], None)


def with_subject(suite):
    subject = suite.manifest()
    suite.put("subject", subject).is_one_of(201)
    statement = suite.blob()
    more = {"subject": suite.descriptor(MANIFEST, subject), "artifactType": "application/vnd.example.sbom"}
    body = suite.manifest(config=(EMPTY, suite.blob(b"{}")), layers=(("application/spdx+json", statement),), **more)
    return subject, body, suite.put(digest(body), body).is_one_of(201)


@test("discovery", "a manifest with a subject, such as an SBOM or a signature of today's cosign, is taken")
def subject(suite):
    with_subject(suite)


@test("discovery", "…and the answer says that the registry knows what a subject is (`OCI-Subject`)")
def known_subject(suite):
    first, _, answer = with_subject(suite)
    answer.has("OCI-Subject", digest(first))


@test("discovery", "who refers to a manifest (`referrers`)")
def referrers(suite):
    first, body, _ = with_subject(suite)
    found = suite.ask("GET", f"referrers/{digest(first)}").is_one_of(200).has("Content-Type", INDEX).json()
    assert digest(body) in [one["digest"] for one in found["manifests"]], found


@test("discovery", "…of one kind")
def some_referrers(suite):
    first, _, _ = with_subject(suite)
    path = f"referrers/{digest(first)}?artifactType="
    assert len(suite.ask("GET", path + "application/vnd.example.sbom").is_one_of(200).json()["manifests"]) == 1
    assert not suite.ask("GET", path + "other/kind").is_one_of(200).json()["manifests"]


@test("discovery", "a signature of cosign under the tag that it is looked for")
def cosign(suite):
    image = suite.manifest()
    suite.put("signed", image).is_one_of(201)
    payload = suite.blob(json.dumps({"critical": {"image": {"docker-manifest-digest": digest(image)}}}).encode())
    body = suite.manifest(layers=((COSIGN, payload),))
    tag = digest(image).replace(":", "-") + ".sig"
    suite.put(tag, body).is_one_of(201)
    assert suite.ask("GET", f"manifests/{tag}", Accept=MANIFEST).is_one_of(200).body == body


@test("artifacts", "a chart of Helm")
def helm(suite):
    config = suite.blob(b'{"name": "chart", "version": "1.0.0"}')
    body = suite.manifest(config=(HELM, config), layers=((CHART, suite.blob()),))
    suite.put("1.0.0", body).is_one_of(201)
    found = suite.ask("GET", "manifests/1.0.0", Accept=MANIFEST).is_one_of(200).json()
    assert found["config"]["mediaType"] == HELM, found


@test("artifacts", "files of any kind, as oras pushes them")
def oras(suite):
    body = suite.manifest(config=(EMPTY, suite.blob(b"{}")), layers=(("text/plain", suite.blob()),), artifactType="application/vnd.example.text")
    suite.put("text", body).is_one_of(201)
    assert suite.ask("GET", "manifests/text", Accept=MANIFEST).is_one_of(200).body == body


@test("management", "a manifest is deleted")
def delete_manifest(suite):
    body = suite.manifest()
    suite.put("gone", body).is_one_of(201)
    suite.ask("DELETE", f"manifests/{digest(body)}").is_one_of(202)
    # A task does it.
    for _ in range(100):
        if suite.ask("GET", f"manifests/{digest(body)}", Accept=MANIFEST).status == 404:
            return
        time.sleep(0.1)
    raise AssertionError("it is still there after ten seconds")


@test("management", "a tag is deleted, and its manifest stays")
def delete_tag(suite):
    body = suite.manifest()
    suite.put("away", body).is_one_of(201)
    suite.ask("DELETE", "manifests/away").is_one_of(202)
    suite.ask("GET", "manifests/away", Accept=MANIFEST).is_one_of(404)
    suite.ask("GET", f"manifests/{digest(body)}", Accept=MANIFEST).is_one_of(200)


@test("management", "a blob is deleted")
def delete_blob(suite):
    suite.ask("DELETE", f"blobs/{digest(suite.blob())}").is_one_of(202)


def main():
    origin, name = sys.argv[1:]
    results = Suite(Registry(origin, "admin", os.environ["PULP_PASSWORD"]), name).try_all()
    print("| | what | Pulp |\n|---|---|---|")
    unexpected = []
    for part, what, failure in results:
        limit = LIMITS.get(what)
        print(f"| {part} | {what} | {'yes' if not failure else 'no: ' + (limit or failure)} |")
        if bool(failure) != bool(limit):
            unexpected.append(f"{what}: {failure or 'works, and is among the limits'}")
    for line in unexpected:
        print(line, file=sys.stderr)
    sys.exit(1 if unexpected else 0)


if __name__ == "__main__":
    main()

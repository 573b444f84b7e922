#!/usr/bin/env python3
"""How fast the Pulp image serves content and the API, beside a plain nginx that serves the same bytes in the same run.

A container of the image is started without settings, files are uploaded and published by the API, and wrk (small files,
the API) and curl (a big file) take them from the published port. The plain nginx is the image's own, in a second container
with the same files.

    serve.py [--image localhost/pulp] [--big MB] [--seconds 10] [--env NAME=VALUE ...] [--out FILE.json]
"""

import argparse
import base64
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

PASSWORD = "bench"
CONNECTIONS = 32
SMALL = 20_000
PLAIN = """daemon off; pid /tmp/nginx.pid; error_log stderr; worker_processes 2;
events { worker_connections 1024; }
http { access_log off; sendfile on; server { listen 8000; root /srv; } }
"""


def run(*words, **more):
    done = subprocess.run(words, capture_output=True, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


class Pulp:
    def __init__(self, image, environment):
        self.name = f"pulp-bench-serve-{os.getpid()}"
        options = [word for pair in environment for word in ("--env", pair)]
        run("podman", "run", "--detach", "--name", self.name, "--publish", "127.0.0.1::80", *options, image)
        run("podman", "exec", self.name, "svctl", "wait", "-t", "300s")
        run("podman", "exec", self.name, "pulpcore-manager", "reset-admin-password", "--password", PASSWORD)
        self.url = f"http://{run('podman', 'port', self.name, '80/tcp')}"

    def call(self, path, body=None):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode() if body is not None else None)
        request.add_header("Authorization", "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def wait(self, task):
        while True:
            found = self.call(task)
            if found["state"] == "completed":
                return found["created_resources"]
            if found["state"] in ("failed", "canceled"):
                sys.exit(f"{task}: {found.get('error')}")
            time.sleep(0.1)

    def publish(self, path, name):
        """Uploads a file into a repository of its own; returns the address of its content, and how long the upload took."""
        kinds = "/pulp/api/v3/{}/file/file/"
        repository = self.call(kinds.format("repositories"), {"name": name, "autopublish": True})["pulp_href"]
        began = time.monotonic()
        said = run("curl", "--silent", "--show-error", "--fail", "--user", f"admin:{PASSWORD}", "--form", f"file=@{path}",
                   "--form", f"relative_path={name}", "--form", f"repository={repository}",
                   f"{self.url}/pulp/api/v3/content/file/files/")
        uploaded = time.monotonic() - began
        self.wait(json.loads(said)["task"])
        distribution = {"name": name, "base_path": name, "repository": repository}
        self.wait(self.call(kinds.format("distributions"), distribution)["task"])
        return f"{self.url}/pulp/content/{name}/{name}", uploaded

    def remove(self):
        run("podman", "rm", "-f", "-v", "-t", "5", self.name)


class Nginx:
    """The image's nginx, before a directory."""

    def __init__(self, image, directory):
        self.name = f"pulp-bench-nginx-{os.getpid()}"
        with open(f"{directory}/nginx.conf", "w") as config:
            config.write(PLAIN)
        run("podman", "run", "--detach", "--name", self.name, "--publish", "127.0.0.1::8000", "--volume",
            f"{directory}:/srv:ro", image, "/usr/sbin/nginx", "-c", "/srv/nginx.conf")
        self.url = f"http://{run('podman', 'port', self.name, '8000/tcp')}"

    def remove(self):
        run("podman", "rm", "-f", "-v", "-t", "1", self.name)


def requests(url, seconds):
    """Requests a second, by wrk; any answer that is not 2xx ends the bench."""
    said = run("wrk", "--threads", "2", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s", url)
    if "Non-2xx" in said or "Socket errors" in said:
        sys.exit(f"{url}: {said}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])


def megabytes(url, size, *options):
    """MB a second, by curl: the best of five."""
    times = []
    for _ in range(5):
        said = run("curl", "--silent", "--fail", "--output", "/dev/null", "--write-out", "%{time_total} %{size_download}",
                   *options, url)
        took, got = map(float, said.split())
        if not options and got != size:
            sys.exit(f"{url}: {got:.0f} bytes in place of {size}")
        times.append(got / took / 1e6)
    return max(times)


def milliseconds(pulp, path):
    """How long a request takes, one after another: the median of nine."""
    times = []
    for _ in range(9):
        began = time.monotonic()
        pulp.call(path)
        times.append(time.monotonic() - began)
    return statistics.median(times) * 1000


def measure(pulp, nginx, directory, seconds, size):
    small, _ = pulp.publish(f"{directory}/small", "small")
    big, uploaded = pulp.publish(f"{directory}/big", "big")
    measures = {
        "small, requests/s": lambda: requests(small, seconds),
        "small, nginx, requests/s": lambda: requests(f"{nginx.url}/small", seconds),
        "big, MB/s": lambda: megabytes(big, size),
        "big, nginx, MB/s": lambda: megabytes(f"{nginx.url}/big", size),
        "half of it by a range, MB/s": lambda: megabytes(big, size, "--range", f"{size // 2}-"),
        "status, requests/s": lambda: requests(f"{pulp.url}/pulp/api/v3/status/", seconds),
        "a list for a user with a password, ms": lambda: milliseconds(pulp, "/pulp/api/v3/repositories/?limit=1"),
        "upload, MB/s": lambda: size / uploaded / 1e6,
    }
    result = {}
    for name, measured in measures.items():
        result[name] = round(measured(), 1)
        print(f"{result[name]:12,.1f}  {name}", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default="localhost/pulp")
    parser.add_argument("--big", type=int, default=1000, help="MB")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--out")
    args = parser.parse_args()
    size = args.big * 1_000_000
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        os.chmod(directory, 0o755)
        run("sh", "-c", f"head -c {SMALL} /dev/urandom >{directory}/small; head -c {size} /dev/urandom >{directory}/big")
        started = []
        try:
            started.append(pulp := Pulp(args.image, args.env))
            started.append(nginx := Nginx(args.image, directory))
            result = measure(pulp, nginx, directory, args.seconds, size)
        finally:
            for container in started:
                container.remove()
    if args.out:
        with open(args.out, "w") as out:
            json.dump({"env": args.env, **result}, out, indent=1)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Kills and stops random processes of a Pulp container while clients write and read, and then looks what is left.

Every few seconds one process of the container, whichever, gets SIGKILL, SIGTERM or SIGSTOP; nobody sends SIGCONT. The
choices follow from the seed; which processes there are does not. Meanwhile clients upload, publish, sync and download.
A write is accepted when Pulp has said so: 201, or 202 and a task that is `completed`.

At the end all of this must hold, or the exit code is 1:
  - the container runs, each service is up and healthy, no process is stopped or a zombie;
  - no task is waiting or running;
  - every accepted write is there, byte by byte, and no download ever had wrong bytes;
  - PID 1 holds no more memory and files than at the beginning;
  - `podman stop` ends it with code 0.

    chaos.py [--image localhost/pulp] [--minutes 30] [--seed N] [--out FILE.json]
"""

import argparse
import base64
import collections
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid

API = "/pulp/api/v3/"
PASSWORD = "only for this container"
PLACES = ("/etc/pulp", "/var/lib/pulp", "/var/lib/pgsql", "/var/lib/containers")
# A good hash of the password takes half a second of CPU for each request, which is not what is to be tested.
HASHERS = '["django.contrib.auth.hashers.MD5PasswordHasher", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]'
# Seconds between two attacks: enough for some work to be done, too little for all to be well again.
PAUSE = (2.0, 14.0)
SIGNALS = ("KILL", "KILL", "TERM", "STOP", "STOP")
# Within this all is to be well after the last attack. Health checks need up to 100 s to give a service up.
SETTLE = 300
# What PID 1 may hold more than at the beginning, besides the lines of log that it keeps (up to 64 KiB a service, in
# memory that grows by doubling).
MORE_KIB, MORE_FILES = 512, 8


def podman(*words, check=True, input=None):
    done = subprocess.run(["podman", *words], capture_output=True, text=True, input=input)
    if check and done.returncode != 0:
        raise RuntimeError(f"podman {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Container:
    """Pulp on volumes of its own."""

    def __init__(self, image):
        self.name = f"pulp-chaos-{os.getpid()}"
        self.volumes = [podman("volume", "create", "--label", "pulp-init-chaos").strip() for _ in PLACES]
        mounts = [word for pair in zip(self.volumes, PLACES) for word in ("--volume", ":".join(pair))]
        os.environ["PULP_DEFAULT_ADMIN_PASSWORD"] = PASSWORD
        podman("run", "--detach", "--name", self.name, "--publish", "127.0.0.1::80",
               "--env", "PULP_DEFAULT_ADMIN_PASSWORD", "--env", f"PULP_PASSWORD_HASHERS={HASHERS}",
               "--env", "PULP_ANALYTICS=false", *mounts, image)
        self.url = "http://" + podman("port", self.name, "80/tcp").strip()

    def exec(self, *words, check=True, user="root"):
        return podman("exec", "--user", user, self.name, *words, check=check)

    def wait(self):
        """Until the boot is complete."""
        until = time.monotonic() + SETTLE
        command = ["podman", "exec", self.name, "svctl", "wait", "-t", "60s"]
        # At first there is no control socket yet.
        while subprocess.run(command, capture_output=True).returncode != 0:
            if time.monotonic() > until or not self.runs():
                sys.exit("it does not come up: " + podman("logs", "--tail", "30", self.name))
            time.sleep(0.5)

    def runs(self):
        return podman("inspect", "--format", "{{.State.Running}}", self.name, check=False).strip() == "true"

    def processes(self):
        """All but PID 1 and those of this question: pid, state, command."""
        lines = self.exec("ps", "-eww", "-o", "pid=,ppid=,stat=,args=").splitlines()
        rows = [line.split(None, 3) for line in lines]
        return [(int(pid), state, args) for pid, parent, state, args in rows
                if pid != "1" and parent != "0" and not args.startswith("ps -eww")]

    def services(self):
        return json.loads(self.exec("svctl", "list", "--json"))

    def init(self):
        """What PID 1 holds: memory of its own in KiB, open files, and lines of log in KiB."""
        script = """grep RssAnon /proc/1/status; ls /proc/1/fd | wc -l
            for name; do svctl logs -n 1000000 "$name"; done | wc -c"""
        names = [one["name"] for one in self.services()]
        words = self.exec("sh", "-c", script, "sh", *names).split()
        return int(words[1]), int(words[3]), int(words[4]) // 1024

    def sql(self, query):
        return self.exec("psql", "-XAtq", "-h", "/run/postgresql", "-d", "pulp", "-c", query, user="pulp").split()

    def remove(self):
        podman("rm", "--force", "--time", "5", self.name, check=False)
        podman("volume", "rm", "--force", *self.volumes, check=False)


class Refused(Exception):
    """No answer, or one that says no."""


class World:
    """What the clients know, and what they have counted."""

    def __init__(self, container, seed):
        self.container, self.seed = container, seed
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.wrong = []
        self.artifacts, self.contents, self.published = set(), {}, {}
        self.slowest = 0.0
        self.login = "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] += number

    def blame(self, what):
        with self.lock:
            self.wrong.append(what)
        print("WRONG:", what, flush=True)

    def call(self, path, body=None, kind=None, method=None):
        """An answer's status and body."""
        request = urllib.request.Request(self.container.url + path, data=body, method=method)
        request.add_header("Authorization", self.login)
        if kind:
            request.add_header("Content-Type", kind)
        begin = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            raise Refused(f"{error.code}") from error
        except (OSError, ValueError) as error:
            raise Refused(str(error)) from error
        except Exception as error:  # http.client's own, of a connection that was cut
            raise Refused(repr(error)) from error
        finally:
            with self.lock:
                self.slowest = max(self.slowest, time.monotonic() - begin)

    def get(self, path):
        return json.loads(self.call(path)[1])

    def post(self, path, what):
        return self.send(path, json.dumps(what).encode(), "application/json")

    def upload(self, path, fields, data):
        mark = uuid.uuid4().hex
        parts = [f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
                 for name, value in fields.items()]
        head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'.encode()
        body = b"".join(parts) + head + data + f"\r\n--{mark}--\r\n".encode()
        return self.send(path, body, f"multipart/form-data; boundary={mark}")

    def send(self, path, body, kind):
        """What was made: its description, or its address if a task made it."""
        status, answer = self.call(path, body, kind)
        answer = json.loads(answer)
        if "task" not in answer:
            return answer
        task = self.task(answer["task"])
        if task["state"] != "completed":
            self.count(f"tasks {task['state']}")
            raise Refused(f"task {task['state']}")
        self.count("tasks completed")
        return {"pulp_href": (task["created_resources"] or [None])[0]}

    def task(self, path):
        """A task that has ended; that it does is looked at in the end."""
        until, last = time.monotonic() + SETTLE, "never seen"
        while time.monotonic() < until:
            try:
                last = task = self.get(path)
                if task["state"] not in ("waiting", "running", "canceling"):
                    return task
            except Refused as why:
                last = why
            time.sleep(0.3)
        print(f"{time.strftime('%H:%M:%S')} not ended after {SETTLE} s: {last}", flush=True)
        print(self.container.exec("ps", "-eww", "-o", "pid,ppid,stat,etimes,wchan:20,args", check=False), flush=True)
        raise Refused("a task that does not end")

    def client(self, number, what):
        """Does it again and again; each client has random numbers of its own."""
        choice = random.Random(f"{self.seed} {number}")
        while not self.over.is_set():
            try:
                what(choice)
            except Refused as why:
                self.count(f"refused: {what.__name__}")
                self.count("refusals: " + str(why)[:60])
                time.sleep(0.5)

    # ---- what clients do ----

    def data(self, choice):
        return choice.randbytes(choice.choice((100, 10_000, 300_000)))

    def artifact(self, choice):
        data = self.data(choice)
        self.upload(API + "artifacts/", {}, data)
        with self.lock:
            self.artifacts.add(hashlib.sha256(data).hexdigest())
        self.count("artifacts accepted")
        time.sleep(0.2)

    def file(self, choice):
        data, name = self.data(choice), uuid.UUID(bytes=choice.randbytes(16)).hex
        made = self.upload(API + "content/file/files/", {"relative_path": name}, data)
        with self.lock:
            self.contents[made["pulp_href"]] = hashlib.sha256(data).hexdigest()
        self.count("files accepted")

    def publish(self, choice):
        """A repository with a file in it, published; then a sync of that into another one."""
        data, name = self.data(choice), uuid.UUID(bytes=choice.randbytes(16)).hex
        digest = hashlib.sha256(data).hexdigest()
        repository = self.post(API + "repositories/file/file/", {"name": name})["pulp_href"]
        fields = {"relative_path": "a/file", "repository": repository}
        self.upload(API + "content/file/files/", fields, data)
        self.distribute(repository, name, digest)
        remote = self.post(API + "remotes/file/file/", {
            "name": name, "url": f"http://127.0.0.1/pulp/content/{name}/PULP_MANIFEST",
            "username": "somebody", "password": name})["pulp_href"]
        copy = self.post(API + "repositories/file/file/", {"name": name + "-copy"})["pulp_href"]
        self.post(copy + "sync/", {"remote": remote})
        self.distribute(copy, name + "-copy", digest)
        self.count("synced")

    def distribute(self, repository, name, digest):
        publication = self.post(API + "publications/file/file/", {"repository": repository})["pulp_href"]
        self.post(API + "distributions/file/file/", {"name": name, "base_path": name, "publication": publication})
        with self.lock:
            self.published[f"/pulp/content/{name}/a/file"] = digest
        self.count("published")

    def read(self, choice):
        with self.lock:
            known = list(self.published.items())
        if not known:
            time.sleep(0.5)
            return
        path, digest = choice.choice(known)
        _, data = self.call(path)
        if hashlib.sha256(data).hexdigest() != digest:
            self.blame(f"{path} has other bytes")
        self.count("downloads")
        time.sleep(0.1)

    def ask(self, choice):
        self.get(API + choice.choice(("status/", "tasks/?limit=5", "repositories/?limit=5", "content/?limit=5")))
        self.count("questions")
        time.sleep(0.1)


def attack(world, choice, log):
    """One process, one signal."""
    processes = world.container.processes()
    pid, _, args = choice.choice(processes)
    name = choice.choice(SIGNALS)
    world.container.exec("kill", f"-{name}", str(pid), check=False)
    world.count(f"SIG{name}")
    log.append(f"{time.strftime('%H:%M:%S')} {name} {args[:60]}")


def settle(world):
    """Waits until all is well, and says how long that took; what is not well if it never is."""
    begin, why = time.monotonic(), "?"
    while time.monotonic() - begin < SETTLE:
        why = not_well(world)
        if not why:
            return time.monotonic() - begin
        time.sleep(1)
    world.blame(f"after {SETTLE} s: {why}")
    return None


def not_well(world):
    try:
        bad = [f"{one['name']}: {one['state']}, {one['health']}" for one in world.container.services()
               if one["wanted"] and (one["state"] not in ("up", "done", "skipped") or one["health"] == "unhealthy")]
        bad += [f"{state} {args}" for _, state, args in world.container.processes() if state[0] in "ZT"]
        open_tasks = world.container.sql(
            "select pulp_id, state from core_task where state in ('waiting', 'running', 'canceling')")
        bad += [f"task {task}" for task in open_tasks]
        world.get(API + "status/")
        return "; ".join(bad)
    except (Refused, RuntimeError) as error:
        return str(error)


def look(world):
    """Whether all that was accepted is there."""
    container = world.container
    rows = dict(row.split("|") for row in container.sql("select sha256, file from core_artifact"))
    files = container.exec("sh", "-c", "cd /var/lib/pulp/media && find artifact -type f -exec sha256sum {} +")
    files = {path: digest for digest, path in (line.split(None, 1) for line in files.splitlines())}
    for digest, path in rows.items():
        if files.get(path) != digest:
            world.blame(f"the artifact {digest} has the file {path}, which is {files.get(path, 'missing')}")
    for digest in world.artifacts | set(world.contents.values()):
        if digest not in rows:
            world.blame(f"an accepted artifact is lost: {digest}")
    units = set(container.sql("select content_id || '|' || sha256 from core_contentartifact "
                              "join core_artifact on core_artifact.pulp_id = artifact_id"))
    for href, digest in world.contents.items():
        if f"{href.rstrip('/').split('/')[-1]}|{digest}" not in units:
            world.blame(f"an accepted file is lost: {href}")
    for path, digest in world.published.items():
        try:
            if hashlib.sha256(world.call(path)[1]).hexdigest() != digest:
                world.blame(f"{path} has other bytes")
        except Refused as why:
            world.blame(f"{path} is lost: {why}")


def run(options, container):
    container.wait()
    world = World(container, options.seed)
    clients = (world.artifact, world.file, world.publish, world.publish, world.read, world.ask)
    threads = [threading.Thread(target=world.client, args=pair, daemon=True) for pair in enumerate(clients)]
    for thread in threads:
        thread.start()
    # At work PID 1 holds a little more than at rest.
    time.sleep(min(20, options.minutes * 6))
    before, most = container.init(), (0, 0, 0)
    choice, log = random.Random(options.seed), []
    end = time.monotonic() + options.minutes * 60
    told = time.monotonic()
    while time.monotonic() < end:
        time.sleep(choice.uniform(*PAUSE))
        if not container.runs():
            world.blame("the container has ended: " + podman("logs", "--tail", "20", container.name))
            return world, log, {}
        try:
            attack(world, choice, log)
        except RuntimeError as error:
            world.count("attacks that failed")  # such as a signal to the very process that attacks
            print(error, flush=True)
        if time.monotonic() - told > 60:
            told = time.monotonic()
            most = max(most, container.init())
            print(f"{(end - told) / 60:.0f} min left: {dict(world.counts)} PID 1 {most}", flush=True)
    world.over.set()
    settled = settle(world)
    for thread in threads:
        thread.join(SETTLE)
    # What the last clients did is to be done, too.
    settle(world)
    look(world)
    after = container.init()
    if after[0] > before[0] + 2 * (after[2] - before[2]) + MORE_KIB or after[1] > before[1] + MORE_FILES:
        world.blame(f"PID 1 had {before} (KiB, files, KiB of log) and now has {after}")
    restarts = {one["name"]: one["restarts"] for one in container.services() if one["restarts"]}
    podman("stop", "--time", "10", container.name)
    code = podman("inspect", "--format", "{{.State.ExitCode}}", container.name).strip()
    if code != "0":
        world.blame(f"stopped, it ended with {code}")
    return world, log, {"settled": settled, "PID 1 before": before, "PID 1 after": after, "PID 1 most": most,
                        "restarts": restarts}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default="localhost/pulp")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--out")
    options = parser.parse_args()
    # What was started is to be removed, however this ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    print(f"seed {options.seed}, {options.minutes:g} minutes, {options.image}", flush=True)
    container = Container(options.image)
    try:
        world, log, found = run(options, container)
        report = {"seed": options.seed, "minutes": options.minutes, "attacks": len(log), **found,
                  "slowest answer": round(world.slowest, 1), "counts": dict(sorted(world.counts.items())),
                  "wrong": world.wrong}
        print(json.dumps(report, indent=1))
        if options.out:
            with open(options.out, "w") as out:
                json.dump({**report, "log": log}, out, indent=1)
        if world.wrong:
            print("\n".join(log[-30:]), podman("logs", "--tail", "100", container.name), sep="\n")
    finally:
        container.remove()
    return 1 if world.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

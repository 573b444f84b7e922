#!/usr/bin/env python3
"""How fast the Pulp image boots and stops, and what it holds, beside the floor measured in the same run.

Ready is the first HTTP 200 of status/ in which 2 workers, 2 API and 2 content processes are online, by name: rows of an
earlier container, which linger for up to two minutes, do not count.

The floor is the same image's api, content and two workers, started by hand at once on a running, migrated database.

    boot.py [--image localhost/pulp] [--status /pulp/api/v3/status/] [--runs 5] [--env NAME=VALUE ...] [--out FILE.json]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request

# Targets of the project: what, the figure, and its unit.
TARGETS = {"warm": 3.5, "warm, of the floor": 1.15, "cold more than warm": 2.0, "stop": 3.0, "PSS": 600.0}


def podman(*words, check=True):
    done = subprocess.run(["podman", *words], capture_output=True, text=True)
    if check and done.returncode != 0:
        sys.exit(f"podman {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


def online(url):
    """The names of those that are online, by kind; nothing if nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            status = json.load(answer)
    except (OSError, ValueError):
        return None
    # Galaxy's pulpcore does not tell of the API; that it answers is all there is to know.
    kinds = [kind for kind in ("online_workers", "online_api_apps", "online_content_apps") if kind in status]
    return [{row["name"] for row in status[kind] or []} for kind in kinds]


def wait(url, since, old=frozenset()):
    """Seconds from `since` until all are there that are not old."""
    while time.monotonic() - since < 300:
        names = online(url)
        if names and all(len(found - old) >= 2 for found in names):
            return time.monotonic() - since
        time.sleep(0.02)
    sys.exit("not ready after 300 s: is anything else running?")


class Container:
    """One container on volumes of its own."""

    def __init__(self, image, status, environment):
        self.options = [word for pair in environment for word in ("--env", pair)]
        self.image, self.status, self.name = image, status, f"pulp-bench-{os.getpid()}"
        self.volumes = [podman("volume", "create") for _ in range(4)]

    def start(self, old=frozenset()):
        places = ("/etc/pulp", "/var/lib/pulp", "/var/lib/pgsql", "/var/lib/containers")
        mounts = [word for pair in zip(self.volumes, places) for word in ("--volume", ":".join(pair))]
        since = time.monotonic()
        podman("run", "--detach", "--name", self.name, "--publish", "127.0.0.1::80", *mounts, *self.options, self.image)
        self.url = "http://" + podman("port", self.name, "80/tcp") + self.status
        return wait(self.url, since, old)

    def names(self):
        return frozenset().union(*online(self.url))

    def stop(self):
        since = time.monotonic()
        podman("stop", "--time", "10", self.name)
        took = time.monotonic() - since
        code = podman("inspect", "--format", "{{.State.ExitCode}}", self.name)
        if code != "0" or "database system is shut down" not in podman_logs(self.name):
            sys.exit(f"it stopped with {code}, or the database was not shut down")
        podman("rm", self.name)
        return took

    def pss(self):
        """Proportional set size of all its processes, MB."""
        total = 0
        for pid in podman("top", self.name, "hpid").split()[1:]:
            try:
                with open(f"/proc/{pid}/smaps_rollup") as lines:
                    total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            except OSError:
                pass  # it has ended
        return total / 1000

    def floor(self):
        """Stops Pulp's services, starts their programs by hand, and waits for them."""
        services = ["pulp-api", "pulp-content", "pulp-worker"]
        old = self.names()
        podman("exec", self.name, "svctl", "stop", *services)
        script = ("cd /var/lib/pulp; for what in api content worker worker; do pulp-setup exec $what & done; wait")
        since = time.monotonic()
        podman("exec", "--detach", "--user", "pulp", self.name, "bash", "-c", script)
        took = wait(self.url, since, old)
        podman("exec", self.name, "pkill", "--uid", "pulp", "--signal", "KILL", check=False)
        podman("exec", self.name, "svctl", "start", *services)
        podman("exec", self.name, "svctl", "wait", "-t", "120s")
        return took

    def remove(self):
        podman("rm", "--force", "--time", "5", self.name, check=False)
        podman("volume", "rm", "--force", *self.volumes, check=False)


def podman_logs(name):
    done = subprocess.run(["podman", "logs", name], capture_output=True, text=True)
    return done.stdout + done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default="localhost/pulp")
    parser.add_argument("--status", default="/pulp/api/v3/status/")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--out")
    options = parser.parse_args()
    figures = {name: [] for name in ("cold", "warm", "floor", "stop", "PSS")}
    for run in range(options.runs):
        container = Container(options.image, options.status, options.env)
        try:
            figures["cold"].append(container.start())
            old = container.names()
            figures["stop"].append(container.stop())
            figures["warm"].append(container.start(old))
            figures["floor"].append(container.floor())
            time.sleep(10)  # until it is idle: a measurement of memory, not a wait for an event
            figures["PSS"].append(container.pss())
            figures["stop"].append(container.stop())
        finally:
            container.remove()
        print(f"run {run + 1}:", ", ".join(f"{name} {all[-1]:.2f}" for name, all in figures.items()), flush=True)
    median = {name: statistics.median(all) for name, all in figures.items()}
    print()
    for name, all in figures.items():
        unit = "MB" if name == "PSS" else "s"
        print(f"{name:6} {median[name]:8.2f} {unit:2}  ({min(all):.2f} to {max(all):.2f}, {len(all)} runs)")
    print()
    measured = {
        "warm": median["warm"],
        "warm, of the floor": median["warm"] / median["floor"],
        "cold more than warm": median["cold"] - median["warm"],
        "stop": median["stop"],
        "PSS": median["PSS"],
    }
    missed = 0
    for name, target in TARGETS.items():
        met = measured[name] <= target
        missed += not met
        print(f"{'PASS' if met else 'FAIL'}  {name:20} {measured[name]:8.2f}  <= {target}")
    if options.out:
        with open(options.out, "w") as file:
            json.dump(figures, file, indent=1)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

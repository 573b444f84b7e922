#!/usr/bin/env python3
"""Keeps podman's name server at work as long as the process PID lives.

aardvark-dns 1.4 (Debian 12) can end, or run twice, when containers of a network come and go at once; until the next
ones are started no container finds another by name. Tests start and remove many, and are not about that. This asks the
server of each network for all of its names, and starts the server anew if there is no answer.

    podman-names.py PID
"""

import contextlib
import fcntl
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import time

NETWORKS = pathlib.Path("/run/containers/networks")
NAMES = NETWORKS / "aardvark-dns"
SERVER = "/usr/lib/podman/aardvark-dns"


def answers(server, name):
    """Whether it knows an address of the name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in (name + ".dns.podman").split("."))
    query = struct.pack("!6H", os.getpid() & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.settimeout(0.5)
        try:
            out.connect((server, 53))
            out.send(query)
            return struct.unpack("!6H", out.recv(4096)[:12])[3] > 0
        except (OSError, struct.error):
            return False


def silent():
    """The networks whose server does not answer, with what their files say: server, then a container a line."""
    found = {}
    for file in NAMES.glob("*"):
        try:
            text = file.read_text()
            server, *containers = text.splitlines()
            # Of each: a server without news still knows the first ones.
            names = [line.split()[-1].split(",")[0] for line in containers]
        except (OSError, ValueError, IndexError):
            continue  # the server's number, or a network that has no container now
        if not all(any(answers(server.split(",")[0], name) for _ in range(3)) for name in names):
            found[file.name] = text
    return found


def servers():
    """Its processes: two of them may have been started at once, and the one that has the port gets no news."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if str(NAMES).encode() in (process / "cmdline").read_bytes().split(b"\0"):
                yield int(process.name)
        except OSError:
            continue  # it has ended


def start_anew():
    for pid in servers():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 5
    while list(servers()) and time.monotonic() < until:
        time.sleep(0.01)
    subprocess.run([SERVER, "--config", str(NAMES), "-p", "53", "run"], stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def main():
    if os.getuid() != 0:
        return  # the server is in a network namespace of podman's own
    parent = pathlib.Path("/proc", sys.argv[1])
    while parent.exists():
        before = silent()
        if before:
            # netavark holds it while it changes the files.
            with open(NETWORKS / "aardvark.lock", "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if any(text == before.get(network) for network, text in silent().items()):
                    print("podman's name server does not answer: started anew", file=sys.stderr, flush=True)
                    start_anew()
        time.sleep(0.3)


if __name__ == "__main__":
    main()

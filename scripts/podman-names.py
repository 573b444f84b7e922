#!/usr/bin/env python3
"""Lets containers find each other by name as long as the process PID lives. Tests start and remove many, and are not
about what podman 4.3 (Debian 12) does then:

* A bridge has the lowest hardware address of what is plugged into it (netavark before 1.9 gives it none of its own), so
  that it may change with each container. The others send their questions to the old one for half a minute or more.
  The kernel is asked to tell them of the new one.
* aardvark-dns 1.4 can end, or run twice, when containers of a network come and go at once; until the next ones are
  started nobody has an answer. This asks the server of each network for all of its names, and starts it anew if it is
  silent.

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
TELL = pathlib.Path("/proc/sys/net/ipv4/conf/all/arp_notify")


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


def tell(wanted):
    """Whether a changed hardware address is told to the neighbours. Returns what it was."""
    try:
        before = TELL.read_text()
        if before != wanted:
            TELL.write_text(wanted)
    except OSError:
        return None  # not ours to change
    return before


def main():
    if os.getuid() != 0:
        return  # bridge and server are in a network namespace of podman's own
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    before = tell("1\n")
    try:
        keep(pathlib.Path("/proc", sys.argv[1]))
    finally:
        if before:
            tell(before)


def keep(parent):
    while parent.exists():
        tell("1\n")  # another one of us may have ended
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

"""The process that imports Pulp once: what it shares, what it refuses, and what no request can do to it.

Pulp itself is not needed: what is imported is put in its place. `python3 -m unittest discover tests/python`
"""

import importlib.util
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "images/pulp/files/shared_imports.py"


def load():
    specification = importlib.util.spec_from_file_location("shared_imports", SOURCE)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


shared = load()


def server(**changes):
    """A server that has imported nothing."""
    made = shared.Server.__new__(shared.Server)
    made.environment = {"A": "1"}
    made.programs, made.refusal = {"pulpcore-api": None}, None
    made.stamps, made.read = shared.stamps(), {}
    made.traits = shared.traits(os.getpid())
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def request(**changes):
    return {"words": ["pulpcore-api"], "environment": {"A": "1"}, "cwd": "/", "umask": 18, **changes}


class Signers(unittest.TestCase):
    def test_they_are_imported_as_if_clouds_were_not_there_and_who_needs_those_gets_them_afterwards(self):
        with tempfile.TemporaryDirectory() as directory:
            package = Path(directory, "securesystemslib")
            package.mkdir()
            Path(package, "__init__.py").touch()
            tried = "try:\n    import boto3\n    CLOUD = True\nexcept ImportError:\n    CLOUD = False\n"
            Path(package, "signer.py").write_text(tried)
            Path(directory, "boto3.py").touch()
            said = subprocess.run(
                [sys.executable, "-c", f"import sys; sys.path[:0] = [{directory!r}, {str(SOURCE.parent)!r}]\n"
                 "import shared_imports; shared_imports.import_signers_without_clouds()\n"
                 "import boto3, securesystemslib.signer as signer; print(signer.CLOUD, 'azure.core' in sys.modules)"],
                capture_output=True, text=True, check=True).stdout
        self.assertEqual(said, "False False\n")

    def test_without_them_nothing_is_imported(self):
        shared.import_signers_without_clouds()
        self.assertFalse(set(shared.CLOUDS) & sys.modules.keys())


class Requests(unittest.TestCase):
    def ask(self, text, made=None):
        """What is answered to this text, sent with three descriptors; `None` if nothing is."""
        here, there = socket.socketpair()
        null = os.open("/dev/null", os.O_RDWR)
        self.addCleanup(os.close, null)
        with here, there:
            socket.send_fds(here, [text], [null] * 3)
            here.shutdown(socket.SHUT_WR)
            before = set(os.listdir("/proc/self/fd"))
            try:
                (made or server()).serve(there)
            finally:
                self.assertEqual(set(os.listdir("/proc/self/fd")), before, "descriptors were left open")
            there.close()
            return json.loads(here.recv(65536) or b"null")

    def test_ping_is_answered(self):
        self.assertEqual(self.ask(b"ping\n"), {"pong": os.getpid()})

    def test_nonsense_is_refused_and_not_forked(self):
        for wrong in ([], {}, {"words": []}, 7, None, request(words=[]), request(words=[1]), request(words="x"),
                      request(environment=[]), request(environment={"A": 1}), request(umask="x"), request(cwd=None)):
            with self.subTest(wrong=wrong):
                self.assertEqual(self.ask(json.dumps(wrong).encode() + b"\n"), {"plain": "it is no program of Pulp"})

    def test_no_request_ends_the_server(self):
        made = server()
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "socket")
            made.listener = socket.socket(socket.AF_UNIX)
            made.listener.bind(path)
            made.listener.listen()
            threading.Thread(target=made.run, daemon=True).start()
            for text in (b"", b"\n", b"{", b"[]\n", b'{"words": []}\n', b"\xff\n", b"x" * 100_000):
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(path)
                    client.sendall(text)
                    client.shutdown(socket.SHUT_WR)
                    client.recv(100)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                client.sendall(b"ping\n")
                self.assertEqual(json.loads(client.recv(100)), {"pong": os.getpid()})
                # Its end of this is closed, which other tests would notice.
                self.assertEqual(client.recv(1), b"")

    def test_request_without_an_end_is_given_up(self):
        with self.assertRaises(ValueError):
            self.ask(b"x" * 1000)

    def test_descriptors_do_not_survive_an_exec(self):
        here, there = socket.socketpair()
        with here, there:
            socket.send_fds(here, [b"ping\n"], [0, 1, 2])
            _, descriptors = shared.receive(there)
        self.assertEqual(len(descriptors), 3)
        for descriptor in descriptors:
            self.assertFalse(os.get_inheritable(descriptor))
            os.close(descriptor)

    def test_other_variables_are_named(self):
        answer = self.ask(json.dumps(request(environment={"A": "2", "B": "3"})).encode() + b"\n")
        self.assertEqual(answer, {"plain": "its variables are others: A, B"})


    def test_descriptors_are_as_many_as_are_named(self):
        wrong = {"plain": "its descriptors are not those that it names"}
        for count in ("1", "-1", "x", "1000", "67"):
            with self.subTest(count=count):
                environment = {"A": "1", "LISTEN_FDS": count}
                self.assertEqual(self.ask(json.dumps(request(environment=environment)).encode() + b"\n"), wrong)


class Sockets(unittest.TestCase):
    """In a process of its own, in which numbers of descriptors may be taken."""

    def test_a_child_has_its_sockets_from_3_on_and_its_own_number(self):
        code = f"""
import os, socket, sys
sys.path.insert(0, {str(SOURCE.parent)!r})
import shared_imports as shared
ours, theirs = socket.socketpair()
ours = shared.moved_aside(ours)
listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
ports = [listener.getsockname()[1] for listener in listeners]
# They and the connection have numbers that others of them are to have.
given = [os.dup(n) for n in (0, 1, 2)] + [os.dup(listener.fileno()) for listener in reversed(listeners)]
[listener.close() for listener in listeners]
connection = shared.moved_aside(theirs)
environment = {{"LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}}
shared.become({{"words": ["pulpcore-api"], "environment": environment, "umask": 18, "cwd": "/"}}, given)
found = [socket.socket(fileno=n) for n in (3, 4)]
assert [one.getsockname()[1] for one in found] == ports[::-1], (found, ports)
assert [os.get_inheritable(n) for n in (3, 4)] == [True, True]
assert os.environ["LISTEN_PID"] == str(os.getpid())
ours.send(b"go")
assert connection.recv(2) == b"go"
"""
        ended = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False)
        self.assertEqual(ended.returncode, 0, ended.stderr)


class Traits(unittest.TestCase):
    def test_a_child_takes_on_what_anybody_may(self):
        for name, mine, its in (
            ("NoNewPrivs", "0", "1"),
            ("nice", 0, 5),
            ("oom-score-adj", "0\n", "100\n"),
            ("RLIMIT_NOFILE", (1024, 4096), (512, 1024)),
            ("RLIMIT_CORE", (-1, -1), (0, 0)),
            ("RLIMIT_AS", (-1, -1), (1 << 30, -1)),
        ):
            self.assertTrue(shared.can_take_on(name, mine, its), name)

    def test_a_child_can_neither_gain_nor_be_somebody_else(self):
        for name, mine, its in (
            ("NoNewPrivs", "1", "0"),
            ("nice", 5, 0),
            ("oom-score-adj", "100\n", "-100\n"),
            ("RLIMIT_NOFILE", (512, 1024), (512, 4096)),
            ("RLIMIT_CORE", (0, 0), (-1, -1)),
            ("Uid", "700\t700\t700\t700", "0\t0\t0\t0"),
            ("CapBnd", "0", "ffff"),
            ("CapBnd", "ffff", "0"),
        ):
            self.assertFalse(shared.can_take_on(name, mine, its), name)

    def test_what_is_taken_on_is_so_in_the_kernel(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        code = f"""
import os, sys
sys.path.insert(0, {str(SOURCE.parent)!r})
import shared_imports as shared
mine = shared.traits(os.getpid())
its = dict(mine, NoNewPrivs="1", nice=mine["nice"] + 3, RLIMIT_NOFILE=(64, 128), RLIMIT_OFILE=(64, 128))
its["oom-score-adj"] = str(int(mine["oom-score-adj"]) + 10) + "\\n"
assert all(shared.can_take_on(name, mine[name], its[name]) for name in shared.differences(mine, its))
shared.take_on(mine, its)
assert shared.differences(shared.traits(os.getpid()), its) == [], shared.differences(shared.traits(os.getpid()), its)
"""
        self.assertGreaterEqual(hard if hard != resource.RLIM_INFINITY else 128, 128)
        ended = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False)
        self.assertEqual(ended.returncode, 0, ended.stderr)


class Safety(unittest.TestCase):
    """Each in a process of its own, as unittest may have threads and pipes open."""

    def refusal(self, code):
        program = f"""
import os, socket, sys
sys.path.insert(0, {str(SOURCE.parent)!r})
import shared_imports as shared
listener = socket.socket(socket.AF_UNIX)
{code}
try:
    shared.refuse_what_a_fork_would_share(listener)
except shared.Refusal as why:
    print(why)
"""
        ended = subprocess.run(
            [sys.executable, "-B", "-c", program], capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
        )
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return ended.stdout.strip()

    def test_an_import_that_leaves_nothing_is_shared(self):
        self.assertEqual(self.refusal("open('/etc/passwd')"), "")

    def test_what_a_fork_would_share_is_refused(self):
        for code, why in (
            ("kept = socket.socketpair()", "a connection open"),
            ("kept = os.pipe()", "pipe:"),
            ("import select; kept = select.epoll()", "eventpoll"),
            ("import tempfile; kept = tempfile.TemporaryFile()", "for writing"),
            ("import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()", "1 threads"),
            ("import subprocess; kept = subprocess.Popen(['sleep', '60']); import atexit; atexit.register(kept.kill)",
             "a child process"),
        ):
            with self.subTest(code=code):
                self.assertIn(why, self.refusal(code))


class Staleness(unittest.TestCase):
    def test_a_file_that_the_settings_read_is_noticed_when_it_changes(self):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
            secret = Path(directory, "password")
            secret.write_text("old")
            opened = shared.OpenedFiles()
            secret.read_text()
            opened.notes = False
            made = server(read=opened.stamps)
            self.assertIn(str(secret), made.read)
            self.assertFalse(made.is_stale())
            secret.with_suffix(".new").write_text("new")
            os.replace(secret.with_suffix(".new"), secret)
            self.assertTrue(made.is_stale())

    def test_packages_are_not_noted_file_by_file(self):
        opened = shared.OpenedFiles()
        with open("/usr/bin/env", "rb"), open("/proc/self/status"):
            pass
        opened.notes = False
        self.assertEqual(opened.stamps, {})


if __name__ == "__main__":
    unittest.main()

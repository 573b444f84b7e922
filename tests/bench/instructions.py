"""Counts the instructions of `init` under callgrind, which a busy machine does not change, and compares them with those
of instructions.toml.

instructions.py BINARY [UPDATE]: fails if a figure is more than 2 % above the reference; with UPDATE writes a new one.
"""
import contextlib
import os
import pathlib
import platform
import re
import signal
import socket
import subprocess
import sys
import tempfile
import tomllib

REFERENCE = pathlib.Path(__file__).with_name("instructions.toml")
TOLERANCE = 0.02
TURNS = 3  # of each run; the least counts, as what disturbs a run only adds to it
PATIENCE = 300  # seconds that a run under callgrind may take at most

SLEEPER = 'type = "longrun"\nexec = ["/bin/sleep", "infinity"]\n'
MANY = {f"s{number:02}": SLEEPER for number in range(100)}
LINE = b"a line of a service that has a hundred bytes, as many lines of services have, with its end".ljust(99, b".") + b"\n"


class Run:
    """One `init` under callgrind: from its start until its boot is complete, and then through what the caller does."""

    def __init__(self, binary, services, directory):
        self.directory = pathlib.Path(directory)
        self.link("init", binary)
        client = binary.with_name("svctl")
        self.link("svctl", client if client.exists() else binary)  # it was one program with `init` once
        for name in ("services", "run"):
            (self.directory / name).mkdir()
        for name, text in services.items():
            (self.directory / "services" / f"{name}.toml").write_text(text)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.directory / "manager"))
        self.socket.settimeout(PATIENCE)
        self.output = open(self.directory / "output", "wb")

    def link(self, name, target):
        (self.directory / name).symlink_to(target.resolve())

    def environment(self):
        # The same on every machine: `init` copies it for each service.
        return {"PATH": "/usr/bin:/bin", "INIT_RUNTIME_DIR": str(self.directory / "run")}

    def start(self):
        namespace = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]),
                     "--pid", "--fork", "--kill-child", "--mount-proc"]
        callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--trace-children=no",
                     "--child-silent-after-fork=yes", f"--log-file={self.directory}/counts"]
        init = [self.directory / "init", "--services", self.directory / "services"]
        self.process = subprocess.Popen(
            [*namespace, *callgrind, *init], stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
            env={**self.environment(), "NOTIFY_SOCKET": str(self.directory / "manager")})
        while b"READY=1" not in self.socket.recv(4096):
            pass

    def svctl(self, *words):
        subprocess.run([self.directory / "svctl", *words], env=self.environment(), check=True, timeout=PATIENCE,
                       stdout=subprocess.DEVNULL)

    def stop(self):
        """Shuts it down; the instructions of its whole life."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        said = (self.directory / "counts").read_text()
        if code != 0:
            raise SystemExit(f"init ended with {code}:\n{said}\n{(self.directory / 'output').read_text()}")
        return int(re.search(r"Collected : (\d+)", said)[1])

    def close(self):
        if getattr(self, "process", None) and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.output.close()
        self.socket.close()


def count(binary, services, act=lambda run: None):
    with tempfile.TemporaryDirectory(prefix="instructions-") as directory:
        with contextlib.closing(Run(binary, services, directory)) as run:
            run.start()
            act(run)
            return run.stop()


def least(binary, services, act=lambda run: None):
    counts = [count(binary, services, act) for _ in range(TURNS)]
    spread = (max(counts) - min(counts)) / min(counts)
    print(f"  {min(counts):>12,}  +{spread:.2%}", file=sys.stderr)
    return min(counts)


def by_difference(measure, few, many):
    """What one more costs, by a run with few and one with many."""
    return (measure(many) - measure(few)) // (many - few)


def boot(binary):
    return least(binary, MANY)


def listing(binary):
    def listed(times):
        return least(binary, MANY, lambda run: [run.svctl("list") for _ in range(times)])
    return by_difference(listed, 1, 21)


def log_line(binary):
    with tempfile.NamedTemporaryFile() as lines:
        def logged(count):
            lines.seek(0)
            lines.truncate()
            lines.write(LINE * count)
            lines.flush()
            return least(binary, {"loud": f'type = "oneshot"\nexec = ["/bin/cat", "{lines.name}"]\n'})
        return by_difference(logged, 20_000, 40_000)


def restart(binary):
    def restarted(times):
        return least(binary, MANY, lambda run: [run.svctl("restart", "s50") for _ in range(times)])
    return by_difference(restarted, 1, 21)


FIGURES = {
    "boot-100": (boot, "100 services booted, and shut down"),
    "list": (listing, "svctl list of 100 services"),
    "log-line": (log_line, "a line of 100 bytes that a service prints"),
    "restart": (restart, "svctl restart of one of 100 services"),
}


def version(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def here():
    """What counts depend on besides the program: callgrind knows more system calls and instructions in later releases."""
    return f"{platform.machine()} {version('valgrind', '--version')}"


def judge(name, now, reference):
    change = now / reference - 1
    line = f"{name:10} {now:>12,}  reference {reference:>12,}  {change:+.1%}"
    if change > TOLERANCE:
        return f"{line}  more than {TOLERANCE:.0%} above the reference", True
    if change < -TOLERANCE:
        return f"{line}  better: keep it with UPDATE=1 make instructions", False
    return line, False


def write(references, key, figures):
    references[key] = {"rustc": version("rustc", "--version"), **figures}
    lines = ["# Instructions of the release `init`, by architecture and release of valgrind: what they are of is in",
             "# instructions.py. Written by UPDATE=1 make instructions.", ""]
    for section, values in sorted(references.items()):
        lines += [f'["{section}"]', *(f"{name} = {value!r}".replace("'", '"') for name, value in values.items()), ""]
    REFERENCE.write_text("\n".join(lines[:-1]) + "\n")


def main(binary, update=""):
    references = tomllib.loads(REFERENCE.read_text()) if REFERENCE.exists() else {}
    figures = {name: measure(pathlib.Path(binary)) for name, (measure, _) in FIGURES.items()}
    if update == "1":
        write(references, here(), figures)
    reference = references.get(here())
    if reference is None:
        for name, now in figures.items():
            print(f"{name:10} {now:>12,}")
        print(f"there is no reference for {here()}: make one with UPDATE=1 make instructions")
        return 1 if os.environ.get("CI") == "true" else 0
    results = [judge(name, now, reference[name]) for name, now in figures.items()]
    for line, _ in results:
        print(line)
    if any(worse for _, worse in results):
        print("init executes more instructions than it did. If that is worth it, say why in the commit, and take the new "
              "figures over: UPDATE=1 make instructions")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

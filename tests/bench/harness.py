"""What every adapter and scenario stands on: the helper programs, a job, a peer running as pid 1 of a namespace
of its own, and a look into that namespace from outside."""
import contextlib
import dataclasses
import fcntl
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROLES = ("probe", "ready", "stubborn", "storm", "spew_line", "spew_bulk", "noop")
TAG_START, TAG_BEGIN, TAG_END = 1, 2, 3
RECORD = struct.Struct("=QII")
SPEW_LINES, SPEW_BYTES = 1_000_000, 100_000_000
SPEW_MARK = b"abcdefghijklmnopqrstuvwxyz"
STORM_SIZE = 200 * 100


class Unsupported(Exception):
    """The peer cannot do this scenario; the text goes into the report."""


class Failed(Exception):
    """The peer should have managed this and did not."""


class Toolbox:
    """The compiled helper programs, on the same file system as the jobs."""

    def __init__(self, base, bin_dirs):
        self.base = pathlib.Path(base)
        self.bin_dirs = [str(pathlib.Path(d).resolve()) for d in bin_dirs]
        self.path = ":".join(self.bin_dirs + [os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")])
        self.programs = {}
        out = self.base / "programs"
        out.mkdir(parents=True)
        freestanding = ["-static", "-nostdlib", "-ffreestanding", "-fno-builtin",
                        "-fno-stack-protector", "-fno-pie", "-no-pie"]
        for role in ROLES:
            self._compile(out / role, "probe.c", freestanding + [f"-DROLE_{role.upper()}"])
            self.programs[role] = out / role
        self.native = out / "native"
        self._compile(self.native, "native.c", ["-static"])

    @staticmethod
    def _compile(target, source, flags):
        subprocess.run(["gcc", "-O2", *flags, "-o", str(target), str(HERE / source)], check=True)

    def which(self, program):
        return shutil.which(program, path=self.path)

    def env(self, **more):
        return {"PATH": self.path, "HOME": "/root", **more}


@contextlib.contextmanager
def machine(lock, exclusive=True):
    """Hold the machine: exclusively for timings, shared for slow waits."""
    if not lock:
        yield
        return
    with open(lock, "a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield


@dataclasses.dataclass
class Service:
    name: str
    role: str = "probe"
    after: tuple = ()        # names of services that must be ready first
    ready: bool = False      # announces readiness (fd 3, $NOTIFY_SOCKET)
    logger: bool = False     # give it the peer's own log capture, not plain inheritance
    talks: bool = False      # its stdout matters (without `logger`: must reach pid 1's stdout)


@dataclasses.dataclass
class Command:
    argv: list
    env: dict = dataclasses.field(default_factory=dict)


class Job:
    """One configuration of one peer: services and the directory they live in."""

    def __init__(self, tools, services):
        self.tools = tools
        self.services = services
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="j", dir=tools.base))
        self.run = self.dir / "run"          # becomes /run inside the namespace
        self.records_path = self.run / "bench" / "records"
        self.records_path.parent.mkdir(parents=True)
        self.records_path.touch()
        self.stdout = self.dir / "stdout"

    def program(self, service):
        return self.tools.programs[service.role]

    def mkdir(self, *parts):
        path = self.run.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, path, text, executable=False):
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if executable:
            path.chmod(0o755)
        return path

    def link_program(self, service, path):
        """Install the service's program itself as an executable `run` file."""
        os.link(self.program(service), path)

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


class Running:
    """A peer that runs as pid 1 of its own namespace."""

    def __init__(self, peer, job):
        self.peer, self.job = peer, job
        command = peer.prepare(job)
        self.launcher = subprocess.Popen(
            [str(job.tools.native), "launch", str(job.run), str(job.stdout), "--", *map(str, command.argv)],
            stdout=subprocess.PIPE, text=True, env={**job.tools.env(), **command.env})
        self.pid = self.exec_ns = self.exit_ns = self.exit_code = None
        while self.pid is None or self.exec_ns is None:
            if not self._report():
                raise Failed("did not start")

    def _report(self):
        words = self.launcher.stdout.readline().split()
        if not words:
            return False
        if words[0] == "pid":
            self.pid = int(words[1])
        elif words[0] == "exec":
            self.exec_ns = int(words[1])
        elif words[0] == "exit":
            self.exit_ns, self.exit_code = int(words[1]), int(words[2])
        return True

    def records(self, tag=TAG_START):
        data = self.job.records_path.read_bytes()
        data = data[:len(data) - len(data) % RECORD.size]
        return [(ns, pid) for ns, pid, kind in RECORD.iter_unpack(data) if kind == tag]

    def wait_records(self, count, timeout, tag=TAG_START, nap=0.002):
        """The records of that tag once there are `count`; Failed after `timeout` s."""
        deadline = time.monotonic() + timeout
        size = -1
        while True:
            now_size = os.stat(self.job.records_path).st_size
            if now_size != size:
                size = now_size
                found = self.records(tag)
                if len(found) >= count:
                    return found
            if time.monotonic() > deadline:
                raise Failed(f"{len(self.records(tag))} of {count} records after {timeout:g} s: {self.tail()}")
            if self.launcher.poll() is not None:
                raise Failed(f"exited early: {self.tail()}")
            time.sleep(nap)

    def tail(self):
        try:
            return self.job.stdout.read_text(errors="replace")[-300:].replace("\n", " | ")
        except OSError:
            return ""

    def signal(self, signum):
        """Send a signal to pid 1; returns the time right before."""
        now = time.monotonic_ns()
        os.kill(self.pid, signum)
        return now

    def wait_exit(self, timeout):
        """True once the peer is gone (exit_ns, exit_code are then set)."""
        try:
            self.launcher.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        while self._report():
            pass
        return True

    def close(self):
        if self.launcher.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.launcher.wait()
        self.launcher.stdout.close()


@contextlib.contextmanager
def running(peer, tools, services):
    job = Job(tools, services)
    try:
        run = Running(peer, job)
        try:
            yield run
        finally:
            run.close()
    finally:
        job.close()


def read(path):
    with open(path, "rb") as handle:
        return handle.read()


def namespace_pids(run):
    """{pid in the namespace: (pid here, state letter)} of every process in it."""
    wanted = os.readlink(f"/proc/{run.pid}/ns/pid")
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            status = read(f"/proc/{entry}/status").decode()
            fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            inner = fields["NSpid"].split()
            if len(inner) < 2:
                continue
            state = fields["State"].split()[0]
            # a zombie has no namespace link left; its NSpid depth is enough
            if state != "Z" and os.readlink(f"/proc/{entry}/ns/pid") != wanted:
                continue
            found[int(inner[-1])] = (int(entry), state)
        except (OSError, KeyError):
            continue
    return found


def supervisors(run):
    """Pids (here) of every process in the namespace that is not a service."""
    services = {pid for _, pid in run.records()}
    return [here for inner, (here, _) in namespace_pids(run).items() if inner not in services]


def memory(pids):
    """Summed RSS, PSS and private memory plus page tables, in KiB."""
    total = {"rss_kb": 0, "pss_kb": 0, "pte_kb": 0, "procs": 0, "threads": 0}
    for pid in pids:
        try:
            rollup = read(f"/proc/{pid}/smaps_rollup").decode()
            status = read(f"/proc/{pid}/status").decode()
        except OSError:
            continue
        for line in rollup.splitlines():
            if line.startswith("Rss:"):
                total["rss_kb"] += int(line.split()[1])
            elif line.startswith("Pss:"):
                total["pss_kb"] += int(line.split()[1])
        for line in status.splitlines():
            if line.startswith("VmPTE:"):
                total["pte_kb"] += int(line.split()[1])
            elif line.startswith("Threads:"):
                total["threads"] += int(line.split()[1])
        total["procs"] += 1
    return total


def each_thread(pids):
    for pid in pids:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                yield f"/proc/{pid}/task/{task}"
        except OSError:
            continue


def switches(pids):
    total = 0
    for task in each_thread(pids):
        with contextlib.suppress(OSError):
            for line in read(task + "/status").decode().splitlines():
                if "ctxt_switches" in line:
                    total += int(line.split()[1])
    return total


def cpu_ns(pids):
    total = 0
    for task in each_thread(pids):
        with contextlib.suppress(OSError):
            total += int(read(task + "/schedstat").split()[0])
    return total


def boot_cpu_ms(run, pids):
    """CPU of the supervisor so far: the processes it still has, their ended
    threads, and everything pid 1 has reaped (which has no service in it yet)."""
    tick = 1e9 / os.sysconf("SC_CLK_TCK")
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
            own, reaped = sum(map(int, fields[11:13])) * tick, sum(map(int, fields[13:15])) * tick
            # schedstat is exact but knows live threads only; stat counts whole ticks
            total += max(cpu_ns([pid]), own) + (reaped if pid == run.pid else 0)
    return ms(total)


def tasks_on_machine():
    return int(read("/proc/loadavg").split()[3].split(b"/")[1])


def ms(ns):
    return round(ns / 1e6, 3)

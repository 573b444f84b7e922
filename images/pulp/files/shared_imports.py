"""Imports Pulp once, for all of its services: they are forked from this process, which takes milliseconds, and share
the memory of what was imported.

A service's first process (`pulp-setup exec api`) connects to SOCKET and sends one line of JSON, with its standard
input, output and error beside it, and the sockets that it was given (`LISTEN_FDS`). It gets one line back:

    {"pid": N}      a child of init, which waits until it is told `go`
    {"again": WHY}  what was imported is stale and is being imported anew: ask again
    {"plain": WHY}  the service has to import Pulp by itself

Only what is safe to share is shared. Where the import left something behind that a fork would break or share, such as a
thread, a connection or a pipe, every service has to import Pulp by itself. So does one that differs from this process in
its user, its variables or its rights; but a child takes on by itself what anybody may take on: lower limits, a higher
niceness, a higher score for the OOM killer, no new privileges.
Settings or packages that changed are noticed at the next request, and so are files that the settings read.
"""

import ctypes
import fcntl
import gc
import importlib.util
import json
import multiprocessing
import os
import resource
import socket
import struct
import sys
from importlib.metadata import entry_points

SOCKET = "/run/pulp/imports/socket"
# Set where this process replaced itself: the descriptor of its socket.
INHERITED = "PULP_IMPORTS_FD"
PROGRAMS = ("pulpcore-api", "pulpcore-content", "pulpcore-worker")
# Variables in which processes differ by themselves.
OWN = {"LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "INIT_SERVICE", "SERVICE", "TEMPLATE", "INSTANCE", INHERITED}
# More sockets than `init` hands on are refused.
MOST_SOCKETS = 64
# The first of them, and out of the way of all of them.
FIRST_SOCKET, ASIDE = 3, 200
# Where setproctitle is: in a place of its own. gunicorn, where it finds it, hides its options with it.
TITLES = "/usr/local/lib/pulp"
# What a child has from this process, and not from the one that it stands in for (proc_pid_status(5)).
TRAITS = ("Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp", "CapInh", "CapBnd", "CapAmb")
# prctl(2): neither this process nor its children can gain privileges from set-user-id programs.
PR_SET_NO_NEW_PRIVS = 38
# A request is a few kilobytes of variables. A longer one is refused.
LONGEST = 1 << 20
# Where files are that settings may read: everything else that an import opens belongs to packages.
OF_PACKAGES = ("/usr/", "/proc/", "/sys/", "/dev/", "/lib", "/etc/ld.so", "/etc/localtime")
# Libraries that are not imported with signers.
CLOUDS = ("boto3", "azure.core", "google.cloud")
# Seconds that somebody who connected may take to say what it wants.
PATIENCE = 10

setproctitle = None
libc = ctypes.CDLL(None, use_errno=True)


def import_setproctitle():
    """It has to be used first where the environment is still in its place: it finds the memory of the title by that."""
    sys.path.insert(0, TITLES)
    try:
        return importlib.import_module("setproctitle")
    except ImportError:
        return None
    finally:
        sys.path.remove(TITLES)
        # To gunicorn it is not to be there.
        sys.modules["setproctitle"] = None


def listen():
    """The socket, from before an import, so that who asks meanwhile waits. Only our own user may connect."""
    inherited = os.environ.pop(INHERITED, None)
    if inherited:
        os.set_inheritable(int(inherited), False)
        return socket.socket(fileno=int(inherited))
    listener = socket.socket(socket.AF_UNIX)
    new = f"{SOCKET}.new"
    if os.path.exists(new):
        os.unlink(new)
    before = os.umask(0o177)
    listener.bind(new)
    os.umask(before)
    listener.listen(128)
    os.rename(new, SOCKET)
    return listener


def import_pulp():
    """Everything that the services import, and what they would import at their first request."""
    from django.conf import settings

    # A worker starts a process for each task. From Python 3.14 on that would import Pulp anew, two seconds of CPU a task.
    multiprocessing.set_start_method("fork")
    if getattr(settings, "OTEL_ENABLED", False):
        try:
            beside("late_metrics").install()
        except (AttributeError, ImportError) as error:
            raise Refusal(f"metrics are exported, by a thread of each service: {error}") from error
    import_signers_without_clouds()
    programs = {entry.name: entry.load() for entry in entry_points(group="console_scripts") if entry.name in PROGRAMS}
    import pulpcore.content  # noqa: F401
    from pulpcore.app.apps import pulp_plugin_configs

    for plugin in pulp_plugin_configs():
        if importlib.util.find_spec(f"{plugin.name}.content"):
            importlib.import_module(f"{plugin.name}.content")
    for part in ("send_files", "cache_changes", "cached_answers", "listings", "uploads", "waiting_tasks"):
        try:
            beside(part).install()
        except (AttributeError, ImportError, ValueError) as error:
            print(f"{part} is left out, as this Pulp is another: {error}", file=sys.stderr, flush=True)
    import_wsgi()
    from django.urls import get_resolver

    # How addresses are made of names. It takes 0.15 s and 6 MB, and each task would do it for itself to tell what it made.
    assert get_resolver().reverse_dict
    return programs


def import_signers_without_clouds():
    """What judges attestations of Python packages brings signers with it, and these the libraries of three clouds if they are there, a
    tenth of all of the import. They take their absence for what it is: nobody signs with a key of these. Who needs boto3 for his
    storage imports it by himself."""
    absent = [name for name in CLOUDS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))
    try:
        importlib.import_module("securesystemslib.signer")
    except ImportError:
        pass  # this Pulp does without
    finally:
        for name in absent:
            del sys.modules[name]


def beside(name):
    """A module that lies beside this file, whose directory is not among those of modules (`python3 -P`)."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    # For the others beside it.
    sys.modules[f"pulp_{name}"] = module
    spec.loader.exec_module(module)
    return module


def import_wsgi():
    """The API's application, which may be imported only where its program says so. If this Pulp does it in another
    way, the program will import it by itself. An older one lets everybody import it."""
    if importlib.util.find_spec("pulpcore.app.entrypoint") is None:
        importlib.import_module("pulpcore.app.wsgi")
        return
    try:
        from pulpcore.app.entrypoint import using_pulp_api_worker
    except ImportError:
        return
    token = using_pulp_api_worker.set(True)
    try:
        importlib.import_module("pulpcore.app.wsgi")
    finally:
        using_pulp_api_worker.reset(token)


class Refusal(Exception):
    """Why nothing can be shared."""


def make_sure_that_forks_are_safe(listener):
    from django.db import connections

    connections.close_all()
    refuse_what_a_fork_would_share(listener)


def refuse_what_a_fork_would_share(listener):
    """Threads end in a fork. Sockets, pipes, epoll instances and files that are written to would be everybody's."""
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise Refusal(f"the import left {threads - 1} threads running")
    if has_children():
        raise Refusal("the import left a child process running")
    for number in map(int, os.listdir("/proc/self/fd")):
        if number in (listener.fileno(), 0, 1, 2):
            continue
        try:
            what = os.readlink(f"/proc/self/fd/{number}")
            writes = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
        except OSError:
            continue  # the directory itself
        if what.startswith("socket:"):
            raise Refusal("the import left a connection open")
        if not what.startswith("/"):
            raise Refusal(f"the import left {what} open")
        if writes and not what.startswith("/dev/"):
            raise Refusal(f"the import left {what} open for writing")


def has_children():
    """A kernel that cannot tell (CONFIG_PROC_CHILDREN) is taken to have none."""
    try:
        with open("/proc/thread-self/children") as children:
            return bool(children.read().strip())
    except FileNotFoundError:
        return False


class OpenedFiles:
    """Notes which files the settings read while Pulp is imported: passwords, keys, certificates."""

    def __init__(self):
        self.stamps = {}
        self.notes = True
        # A hook cannot be removed again.
        sys.addaudithook(self.hear)

    def hear(self, event, arguments):
        if not self.notes or event != "open" or not isinstance(arguments[0], (str, bytes)):
            return
        path = os.fsdecode(arguments[0])
        if path.startswith("/") and not path.startswith((*OF_PACKAGES, *filter(None, sys.path))):
            # As it is when it is opened: what changes afterwards is noticed.
            self.stamps.setdefault(path, stamp(path))


def stamps():
    """What was imported, by its time stamps: settings files, and the directories that packages are in."""
    paths = [*os.environ.get("PULP_SETTINGS", "").split(","), *sys.path]
    return [stamp(path) for path in paths if path]


def stamp(path):
    try:
        found = os.stat(path)
    except OSError:
        return (path,)
    size = None if os.path.isdir(path) else found.st_size
    return (path, found.st_mtime_ns, found.st_ino, size)


def traits(pid):
    """What a child cannot take over from the process that it stands in for."""
    with open(f"/proc/{pid}/status") as lines:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in lines if ":\t" in line)
    found = {name: status.get(name) for name in TRAITS}
    with open(f"/proc/{pid}/oom_score_adj") as text:
        found["oom-score-adj"] = text.read()
    found["nice"] = os.getpriority(os.PRIO_PROCESS, pid)
    for name in dir(resource):
        if name.startswith("RLIMIT_"):
            found[name] = resource.prlimit(pid, getattr(resource, name))
    return found


def differences(mine, its):
    return sorted(name for name in mine.keys() | its.keys() if mine.get(name) != its.get(name))


def can_take_on(name, mine, its):
    """Whether a child, which has what this process has, may give itself what the other has."""
    if name == "NoNewPrivs":
        return (mine, its) == ("0", "1")
    if name == "nice":
        return its > mine
    if name == "oom-score-adj":
        return int(its) > int(mine)
    if name.startswith("RLIMIT_"):
        return not exceeds(its[1], mine[1]) and not exceeds(its[0], its[1])
    return False


def exceeds(limit, other):
    """RLIM_INFINITY is a negative number here."""
    return other != resource.RLIM_INFINITY and (limit == resource.RLIM_INFINITY or limit > other)


def take_on(mine, its):
    """In a child: what the process has that it stands in for."""
    for name in differences(mine, its):
        if name == "NoNewPrivs":
            if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "cannot set no_new_privs")
        elif name == "nice":
            os.setpriority(os.PRIO_PROCESS, 0, its[name])
        elif name == "oom-score-adj":
            with open("/proc/self/oom_score_adj", "w") as score:
                score.write(its[name])
        elif name.startswith("RLIMIT_"):
            resource.setrlimit(getattr(resource, name), its[name])


class Child(Exception):
    """Raised in a child, through everything that is the parent's."""

    def __init__(self, run):
        self.run = run


class Server:
    def __init__(self, listener, environment):
        self.listener = listener
        self.environment = environment
        self.programs, self.refusal = {}, None
        self.stamps = stamps()
        opened = OpenedFiles()
        try:
            self.programs = import_pulp()
            make_sure_that_forks_are_safe(listener)
        except Refusal as why:
            print(f"nothing is shared: {why}", file=sys.stderr, flush=True)
            self.refusal = str(why)
        opened.notes = False
        self.read = opened.stamps
        self.traits = traits(os.getpid())

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            with connection:
                connection.settimeout(PATIENCE)
                try:
                    self.serve(connection)
                except Child:
                    raise
                except Exception as error:  # noqa: BLE001: whatever a request holds, the next one is served
                    print(f"a request failed: {error!r}", file=sys.stderr, flush=True)

    def serve(self, connection):
        text, descriptors = receive(connection)
        try:
            if text == b"ping\n":
                return answer(connection, {"pong": os.getpid()})
            request = json.loads(text)
            if self.is_stale():
                answer(connection, {"again": "settings or packages have changed"})
                self.begin_anew()
            why = self.objection(connection, request, descriptors)
            if why:
                return answer(connection, {"plain": why})
            answer(connection, {"pid": self.fork(connection, request, descriptors)})
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def is_stale(self):
        return stamps() != self.stamps or any(stamp(path) != old for path, old in self.read.items())

    def begin_anew(self):
        """Replaces this process by itself. The socket stays, and with it those who wait there."""
        print("settings or packages have changed: importing Pulp anew", file=sys.stderr, flush=True)
        os.set_inheritable(self.listener.fileno(), True)
        environment = dict(self.environment, **{INHERITED: str(self.listener.fileno())})
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)

    def objection(self, connection, request, descriptors):
        """Why this service cannot be forked from here; `None`: it can."""
        if self.refusal:
            return self.refusal
        pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if not is_request(request) or request["words"][0] not in self.programs:
            return "it is no program of Pulp"
        sockets = number_of_sockets(request)
        if sockets is None or len(descriptors) != 3 + sockets:
            return "its descriptors are not those that it names"
        if any(is_open(n) for n in numbers(sockets) if n not in (*descriptors, connection.fileno(), self.listener.fileno())):
            return "the import left a file open under the number of one of its sockets"
        if uid != os.getuid():
            return "it is another user's"
        other = differences(own_removed(self.environment), own_removed(request["environment"]))
        if other:
            return f"its variables are others: {', '.join(other)}"
        its = traits(pid)
        differ = differences(self.traits, its)
        other = [name for name in differ if not can_take_on(name, self.traits.get(name), its.get(name))]
        return f"its limits or rights are others: {', '.join(other)}" if other else None

    def fork(self, connection, request, descriptors):
        """A child of init: its parent ends at once. Returns its process id."""
        pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        its = traits(pid)
        read, write = os.pipe()
        middle = os.fork()
        if middle == 0:
            try:
                if os.fork() > 0:
                    os._exit(0)
                # init takes only a leader of a group for the service.
                os.setsid()
                os.write(write, str(os.getpid()).encode())
                os.close(read)
                os.close(write)
                self.listener.close()
                take_on(self.traits, its)
                connection = moved_aside(connection)
                become(request, descriptors)
                descriptors.clear()
                waits = connection.recv(16) != b"go\n"
                connection.close()
            except BaseException as error:
                print(f"cannot begin: {error!r}", file=sys.stderr, flush=True)
                os._exit(1)
            if waits:
                os._exit(1)  # whoever asked has ended
            raise Child(self.programs[request["words"][0]])
        os.close(write)
        with open(read, "rb") as pipe:
            os.waitpid(middle, 0)
            return int(pipe.read())


def is_request(request):
    """Whether it has what a child needs, so that none fails half-way."""
    if not isinstance(request, dict):
        return False
    words, environment = request.get("words"), request.get("environment")
    return (
        isinstance(words, list)
        and bool(words)
        and all(isinstance(word, str) for word in words)
        and isinstance(environment, dict)
        and all(isinstance(text, str) for pair in environment.items() for text in pair)
        and isinstance(request.get("umask"), int)
        and isinstance(request.get("cwd"), str)
    )


def own_removed(environment):
    return {name: value for name, value in environment.items() if name not in OWN}


def number_of_sockets(request):
    """How many sockets the service was given; `None`: that is no number."""
    text = request["environment"].get("LISTEN_FDS", "0")
    return int(text) if text.isdecimal() and len(text) < 4 and int(text) <= MOST_SOCKETS + 2 else None


def numbers(sockets):
    return range(FIRST_SOCKET, FIRST_SOCKET + sockets)


def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def aside(descriptor):
    """Under a number that no socket is to have."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, ASIDE)
    os.close(descriptor)
    return moved


def moved_aside(connection):
    timeout = connection.gettimeout()
    moved = socket.socket(fileno=aside(connection.detach()))
    moved.settimeout(timeout)
    return moved


def become(request, descriptors):
    """Takes over from the service's first process what it has of its own."""
    descriptors[:] = map(aside, descriptors)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.umask(request["umask"])
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if "LISTEN_FDS" in os.environ:
        os.environ["LISTEN_PID"] = str(os.getpid())
    sys.argv = [f"/usr/local/bin/{request['words'][0]}", *request["words"][1:]]
    title(request["words"])
    name(request["words"][0])


def title(words):
    """What `ps` shows: what it would, had the program been started."""
    if setproctitle:
        setproctitle.setproctitle(" ".join(words))


def name(word):
    with open("/proc/self/comm", "w") as comm:
        comm.write(word)


def receive(connection):
    """A line, and the descriptors that came with its beginning."""
    text, descriptors, _, _ = socket.recv_fds(connection, 65536, 3 + MOST_SOCKETS + 2)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    try:
        while not text.endswith(b"\n"):
            more = connection.recv(65536)
            if not more or len(text) > LONGEST:
                raise ValueError("half a request, or one without an end")
            text += more
    except Exception:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return text, descriptors


def answer(connection, what):
    connection.sendall(json.dumps(what).encode() + b"\n")


def say_ready():
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b"READY=1", path)


def main():
    # What is imported is never garbage; searching for it would copy the memory that is to be shared.
    gc.disable()
    global setproctitle
    setproctitle = import_setproctitle()
    title(sys.orig_argv)
    # It takes the title for a name, in whose spaces Python's count of threads goes astray.
    name("pulp-imports")
    environment = dict(os.environ)
    listener = listen()
    environment.pop(INHERITED, None)
    try:
        server = Server(listener, environment)
        gc.freeze()
        gc.enable()
        say_ready()
        server.run()
    except Child as child:
        run = child.run
    sys.exit(run())


if __name__ == "__main__":
    main()

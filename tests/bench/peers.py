"""The adapters: how each supervisor is configured, started, stopped and queried."""
import os
import shutil
import signal
import subprocess

from harness import Command


class Peer:
    """How to configure, start, stop and query one supervisor.

    To add one: set `name` and `binaries`, write `prepare`, and override what
    differs.  `can` lists the scenarios beyond the common ones.
    """

    name = ""
    binaries = ()              # the first is the one that runs as pid 1
    also_sized = ()            # further binaries a minimal installation needs
    can = frozenset()          # of: chain (dependencies), ready (readiness), logger
    inherits = True            # a service can write to pid 1's own stdout
    max_services = None        # a hard limit of the program
    stop_signal = signal.SIGTERM
    settle = 1.3               # s a service must be up for its restart not to be throttled
    boot_timeout = 60
    note = ""

    def __init__(self, tools):
        self.tools = tools
        self.path = {b: tools.which(b) for b in self.binaries + self.also_sized}

    def missing(self):
        return [b for b in self.binaries if not self.path[b]]

    def prepare(self, job) -> Command:
        raise NotImplementedError

    def client(self, job):
        """argv of the control client listing all services, or None."""
        return None

    def client_env(self, job):
        return {}

    def log_sink(self, job, service):
        """The file the peer's own log capture ends in."""
        raise NotImplementedError


class Floor(Peer):
    """The least a pid 1 can do: vfork+exec, a waitpid loop, no configuration."""

    name = "floor"
    binaries = ()
    can = frozenset({"chain"})
    note = "C loop: vfork+exec N, then waitpid; no config, no logging, no control"

    def prepare(self, job):
        chain = any(s.after for s in job.services)
        return Command([job.tools.native, "floor-chain" if chain else "floor",
                        len(job.services), job.program(job.services[0])])


class PulpInit(Peer):
    """Ours; services write to pid 1's stdout themselves unless the scenario is about logs."""

    name = "pulp-init"
    binaries = ("pulp-init", "svctl")
    can = frozenset({"chain", "ready", "logger"})
    log = "inherit"

    def prepare(self, job):
        directory = job.mkdir("services.d")
        for s in job.services:
            lines = ['type = "longrun"', f'exec = ["{job.program(s)}"]', 'restart = { policy = "always" }',
                     f'log = "{"prefix" if s.logger else self.log}"']
            if s.after:
                lines.append("requires = [" + ", ".join(f'"{other}"' for other in s.after) + "]")
            if s.ready:
                lines += ["[ready]", "fd = 3"]
            job.write(directory / f"{s.name}.toml", "\n".join(lines) + "\n")
        return Command([self.path["pulp-init"], "--services", directory], self.client_env(job))

    def client(self, job):
        return [self.path["svctl"], "list"]

    def client_env(self, job):
        return {"INIT_RUNTIME_DIR": str(job.run)}

    def log_sink(self, job, service):
        return job.stdout


class PulpInitLog(PulpInit):
    """The same with what is the default: every service's output is captured and prefixed."""

    name = "pulp-init+log"
    log = "prefix"
    inherits = False


def s6_room(svscan, services):
    """s6-svscan's option for so many services with loggers: -c until 2.12, -C since."""
    usage = subprocess.run([svscan, "-h"], capture_output=True, text=True, check=False).stderr
    return ["-c" if "-c maxservices" in usage else "-C", str(2 * services + 64)]


class S6(Peer):
    """s6-svscan alone: one supervised directory a service, no dependencies."""

    name = "s6"
    binaries = ("s6-svscan", "s6-supervise", "s6-svc", "s6-svstat", "s6-log")
    can = frozenset({"ready", "logger"})

    def scandir(self, job):
        return job.run / "service"

    def prepare(self, job):
        scandir = job.mkdir("service")
        job.mkdir("log")
        for s in job.services:
            d = job.mkdir("service", s.name)
            job.link_program(s, d / "run")
            if s.ready:
                job.write(d / "notification-fd", "3\n")
            if s.logger:
                job.write(d / "log" / "run", self.logger_script(job, s), executable=True)
        svscan = self.path["s6-svscan"]
        return Command([svscan, *s6_room(svscan, len(job.services)), scandir])

    def logger_script(self, job, service):
        return f"#!/bin/sh\nexec s6-log -b n2 s200000000 {job.run}/log/{service.name}\n"

    def log_sink(self, job, service):
        return job.run / "log" / service.name / "current"

    def client(self, job):
        return [self.path["s6-svstat"], job.run / "service" / job.services[0].name]


class S6Rc(Peer):
    """s6-svscan + s6-rc, from a database compiled beforehand."""

    name = "s6-rc"
    binaries = ("s6-svscan", "s6-supervise", "s6-rc", "s6-rc-init", "s6-rc-compile", "s6-svscanctl", "s6-log")
    can = frozenset({"chain", "ready", "logger"})
    compile_at_boot = False

    def prepare(self, job):
        source = job.mkdir("source")
        job.mkdir("log")
        for s in job.services:
            d = job.mkdir("source", s.name)
            job.write(d / "type", "longrun\n")
            job.link_program(s, d / "run")
            if s.ready:
                job.write(d / "notification-fd", "3\n")
            for other in s.after:
                job.write(d / "dependencies.d" / other, "")
            if s.logger:
                job.write(d / "producer-for", f"{s.name}-log\n")
                log = job.mkdir("source", s.name + "-log")
                job.write(log / "type", "longrun\n")
                job.write(log / "consumer-for", f"{s.name}\n")
                job.write(log / "run", f"#!/bin/sh\nexec s6-log -b n2 s200000000 {job.run}/log/{s.name}\n", True)
            job.write(source / "all" / "contents.d" / s.name, "")
            if s.logger:
                job.write(source / "all" / "contents.d" / (s.name + "-log"), "")
        job.write(source / "all" / "type", "bundle\n")
        scandir, compiled, live = job.mkdir("service"), job.run / "compiled", job.run / "s6-rc"
        compile_line = f"s6-rc-compile {compiled} {source}"
        job.write(scandir / ".s6-svscan" / "SIGTERM",
                  f"#!/bin/sh\ns6-rc -v0 -l {live} -bda change\nexec s6-svscanctl -t {scandir}\n", True)
        if not self.compile_at_boot:
            subprocess.run(compile_line.split(), check=True, env=job.tools.env())
            compile_line = ":"
        init = job.write(job.run / "init", f"""#!/bin/sh
mkfifo {job.run}/up
(
	read line <{job.run}/up
	{compile_line}
	s6-rc-init -c {compiled} -l {live} {scandir}
	exec s6-rc -v0 -l {live} -u change all
) &
exec s6-svscan {" ".join(s6_room(self.path["s6-svscan"], len(job.services)))} -d 4 {scandir} 4>{job.run}/up
""", True)
        return Command([init])

    def log_sink(self, job, service):
        return job.run / "log" / service.name / "current"

    def client(self, job):
        return [self.path["s6-rc"], "-l", job.run / "s6-rc", "-a", "list"]


class S6RcCompile(S6Rc):
    """s6-svscan + s6-rc, compiling the database at every start."""

    name = "s6-rc+compile"
    compile_at_boot = True


class S6Overlay(Peer):
    """s6-overlay's /init over an installed tree: $S6_OVERLAY_ROOT holds /init,
    /command, /package and /etc/s6-overlay as in an image."""

    name = "s6-overlay"
    max_services = 990         # s6-svscan's default of 1000, its own services included
    can = frozenset({"chain", "ready"})
    note = "all defaults"

    def __init__(self, tools):
        super().__init__(tools)
        self.root = os.environ.get("S6_OVERLAY_ROOT", "")

    def missing(self):
        return [] if self.root and os.path.exists(self.root + "/init") else ["$S6_OVERLAY_ROOT"]

    def prepare(self, job):
        layer = job.dir / "layer"
        shutil.copytree(self.root, layer, symlinks=True)
        source = layer / "etc" / "s6-overlay" / "s6-rc.d"
        contents = layer / "etc" / "s6-overlay" / "user-bundles.d" / "user" / "contents.d"
        for s in job.services:
            job.write(source / s.name / "type", "longrun\n")
            job.write(contents / s.name, "")
            job.link_program(s, source / s.name / "run")
            if s.ready:
                job.write(source / s.name / "notification-fd", "3\n")
            for other in s.after:
                job.write(source / s.name / "dependencies.d" / other, "")
        return Command(["/init"], {"BENCH_LAYERS": str(layer), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"})

    def client(self, job):
        return None


class Dinit(Peer):
    name = "dinit"
    binaries = ("dinit", "dinitctl")
    can = frozenset({"chain", "ready", "logger"})
    note = "logfile: hands the opened file to the service"

    def prepare(self, job):
        d = job.mkdir("dinit.d")
        boot = ["type = internal"]
        for s in job.services:
            lines = ["type = process", f"command = {job.program(s)}", "restart = true",
                     "smooth-recovery = true", "restart-limit-count = 0"]
            lines += [f"depends-on: {other}" for other in s.after]
            if s.ready:
                lines.append("ready-notification = pipefd:3")
            if s.logger:
                lines += ["log-type = file", f"logfile = {self.log_sink(job, s)}"]
            elif s.talks:
                lines.append("options = shares-console")
            job.write(d / s.name, "\n".join(lines) + "\n")
            boot.append(f"waits-for: {s.name}")
        job.write(d / "boot", "\n".join(boot) + "\n")
        return Command([self.path["dinit"], "--container", "--quiet", "-d", d, "-p", job.run / "dinitctl"])

    def log_sink(self, job, service):
        return job.run / f"{service.name}.log"

    def client(self, job):
        return [self.path["dinitctl"], "-p", job.run / "dinitctl", "list"]


class Nitro(Peer):
    name = "nitro"
    binaries = ("nitro", "nitroctl")
    can = frozenset({"ready"})
    max_services = 498         # MAXSV 500 at compile time
    settle = 2.3
    inherits = False           # as pid 1 it opens /dev/console (where there is one) as its stdout
    note = "no log capture of its own (hands a pipe to a logger service)"

    def prepare(self, job):
        d = job.mkdir("nitro")
        for s in job.services:
            job.link_program(s, job.mkdir("nitro", s.name) / "run")
            if s.ready:
                job.write(d / s.name / "notification-fd", "3\n")
        return Command([self.path["nitro"], d], self.client_env(job))

    def client(self, job):
        return [self.path["nitroctl"], "list"]

    def client_env(self, job):
        return {"NITRO_SOCK": str(job.run / "nitro.sock")}


class Runit(Peer):
    """runsvdir as pid 1."""

    name = "runit"
    binaries = ("runsvdir", "runsv", "sv", "svlogd")
    can = frozenset({"logger"})
    stop_signal = signal.SIGHUP
    note = "stop is SIGHUP to runsvdir, which does not wait for the services"

    def prepare(self, job):
        d = job.mkdir("service")
        for s in job.services:
            job.link_program(s, job.mkdir("service", s.name) / "run")
            if s.logger:
                log = job.mkdir("log", s.name)
                job.write(log / "config", "s200000000\nn2\n")
                job.write(d / s.name / "log" / "run", f"#!/bin/sh\nexec svlogd {log}\n", True)
        return Command([self.path["runsvdir"], "-P", d])

    def log_sink(self, job, service):
        return job.run / "log" / service.name / "current"

    def client(self, job):
        return [self.path["sv"], "status", *[job.run / "service" / s.name for s in job.services]]


class Horust(Peer):
    name = "horust"
    binaries = ("horust",)
    also_sized = ("horustctl",)   # not in every release
    boot_timeout = 150
    can = frozenset({"chain", "logger"})

    def prepare(self, job):
        d = job.mkdir("horust", "services")
        for s in job.services:
            after = ", ".join(f'"{other}.toml"' for other in s.after)
            stdout = f'"{self.log_sink(job, s)}"\nstdout-rotate-size = "1 GB"' if s.logger else '"STDOUT"'
            job.write(d / f"{s.name}.toml", f"""command = "{job.program(s)}"
start-after = [{after}]
stdout = {stdout}
stderr = "STDERR"

[restart]
strategy = "always"
backoff = "0s"
""")
        return Command([self.path["horust"], "--services-path", d, "--uds-folder-path", job.mkdir("horust", "uds")])

    def log_sink(self, job, service):
        return job.run / f"{service.name}.log"

    def client(self, job):
        uds = job.run / "horust" / "uds"
        if not self.path["horustctl"]:
            return None
        return [self.path["horustctl"], "--uds-folder-path", uds, "status", f"{job.services[0].name}.toml"]


class Supervisord(Peer):
    name = "supervisord"
    binaries = ("supervisord", "supervisorctl")
    can = frozenset({"logger"})
    note = "always captures stdout through pipes"

    def prepare(self, job):
        parts = [f"""[supervisord]
nodaemon=true
user=root
logfile={job.run}/supervisord.log
pidfile={job.run}/supervisord.pid
[unix_http_server]
file={job.run}/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{job.run}/supervisor.sock
"""]
        for s in job.services:
            sink = self.log_sink(job, s) if s.logger else "/dev/stdout"
            parts.append(f"""[program:{s.name}]
command={job.program(s)}
autorestart=true
redirect_stderr=true
stdout_logfile={sink}
stdout_logfile_maxbytes=0
""")
        conf = job.write(job.run / "supervisord.conf", "".join(parts))
        return Command([self.path["supervisord"], "-c", conf])

    def log_sink(self, job, service):
        return job.run / f"{service.name}.log"

    def client(self, job):
        return [self.path["supervisorctl"], "-c", job.run / "supervisord.conf", "status"]


class Rustysd(Peer):
    name = "rustysd"
    binaries = ("rustysd", "rsdctl")
    can = frozenset({"chain", "ready"})
    inherits = False           # reads the pipe, but log_to_stdout of its TOML never takes effect

    def prepare(self, job):
        units, conf = job.mkdir("units"), job.mkdir("rustysd")
        job.write(conf / "rustysd_config.toml", f"""logging_dir = "{job.mkdir('rlogs')}"
log_to_stdout = true
log_to_disk = false
notifications_dir = "{job.mkdir('notify')}"
unit_dirs = ["{units}"]
target_unit = "default.target"
""")
        job.write(units / "default.target", "[Unit]\nDescription= all\n")
        for s in job.services:
            after = "".join(f"After= {o}.service\nRequires= {o}.service\n" for o in s.after)
            kind = "Type= notify\nNotifyAccess= all\n" if s.ready else "Type= simple\n"
            job.write(units / f"{s.name}.service",
                      f"[Unit]\n{after}[Service]\nExecStart= {job.program(s)}\n{kind}Restart= always\n"
                      f"[Install]\nWantedBy= default.target\n")
        return Command([self.path["rustysd"], "-c", conf])

    def log_sink(self, job, service):
        return job.stdout

    def client(self, job):
        return [self.path["rsdctl"], job.run / "notify" / "control.socket", "list-units"]


class Wrapper(Peer):
    """A one-child init: forwards signals and reaps, no supervision."""

    max_services = 1

    def prepare(self, job):
        return Command([self.path[self.binaries[0]], "--", job.program(job.services[0])])


class Tini(Wrapper):
    name, binaries = "tini", ("tini",)


class DumbInit(Wrapper):
    name, binaries = "dumb-init", ("dumb-init",)


class Catatonit(Wrapper):
    name, binaries = "catatonit", ("catatonit",)


PEERS = (Floor, PulpInit, PulpInitLog, S6, S6Rc, S6RcCompile, S6Overlay, Dinit, Nitro, Runit, Horust, Supervisord,
         Rustysd, Tini, DumbInit, Catatonit)

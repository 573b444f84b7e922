//! From a service's definition to a process: its user, its environment, its descriptors.

mod aside;

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::kernel::spawn::{Session, Spawned, Spawner, Spec, replace_us};
use crate::kernel::sys;
use crate::kernel::users::{Credentials, Users};
use crate::service::environment::{self, Container};
use nix::unistd::{AccessFlags, access};

use init_core::status::Exit;
use init_core::{Role, SpawnError};
use init_plan::{Check, Condition, Hook, Process, Ready, Reload, Resource, Service, Stdin};
use init_plan::{MessageId, id, probe_command};

/// What a process inherits from `init`.
pub struct Inherited<'a> {
    /// Standard output and error; `None`: /dev/null.
    pub output: Option<BorrowedFd<'a>>,
    /// Further descriptors, under these numbers.
    pub descriptors: Vec<(BorrowedFd<'a>, RawFd)>,
    /// Variables that take precedence over those of the service.
    pub variables: Vec<(String, String)>,
    /// The cgroup.procs of its cgroup.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Whether `init` wants a handle on the process.
    pub handle: bool,
}

/// The program to run and its arguments.
struct Command {
    /// It is `init-probe`, which comes with `init`.
    ours: bool,
    arguments: Vec<CString>,
    /// For this command only.
    environment: Vec<CString>,
}

/// Starts the processes of services.
pub struct Launcher {
    spawner: Spawner,
    container: Container,
    users: Users,
    null: OwnedFd,
    /// Signals we ignore and services must not.
    unignore: Vec<i32>,
    /// The limit on open files as it was before we raised ours, if that changed it.
    open_files: Option<libc::rlimit>,
    /// Every place where the program may be that makes probes.
    probe: Vec<CString>,
    /// The working directory in which `init` was started.
    cwd: CString,
}

impl Launcher {
    /// Remembers how we were started. All signals must be blocked from here on.
    ///
    /// # Errors
    /// If not even an empty standard input can be made.
    pub fn new(
        container: Container,
        unignore: Vec<i32>,
        open_files: Option<libc::rlimit>,
    ) -> std::io::Result<Launcher> {
        let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        Ok(Launcher {
            spawner: Spawner::new(),
            container,
            users: Users::new(Path::new("/etc")),
            null: null()?,
            unignore,
            open_files,
            probe: probe_places(std::env::current_exe().ok().as_deref()),
            cwd: c_path(&cwd).unwrap_or_else(|| c"/".to_owned()),
        })
    }

    /// The limit on open files that services get, if it is not ours.
    pub fn open_files(&self) -> Option<(u64, u64)> {
        self.open_files.map(|limit| (limit.rlim_cur, limit.rlim_max))
    }

    /// The container's environment.
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// The user and groups a service runs as.
    ///
    /// # Errors
    /// An unknown user or group.
    pub fn credentials(&mut self, process: &Process) -> Result<Option<Credentials>, String> {
        self.users.resolve(process)
    }

    /// The number of a group.
    ///
    /// # Errors
    /// An unknown group.
    pub fn group(&mut self, name: &str) -> Result<u32, String> {
        self.users.group(name)
    }

    /// Makes sure that a service's program exists and can be executed, as far as that can be told without doing it.
    ///
    /// # Errors
    /// What a shell would say: code 127 if there is no such program, 126 if it is not executable.
    pub fn find_program(&mut self, service: &Service) -> Result<(), SpawnError> {
        let credentials = self.credentials(&service.process).map_err(lasting(USER))?;
        let arguments = self.command(service, Role::Main)?.arguments;
        let environment = environment::build(
            &self.container,
            Some(&service.name),
            &service.process.env,
            credentials.as_ref(),
            &[],
        )
        .map_err(lasting(ENVIRONMENT))?;
        let places = candidates(&arguments, &environment);
        let path = |place: &CString| PathBuf::from(OsStr::from_bytes(place.as_bytes()));
        let is_executable = |path: &PathBuf| path.is_file() && access(path, AccessFlags::X_OK).is_ok();
        if places.iter().map(path).any(|path| is_executable(&path)) {
            return Ok(());
        }
        let program = service.exec.first().map(|program| &**program).unwrap_or_default();
        if places.iter().map(path).any(|path| path.exists()) {
            let why = "not allowed: is it a program, and executable?";
            return Err(lasting(NOT_EXECUTABLE)(format!("cannot execute `{program}`: {why}")));
        }
        let why = if program.contains('/') { "no such program" } else { "not found in PATH" };
        Err(SpawnError { code: 127, ..lasting(NO_PROGRAM)(format!("cannot execute `{program}`: {why}")) })
    }

    /// Starts a process of a service.
    ///
    /// # Errors
    /// Why not, and whether that will pass.
    pub fn launch(
        &mut self,
        service: &Service,
        role: Role,
        inherited: &Inherited<'_>,
    ) -> Result<Spawned, SpawnError> {
        self.carry_out(service, role, inherited, session(&service.process, role))
    }

    /// Becomes a service's main process, with our own standard streams and session; returns only if that fails.
    pub fn replace_us(&mut self, service: &Service) -> SpawnError {
        let inherited = Inherited {
            output: None,
            descriptors: Vec::new(),
            variables: Vec::new(),
            cgroup: None,
            handle: false,
        };
        match self.carry_out(service, Role::Main, &inherited, Session::Ours) {
            Ok(_) => lasting(OTHERWISE)("it was started instead".to_owned()),
            Err(error) => error,
        }
    }

    /// Starts a process, or, in our own session, becomes it.
    fn carry_out(
        &mut self,
        service: &Service,
        role: Role,
        inherited: &Inherited<'_>,
        session: Session,
    ) -> Result<Spawned, SpawnError> {
        let process = &service.process;
        let credentials = self.credentials(process).map_err(lasting(USER))?;
        let command = self.command(service, role)?;
        let variables: Vec<(&str, &OsStr)> =
            inherited.variables.iter().map(|(name, value)| (&**name, OsStr::new(value))).collect();
        let mut environment = environment::build(
            &self.container,
            Some(&service.name),
            &process.env,
            credentials.as_ref(),
            &variables,
        )
        .map_err(lasting(ENVIRONMENT))?;
        environment.extend(command.environment.into_iter().map(Cow::Owned));
        let arguments = command.arguments;
        let programs = if command.ours { self.probe.clone() } else { candidates(&arguments, &environment) };
        let spec = Spec {
            programs,
            pid_variable: inherited.pid_variable(&environment),
            environment,
            descriptors: match session {
                // Our own stay where they are.
                Session::Ours => Vec::new(),
                _ => descriptors(service, role, inherited, self.null.as_fd()),
            },
            session,
            unignore: &self.unignore,
            cgroup: inherited.cgroup,
            limits: limits(process, self.open_files),
            nice: process.nice,
            oom_score_adj: process.oom_score_adj.and_then(|score| CString::new(score.to_string()).ok()),
            umask: process.umask,
            // Who may change nothing about itself need not, if it is that user already.
            credentials: credentials.filter(|c| !c.are_ours()).map(|c| (c.groups, c.gid, c.uid)),
            drop_capabilities: &process.drop_capabilities,
            no_new_privileges: process.no_new_privileges,
            cwd: self.cwd(process)?,
            handle: inherited.handle,
            arguments,
        };
        let result =
            if session == Session::Ours { Err(replace_us(&spec)) } else { self.spawner.spawn(&spec) };
        result.map_err(|failure| explain(&failure, &spec))
    }

    /// What runs in this role.
    fn command(&self, service: &Service, role: Role) -> Result<Command, SpawnError> {
        let hook = |hook: &Option<Hook>| hook.as_ref().map(|hook| hook.exec.clone());
        let exec = match role {
            Role::Main => Some(service.exec.clone()),
            Role::Down => hook(&service.down),
            Role::Finish(_) => hook(&service.finish),
            Role::Stop => service.stop.exec.clone(),
            Role::Reload => match &service.reload {
                Some(Reload::Exec(hook)) => Some(hook.exec.clone()),
                Some(Reload::Signal(_)) | None => None,
            },
            Role::Condition(at) => match service.conditions.get(at) {
                Some(Condition::Exec(hook)) => Some(hook.exec.clone()),
                Some(Condition::Env { .. } | Condition::File { .. }) | None => None,
            },
            Role::ReadyProbe => match &service.ready {
                Ready::Probe(probe) => return probing(&probe.check, probe.timeout, Some(probe.interval)),
                Ready::Started | Ready::Fd(_) | Ready::Notify | Ready::Log(_) => None,
            },
            Role::HealthProbe => match &service.health {
                Some(health) => return probing(&health.probe.check, health.probe.timeout, None),
                None => None,
            },
        };
        let environment = match role {
            Role::Finish(exit) => how_it_ended(exit),
            _ => Vec::new(),
        };
        Ok(Command { ours: false, arguments: c_strings(&exec.unwrap_or_default())?, environment })
    }

    fn cwd(&self, process: &Process) -> Result<CString, SpawnError> {
        match &process.cwd {
            None if process.stdin == Stdin::Tty => Ok(self.cwd.clone()),
            None => Ok(c"/".to_owned()),
            Some(path) => {
                c_path(path).ok_or_else(|| lasting(NUL)(format!("cwd {} has a NUL byte", path.display())))
            }
        }
    }
}

/// Where the program that makes probes is looked for: beside our own, then where packages put such programs.
fn probe_places(own: Option<&Path>) -> Vec<CString> {
    let beside = own.and_then(Path::parent).map(Path::to_path_buf);
    let usual = ["/usr/local/libexec", "/usr/libexec"].map(PathBuf::from);
    beside.into_iter().chain(usual).filter_map(|place| c_path(&place.join(probe_command::PROGRAM))).collect()
}

fn probing(check: &Check, timeout: Duration, retry: Option<Duration>) -> Result<Command, SpawnError> {
    let command = probe_command::probe_argv(check, timeout, retry).map_err(lasting(NUL))?;
    let environment = command.env.into_iter().collect();
    Ok(Command { ours: command.ours, arguments: command.argv, environment })
}

/// What a finish hook wants to know.
fn how_it_ended(exit: Exit) -> Vec<CString> {
    let code = Some(format!("EXIT_CODE={}", exit.shell_code()));
    let signal = match exit {
        Exit::Code(_) => None,
        Exit::Signal(number) => Some(format!("EXIT_SIGNAL={number}")),
    };
    code.into_iter().chain(signal).filter_map(|entry| CString::new(entry).ok()).collect()
}

fn null() -> std::io::Result<OwnedFd> {
    use std::fs::OpenOptions;
    match OpenOptions::new().read(true).write(true).open("/dev/null") {
        Ok(file) => Ok(file.into()),
        // A container without /dev/null: a pipe nobody writes to reads as empty too.
        Err(_) => sys::pipe().map(|(read, _)| read),
    }
}

fn descriptors<'a>(
    service: &Service,
    role: Role,
    inherited: &'a Inherited<'a>,
    null: BorrowedFd<'a>,
) -> Vec<(BorrowedFd<'a>, RawFd)> {
    let tty = role == Role::Main && service.process.stdin == Stdin::Tty;
    let output = inherited.output.unwrap_or(null);
    let input = if tty { crate::kernel::given(0) } else { null };
    [(input, 0), (output, 1), (output, 2)].into_iter().chain(inherited.descriptors.iter().copied()).collect()
}

fn session(process: &Process, role: Role) -> Session {
    if role == Role::Main && process.stdin == Stdin::Tty { Session::Foreground(0) } else { Session::New }
}

/// Every place where the program may be, as execvp(3) looks for it, with the service's own PATH.
fn candidates(arguments: &[CString], environment: &[Cow<'_, CStr>]) -> Vec<CString> {
    let Some(name) = arguments.first() else { return Vec::new() };
    if name.as_bytes().contains(&b'/') {
        return vec![name.clone()];
    }
    let path = environment.iter().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH="));
    let path = OsStr::from_bytes(path.unwrap_or(init_plan::DEFAULT_PATH.as_bytes()));
    std::env::split_paths(path)
        .filter_map(|directory| c_path(&directory.join(OsStr::from_bytes(name.as_bytes()))))
        .collect()
}

fn limits(process: &Process, open_files: Option<libc::rlimit>) -> Vec<(u32, libc::rlimit)> {
    let own = process
        .limits
        .iter()
        .map(|&(resource, soft, hard)| (number(resource), libc::rlimit { rlim_cur: soft, rlim_max: hard }));
    // Ours was raised; a service gets what the container was given. Programs that still use select(2) rely on it.
    let has_own = process.limits.iter().any(|&(resource, ..)| resource == Resource::Nofile);
    let inherited = open_files.filter(|_| !has_own).map(|limit| (number(Resource::Nofile), limit));
    own.chain(inherited).collect()
}

fn number(resource: Resource) -> u32 {
    match resource {
        Resource::As => libc::RLIMIT_AS,
        Resource::Core => libc::RLIMIT_CORE,
        Resource::Cpu => libc::RLIMIT_CPU,
        Resource::Data => libc::RLIMIT_DATA,
        Resource::Fsize => libc::RLIMIT_FSIZE,
        Resource::Locks => libc::RLIMIT_LOCKS,
        Resource::Memlock => libc::RLIMIT_MEMLOCK,
        Resource::Msgqueue => libc::RLIMIT_MSGQUEUE,
        Resource::Nice => libc::RLIMIT_NICE,
        Resource::Nofile => libc::RLIMIT_NOFILE,
        Resource::Nproc => libc::RLIMIT_NPROC,
        Resource::Rss => libc::RLIMIT_RSS,
        Resource::Rtprio => libc::RLIMIT_RTPRIO,
        Resource::Rttime => libc::RLIMIT_RTTIME,
        Resource::Sigpending => libc::RLIMIT_SIGPENDING,
        Resource::Stack => libc::RLIMIT_STACK,
    }
}

fn c_path(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_bytes()).ok()
}

fn c_strings(strings: &[Box<str>]) -> Result<Vec<CString>, SpawnError> {
    strings
        .iter()
        .map(|s| {
            CString::new(s.as_bytes()).map_err(|_| lasting(NUL)(format!("argument {s:?} has a NUL byte")))
        })
        .collect()
}

/// The user or group is unknown, or its file cannot be read.
const USER: MessageId = id!("I0301");
/// The environment cannot be made: a file of it, or a name or value.
const ENVIRONMENT: MessageId = id!("I0302");
/// A NUL character where the kernel takes none.
const NUL: MessageId = id!("I0303");
/// There is no such program.
const NO_PROGRAM: MessageId = id!("I0304");
/// It may not be executed.
const NOT_EXECUTABLE: MessageId = id!("I0305");
/// The kernel makes no process.
const FORK: MessageId = id!("I0312");
/// What has no id of its own.
const OTHERWISE: MessageId = id!("I0306");

fn lasting(id: MessageId) -> impl Fn(String) -> SpawnError {
    move |message| SpawnError { message: id.after(&message), lasting: true, code: 126 }
}

/// Says what failed and what helps, and tells what will pass from what will not.
fn explain(failure: &crate::kernel::spawn::Failure, spec: &Spec<'_>) -> SpawnError {
    let errno = failure.error.raw_os_error().unwrap_or(0);
    let program = spec.arguments.first().map(|a| a.to_string_lossy().into_owned()).unwrap_or_default();
    let reason = std::io::Error::from_raw_os_error(errno);
    let reason = reason.to_string();
    let reason = reason.split(" (os error").next().unwrap_or_default();
    let (id, message) = match (failure.what, errno) {
        ("fork", _) => (FORK, format!("cannot start `{program}`: fork: {reason}{}", remedy(errno))),
        ("execute", libc::ENOENT) if program.contains('/') => (
            NO_PROGRAM,
            format!("cannot execute `{program}`: no such program, or its interpreter is missing"),
        ),
        ("execute", libc::ENOENT) if program == probe_command::PROGRAM => (
            id!("I0307"),
            format!(
                "cannot find `{program}`, which tries readiness and health: install it in /usr/local/libexec"
            ),
        ),
        ("execute", libc::ENOENT) => (NO_PROGRAM, format!("cannot execute `{program}`: not found in PATH")),
        ("execute", libc::ENOEXEC) => (
            id!("I0308"),
            format!("cannot execute `{program}`: neither a binary of this machine nor a script with #!"),
        ),
        ("execute", libc::EACCES) => (
            NOT_EXECUTABLE,
            format!(
                "cannot execute `{program}`: not allowed: is it executable, on a file system without noexec?"
            ),
        ),
        ("execute", _) => (OTHERWISE, format!("cannot execute `{program}`: {reason}{}", remedy(errno))),
        ("chdir", _) => {
            (id!("I0309"), format!("cannot start `{program}` in {}: {reason}", spec.cwd.to_string_lossy()))
        }
        ("setgroups" | "setgid" | "setuid", libc::EPERM) => (
            id!("I0310"),
            format!("cannot start `{program}` as another user: init itself has no right to change users"),
        ),
        ("setrlimit", libc::EPERM) => (
            id!("I0311"),
            format!(
                "cannot start `{program}`: a limit in [limits] is above the container's: ask for less, or raise it (--ulimit)"
            ),
        ),
        (what, _) => (OTHERWISE, format!("cannot start `{program}`: {what}: {reason}")),
    };
    let passing = matches!(
        errno,
        libc::EAGAIN
            | libc::ENOMEM
            | libc::EMFILE
            | libc::ENFILE
            | libc::ENOSPC
            | libc::ETXTBSY
            | libc::EIO
            | libc::EINTR
    );
    let code = if failure.what == "execute" && errno == libc::ENOENT { 127 } else { 126 };
    SpawnError { message: id.after(&message), lasting: !passing, code }
}

pub(crate) fn remedy(errno: i32) -> &'static str {
    match errno {
        libc::EAGAIN => {
            " (the container's limit on processes is reached: raise --pids-limit, or stop something)"
        }
        libc::ENOMEM => " (the container has no memory left: raise --memory, or stop something)",
        libc::ENOSPC => " (a limit of the host is reached: raise fs.epoll.max_user_watches, or free space)",
        libc::EMFILE | libc::ENFILE => " (the limit on open files is reached: raise --ulimit nofile)",
        _ => "",
    }
}

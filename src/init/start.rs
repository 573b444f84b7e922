//! How `init` begins: as PID 1 or not, as any user, on a root file system that may be read-only.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::event_loop::reload::read_plan;
use crate::event_loop::signals;
use crate::event_loop::{Init, Options, Surroundings};
use crate::generator::{self, Generator};
use crate::kernel::cgroup::Cgroups;
use crate::kernel::fault::{self, Call};
use crate::kernel::poll::Poll;
use crate::kernel::runtime_dir::{self, RuntimeDir};
use crate::kernel::sys;
use crate::reexec;
use crate::second;
use crate::server::clients::Server;
use crate::service::environment::Container;
use crate::service::launch::Launcher;
use crate::service::log::Logs;
use crate::service::log::sink::Sink;
use crate::service::sockets::Sockets;
use crate::trace;
use init_control::path;
use init_core::Supervisor;
use init_plan::load::Directory;
use init_plan::model::Settings;
use init_plan::{Plan, id};

/// sysexits(3): the configuration is wrong.
const EX_CONFIG: i32 = 78;
/// sysexits(3): the system refused something that cannot be done without.
const EX_OSERR: i32 = 71;

/// sysexits(3) has EX_CANTCREAT for it: another `init` runs here.
const ALREADY_RUNNING: i32 = 73;

/// Runs `init` until the container is to end.
pub fn run(options: Options) -> ExitCode {
    let code = start(options).unwrap_or_else(|(message, code)| {
        sys::write_all(crate::kernel::given(2), format!("init: {message}\n").as_bytes());
        code
    });
    // Codes beyond 255 do not exist; the low byte is what the kernel would keep.
    ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1))
}

fn system(what: &'static str) -> impl Fn(std::io::Error) -> (String, i32) {
    move |error| (id!("I0101").after(&format!("{what}: {error}")), EX_OSERR)
}

fn start(options: Options) -> Result<i32, (String, i32)> {
    // First of all: a signal to stop that comes while the plan is read must not be lost.
    sys::block_signals().map_err(system("sigprocmask"))?;
    // What another program has left is open, and not for our children.
    let left = reexec::taken().map_err(|why| (id!("I0102").after(&format!("reexec: {why}")), EX_OSERR))?;
    sys::close_on_exec_from(3);
    ensure_stdio();
    if left.is_none()
        && let Some(why) = second::refusal()
    {
        return Err((id!("I0103").after(&why), ALREADY_RUNNING));
    }
    let container = Container::snapshot();
    let (sockets, wrong) = Sockets::given(&container);
    let mut unignore = sys::ignored_signals();
    unignore.extend(signals::IGNORED);
    unignore.sort_unstable();
    unignore.dedup();
    for &signal in signals::IGNORED {
        sys::ignore_signal(signal, true);
    }
    // Our parent may have ignored it: then the kernel would reap our children, and we would never learn how they ended.
    sys::ignore_signal(libc::SIGCHLD, false);
    let raised = sys::raise_open_files();
    let open_files = left.as_ref().map_or(raised, |state| state.open_files.map(sys::limit));
    let (trace, untraced) = match trace::start(container.get(trace::VARIABLE)) {
        Ok(trace) => (trace, None),
        Err(why) => (None, Some(why)),
    };
    let launcher = Launcher::new(container, unignore, open_files).map_err(system("/dev/null"))?;
    let mut surroundings = Surroundings { options, launcher, sockets, trace };
    let sink = Sink::stdout().map_err(system("stdout"))?;
    let init = match left {
        Some(state) => {
            if let Some(runtime) = &state.runtime {
                add_directories(&mut surroundings, runtime);
            }
            Init::unpack(state, surroundings, sink)
        }
        None => boot(surroundings, sink, wrong.into_iter().chain(untraced).collect())?,
    };
    Ok(init.run())
}

/// Reads the definitions and puts the parts together; nothing runs yet but what the generator has left. `wrong` is to be logged.
fn boot(mut surroundings: Surroundings, sink: Sink, wrong: Vec<String>) -> Result<Init, (String, i32)> {
    let signal_fd = sys::signal_fd(&signals::received()).map_err(system("signalfd"))?;
    let runtime = runtime_dir::choose();
    let generated = prepare_directories(&mut surroundings, runtime.as_ref().ok());
    let Surroundings { options, mut launcher, sockets, trace } = surroundings;
    let environment = launcher.container().text();
    let plan = read_plan(&options, &environment)
        .map_err(|problems| ([generated.clone(), vec![problems]].concat().join("\ninit: "), EX_CONFIG))?;
    let mut poll = Poll::new().map_err(system("epoll"))?;
    let mut logs = logs(sink, &plan.settings, &launcher);
    if std::process::id() != 1
        && let Err(error) = sys::become_subreaper()
    {
        let message = format!("cannot adopt orphans (this is not PID 1): {error}");
        logs.own(&id!("I0401").after(&message));
    }
    for line in generated.into_iter().chain(wrong).chain(sockets.unwanted(&plan)) {
        logs.own(&line);
    }
    if let Some(command) = plan.services.iter().find(|service| &*service.name == init_plan::COMMAND) {
        // Before anything is started for it in vain.
        launcher.find_program(command).map_err(|error| (error.message, error.code))?;
    }
    let (runtime, server) = listen(runtime, &mut logs, &mut poll);
    let cgroups = cgroups(&plan, &mut logs);
    let supervisor = Supervisor::new(plan, sys::now().0);
    let mut init = Init::new(supervisor, launcher, logs, poll, signal_fd, runtime, cgroups, options)
        .map_err(system("epoll"))?;
    init.server = server;
    init.sockets = sockets;
    init.trace = trace;
    init.begin();
    Ok(init)
}

/// The logs of a container, empty.
pub(crate) fn logs(sink: Sink, settings: &Settings, launcher: &Launcher) -> Logs {
    Logs::new(sink, settings.log, wants_colour(launcher.container()), settings.log_ring)
}

/// Runs the generator, if the container has one, and has what it writes read below everything else. What `svctl set` wrote before this boot
/// goes away. Returns what is to be logged.
fn prepare_directories(surroundings: &mut Surroundings, runtime: Option<&RuntimeDir>) -> Vec<String> {
    let Some(runtime) = runtime else {
        let variable = surroundings.launcher.container().get(generator::VARIABLE);
        let line = format!("{} is not run: there is no runtime directory", generator::VARIABLE);
        let line = id!("I0406").after(&line);
        return variable.map(|_| line).into_iter().collect();
    };
    let _ = std::fs::remove_dir_all(path::set_directory(&runtime.path));
    add_directories(surroundings, &runtime.path);
    let Surroundings { options, launcher, .. } = surroundings;
    options.generator.as_ref().map(|generator| generator.run(launcher)).unwrap_or_default()
}

/// Has the directories read that are below the runtime directory.
fn add_directories(surroundings: &mut Surroundings, runtime: &Path) {
    let Surroundings { options, launcher, .. } = surroundings;
    let below = |path: PathBuf| Directory { path, optional: true };
    options.generator =
        Generator::new(launcher.container().get(generator::VARIABLE), runtime, &options.services);
    if options.generator.is_some() {
        options.services.insert(0, below(generator::directory(runtime)));
    }
    options.services.push(below(path::set_directory(runtime)));
}

/// A standard stream that is closed would be the first file we open: writing a log into it would be writing into that.
fn ensure_stdio() {
    for number in 0..=2 {
        if !sys::is_open(number)
            && let Ok(file) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")
        {
            // The file got the lowest free number, which is the one that was closed. It must stay open.
            std::mem::forget(file);
        }
    }
}

/// Whether to colour names: on a terminal, unless NO_COLOR refuses it (no-color.org).
fn wants_colour(container: &Container) -> bool {
    let refused = container.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = container.get("TERM").is_some_and(|value| value == "dumb");
    std::io::IsTerminal::is_terminal(&std::io::stdout()) && !refused && !dumb
}

/// The control sockets. Without the one for everybody everything but `svctl` works, so that is no reason not to boot.
fn listen(
    runtime: Result<RuntimeDir, String>,
    logs: &mut Logs,
    poll: &mut Poll,
) -> (Option<PathBuf>, Option<Server>) {
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(message) => {
            logs.own(&id!("I0402").after(&format!("{message}; svctl will not work")));
            return (None, None);
        }
    };
    if let Some(warning) = &runtime.warning {
        logs.own(&id!("I0403").after(warning));
    }
    let path = runtime.path.join(path::SOCKET);
    // Everybody may look; who may act is decided by who asks.
    let sockets = bind(&path, 0o666).map(|everybody| {
        // Without this one, root waits with all others.
        let private = bind(&runtime.path.join(path::PRIVATE_SOCKET), 0o600);
        std::iter::once(everybody).chain(private).collect()
    });
    match sockets.and_then(|sockets| Server::new(sockets, poll)) {
        Ok(server) => (Some(runtime.path), Some(server)),
        Err(error) => {
            let message = format!("cannot listen on {}: {error}; svctl will not work", path.display());
            logs.own(&id!("I0404").after(&message));
            (Some(runtime.path), None)
        }
    }
}

/// Listens at this path; who may connect is said by `mode`.
fn bind(path: &std::path::Path, mode: u32) -> std::io::Result<UnixListener> {
    fault::point(Call::Bind)?;
    // A socket that an earlier `init` left behind; one that still runs answers, and keeps it.
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(std::io::Error::new(std::io::ErrorKind::AddrInUse, "another init runs here"));
    }
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

fn cgroups(plan: &Plan, logs: &mut Logs) -> Option<Cgroups> {
    if plan.services.iter().all(|service| service.process.cgroup.is_none()) {
        return None;
    }
    match Cgroups::detect(std::path::Path::new("/")) {
        Ok(cgroups) => Some(cgroups),
        Err(why) => {
            logs.own(&id!("I0405").after(&format!("[cgroup] limits are not applied: {why}")));
            None
        }
    }
}

//! Carrying out what the core asks for: processes and signals.

use std::os::fd::{AsFd, OwnedFd};

use crate::event_loop::{Init, Source};
use crate::kernel::spawn::Spawned;
use crate::service::launch::{Inherited, remedy};
use crate::service::notify;
use init_core::{Event, Role, Run, SpawnError};
use init_plan::{Condition, Id, Log, Ready, Scope, Signal, id};

/// Where a process writes to.
enum Output {
    /// Its service's log pipe.
    Pipe,
    /// A pipe of its own.
    Captured(OwnedFd),
    /// `init`'s own standard output.
    Ours,
    /// Its output is discarded.
    Nowhere,
}

/// What was opened for one process, until it has it.
#[derive(Default)]
struct Opened {
    ready: Option<(OwnedFd, i32)>,
    variables: Vec<(String, String)>,
}

/// An error that may be gone at the next try.
fn passing(what: &'static str) -> impl Fn(std::io::Error) -> SpawnError {
    move |error| {
        let remedy = remedy(error.raw_os_error().unwrap_or(0));
        let message = id!("I0313").after(&format!("cannot start: {what}: {error}{remedy}"));
        SpawnError { message, lasting: false, code: 126 }
    }
}

/// There is a [`ServiceIo`](crate::service::io::ServiceIo) for each service of the plan, so this does not happen.
fn no_service() -> SpawnError {
    SpawnError { message: "cannot start: no such service".to_owned(), lasting: true, code: 126 }
}

impl Init {
    /// Starts a process that the core asked for, and says what came of it.
    pub(crate) fn spawn(&mut self, id: Id, run: Run, role: Role) -> Event {
        if let Some(unmet) = self.plain_condition(id, role) {
            return Event::Condition { run, unmet };
        }
        match self.start_process(id, run, role) {
            Ok(spawned) => {
                self.handles.add(spawned.pid, spawned.handle);
                Event::Spawned { run, pid: spawned.pid }
            }
            Err(error) => Event::SpawnFailed { run, error },
        }
    }

    /// A condition that needs no process: `Some(None)` if it holds, `Some(Some(why))` if not.
    fn plain_condition(&self, id: Id, role: Role) -> Option<Option<String>> {
        let Role::Condition(at) = role else { return None };
        let condition = self.supervisor.plan().services.get(id.index())?.conditions.get(at)?;
        match condition {
            Condition::Env { name, value, negate } => {
                let found = self.launcher.container().get(name).filter(|found| !found.is_empty());
                let holds = match value {
                    Some(value) => found.is_some_and(|found| found == value.as_ref()),
                    None => found.is_some(),
                };
                let wanted = value.as_ref().map(|value| format!("={value}")).unwrap_or_default();
                let verb = if *negate { "is" } else { "is not" };
                Some((holds == *negate).then(|| match value {
                    Some(_) => format!("{name}{wanted} {verb} so in the environment"),
                    None => format!("{name} {verb} set"),
                }))
            }
            Condition::File { path, negate } => {
                let verb = if *negate { "exists" } else { "does not exist" };
                Some((path.exists() == *negate).then(|| format!("{} {verb}", path.display())))
            }
            Condition::Exec(_) => None,
        }
    }

    /// Starts a process with everything that its role wants.
    fn start_process(&mut self, id: Id, run: Run, role: Role) -> Result<Spawned, SpawnError> {
        let output = self.open_output(id, run, role)?;
        let mut opened = Opened::default();
        if role == Role::Main {
            self.open_readiness(id, run, &mut opened)?;
        } else if let Some(pid) = self.supervisor.main_pid(id) {
            // For checks and hooks that look at the service's process: sd-notify's and systemd's name for it.
            opened.variables.push(("MAINPID".to_owned(), pid.to_string()));
        }
        let procs = self.cgroup_of(id)?;
        let Some(service) = self.supervisor.plan().services.get(id.index()) else { return Err(no_service()) };
        let kept = self
            .service_io
            .get(id.index())
            .and_then(|io| io.pipe.as_ref())
            .map(|(_, write, _)| write.as_fd());
        let mut inherited = Inherited {
            output: match &output {
                Output::Pipe => kept,
                Output::Captured(write) => Some(write.as_fd()),
                Output::Ours => Some(crate::kernel::given(1)),
                Output::Nowhere => None,
            },
            descriptors: opened.ready.iter().map(|(end, number)| (end.as_fd(), *number)).collect(),
            variables: opened.variables,
            cgroup: procs.as_ref().map(OwnedFd::as_fd),
            handle: self.handles.wanted(),
        };
        self.sockets.hand_over(service, role, self.supervisor.plan(), &mut inherited);
        self.launcher.launch(service, role, &inherited)
    }

    /// Where the process writes to: its service's log, or, if what it says is a reason, a pipe of its own.
    fn open_output(&mut self, id: Id, run: Run, role: Role) -> Result<Output, SpawnError> {
        let plan = self.supervisor.plan();
        let (Some(service), Some(io)) = (plan.services.get(id.index()), self.service_io.get_mut(id.index()))
        else {
            return Err(no_service());
        };
        if matches!(role, Role::Condition(_) | Role::ReadyProbe | Role::HealthProbe) {
            let (write, token) = io.open_capture(run, &mut self.poll).map_err(passing("pipe"))?;
            self.sources.insert(token, Source::Service(id));
            return Ok(Output::Captured(write));
        }
        match service.process.log.unwrap_or(plan.settings.log) {
            Log::Inherit => Ok(Output::Ours),
            Log::None => Ok(Output::Nowhere),
            Log::Prefix | Log::Json | Log::Ring => {
                let owner = self.launcher.credentials(&service.process).ok().flatten().map(|c| c.uid);
                let token = io.open_pipe(owner, &mut self.poll).map_err(passing("log pipe"))?;
                self.sources.extend(token.map(|token| (token, Source::Service(id))));
                Ok(Output::Pipe)
            }
        }
    }

    /// What the process can say that it is ready through.
    fn open_readiness(&mut self, id: Id, run: Run, opened: &mut Opened) -> Result<(), SpawnError> {
        let plan = self.supervisor.plan();
        let (Some(service), Some(io)) = (plan.services.get(id.index()), self.service_io.get_mut(id.index()))
        else {
            return Err(no_service());
        };
        match &service.ready {
            Ready::Fd(number) => {
                let (write, token) = io.open_ready(run, &mut self.poll).map_err(passing("readiness pipe"))?;
                self.sources.insert(token, Source::Service(id));
                opened.ready = Some((write, *number));
            }
            Ready::Log(pattern) => {
                // The plan was compiled, so the pattern is valid.
                if let Ok(pattern) = init_plan::pattern::compile(pattern) {
                    self.logs.watch(io.log, pattern);
                    io.watched = Some(run);
                }
            }
            Ready::Started | Ready::Notify | Ready::Probe(_) => {}
        }
        if service.ready == Ready::Notify || service.watchdog.is_some() || service.notify {
            let fail = |lasting| {
                move |message: String| {
                    let message = id!("I0314").after(&message);
                    SpawnError { message, lasting, code: 126 }
                }
            };
            let none = || fail(true)("no runtime directory for its notify socket".to_owned());
            let runtime = self.runtime.as_ref().ok_or_else(none)?;
            let uid = self.launcher.credentials(&service.process).ok().flatten().map(|c| c.uid);
            let socket =
                notify::NotifySocket::bind(runtime, &service.name, run.0, uid).map_err(fail(false))?;
            opened.variables.push(("NOTIFY_SOCKET".to_owned(), socket.path().display().to_string()));
            let token = io.listen(run, socket, &mut self.poll).map_err(passing("notify socket"))?;
            self.sources.insert(token, Source::Service(id));
        }
        if let Some(watchdog) = service.watchdog {
            opened.variables.push(("WATCHDOG_USEC".to_owned(), watchdog.as_micros().to_string()));
        }
        Ok(())
    }

    /// The cgroup that the service's limits need, made at its first start.
    fn cgroup_of(&mut self, id: Id) -> Result<Option<OwnedFd>, SpawnError> {
        let plan = self.supervisor.plan();
        let (Some(service), Some(io)) = (plan.services.get(id.index()), self.service_io.get_mut(id.index()))
        else {
            return Err(no_service());
        };
        if !service.process.cgroup.is_none() && io.cgroup.is_none() {
            for warning in io.make_cgroup(self.cgroups.as_mut(), service) {
                self.logs.own(&id!("I0407").after(&format!("{}: {warning}", service.name)));
            }
        }
        let procs = io.cgroup.as_ref().map(crate::kernel::cgroup::Cgroup::procs_fd).transpose();
        procs.map_err(|message| {
            let message = id!("I0315").after(&message);
            SpawnError { message, lasting: false, code: 126 }
        })
    }

    /// Sends a signal that the core asked for.
    pub(crate) fn signal(&mut self, id: Id, pid: i32, signal: Signal, scope: Scope) {
        let result = self.handles.signal(pid, signal, scope);
        if signal == Signal::KILL
            && scope == Scope::Group
            && self.supervisor.main_pid(id).is_none_or(|main| main == pid)
            && let Some(cgroup) = self.service_io.get(id.index()).and_then(|io| io.cgroup.as_ref())
        {
            // What cannot be killed there was killed with its group, and the group is what the wait is for.
            let _ = cgroup.kill();
        }
        // ESRCH: it is over already, which its exit will say.
        if let Err(error) = result
            && error.raw_os_error() == Some(libc::EPERM)
        {
            self.warn(id, &id!("I0413").after(&format!("may not send {signal} to {pid}: {error}")));
        }
    }
}

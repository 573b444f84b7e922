//! PID 1's event loop: waits, observes, asks the core, acts.
//!
//! One thread. Everything that happens becomes an [`Event`]; [`Init::feed`] hands it to the core and carries out what
//! comes back, which may be further events (a process that was asked for runs), until nothing is left. Only then does
//! the loop wait again, so the core hears of each process before that process can be reaped.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use super::cgroup::Cgroups;
use super::launch::{Given, Launcher};
use super::log::{Logs, Reading};
use super::notify;
use super::poll::{Interest, Poll, Token};
use super::reap::Lingering;
use super::seat::Seat;
use super::serve::Server;
use super::{sys, voice};
use crate::core::status::{Phase, Stage};
use crate::core::{Action, Event, Role, Run, SpawnError, Supervisor, Time, Word};
use crate::plan::load::Directory;
use crate::plan::{Condition, Id, Log, Ready, Scope, Signal};

/// What a token stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Source {
    Signals,
    Output,
    Seat(Id),
}

impl Source {
    /// Services were renumbered: `false` if this one is gone.
    pub(super) fn renumber(&mut self, new: &[Option<Id>]) -> bool {
        let Source::Seat(id) = self else { return true };
        let found = new.get(id.index()).copied().flatten();
        *id = found.unwrap_or(*id);
        found.is_some()
    }
}

/// PID 1.
pub struct Init {
    pub(super) supervisor: Supervisor,
    pub(super) launcher: Launcher,
    pub(super) logs: Logs,
    pub(super) poll: Poll,
    pub(super) server: Option<Server>,
    pub(super) seats: Vec<Seat>,
    pub(super) sources: HashMap<Token, Source>,
    pub(super) signals: OwnedFd,
    pub(super) signals_token: Token,
    pub(super) runtime: Option<PathBuf>,
    pub(super) cgroups: Option<Cgroups>,
    pub(super) lingering: Vec<Lingering>,
    pub(super) options: Options,
    pub(super) booted_at: Time,
    /// Whether the core was told anything since the last turn.
    stepped: bool,
    /// Turns in a row without a wait in which it was not.
    bulk_turns: u32,
    /// When to give back the buffers of logging.
    trim_at: Option<Time>,
    /// When to say again what a boot or shutdown waits for.
    remind_at: Option<Time>,
    queue: VecDeque<Event>,
    /// The exit was ordered, with this code.
    pub(super) halted: Option<i32>,
    changed: bool,
    output: OutputWatch,
}

/// How `init` was told to work.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where services are defined.
    pub services: Vec<Directory>,
    /// The command to run once services are up.
    pub command: Vec<Box<str>>,
    /// How services log that do not say it themselves; overrides the settings.
    pub log: Option<Log>,
}

/// Whether the container's output is being watched for room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct OutputWatch {
    token: Option<Token>,
    wanted: bool,
    /// Service pipes are not read because the output is full.
    paused: bool,
}

/// So long after the last output the buffers of logging are given back.
const TRIM_AFTER: Duration = Duration::from_secs(1);
/// How long a turn is put off in a flood …
const NAP: Duration = Duration::from_micros(60);
/// … which is so many turns in a row that came sooner than that.
const BULK_TURNS: u32 = 32;
/// A turn that reads so many bytes of output is worth its while.
const MUCH: usize = 16 * 1024;
/// Reminders of what a boot waits for come after 10 s, and then further and further apart.
const FIRST_BOOT_REMINDER: Duration = Duration::from_secs(10);
/// A shutdown is shorter; a person watches it.
const SHUTDOWN_REMINDER: Duration = Duration::from_secs(2);

impl Init {
    /// Puts the parts together. Nothing runs yet.
    #[allow(clippy::too_many_arguments, reason = "called once, by the function that makes them all")]
    pub(super) fn new(
        supervisor: Supervisor,
        launcher: Launcher,
        logs: Logs,
        mut poll: Poll,
        signals: OwnedFd,
        runtime: Option<PathBuf>,
        cgroups: Option<Cgroups>,
        options: Options,
    ) -> std::io::Result<Init> {
        let signals_token = poll.token();
        poll.add(&signals, signals_token, Interest::Read)?;
        let now = sys::now();
        let mut init = Init {
            supervisor,
            launcher,
            logs,
            poll,
            server: None,
            seats: Vec::new(),
            sources: HashMap::from([(signals_token, Source::Signals)]),
            signals,
            signals_token,
            runtime,
            cgroups,
            lingering: Vec::new(),
            options,
            booted_at: now,
            stepped: false,
            bulk_turns: 0,
            trim_at: None,
            remind_at: Some(now.plus(FIRST_BOOT_REMINDER)),
            queue: VecDeque::new(),
            halted: None,
            changed: false,
            output: OutputWatch::default(),
        };
        init.seats = (0..init.supervisor.plan().services.len()).map(|index| init.new_seat(index)).collect();
        Ok(init)
    }

    pub(super) fn new_seat(&mut self, index: usize) -> Seat {
        let plan = self.supervisor.plan();
        let service = plan.services.get(index);
        let mode = service.and_then(|s| s.process.log).unwrap_or(plan.settings.log);
        let name = service.map_or("", |s| &s.name);
        Seat::new(self.logs.register(name, mode))
    }

    /// Runs until the exit was ordered, and returns its code.
    pub(super) fn run(&mut self) -> i32 {
        self.feed(Event::Boot);
        let mut ready = Vec::new();
        loop {
            self.settle();
            if let Some(code) = self.halted {
                return code;
            }
            let before = sys::now();
            self.poll.wait(self.deadline().map(|at| at.since(before)), &mut ready);
            self.moderate(sys::now().since(before));
            // What processes said comes before their end: readiness, then death, in that order.
            let signals = self.signals_token;
            for &token in ready.iter().filter(|&&token| token != signals) {
                self.happened(token);
            }
            if ready.contains(&signals) {
                self.read_signals();
            }
        }
    }

    /// What is to be done before waiting again.
    fn settle(&mut self) {
        let now = sys::now();
        if self.supervisor.deadline().is_some_and(|at| at <= now) {
            self.feed(Event::Tick);
        }
        if self.remind_at.is_some_and(|at| at <= now) {
            self.remind(now);
        }
        if self.trim_at.is_some_and(|at| at <= now) {
            self.trim_at = None;
            self.logs.trim();
        }
        if std::mem::take(&mut self.changed) && self.server.as_ref().is_some_and(Server::has_watchers) {
            self.look_at_waiting();
        }
        self.tend_clients(now);
        self.write_output();
    }

    /// In a flood of log lines or orphans, being woken for each costs more than its work: after many turns in a row
    /// that did nothing else and came at once, each is put off a little, so that it finds more to do. The first line
    /// of a burst is never held back, nor is anything that concerns a service's state.
    fn moderate(&mut self, waited: Duration) {
        let little = self.logs.take_count() < MUCH;
        let bulk = waited < NAP && little && !std::mem::take(&mut self.stepped);
        self.bulk_turns = if bulk { self.bulk_turns.saturating_add(1) } else { 0 };
        if self.bulk_turns > BULK_TURNS {
            sys::nap(NAP);
        }
    }

    fn deadline(&self) -> Option<Time> {
        let server = self.server.as_ref().and_then(Server::deadline);
        self.supervisor.deadline().into_iter().chain(self.remind_at).chain(self.trim_at).chain(server).min()
    }

    fn happened(&mut self, token: Token) {
        match self.sources.get(&token) {
            Some(Source::Seat(id)) => self.seat_happened(*id, token),
            Some(Source::Output) => {}
            Some(Source::Signals) => {}
            None => self.serve(token),
        }
    }

    // ---- events and actions ----

    /// Tells the core what happened and does what it says, until that leads to nothing more.
    pub(super) fn feed(&mut self, event: Event) {
        self.stepped = true;
        self.queue.push_back(event);
        while let Some(event) = self.queue.pop_front() {
            for action in self.supervisor.step(sys::now(), event) {
                self.perform(action);
            }
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Spawn { id, run, role } => {
                let event = self.spawn(id, run, role);
                self.queue.push_back(event);
            }
            Action::Signal { id, pid, signal, scope } => self.signal(id, pid, signal, scope),
            Action::Changed(change) => {
                self.changed = true;
                if let Some(line) = voice::of_change(&change, &self.supervisor, sys::now()) {
                    self.say(&line);
                }
                if self.server.as_ref().is_some_and(Server::has_watchers) {
                    self.publish(&change);
                }
                if change.to == Phase::Down {
                    self.forget_if_retired(change.id);
                }
            }
            Action::Warn { id, message } => {
                self.warn(id, &message);
            }
            Action::Booted => self.booted(),
            Action::ShuttingDown { why } => self.shutting_down(why),
            Action::Replanned { ids } => self.reseat(&ids),
            Action::Halt { code } => self.halted = Some(code),
        }
    }

    /// A line of our own in the container's log.
    pub(super) fn say(&mut self, line: &str) {
        self.logs.own(line);
    }

    /// The same, about a service.
    pub(super) fn warn(&mut self, id: Id, message: &str) {
        let name =
            self.supervisor.plan().services.get(id.index()).map(|s| s.name.clone()).unwrap_or_default();
        self.say(&format!("{name}: {message}"));
    }

    fn booted(&mut self) {
        self.remind_at = None;
        let line = voice::of_boot(&self.supervisor, sys::now().since(self.booted_at));
        self.say(&line);
        if let Err(error) = notify::notify_manager(&format!("READY=1\nSTATUS={line}")) {
            self.say(&error);
        }
        self.logs.flush();
        self.logs.trim();
        sys::give_back_memory();
    }

    fn shutting_down(&mut self, why: Option<String>) {
        self.remind_at = Some(sys::now().plus(SHUTDOWN_REMINDER));
        let why = why.unwrap_or_else(|| "on request".to_owned());
        self.say(&format!("shutting down: {why}"));
        let _ = notify::notify_manager(&format!("STOPPING=1\nSTATUS=shutting down: {why}"));
    }

    fn remind(&mut self, now: Time) {
        let (line, next) = match self.supervisor.stage() {
            Stage::Booting => {
                let so_far = now.since(self.booted_at);
                (voice::of_wait(&self.supervisor, now), so_far.min(Duration::from_secs(60)))
            }
            Stage::Stopping => (voice::of_shutdown(&self.supervisor, now), SHUTDOWN_REMINDER),
            Stage::Running => return self.remind_at = None,
        };
        self.remind_at = Some(now.plus(next));
        if let Some(line) = line {
            self.say(&line);
        }
    }

    // ---- processes ----

    fn spawn(&mut self, id: Id, run: Run, role: Role) -> Event {
        match self.plain_condition(id, role) {
            Some(unmet) => return Event::Condition { run, unmet },
            None => {}
        }
        match self.start_process(id, run, role) {
            Ok(pid) => Event::Spawned { run, pid },
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

    fn start_process(&mut self, id: Id, run: Run, role: Role) -> Result<i32, SpawnError> {
        let passing = |what: &str, error: std::io::Error| {
            let cure = super::launch::cure(error.raw_os_error().unwrap_or(0));
            SpawnError { message: format!("cannot start: {what}: {error}{cure}"), lasting: false, code: 126 }
        };
        let service = self.supervisor.plan().services.get(id.index());
        let seat = self.seats.get_mut(id.index());
        let (Some(service), Some(seat)) = (service, seat) else {
            return Err(passing("no such service", std::io::Error::from_raw_os_error(libc::ESRCH)));
        };
        let mode = service.process.log.unwrap_or(self.supervisor.plan().settings.log);
        let mut given = Given { output: None, descriptors: Vec::new(), variables: Vec::new(), cgroup: None };
        let mut tokens = Vec::new();

        let captured;
        if matches!(role, Role::Condition(_) | Role::ReadyProbe | Role::HealthProbe) {
            let (write, token) = seat.open_capture(run, &mut self.poll).map_err(|e| passing("pipe", e))?;
            tokens.push(token);
            captured = write;
            given.output = Some(captured.as_fd());
        } else {
            match mode {
                Log::Prefix | Log::Json | Log::Ring => {
                    let owner = self.launcher.credentials(&service.process).ok().flatten().map(|c| c.uid);
                    let token = seat.open_pipe(owner, &mut self.poll).map_err(|e| passing("log pipe", e))?;
                    tokens.extend(token);
                }
                Log::Inherit => given.output = Some(super::stdio(1)),
                Log::None => {}
            }
        }

        let ready_end;
        if role == Role::Main {
            match &service.ready {
                Ready::Fd(number) => {
                    let (write, token) =
                        seat.open_ready(run, &mut self.poll).map_err(|e| passing("pipe", e))?;
                    tokens.push(token);
                    ready_end = write;
                    given.descriptors.push((ready_end.as_fd(), *number));
                }
                Ready::Log(pattern) => {
                    // The plan was compiled, so the pattern is valid.
                    if let Ok(pattern) = super::probe::regex(pattern) {
                        self.logs.watch(seat.log, pattern);
                        seat.watched = Some(run);
                    }
                }
                Ready::Started | Ready::Notify | Ready::Probe(_) => {}
            }
            if service.ready == Ready::Notify || service.watchdog.is_some() {
                let uid = self.launcher.credentials(&service.process).ok().flatten().map(|c| c.uid);
                let Some(runtime) = &self.runtime else {
                    let why = "no runtime directory for its notify socket".to_owned();
                    return Err(SpawnError { message: why, lasting: true, code: 126 });
                };
                let socket = notify::NotifySocket::bind(runtime, &service.name, run.0, uid)
                    .map_err(|message| SpawnError { message, lasting: false, code: 126 })?;
                given.variables.push(("NOTIFY_SOCKET".to_owned(), socket.path().display().to_string()));
                let token =
                    seat.listen(run, socket, &mut self.poll).map_err(|e| passing("notify socket", e))?;
                tokens.push(token);
            }
            if let Some(watchdog) = service.watchdog {
                given.variables.push(("WATCHDOG_USEC".to_owned(), watchdog.as_micros().to_string()));
            }
        }
        for token in tokens {
            self.sources.insert(token, Source::Seat(id));
        }
        if !service.process.cgroup.is_none() && seat.cgroup.is_none() {
            for warning in seat.make_cgroup(self.cgroups.as_mut(), service) {
                self.logs.own(&format!("{}: {warning}", service.name));
            }
        }
        if given.output.is_none()
            && let Some((_, write, _)) = &seat.pipe
            && mode != Log::None
        {
            given.output = Some(write.as_fd());
        }
        let procs = seat.cgroup.as_ref().map(super::cgroup::Cgroup::procs_fd).transpose();
        let procs = procs.map_err(|message| SpawnError { message, lasting: false, code: 126 })?;
        given.cgroup = procs.as_ref().map(OwnedFd::as_fd);
        self.launcher.launch(service, role, &given)
    }

    fn signal(&mut self, id: Id, pid: i32, signal: Signal, scope: Scope) {
        let target = match scope {
            Scope::Leader => pid,
            Scope::Group => -pid,
        };
        let result = sys::kill(target, signal.number());
        if signal == Signal::KILL
            && scope == Scope::Group
            && self.supervisor.main_pid(id).is_none_or(|main| main == pid)
            && let Some(cgroup) = self.seats.get(id.index()).and_then(|seat| seat.cgroup.as_ref())
        {
            // What cannot be killed there was killed with its group, and the group is what the wait is for.
            let _ = cgroup.kill();
        }
        // ESRCH: it is over already, which its exit will say.
        if let Err(error) = result
            && error.raw_os_error() == Some(libc::EPERM)
        {
            self.warn(id, &format!("may not send {signal} to {pid}: {error}"));
        }
    }

    // ---- what processes say ----

    fn seat_happened(&mut self, id: Id, token: Token) {
        let Some(seat) = self.seats.get_mut(id.index()) else { return };
        if seat.is_pipe(token) {
            self.read_log(id);
            return;
        }
        if seat.capture.as_ref().is_some_and(|capture| capture.token == token) {
            return seat.read_capture(&mut self.poll);
        }
        self.hear(id);
    }

    /// Takes in what a service said through its readiness pipe or notify socket.
    pub(super) fn hear(&mut self, id: Id) {
        let main = self.supervisor.main_pid(id);
        let Some(seat) = self.seats.get_mut(id.index()) else { return };
        if let Some(run) = seat.read_ready(&mut self.poll) {
            self.feed(Event::Ready { run });
        }
        let Some(seat) = self.seats.get_mut(id.index()) else { return };
        for message in seat.read_notify(main) {
            match message {
                Ok((run, said)) => self.heard(id, run, said),
                Err(why) => self.warn(id, &why),
            }
        }
        self.drop_stale_sources(id);
    }

    fn heard(&mut self, id: Id, run: Run, said: notify::Notification) {
        let mut words = Vec::new();
        words.extend(said.status.map(Word::Status));
        words.extend(said.watchdog_usec.map(|usec| Word::WatchdogInterval(Duration::from_micros(usec))));
        words.extend(said.watchdog.map(|kind| match kind {
            notify::Watchdog::Ping => Word::Alive,
            notify::Watchdog::Trigger => Word::Broken,
        }));
        words.extend(said.reloading.then_some(Word::Reloading));
        words.extend(said.stopping.then_some(Word::Stopping));
        for word in words {
            self.feed(Event::Notify { run, word });
        }
        let waits_for_it =
            self.supervisor.plan().services.get(id.index()).is_some_and(|s| s.ready == Ready::Notify);
        if said.ready && (waits_for_it || self.supervisor.phase(id) == Phase::Up) {
            self.feed(Event::Ready { run });
        }
    }

    /// Copies some of what is in a service's log pipe: the rest has its turn when the others had theirs.
    pub(super) fn read_log(&mut self, id: Id) -> Reading {
        let Some(seat) = self.seats.get(id.index()) else { return Reading::Empty };
        let Some((read, ..)) = &seat.pipe else { return Reading::Empty };
        let reading = self.logs.read(seat.log, read.as_fd());
        self.trim_at = Some(sys::now().plus(TRIM_AFTER));
        self.look_for_matches();
        reading
    }

    /// Tells the core of services whose output says that they are ready.
    fn look_for_matches(&mut self) {
        for log in self.logs.take_matches() {
            let seat = self.seats.iter_mut().find(|seat| seat.log == log);
            if let Some(run) = seat.and_then(|seat| seat.watched.take()) {
                self.feed(Event::Ready { run });
            }
        }
    }

    /// Copies what a run of a service left in its pipe, the line that it did not end included.
    pub(super) fn finish_log(&mut self, id: Id) {
        let Some(seat) = self.seats.get_mut(id.index()) else { return };
        let Some((read, ..)) = &seat.pipe else { return };
        seat.unfinished = !self.logs.finish_run(seat.log, read.as_fd());
        self.trim_at = Some(sys::now().plus(TRIM_AFTER));
        self.look_for_matches();
    }

    /// Takes in everything a process said before it ended.
    pub(super) fn hear_last(&mut self, id: Id) {
        self.hear(id);
        if self.seats.get(id.index()).is_some_and(|seat| seat.watched.is_some()) {
            self.finish_log(id);
        }
    }

    /// Forgets tokens of what a seat has closed.
    pub(super) fn drop_stale_sources(&mut self, id: Id) {
        let Some(seat) = self.seats.get(id.index()) else { return };
        let live: Vec<Token> = seat.tokens().collect();
        self.sources.retain(|token, source| *source != Source::Seat(id) || live.contains(token));
    }

    // ---- output ----

    /// Writes what can be written, and stops or resumes reading services' pipes by how much is left.
    fn write_output(&mut self) {
        self.logs.flush();
        let wanted = self.logs.wants_write();
        if wanted != self.output.wanted {
            self.output.wanted = wanted;
            self.watch_output(wanted);
        }
        let full = self.logs.is_full();
        if full != self.output.paused {
            self.output.paused = full;
            let interest = if full { Interest::Paused } else { Interest::Read };
            for (read, _, token) in self.seats.iter().filter_map(|seat| seat.pipe.as_ref()) {
                self.poll.change(read, *token, interest);
            }
            self.finish_logs();
        }
    }

    /// There is room again for what ended runs left.
    fn finish_logs(&mut self) {
        let ids = (0..self.seats.len()).filter_map(|index| u32::try_from(index).ok()).map(Id);
        for id in ids {
            if !self.output.paused && self.seats.get(id.index()).is_some_and(|seat| seat.unfinished) {
                self.finish_log(id);
            }
        }
    }

    /// Watches the output only while something waits to be written: a closed one would be ready for ever.
    fn watch_output(&mut self, wanted: bool) {
        let fd = self.logs.fd();
        if let Some(token) = self.output.token.take() {
            self.poll.remove(fd);
            self.sources.remove(&token);
        }
        let token = self.poll.token();
        if wanted && self.poll.add(fd, token, Interest::Write).is_ok() {
            self.sources.insert(token, Source::Output);
            self.output.token = Some(token);
        }
    }
}

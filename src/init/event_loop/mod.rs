//! PID 1's event loop: waits, observes, asks the core, acts.
//!
//! One thread. Everything that happens becomes an [`Event`]; [`Init::feed`] hands it to the core and carries out what
//! comes back, which may be further events (a process that was asked for runs), until nothing is left. Only then does
//! the loop wait again, so the core hears of each process before that process can be reaped.

mod describe;
mod end;
mod generate;
mod input;
mod lingering;
pub(crate) mod messages;
mod output;
mod processes;
mod progress;
mod reap;
mod reexec;
pub(crate) mod reload;
pub(crate) mod signals;
mod strays;
mod terminal;

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::debug;

use crate::event_loop::describe::described;
use crate::event_loop::lingering::Lingering;
use crate::generator::Generator;
use crate::kernel::cgroup::Cgroups;
use crate::kernel::handles::Handles;
use crate::kernel::poll::{Interest, Poll, Token};
use crate::kernel::sys;
use crate::server::clients::Server;
use crate::server::history::History;
use crate::service::io::ServiceIo;
use crate::service::launch::Launcher;
use crate::service::log::Logs;
use crate::service::sockets::Sockets;
use crate::trace;
use init_core::status::Phase;
use init_core::{Action, Event, Role, Run, Supervisor, Time};
use init_plan::Scale;
use init_plan::load::Directory;
use init_plan::{Id, Log};

pub(crate) use reexec::{State, Surroundings};

/// What a token stands for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Source {
    Signals,
    Output,
    Service(Id),
}

impl Source {
    /// Services were renumbered: `false` if this one is gone.
    pub(crate) fn renumber(&mut self, new: &[Option<Id>]) -> bool {
        let Source::Service(id) = self else { return true };
        let found = new.get(id.index()).copied().flatten();
        *id = found.unwrap_or(*id);
        found.is_some()
    }
}

/// PID 1.
pub struct Init {
    pub(crate) supervisor: Supervisor,
    pub(crate) launcher: Launcher,
    pub(crate) logs: Logs,
    pub(crate) poll: Poll,
    pub(crate) server: Option<Server>,
    pub(crate) service_io: Vec<ServiceIo>,
    /// Services that are forgotten, until their last lines have found room in the output.
    pub(crate) leaving: Vec<ServiceIo>,
    pub(crate) sources: HashMap<Token, Source>,
    pub(crate) signals: OwnedFd,
    pub(crate) signals_token: Token,
    pub(crate) runtime: Option<PathBuf>,
    pub(crate) cgroups: Option<Cgroups>,
    pub(crate) handles: Handles,
    pub(crate) sockets: Sockets,
    pub(crate) lingering: Vec<Lingering>,
    /// The last turn left children that may have ended.
    pub(crate) reap_again: bool,
    pub(crate) options: Options,
    /// Where our program is.
    pub(crate) program: PathBuf,
    /// Who asked for another version of it to take our place.
    pub(crate) reexec: Option<Token>,
    pub(crate) booted_at: Time,
    /// Whether the core was told anything since the last turn.
    stepped: bool,
    /// Turns in a row without a wait in which it was not.
    bulk_turns: u32,
    /// Whether somebody whom others may make speak without end spoke in the last turn: a client that may only look, or a
    /// service by its readiness, its notifications or its check's output.
    pub(crate) others_spoke: bool,
    /// Turns in a row without a wait in which one did.
    crowded_turns: u32,
    /// The lines of `INIT_LOG=debug`, if that is set.
    pub(crate) trace: Option<trace::Lines>,
    /// What each service waited for when that was last written there.
    waits: HashMap<Id, String>,
    /// When to give back the buffers of logging.
    pub(crate) trim_at: Option<Time>,
    /// When to say again what a boot or shutdown waits for.
    remind_at: Option<Time>,
    queue: VecDeque<Event>,
    /// Processes to start once the end of another was dealt with, while it is: one of them could get its number.
    pub(crate) deferred: Option<Vec<(Id, Run, Role)>>,
    /// The exit was ordered, with this code.
    pub(crate) halted: Option<i32>,
    pub(crate) changed: bool,
    pub(crate) output: OutputWatch,
    pub(crate) generating: Option<generate::Generating>,
    pub(crate) history: History,
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
    /// Writes definitions before they are read.
    pub generator: Option<Generator>,
    /// Templates that have another number of instances than their definitions say, until the end.
    pub scale: Scale,
}

/// Whether the container's output is being watched for room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct OutputWatch {
    pub(crate) token: Option<Token>,
    pub(crate) wanted: bool,
    /// Service pipes are not read because the output is full.
    pub(crate) paused: bool,
}

/// So long after the last output the buffers of logging are given back.
pub(crate) const TRIM_AFTER: Duration = Duration::from_secs(1);
/// How long a turn is put off in a flood …
const NAP: Duration = Duration::from_micros(150);
/// … or, where no log line came but only orphans, which nobody waits for and which are cheap to keep …
const ORPHANS_NAP: Duration = Duration::from_micros(600);
/// … and a flood is so many turns in a row that came sooner than that.
const BULK_TURNS: u32 = 32;
/// How long a turn is put off where others speak without end …
const CROWD_NAP: Duration = Duration::from_millis(1);
/// … which so many turns in a row are that came at once and in which one of them spoke.
const CROWDED_TURNS: u32 = 64;
/// A turn that reads so many bytes of output is worth the wake-up. A nap in a flood of single lines brings less: the next
/// turn is put off, too.
const MUCH: usize = 64 * 1024;
/// Reminders of what a boot waits for come after 10 s, and then further and further apart.
const FIRST_BOOT_REMINDER: Duration = Duration::from_secs(10);

impl Init {
    /// Puts the parts together. Nothing runs yet.
    #[allow(clippy::too_many_arguments, reason = "called once, by the function that makes them all")]
    pub(crate) fn new(
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
            service_io: Vec::new(),
            leaving: Vec::new(),
            sources: HashMap::from([(signals_token, Source::Signals)]),
            signals,
            signals_token,
            runtime,
            cgroups,
            handles: Handles::detect(),
            sockets: Sockets::default(),
            lingering: Vec::new(),
            // Children may have ended before: those of who executed us, or of the generator.
            reap_again: true,
            options,
            program: std::env::current_exe().unwrap_or_default(),
            reexec: None,
            booted_at: now,
            stepped: false,
            bulk_turns: 0,
            others_spoke: false,
            crowded_turns: 0,
            trace: None,
            waits: HashMap::new(),
            trim_at: None,
            remind_at: Some(now.plus(FIRST_BOOT_REMINDER)),
            queue: VecDeque::new(),
            deferred: None,
            halted: None,
            changed: false,
            output: OutputWatch::default(),
            generating: None,
            history: History::new(),
        };
        init.service_io =
            (0..init.supervisor.plan().services.len()).map(|index| init.new_service_io(index)).collect();
        Ok(init)
    }

    pub(crate) fn new_service_io(&mut self, index: usize) -> ServiceIo {
        let plan = self.supervisor.plan();
        let service = plan.services.get(index);
        let mode = service.and_then(|s| s.process.log).unwrap_or(plan.settings.log);
        let name = service.map_or("", |s| &s.name);
        ServiceIo::new(self.logs.register(name, mode))
    }

    /// Starts what starts at boot.
    pub(crate) fn begin(&mut self) {
        self.feed(Event::Boot);
    }

    /// Runs until the exit was ordered, ends what is left, and returns the exit code.
    pub(crate) fn run(mut self) -> i32 {
        loop {
            match self.turns() {
                Err(code) => return self.finish(code),
                Ok(asker) => self = self.reexecute(asker),
            }
        }
    }

    /// Runs until somebody asked for another program in our place, or, in error, until the exit was ordered.
    fn turns(&mut self) -> Result<Token, i32> {
        let mut ready = Vec::new();
        loop {
            self.before_wait();
            if let Some(code) = self.halted {
                return Err(code);
            }
            if let Some(asker) = self.reexec.take() {
                return Ok(asker);
            }
            let before = sys::now();
            let patience = self.deadline().map(|at| at.since(before));
            self.poll.wait(if self.reap_again { Some(Duration::ZERO) } else { patience }, &mut ready);
            self.slow_down_in_flood(sys::now().since(before));
            // What processes said comes before their end: readiness, then death, in that order.
            let signals = self.signals_token;
            for &token in ready.iter().filter(|&&token| token != signals) {
                self.dispatch(token);
            }
            if ready.contains(&signals) {
                self.read_signals();
            } else if self.reap_again {
                self.reap_some();
            }
        }
    }

    /// What is to be done before waiting again.
    fn before_wait(&mut self) {
        let now = sys::now();
        if self.supervisor.deadline().is_some_and(|at| at <= now) {
            if self.supervisor.is_about_to_roll_back() {
                self.history.name_all(self.supervisor.plan());
            }
            self.feed(Event::Tick);
        }
        if self.remind_at.is_some_and(|at| at <= now) {
            self.remind(now);
        }
        self.limit_generator(now);
        if self.trim_at.is_some_and(|at| at <= now) {
            self.trim_at = None;
            self.logs.trim();
        }
        if std::mem::take(&mut self.changed) && self.server.as_ref().is_some_and(Server::has_watchers) {
            self.finish_waits();
        }
        self.update_clients(now);
        self.write_output();
    }

    /// In a flood of log lines or orphans, being woken for each costs more than its work: after many turns in a row
    /// that did nothing else and came at once, each is put off a little, so that it finds more to do. The first line
    /// of a burst is never held back, nor is anything that concerns a service's state.
    ///
    /// Where others speak without end, a longer pause does more: the scheduler is quick to run a process that has slept, and
    /// slow to run one that never does. So who may act is answered sooner, and an end is heard of sooner.
    fn slow_down_in_flood(&mut self, waited: Duration) {
        let read = self.logs.take_count();
        let little = read < MUCH;
        let bulk = waited < NAP && little && !std::mem::take(&mut self.stepped);
        self.bulk_turns = if bulk { self.bulk_turns.saturating_add(1) } else { 0 };
        let crowded = std::mem::take(&mut self.others_spoke) && waited < NAP;
        self.crowded_turns = if crowded { self.crowded_turns.saturating_add(1) } else { 0 };
        if self.crowded_turns > CROWDED_TURNS {
            sys::nap(CROWD_NAP);
        } else if self.bulk_turns > BULK_TURNS {
            sys::nap(if read == 0 { ORPHANS_NAP } else { NAP });
        }
    }

    fn deadline(&self) -> Option<Time> {
        let server = self.server.as_ref().and_then(Server::deadline);
        let all =
            [self.supervisor.deadline(), self.remind_at, self.trim_at, self.generator_deadline(), server];
        all.into_iter().flatten().min()
    }

    fn dispatch(&mut self, token: Token) {
        match self.sources.get(&token) {
            Some(Source::Service(id)) => self.read_service(*id, token),
            Some(Source::Output | Source::Signals) => {}
            None => self.handle_socket(token),
        }
    }

    // ---- events and actions ----

    /// Tells the core what happened and does what it says, until that leads to nothing more.
    pub(crate) fn feed(&mut self, event: Event) {
        self.stepped = true;
        self.queue.push_back(event);
        while let Some(event) = self.queue.pop_front() {
            debug!("{}", described(&event, &self.supervisor));
            for action in self.supervisor.step(sys::now(), event) {
                debug!("{}", described(&action, &self.supervisor));
                self.perform(action);
            }
            if self.trace.is_some() {
                self.trace_waits();
            }
        }
    }

    /// Says what services wait for, wherever that is something else than before.
    fn trace_waits(&mut self) {
        let now = sys::now();
        for id in self.all_ids() {
            let waits = self.supervisor.phase(id) == Phase::Waiting;
            let Some(note) = self.supervisor.note(id, now).filter(|_| waits) else {
                self.waits.remove(&id);
                continue;
            };
            if self.waits.get(&id) != Some(&note) {
                let name =
                    self.supervisor.plan().services.get(id.index()).map_or("?", |service| &service.name);
                debug!("{name} is not started: it {note}");
                self.waits.insert(id, note);
            }
        }
        self.log_trace();
    }

    /// Puts the lines of `INIT_LOG=debug` into the log.
    fn log_trace(&mut self) {
        for line in self.trace.as_ref().map(trace::Lines::take).unwrap_or_default() {
            self.logs.own(&line);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Spawn { id, run, role } => match &mut self.deferred {
                Some(deferred) => deferred.push((id, run, role)),
                None => {
                    let event = self.spawn(id, run, role);
                    self.queue.push_back(event);
                }
            },
            Action::Signal { id, pid, signal, scope } => self.signal(id, pid, signal, scope),
            Action::Changed(change) => {
                self.changed = true;
                if let Some(line) = messages::of_change(&change, &self.supervisor, sys::now()) {
                    self.log(&line);
                }
                if self.server.as_ref().is_some_and(Server::has_watchers) {
                    self.publish(&change);
                }
                let (id, from, to) = (change.id, change.from, change.to);
                self.history.push(self.supervisor.now(), change);
                if from == Phase::Done || from == Phase::Undoing {
                    self.kill_strays(id);
                }
                if to == Phase::Down {
                    self.forget_if_retired(id);
                }
            }
            Action::MainPidChanged { id, pid } => {
                if self.server.as_ref().is_some_and(Server::has_watchers) {
                    self.publish_main_pid(id, pid);
                }
            }
            Action::Warn { id, message } => {
                self.warn(id, &message);
            }
            Action::Booted => self.booted(),
            Action::ShuttingDown { why } => self.shutting_down(why),
            Action::Replanned { ids } => {
                self.waits.clear();
                self.renumber_services(&ids);
            }
            Action::Applied => {
                self.changed = true;
                self.log("apply: all that changed is ready");
            }
            Action::RolledBack { why } => {
                self.log(&format!("apply: {why}: the plan of before comes back"));
            }
            Action::Halt { code } => self.halted = Some(code),
        }
    }

    /// A line of our own in the container's log.
    pub(crate) fn log(&mut self, line: &str) {
        self.log_trace();
        self.logs.own(line);
    }

    /// The same, about a service.
    pub(crate) fn warn(&mut self, id: Id, message: &str) {
        let name =
            self.supervisor.plan().services.get(id.index()).map(|s| s.name.clone()).unwrap_or_default();
        self.log(&format!("{name}: {message}"));
    }
}

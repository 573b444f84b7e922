//! A world for the core to act on: processes that obey or do not, a tiny space of process ids, and time.

use super::check::Outcome;
use super::choices::Choices;
use crate::event::{Action, Event, Pid, Role, Run, SpawnError};
use crate::status::Exit;
use crate::supervisor::Supervisor;
use crate::time::Time;
use init_plan::{Condition, Id, Scope, Signal};

/// What a process does about signals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Temper {
    /// Ends when told to.
    Obeys,
    /// Ends some time after it was told to.
    Slow,
    /// Ends only when killed.
    Ignores,
    /// Is in an uninterruptible sleep: does not even die.
    Stuck,
}

/// A process that was asked for and has not ended.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) run: Run,
    pub(super) id: Id,
    pub(super) role: Role,
    /// `None`: the answer to `Spawn` is still to come.
    pub(super) pid: Option<Pid>,
    pub(super) temper: Temper,
    /// It was sent a stop signal, or its stop command was run.
    pub(super) told: bool,
    /// It was killed.
    pub(super) dying: bool,
    /// It put another process in its place.
    pub(super) left: bool,
}

/// The world, with the supervisor in it. It knows nothing of the rules.
#[derive(Clone)]
pub(super) struct World {
    pub(super) core: Supervisor,
    pub(super) now: Time,
    pub(super) processes: Vec<Process>,
    /// Ended main processes whose group has not vanished.
    pub(super) lingering: Vec<Run>,
    /// Processes that ended, the last few: late words of them come in too.
    pub(super) past: Vec<Run>,
    /// Ended in this step, not reaped yet.
    pub(super) zombie: Option<(Pid, Id)>,
}

/// How many ended processes may still be heard of.
const PAST: usize = 6;

impl World {
    pub(super) fn new(core: Supervisor) -> World {
        World {
            core,
            now: Time(1_000_000_000),
            processes: Vec::new(),
            lingering: Vec::new(),
            past: Vec::new(),
            zombie: None,
        }
    }

    /// What the event means for the world itself.
    pub(super) fn happens(&mut self, event: &Event) {
        match event {
            Event::Spawned { run, pid } => {
                if let Some(process) = self.processes.iter_mut().find(|p| p.run == *run) {
                    process.pid = Some(*pid);
                }
            }
            Event::MainPidChanged { run, pid } => self.change_main_pid(*run, *pid),
            Event::SpawnFailed { run, .. } | Event::Condition { run, .. } => self.forget(*run),
            Event::Exited { pid, .. } => {
                let Some(process) = self.processes.iter().find(|p| p.pid == Some(*pid)) else { return };
                self.zombie = Some((*pid, process.id));
                let run = process.run;
                if process.role == Role::Main && !process.left {
                    self.lingering.push(run);
                }
                self.past.push(run);
                if self.past.len() > PAST {
                    self.past.remove(0);
                }
            }
            Event::Gone { run } => self.lingering.retain(|left| left != run),
            _ => {}
        }
    }

    /// The process of a run is another one from now on; the old one may do what it wants.
    fn change_main_pid(&mut self, run: Run, pid: Pid) {
        let Some(process) = self.processes.iter_mut().find(|p| p.run == run) else { return };
        let old = Process { left: true, ..process.clone() };
        *process = Process { pid: Some(pid), told: false, dying: false, ..old.clone() };
        process.left = false;
        self.processes.push(old);
    }

    fn forget(&mut self, run: Run) {
        self.processes.retain(|process| process.run != run);
    }

    pub(super) fn execute(&mut self, action: &Action) -> Outcome {
        match action {
            Action::Spawn { id, run, role } => {
                let (pid, temper) = (None, Temper::Obeys);
                let process = Process {
                    run: *run,
                    id: *id,
                    role: *role,
                    pid,
                    temper,
                    told: false,
                    dying: false,
                    left: false,
                };
                self.processes.push(process);
            }
            Action::Signal { pid, signal, scope, .. } => self.signal(*pid, *signal, *scope),
            Action::Replanned { ids } => {
                for process in &mut self.processes {
                    let new = ids.get(process.id.index()).copied().flatten();
                    process.id = new.ok_or("books: a process of a service that was forgotten")?;
                }
            }
            _ => {}
        }
        if let Action::Spawn { id, role: Role::Stop, .. } = action {
            // A stop command does what a signal would.
            for process in &mut self.processes {
                process.told |= process.id == *id && process.role == Role::Main;
            }
        }
        Ok(())
    }

    fn signal(&mut self, pid: Pid, signal: Signal, _: Scope) {
        let Some(process) = self.processes.iter_mut().find(|p| p.pid == Some(pid)) else { return };
        if signal == Signal::KILL {
            process.dying = process.temper != Temper::Stuck;
            process.told = true;
        } else if signal == Signal::TERM || signal == Signal::INT {
            process.told = true;
        }
    }

    /// A process that named another main process has a new name, because the old one is its successor's.
    pub(super) fn rename_predecessors(&mut self) {
        for process in self.processes.iter_mut().filter(|process| process.left) {
            let run = process.pid.and_then(|pid| self.core.pids.get(&pid));
            process.run = run.copied().unwrap_or(process.run);
        }
    }

    /// The process that ended in this step is no more.
    pub(super) fn reap(&mut self) {
        if let Some((pid, _)) = self.zombie.take() {
            self.processes.retain(|process| process.pid != Some(pid));
        }
    }

    // ---- what can happen next ----

    /// A process id: always the lowest that is free.
    pub(super) fn free_pid(&self) -> Pid {
        (2..).find(|&pid| self.processes.iter().all(|p| p.pid != Some(pid))).unwrap_or(2)
    }

    /// What is overdue: answers, deaths, obedience. `None`: nothing.
    pub(super) fn overdue(&self, choices: &mut Choices<'_>, calm: bool) -> Option<Event> {
        let due =
            |p: &&Process| p.pid.is_none() || p.dying || (p.told && (p.temper == Temper::Obeys || calm));
        let count = self.processes.iter().filter(due).count();
        if count + self.lingering.len() == 0 {
            return None;
        }
        let pick = choices.below(count + self.lingering.len());
        match self.processes.iter().filter(due).nth(pick) {
            Some(process) => Some(self.overdue_of(process, choices, calm)),
            None => Some(Event::Gone { run: self.lingering[pick - count] }),
        }
    }

    fn overdue_of(&self, process: &Process, choices: &mut Choices<'_>, calm: bool) -> Event {
        match process.pid {
            None => self.answer(process, choices, calm),
            Some(pid) if process.dying => Event::Exited { pid, exit: Exit::Signal(9) },
            Some(pid) => {
                let exit = choices.one_of(&[Exit::Code(0), Exit::Signal(15), Exit::Code(143)]);
                Event::Exited { pid, exit }
            }
        }
    }

    fn answer(&self, process: &Process, choices: &mut Choices<'_>, calm: bool) -> Event {
        let run = process.run;
        if let Role::Condition(at) = process.role {
            let condition = self.core.plan.services[process.id.index()].conditions.get(at);
            if !matches!(condition, Some(Condition::Exec(_))) {
                let unmet = (!calm && choices.chance(30)).then(|| "$X is not set".to_owned());
                return Event::Condition { run, unmet };
            }
        }
        if !calm && choices.chance(8) {
            let lasting = choices.chance(40);
            let message = "cannot start".to_owned();
            return Event::SpawnFailed { run, error: SpawnError { message, lasting, code: 127 } };
        }
        Event::Spawned { run, pid: self.free_pid() }
    }

    /// What a process does that means well: it gets ready, or completes. `None`: there is none.
    pub(super) fn progress(&self, choices: &mut Choices<'_>, calm: bool) -> Option<Event> {
        let able = |p: &&Process| self.can_progress(p);
        let count = self.processes.iter().filter(able).count();
        if count == 0 {
            return None;
        }
        let pick = choices.below(count);
        let process = self.processes.iter().filter(able).nth(pick)?;
        let pid = process.pid?;
        if process.role == Role::Main && !self.ends(process) {
            return Some(Event::Ready { run: process.run });
        }
        let exit = match process.role {
            Role::Main if process.told => choices.one_of(&[Exit::Code(0), Exit::Signal(15)]),
            _ if calm => Exit::Code(0),
            _ => choices.one_of(&[Exit::Code(0), Exit::Code(0), Exit::Code(1)]),
        };
        Some(Event::Exited { pid, exit })
    }

    /// Whether this process is to end by itself sooner or later.
    fn ends(&self, process: &Process) -> bool {
        use init_plan::Kind::Oneshot;
        let told = process.told && process.temper != Temper::Ignores && process.temper != Temper::Stuck;
        process.role != Role::Main
            || process.left
            || told
            || self.core.plan.services[process.id.index()].kind == Oneshot
    }

    fn can_progress(&self, process: &Process) -> bool {
        use crate::state::State;
        use init_plan::Ready;
        if process.pid.is_none() || process.temper == Temper::Stuck {
            return false;
        }
        let ready = &self.core.plan.services[process.id.index()].ready;
        let speaks = matches!(ready, Ready::Fd(_) | Ready::Notify | Ready::Log(_));
        let starts = match &self.core.units[process.id.index()].state {
            State::Starting { main, .. } => main.run == process.run,
            _ => false,
        };
        self.ends(process) || (speaks && starts)
    }

    /// Any running process, whatever it is doing.
    pub(super) fn any_running(&self, choices: &mut Choices<'_>) -> Option<&Process> {
        let count = self.processes.iter().filter(|p| p.pid.is_some()).count();
        let pick = choices.below(count);
        self.processes.iter().filter(|p| p.pid.is_some()).nth(pick)
    }

    /// Whether something is overdue, so that letting time pass means dawdling.
    pub(super) fn dawdles(&self) -> bool {
        let late = |p: &Process| p.pid.is_none() || p.dying || (p.told && p.temper == Temper::Obeys);
        !self.lingering.is_empty() || self.processes.iter().any(late)
    }
}

//! The supervisor's data, and the one place where a state is assigned.
//!
//! The rules that act on this data are in files of their own, which use this one. This file uses none of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Action, Change, Pid, Role, Run};
use super::graph::dependents;
use super::shutdown_budget::ShutdownBudget;
use super::state::{Child, Goal, ProbeState, Reason, State, Timeout, Unit};
use super::status::{Phase, Stage};
use super::time::Time;
use super::trial::Trial;
use init_plan::{Id, Plan, Scope, Service, Signal};

/// Supervises the services of a plan. It is a value: it can be copied, compared by what it does, and written down.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Supervisor {
    pub(super) plan: Plan,
    pub(super) units: Vec<Unit>,
    /// For each service, the services that depend on it, and whether they require it.
    pub(super) dependents: Vec<Vec<(Id, bool)>>,
    /// The service of each process that was asked for and has not ended, whether or not a state still holds it.
    pub(super) runs: BTreeMap<Run, Id>,
    /// The same processes by process id, once they run.
    pub(super) pids: BTreeMap<Pid, Run>,
    /// Every unit's deadline, in order.
    pub(super) timers: BTreeSet<(Time, Id)>,
    /// The deadline that `timers` holds of each unit.
    pub(super) timed: Vec<Option<Time>>,
    /// Services of the boot that have not settled yet.
    pub(super) booting: BTreeSet<Id>,
    /// Services whose goal is to be stopped because a person said so, of them or of what they require.
    pub(super) stopped: BTreeSet<Id>,
    /// Services whose goal is to restart together with others.
    pub(super) restarting: BTreeSet<Id>,
    /// The plan that is being applied, if one is.
    pub(super) trial: Option<Trial>,
    /// What came of the last plan that was applied; `None` if there was none.
    pub(super) applied: Option<Result<(), String>>,
    pub(super) stage: Stage,
    /// When the boot was complete.
    pub(super) booted_at: Option<Time>,
    pub(super) shutdown: Option<Shutdown>,
    pub(super) now: Time,
    random: u64,
    last_run: u64,
    /// Services whose rules have to be applied before the step ends.
    #[serde(skip)]
    pub(super) dirty: VecDeque<Id>,
    #[serde(skip)]
    pub(super) actions: Vec<Action>,
    /// How often a service was looked at. Tests measure work by it, because it does not depend on the machine.
    #[cfg(test)]
    #[serde(skip)]
    pub(super) looks: std::cell::Cell<u64>,
}

/// A shutdown that is under way.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Shutdown {
    pub(super) budget: ShutdownBudget,
    /// The exit code.
    pub(super) code: i32,
    /// Whether the exit was ordered.
    pub(super) is_over: bool,
    /// All services before this one are down, and stay so.
    pub(super) up_from: usize,
}

impl Supervisor {
    /// A supervisor with everything down. `seed` decides the jitter of restart delays.
    pub fn new(plan: Plan, seed: u64) -> Supervisor {
        let units: Vec<Unit> = plan.services.iter().map(|_| Unit::new()).collect();
        let dependents = dependents(&plan);
        let timed = vec![None; units.len()];
        Supervisor {
            plan,
            units,
            dependents,
            runs: BTreeMap::new(),
            pids: BTreeMap::new(),
            timers: BTreeSet::new(),
            timed,
            booting: BTreeSet::new(),
            stopped: BTreeSet::new(),
            restarting: BTreeSet::new(),
            trial: None,
            applied: None,
            stage: Stage::Booting,
            booted_at: None,
            shutdown: None,
            now: Time::default(),
            random: seed,
            last_run: 0,
            dirty: VecDeque::new(),
            actions: Vec::new(),
            #[cfg(test)]
            looks: std::cell::Cell::new(0),
        }
    }

    // ---- what it knows ----

    /// When the next `Tick` is due; `None` if nothing is due before something else happens, or after `Halt`.
    pub fn deadline(&self) -> Option<Time> {
        if self.is_over() {
            return None;
        }
        let service = self.timers.first().map(|&(at, _)| at);
        let shutdown = self.shutdown.as_ref().map(|shutdown| shutdown.budget.deadline());
        let trial = self.trial.as_ref().map(Trial::deadline);
        service.into_iter().chain(shutdown).chain(trial).min()
    }

    /// When the last step was.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The plan that is running.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How far the boot is.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The service and the name of a process; `None` if the core did not ask for it, or if it has ended.
    pub fn owner(&self, pid: Pid) -> Option<(Id, Run)> {
        let run = *self.pids.get(&pid)?;
        Some((*self.runs.get(&run)?, run))
    }

    /// The service that a process belongs to which was asked for and has not ended.
    pub fn service_of(&self, run: Run) -> Option<Id> {
        self.runs.get(&run).copied()
    }

    /// Whether a process that was asked for and was not started yet is still to be started.
    pub fn is_still_wanted(&self, run: Run) -> bool {
        self.holder(run).is_some()
    }

    /// The main process of a service, while it runs.
    pub fn main_pid(&self, id: Id) -> Option<Pid> {
        self.unit(id).state.main().and_then(|main| main.pid)
    }

    /// The state of a service in one word.
    pub fn phase(&self, id: Id) -> Phase {
        self.unit(id).state.phase()
    }

    /// The service whose state holds this process.
    pub(super) fn holder(&self, run: Run) -> Option<Id> {
        let id = *self.runs.get(&run)?;
        self.unit(id).state.children().any(|child| child.run == run).then_some(id)
    }

    /// The service whose main process this is.
    pub(super) fn holder_of_main(&self, run: Run) -> Option<Id> {
        self.holder(run).filter(|&id| self.unit(id).state.main().is_some_and(|main| main.run == run))
    }

    /// Whether `init` was told to exit.
    pub(super) fn is_over(&self) -> bool {
        self.shutdown.as_ref().is_some_and(|shutdown| shutdown.is_over)
    }

    /// Whether everything was killed, so that all that is left to do is to exit.
    pub(super) fn is_forced(&self) -> bool {
        self.shutdown.as_ref().is_some_and(|shutdown| shutdown.budget.is_forced())
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = Id> + use<> {
        (0..u32::try_from(self.units.len()).unwrap_or(u32::MAX)).map(Id)
    }

    #[allow(clippy::indexing_slicing, reason = "ids come from this plan and are as many as there are units")]
    pub(super) fn unit(&self, id: Id) -> &Unit {
        #[cfg(test)]
        self.looks.set(self.looks.get() + 1);
        &self.units[id.index()]
    }

    #[allow(clippy::indexing_slicing, reason = "ids come from this plan and are as many as there are units")]
    pub(super) fn unit_mut(&mut self, id: Id) -> &mut Unit {
        &mut self.units[id.index()]
    }

    #[allow(clippy::indexing_slicing, reason = "ids come from this plan")]
    pub(super) fn service(&self, id: Id) -> &Service {
        &self.plan.services[id.index()]
    }

    /// The services that depend on this one, and whether they require it.
    pub(super) fn dependents_of(&self, id: Id) -> &[(Id, bool)] {
        self.dependents.get(id.index()).map_or(&[], Vec::as_slice)
    }

    // ---- what it is told to do ----

    pub(super) fn emit(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub(super) fn warn(&mut self, id: Id, message: String) {
        self.emit(Action::Warn { id, message });
    }

    /// Kills a process and its group.
    pub(super) fn kill(&mut self, id: Id, pid: Pid) {
        self.emit(Action::Signal { id, pid, signal: Signal::KILL, scope: Scope::Group });
    }

    /// Asks for a process, which may take this long.
    pub(super) fn spawn(&mut self, id: Id, role: Role, patience: Option<Duration>) -> Child {
        let run = self.new_run(id);
        self.emit(Action::Spawn { id, run, role });
        let timeout = patience.map_or(Timeout::Never, |patience| Timeout::At(self.now.plus(patience)));
        Child { run, pid: None, timeout, predecessor: None }
    }

    /// A name for a process of this service.
    pub(super) fn new_run(&mut self, id: Id) -> Run {
        self.last_run += 1;
        let run = Run(self.last_run);
        self.runs.insert(run, id);
        run
    }

    /// Changes what is wanted of a service.
    pub(super) fn set_goal(&mut self, id: Id, goal: Goal) {
        let before = std::mem::replace(&mut self.unit_mut(id).goal, goal);
        match (before.is_stopped(), goal.is_stopped()) {
            (false, true) => drop(self.stopped.insert(id)),
            (true, false) => drop(self.stopped.remove(&id)),
            (false, false) | (true, true) => {}
        }
        if goal == Goal::Down(Reason::Restarting) {
            self.restarting.insert(id);
        } else if before == Goal::Down(Reason::Restarting) {
            self.restarting.remove(&id);
        }
        self.mark_dirty_around(id);
    }

    /// Puts a service into a state, emits the change, kills the processes that the new state does not hold, and marks
    /// every service that may now start or stop. No other function assigns a state.
    pub(super) fn transition(&mut self, id: Id, to: State) {
        let (exit, why, now) = (to.exit(), to.explanation(), self.now);
        let pid = to.main().and_then(|main| main.pid);
        let Some(unit) = self.units.get_mut(id.index()) else { return };
        let before = std::mem::replace(&mut unit.state, to);
        let (from, to) = (before.phase(), unit.state.phase());
        if from != to {
            unit.enter(to, now);
        }
        self.kill_dropped(id, &before);
        self.update_timer(id);
        if from != to {
            self.emit(Action::Changed(Change { id, from, to, pid, exit, why }));
        }
        if matches!(to, Phase::Up | Phase::Done | Phase::Skipped | Phase::Failed | Phase::Down) {
            self.booting.remove(&id);
        }
        self.mark_dirty_around(id);
    }

    /// Kills the processes of the state before that the present one does not hold.
    fn kill_dropped(&mut self, id: Id, before: &State) {
        let kept = &self.unit(id).state;
        let dropped = before.children().filter(|old| kept.children().all(|new| new.run != old.run));
        let pids: Vec<Pid> =
            dropped.filter_map(|old| old.pid).filter(|pid| self.pids.contains_key(pid)).collect();
        let main = before.main().filter(|old| kept.main().is_none_or(|new| new.run != old.run));
        let predecessor = main.and_then(|old| old.predecessor);
        for pid in pids {
            self.kill(id, pid);
        }
        self.kill_predecessor(id, predecessor);
    }

    /// Kills a process that was the main process before it named another, if it still runs.
    pub(super) fn kill_predecessor(&mut self, id: Id, predecessor: Option<(Run, Pid)>) {
        if let Some((run, pid)) = predecessor
            && self.pids.get(&pid) == Some(&run)
        {
            self.kill(id, pid);
        }
    }

    pub(super) fn set_probe(&mut self, id: Id, to: ProbeState) {
        if let State::Starting { probe, .. } | State::Up { probe, .. } = &mut self.unit_mut(id).state {
            *probe = to;
        }
        self.update_timer(id);
    }

    /// Marks a service, and those whose rules read its state, so that their rules are applied.
    pub(super) fn mark_dirty_around(&mut self, id: Id) {
        self.dirty.push_back(id);
        if let Some(dependents) = self.dependents.get(id.index()) {
            self.dirty.extend(dependents.iter().map(|&(dependent, _)| dependent));
        }
        if let Some(service) = self.plan.services.get(id.index()) {
            self.dirty.extend(service.dependencies());
        }
    }

    /// Brings the index of deadlines up to date. Whoever changes a time in a state calls it.
    pub(super) fn update_timer(&mut self, id: Id) {
        let after = self.unit(id).deadline();
        let Some(noted) = self.timed.get_mut(id.index()) else { return };
        let before = std::mem::replace(noted, after);
        if before == after {
            return;
        }
        if let Some(at) = before {
            self.timers.remove(&(at, id));
        }
        if let Some(at) = after {
            self.timers.insert((at, id));
        }
    }

    /// A pseudo-random number below `bound` (splitmix64), from the seed.
    pub(super) fn random_below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound.max(1)
    }
}

//! The supervisor itself: its data, the step, and the one place where a state is assigned.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Action, Change, Event, Notification, Pid, Role, Run, SpawnError};
use super::halt::Shutdown;
use super::planted::Bug;
use super::state::{Cause, Child, Goal, ProbeState, State, Timeout, Unit};
use super::status::{Exit, Phase, Stage, Wellness};
use super::time::Time;
use init_plan::{Id, Kind, Plan, Ready, Scope, Service, Signal};

/// Supervises the services of a plan. A value: it can be copied, compared by what it does, and written down.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Supervisor {
    pub(super) plan: Plan,
    pub(super) units: Vec<Unit>,
    /// For each service, those that name it as a dependency, and whether they require it.
    pub(super) dependents: Vec<Vec<(Id, bool)>>,
    /// Whose each process is that was asked for and has not ended, whether or not a state still holds it.
    pub(super) runs: BTreeMap<Run, Id>,
    /// The same processes, once they run.
    pub(super) pids: BTreeMap<Pid, Run>,
    /// Every unit's deadline, in order.
    pub(super) timers: BTreeSet<(Time, Id)>,
    /// What `timers` holds of each unit.
    pub(super) timed: Vec<Option<Time>>,
    /// Services of the boot that have not settled yet.
    pub(super) booting: BTreeSet<Id>,
    pub(super) stage: Stage,
    /// When the boot was complete.
    pub(super) booted_at: Option<Time>,
    pub(super) shutdown: Option<Shutdown>,
    pub(super) now: Time,
    random: u64,
    last_run: u64,
    /// Services to look at before the step ends.
    #[serde(skip)]
    pub(super) dirty: VecDeque<Id>,
    #[serde(skip)]
    actions: Vec<Action>,
    /// A mistake made on purpose, to see that the simulation finds it.
    #[cfg(test)]
    #[serde(skip)]
    pub(super) bug: Option<Bug>,
    /// How often a service was looked at: the work done, whatever the machine.
    #[cfg(test)]
    #[serde(skip)]
    pub(super) looks: std::cell::Cell<u64>,
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
            stage: Stage::Booting,
            booted_at: None,
            shutdown: None,
            now: Time::default(),
            random: seed,
            last_run: 0,
            dirty: VecDeque::new(),
            actions: Vec::new(),
            #[cfg(test)]
            bug: None,
            #[cfg(test)]
            looks: std::cell::Cell::new(0),
        }
    }

    /// Takes in what happened and says what is to be done, in that order. After `Halt`: nothing.
    pub fn step(&mut self, now: Time, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        if self.is_over() {
            return Vec::new();
        }
        self.observe(event);
        while let Some(id) = self.dirty.pop_front() {
            self.apply_rules(id);
        }
        self.finish_boot();
        self.finish_halt();
        std::mem::take(&mut self.actions)
    }

    /// When the next `Tick` is due; `None`: not before something else happens. After `Halt` nothing is.
    pub fn deadline(&self) -> Option<Time> {
        if self.is_over() {
            return None;
        }
        let service = self.timers.first().map(|&(at, _)| at);
        let halt = self.shutdown.as_ref().and_then(Shutdown::deadline);
        service.into_iter().chain(halt).min()
    }

    /// The plan that is running.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How far the boot is.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Whose process this is; `None` for one that the core did not ask for, or that has ended.
    pub fn owner(&self, pid: Pid) -> Option<(Id, Run)> {
        let run = *self.pids.get(&pid)?;
        Some((*self.runs.get(&run)?, run))
    }

    /// The service that a process belongs to which was asked for and has not ended.
    pub fn service_of(&self, run: Run) -> Option<Id> {
        self.runs.get(&run).copied()
    }

    /// Whether a process that was asked for, and was not started yet, is still to be.
    pub fn is_still_wanted(&self, run: Run) -> bool {
        self.holder(run).is_some()
    }

    /// The main process of a service, while it runs.
    pub fn main_pid(&self, id: Id) -> Option<Pid> {
        self.unit(id).state.main().and_then(|main| main.pid)
    }

    fn observe(&mut self, event: Event) {
        match event {
            Event::Boot => self.boot(),
            Event::Spawned { run, pid } => self.spawned(run, pid),
            Event::SpawnFailed { run, error } => self.spawn_failed(run, &error),
            Event::Condition { run, unmet } => self.condition(run, unmet),
            Event::MainPidChanged { run, pid } => self.main_pid_changed(run, pid),
            Event::Ready { run } => self.ready(run),
            Event::Notify { run, notification } => self.notified(run, notification),
            Event::Exited { pid, exit } => self.exited(pid, exit),
            Event::Gone { run } => self.gone(run),
            Event::Start(id) | Event::Stop(id) | Event::Restart(id) | Event::Reload(id)
                if id.index() >= self.units.len() => {} // Of a plan that was replaced meanwhile.
            Event::Start(id) => self.start(id),
            Event::Stop(id) => self.stop(id),
            Event::Restart(id) => self.restart(id),
            Event::Reload(id) => self.reload(id),
            Event::Forward(signal) => self.forward(signal),
            Event::Shutdown(code) => self.shutdown(code.unwrap_or(0), None),
            Event::Force => self.force(),
            Event::Replan(plan) => self.replan(*plan),
            Event::Tick => self.tick(),
        }
    }

    fn boot(&mut self) {
        let ids: Vec<Id> = self.ids().filter(|&id| self.service(id).autostart).collect();
        for id in ids {
            self.start(id);
        }
        self.booting = self.ids().filter(|&id| self.unit(id).goal == Goal::Up).collect();
    }

    fn finish_boot(&mut self) {
        let early = self.planted(Bug::BootsEarly) && self.booting.len() < self.units.len();
        if self.stage == Stage::Booting && (self.booting.is_empty() || early) {
            self.stage = Stage::Running;
            self.booted_at = Some(self.now);
            self.emit(Action::Booted);
        }
    }

    // ---- processes ----

    /// Asks for a process.
    pub(super) fn spawn(&mut self, id: Id, role: Role, patience: Option<Duration>) -> Child {
        self.last_run += 1;
        let run = Run(self.last_run);
        self.runs.insert(run, id);
        self.emit(Action::Spawn { id, run, role });
        let timeout = patience.map_or(Timeout::Never, |patience| Timeout::At(self.now.plus(patience)));
        Child { run, pid: None, timeout, predecessor: None }
    }

    fn spawned(&mut self, run: Run, pid: Pid) {
        self.pids.insert(pid, run);
        let Some(id) = self.holder(run) else {
            // Its service no longer wants it: that changed before word came.
            let id = self.runs.get(&run).copied().unwrap_or(Id(0));
            return self.emit(Action::Signal { id, pid, signal: Signal::KILL, scope: Scope::Group });
        };
        if let Some(child) = child_mut(&mut self.unit_mut(id).state, run) {
            child.pid = Some(pid);
        }
        if self.is_forced() {
            return self.emit(Action::Signal { id, pid, signal: Signal::KILL, scope: Scope::Group });
        }
        match &self.unit(id).state {
            State::Starting { main, .. } if main.run == run => self.main_runs(id),
            State::Stopping { main, .. } if main.run == run && main.timeout == Timeout::Expired => {
                self.kill_main(id);
            }
            State::Stopping { main, .. } if main.run == run => self.tell_to_stop(id),
            _ => {}
        }
    }

    /// A main process put another in its place. Readiness, health and patience are the service's, and go on; the old
    /// process gets a name of its own, so that its end is not taken for the service's.
    fn main_pid_changed(&mut self, run: Run, pid: Pid) {
        let Some(id) = self.main_of(run) else { return };
        let Some(old) = self.main_pid(id).filter(|_| !self.pids.contains_key(&pid)) else { return };
        self.last_run += 1;
        let left = Run(self.last_run);
        self.runs.insert(left, id);
        self.pids.insert(old, left);
        self.pids.insert(pid, run);
        let Some(main) = child_mut(&mut self.unit_mut(id).state, run) else { return };
        let before = main.predecessor.replace((left, old));
        main.pid = Some(pid);
        let overdue = main.timeout == Timeout::Expired;
        // It was told to stop, or killed, in the person of the old one.
        self.end_predecessor(id, before);
        match &self.unit(id).state {
            _ if self.is_forced() => {
                self.emit(Action::Signal { id, pid, signal: Signal::KILL, scope: Scope::Group })
            }
            State::Stopping { .. } if overdue => self.kill_main(id),
            State::Stopping { helper: None, .. } => self.tell_to_stop(id),
            // A stop command that is under way may have missed it.
            State::Stopping { .. } => self.send_stop(id),
            _ => {}
        }
    }

    /// Kills a process that a main process was put in place of, if it is still there.
    fn end_predecessor(&mut self, id: Id, predecessor: Option<(Run, Pid)>) {
        if self.planted(Bug::KeepsPredecessor) {
            return;
        }
        if let Some((run, pid)) = predecessor
            && self.pids.get(&pid) == Some(&run)
        {
            self.emit(Action::Signal { id, pid, signal: Signal::KILL, scope: Scope::Group });
        }
    }

    /// Its process runs: whatever has to be done so that its readiness is known.
    pub(super) fn main_runs(&mut self, id: Id) {
        let service = self.service(id);
        match (&service.ready, service.kind) {
            (_, Kind::Oneshot) => {}
            (Ready::Started, Kind::Longrun) => self.now_up(id),
            (Ready::Probe(probe), Kind::Longrun) => {
                let at = self.now.plus(probe.initial_delay);
                self.set_probe(id, ProbeState::Idle(at));
            }
            (Ready::Fd(_) | Ready::Notify | Ready::Log(_), Kind::Longrun) => {}
        }
    }

    fn spawn_failed(&mut self, run: Run, error: &SpawnError) {
        let holder = self.holder(run);
        self.runs.remove(&run);
        let Some(id) = holder else { return };
        let state = &self.unit(id).state;
        let is_main = state.main().is_some_and(|main| main.run == run);
        match state {
            State::Starting { .. } if is_main => self.could_not_start(id, error),
            State::Stopping { cause, .. } if is_main => {
                let cause = cause.clone();
                self.decide_after_exit(id, Exit::Code(error.code), cause);
            }
            State::Starting { .. } => self.readiness_probe_ended(id, false),
            State::Up { probe: ProbeState::Running(child), .. } if child.run == run => {
                // A machine without processes to spare says nothing about the service.
                self.tried_health(id, if error.lasting { Err(error.message.clone()) } else { Ok(None) });
            }
            State::Up { .. } => self.reload_command_failed(id, &error.message),
            State::Stopping { .. } => self.stop_command_ended(id, false),
            State::Checking { .. } => self.could_not_start(id, error),
            State::Finishing { exit, cause, .. } => {
                let (exit, cause) = (*exit, cause.clone());
                self.warn(id, format!("finish: {}", error.message));
                self.decide_after_exit(id, exit, cause);
            }
            State::Undoing { .. } => {
                self.warn(id, format!("down: {}", error.message));
                self.down_command_ended(id);
            }
            // These hold no process.
            State::Down | State::Waiting | State::Ending { .. } | State::Backoff { .. } => {}
            State::Done | State::Skipped { .. } | State::Failed { .. } => {}
        }
    }

    fn exited(&mut self, pid: Pid, exit: Exit) {
        let Some(run) = self.pids.get(&pid).copied() else { return };
        if !self.planted(Bug::KeepsReapedPid) {
            self.pids.remove(&pid);
        }
        let holder = self.holder(run);
        let Some(&id) = self.runs.get(&run) else { return };
        // Whoever it leaves behind in its group must not outlive it; its pid is still its own.
        self.emit(Action::Signal { id, pid, signal: Signal::KILL, scope: Scope::Group });
        if holder.is_some() {
            self.child_ended(id, run, exit);
        }
        // The run of a main process counts until its group is gone.
        if !matches!(self.unit(id).state, State::Ending { run: ended, .. } if ended == run) {
            self.runs.remove(&run);
        }
    }

    fn child_ended(&mut self, id: Id, run: Run, exit: Exit) {
        let success = exit == Exit::Code(0);
        match self.unit(id).state.clone() {
            State::Starting { main, .. } if main.run == run => {
                self.main_ended(id, run, exit, Cause::ExitedByItself)
            }
            State::Up { main, .. } if main.run == run => {
                self.main_ended(id, run, exit, Cause::ExitedByItself)
            }
            State::Stopping { main, cause, .. } if main.run == run => self.main_ended(id, run, exit, cause),
            State::Starting { .. } => self.readiness_probe_ended(id, success),
            State::Up { probe: ProbeState::Running(child), .. } if child.run == run => {
                self.health_probe_ended(id, exit);
            }
            State::Up { .. } if success => self.clear_reload_command(id),
            State::Up { .. } => self.reload_command_failed(id, &format!("ended with {exit}")),
            State::Stopping { .. } => self.stop_command_ended(id, success),
            State::Checking { at, .. } => self.checked(id, at, exit),
            State::Finishing { exit, cause, .. } => self.decide_after_exit(id, exit, cause),
            State::Undoing { .. } => {
                if !success {
                    self.warn(id, format!("down command ended with {exit}"));
                }
                self.down_command_ended(id);
            }
            // These hold no process, so `holder` did not name them.
            State::Down | State::Waiting | State::Ending { .. } | State::Backoff { .. } => {}
            State::Done | State::Skipped { .. } | State::Failed { .. } => {}
        }
    }

    fn health_probe_ended(&mut self, id: Id, exit: Exit) {
        let why = self.unit_mut(id).reason.take().unwrap_or_else(|| format!("check ended with {exit}"));
        self.tried_health(id, if exit == Exit::Code(0) { Ok(Some(())) } else { Err(why) });
    }

    fn reload_command_failed(&mut self, id: Id, how: &str) {
        self.warn(id, format!("reload command: {how}"));
        self.clear_reload_command(id);
    }

    fn clear_reload_command(&mut self, id: Id) {
        if let State::Up { helper, .. } = &mut self.unit_mut(id).state {
            *helper = None;
        }
        self.update_timer(id);
    }

    // ---- readiness ----

    fn ready(&mut self, run: Run) {
        let Some(id) = self.main_of(run) else { return };
        let kind = self.service(id).kind;
        match &mut self.unit_mut(id).state {
            State::Starting { .. } if kind == Kind::Longrun => self.now_up(id),
            State::Up { reloading, .. } => *reloading = false,
            _ => {}
        }
    }

    pub(super) fn now_up(&mut self, id: Id) {
        let State::Starting { main, .. } = self.unit(id).state else { return };
        let unit = self.unit(id);
        let took = self.now.since(unit.started);
        let watchdog = self.next_bite(id);
        let probe = match &self.service(id).health {
            Some(health) => ProbeState::Idle(self.now.plus(health.probe.initial_delay)),
            None => ProbeState::Off,
        };
        let unit = self.unit_mut(id);
        unit.ready_after = Some(took);
        unit.failures = 0;
        unit.wellness = Wellness::Unknown;
        let main = Child { timeout: Timeout::Never, ..main };
        self.transition(id, State::Up { main, probe, watchdog, reloading: false, helper: None });
        self.recover_dependents(id);
    }

    fn notified(&mut self, run: Run, notification: Notification) {
        let Some(id) = self.holder(run) else { return };
        let unit = self.unit_mut(id);
        match notification {
            Notification::Status(text) => unit.said = Some(text),
            Notification::Reason(text) => unit.reason = Some(text),
            Notification::Stopping => unit.said = Some("stopping by itself".into()),
            Notification::WatchdogInterval(interval) => {
                unit.watchdog = Some(interval);
                self.feed_watchdog(id);
            }
            Notification::Reloading => {
                if let State::Up { reloading, .. } = &mut unit.state {
                    *reloading = true;
                }
            }
            Notification::WatchdogPing => self.feed_watchdog(id),
            Notification::WatchdogTrigger => {
                self.stop_unhealthy(id, "says that it is broken (WATCHDOG=trigger)".into(), false)
            }
        }
    }

    /// When the watchdog bites if nothing is heard from now on. An interval of nothing means: not at all.
    fn next_bite(&self, id: Id) -> Option<Time> {
        let interval = self.unit(id).watchdog.or(self.service(id).watchdog)?;
        (!interval.is_zero()).then(|| self.now.plus(interval))
    }

    fn feed_watchdog(&mut self, id: Id) {
        let next = self.next_bite(id);
        if let State::Up { watchdog, .. } = &mut self.unit_mut(id).state {
            *watchdog = next;
        }
        self.update_timer(id);
    }

    // ---- the one place where a state is assigned ----

    /// Puts a service into a state: tells the world, kills the processes the new state does not hold, and marks
    /// for a look everything that may now start or stop.
    pub(super) fn transition(&mut self, id: Id, to: State) {
        let exit = match &to {
            State::Ending { exit, .. } => Some(*exit),
            _ => None,
        };
        let why = why(&to);
        let Some(unit) = self.units.get_mut(id.index()) else { return };
        let from = std::mem::replace(&mut unit.state, to);
        let kept = &unit.state;
        let dropped: Vec<Pid> = from
            .children()
            .filter(|old| !kept.children().any(|new| new.run == old.run))
            .filter_map(|old| old.pid)
            .filter(|pid| self.pids.contains_key(pid))
            .collect();
        let predecessor = from
            .main()
            .filter(|old| kept.main().is_none_or(|new| new.run != old.run))
            .and_then(|old| old.predecessor);
        let (phases, pid) = ((from.phase(), kept.phase()), kept.main().and_then(|main| main.pid));
        if phases.0 != phases.1 {
            unit.since = self.now;
            unit.note_first_start(phases.1, self.now);
        }
        for pid in dropped {
            self.emit(Action::Signal { id, pid, signal: Signal::KILL, scope: Scope::Group });
        }
        self.end_predecessor(id, predecessor);
        self.update_timer(id);
        if phases.0 != phases.1 {
            self.emit(Action::Changed(Change { id, from: phases.0, to: phases.1, pid, exit, why }));
        }
        if matches!(phases.1, Phase::Up | Phase::Done | Phase::Skipped | Phase::Failed | Phase::Down) {
            self.booting.remove(&id);
        }
        self.mark_dirty_around(id);
    }

    /// Changes what is wanted of a service.
    pub(super) fn set_goal(&mut self, id: Id, goal: Goal) {
        self.unit_mut(id).goal = goal;
        self.mark_dirty_around(id);
    }

    /// Marks a service, and those whose rules read its state, for a look.
    pub(super) fn mark_dirty_around(&mut self, id: Id) {
        self.dirty.push_back(id);
        if !self.planted(Bug::ForgetsDependents)
            && let Some(above) = self.dependents.get(id.index())
        {
            self.dirty.extend(above.iter().map(|&(dependent, _)| dependent));
        }
        if let Some(service) = self.plan.services.get(id.index()) {
            self.dirty.extend(service.dependencies());
        }
    }

    /// Brings the index of deadlines up to date.
    pub(super) fn update_timer(&mut self, id: Id) {
        let forgets = self.planted(Bug::ForgetsTimer) && self.phase(id) == Phase::Backoff;
        let after = self.unit(id).state.deadline().filter(|_| !forgets);
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

    pub(super) fn set_probe(&mut self, id: Id, to: ProbeState) {
        if let State::Starting { probe, .. } | State::Up { probe, .. } = &mut self.unit_mut(id).state {
            *probe = to;
        }
        self.update_timer(id);
    }

    // ---- small things ----

    pub(super) fn emit(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub(super) fn warn(&mut self, id: Id, message: String) {
        self.emit(Action::Warn { id, message });
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = Id> + use<> {
        (0..u32::try_from(self.units.len()).unwrap_or(u32::MAX)).map(Id)
    }

    /// The service whose state holds this process.
    pub(super) fn holder(&self, run: Run) -> Option<Id> {
        let id = *self.runs.get(&run)?;
        self.unit(id).state.children().any(|child| child.run == run).then_some(id)
    }

    fn main_of(&self, run: Run) -> Option<Id> {
        if self.planted(Bug::BelievesAnybody) {
            return self.runs.get(&run).copied();
        }
        self.holder(run).filter(|&id| self.unit(id).state.main().is_some_and(|main| main.run == run))
    }

    /// A pseudo-random number below `bound` (splitmix64), from the seed.
    pub(super) fn random_below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound.max(1)
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

    pub(super) fn dependents_of(&self, id: Id) -> &[(Id, bool)] {
        self.dependents.get(id.index()).map_or(&[], Vec::as_slice)
    }

    /// Whether this mistake is to be made: only ever in tests.
    #[cfg(test)]
    pub(super) fn planted(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether this mistake is to be made: only ever in tests.
    #[cfg(not(test))]
    #[allow(clippy::unused_self, reason = "the same shape as in tests")]
    pub(super) const fn planted(&self, _: Bug) -> bool {
        false
    }
}

/// For each service, those that name it as a dependency, and whether they require it.
pub(super) fn dependents(plan: &Plan) -> Vec<Vec<(Id, bool)>> {
    let mut above = vec![Vec::new(); plan.services.len()];
    for (service, id) in plan.services.iter().zip((0..).map(Id)) {
        let hard = service.requires.iter().map(|&on| (on, true));
        let soft = service.wants.iter().chain(&service.after).map(|&on| (on, false));
        for (on, required) in hard.chain(soft) {
            if let Some(row) = above.get_mut(on.index()) {
                row.push((id, required));
            }
        }
    }
    above
}

fn child_mut(state: &mut State, wanted: Run) -> Option<&mut Child> {
    let (main, helper, probe) = match state {
        State::Checking { child, .. } | State::Finishing { child, .. } | State::Undoing { child } => {
            (Some(child), None, None)
        }
        State::Starting { main, probe } => (Some(main), None, Some(probe)),
        State::Up { main, probe, helper, .. } => (Some(main), helper.as_mut(), Some(probe)),
        State::Stopping { main, helper, .. } => (Some(main), helper.as_mut(), None),
        State::Down | State::Waiting | State::Ending { .. } | State::Backoff { .. } => return None,
        State::Done | State::Skipped { .. } | State::Failed { .. } => return None,
    };
    let probe = match probe {
        Some(ProbeState::Running(child)) => Some(child),
        _ => None,
    };
    main.into_iter().chain(helper).chain(probe).find(|child| child.run == wanted)
}

/// What a person should know about a new state beside its name.
fn why(state: &State) -> Option<String> {
    match state {
        State::Failed { why } | State::Skipped { why } => Some(why.clone()),
        State::Stopping { cause: Cause::Unhealthy { why, .. }, .. } => Some(why.clone()),
        State::Stopping { cause: Cause::StartTimeout, .. } => Some("was not ready in time".into()),
        _ => None,
    }
}

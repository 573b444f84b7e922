//! What must hold after every step, by name. `docs/architecture.md` lists them.

use std::collections::{BTreeMap, BTreeSet};

use super::steady::{
    backoff_within_bounds, books_are_right, failures_spread, first_start_is_in_order, nothing_is_left_undone,
    stop_has_an_end, timers_are_right,
};
use super::world::{Temper, World};
use crate::event::{Action, Change, Event, Pid, Role, Run};
use crate::state::{Cause, Goal, State};
use crate::status::{Exit, Phase, Stage};
use crate::supervisor::Supervisor;
use crate::time::Time;
use init_plan::{Id, Kind, Scope, Signal};

/// What the rules remember of one service.
#[derive(Clone, Debug)]
struct Seen {
    /// Its state, going by what was said of its changes.
    phase: Phase,
    /// Its main process ended so, and its finish hook has not run yet.
    unfinished: Option<Exit>,
    /// Since then the plan was replaced: there may have been no hook then.
    replanned: bool,
    /// When it was restarted.
    restarts: Vec<Time>,
    /// The boot waits for it.
    boots: bool,
}

impl Seen {
    fn new() -> Seen {
        Seen { phase: Phase::Down, unfinished: None, replanned: false, restarts: Vec::new(), boots: false }
    }
}

/// What the rules remember.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    seen: Vec<Seen>,
    booted: bool,
    /// When the shutdown began, and the code asked for.
    shutdown: Option<(Time, Option<i32>)>,
    /// Somebody lost patience.
    pub(super) forced: bool,
    /// During the shutdown time passed while something was overdue, or something was stuck.
    pub(super) dawdled: bool,
    pub(super) halted: bool,
    /// Nobody obeys, but nobody is in trouble: nothing may be killed that obeyed.
    pub(super) all_obey: bool,
    /// Changes of state and what led to them.
    pub(super) transitions: Option<BTreeMap<(Phase, Phase), std::collections::BTreeSet<&'static str>>>,
}

/// A service before a step.
#[derive(Clone, Copy, Debug)]
struct Glimpse {
    goal: Goal,
    phase: Phase,
    /// It was being stopped because somebody asked.
    asked: bool,
    exit: Option<Exit>,
}

/// The world before a step.
pub(super) struct Before {
    units: Vec<Glimpse>,
    about: Option<Id>,
    /// Somebody said to be ready who is no main process.
    impostor: bool,
    kind: Kindly,
    pub(super) due: Vec<(Time, Id, State)>,
    pub(super) kill_due: bool,
    untold: Vec<(Pid, Run)>,
}

/// Events as far as rules care.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kindly {
    Boot,
    Start,
    Restart,
    Replan,
    Shutdown(Option<i32>),
    Force,
    Tick,
    Exited(Exit),
    Other(&'static str),
}

impl Kindly {
    fn of(event: &Event) -> Kindly {
        match event {
            Event::Boot => Kindly::Boot,
            Event::Start(_) => Kindly::Start,
            Event::Restart(_) => Kindly::Restart,
            Event::Replan(_) => Kindly::Replan,
            Event::Shutdown(code) => Kindly::Shutdown(*code),
            Event::Force => Kindly::Force,
            Event::Tick => Kindly::Tick,
            Event::Exited { exit, .. } => Kindly::Exited(*exit),
            Event::Spawned { .. } => Kindly::Other("it runs"),
            Event::SpawnFailed { .. } => Kindly::Other("could not be started"),
            Event::Condition { .. } => Kindly::Other("condition"),
            Event::MainPidChanged { .. } => Kindly::Other("handed over"),
            Event::Ready { .. } => Kindly::Other("ready"),
            Event::Notify { .. } => Kindly::Other("says it is broken"),
            Event::Gone { .. } => Kindly::Other("group gone"),
            Event::Stop(_) => Kindly::Other("stop"),
            Event::Reload(_) => Kindly::Other("reload"),
            Event::Forward(_) => Kindly::Other("forward"),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Kindly::Boot => "boot",
            Kindly::Start => "start",
            Kindly::Restart => "restart",
            Kindly::Replan => "new plan",
            Kindly::Shutdown(_) => "shutdown",
            Kindly::Force => "force",
            Kindly::Tick => "time",
            Kindly::Exited(_) => "process ended",
            Kindly::Other(words) => words,
        }
    }
}

pub(super) type Verdict = Result<(), String>;

pub(super) fn must(holds: bool, rule: &str, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(format!("{rule}: {}", what())) }
}

impl Rules {
    pub(super) fn new(core: &Supervisor) -> Rules {
        Rules { seen: vec![Seen::new(); core.units.len()], ..Rules::default() }
    }

    /// Notes what a step's effects are compared with.
    pub(super) fn look(&self, world: &World, event: &Event) -> Before {
        let core = &world.core;
        let glimpse = |unit: &crate::state::Unit| {
            let (asked, exit) = match &unit.state {
                State::Stopping { cause, .. } => (*cause == Cause::Requested, None),
                State::Ending { cause, exit, .. } | State::Finishing { cause, exit, .. } => {
                    (*cause == Cause::Requested, (*cause == Cause::ExitedByItself).then_some(*exit))
                }
                _ => (false, None),
            };
            Glimpse { goal: unit.goal, phase: unit.state.phase(), asked, exit }
        };
        let about = match event {
            Event::Start(id) | Event::Stop(id) | Event::Restart(id) | Event::Reload(id) => Some(*id),
            Event::Spawned { run, .. }
            | Event::SpawnFailed { run, .. }
            | Event::Condition { run, .. }
            | Event::Ready { run }
            | Event::Notify { run, .. }
            | Event::Gone { run } => core.runs.get(run).copied(),
            Event::Exited { pid, .. } => core.owner(*pid).map(|(id, _)| id),
            _ => None,
        };
        let tick = matches!(event, Event::Tick);
        let due = core.timers.iter().take_while(|&&(at, _)| tick && at <= world.now);
        let due = due.map(|&(at, id)| (at, id, core.unit(id).state.clone())).collect();
        let kill_due = tick && core.force_is_due(world.now);
        let untold =
            world.processes.iter().filter(|p| kill_due && p.role == Role::Main && !p.left && !p.told);
        let impostor = match event {
            Event::Ready { run } => !world.processes.iter().any(|p| p.run == *run && p.role == Role::Main),
            _ => false,
        };
        Before {
            impostor,
            units: core.units.iter().map(glimpse).collect(),
            about,
            kind: Kindly::of(event),
            due,
            kill_due,
            untold: untold.filter_map(|p| Some((p.pid?, p.run))).collect(),
        }
    }

    // ---- action by action ----

    pub(super) fn on_action(&mut self, world: &World, before: &mut Before, action: &Action) -> Verdict {
        must(!self.halted, "halt", || format!("{action:?} after Halt"))?;
        match action {
            Action::Spawn { id, role, .. } => self.on_spawn(world, *id, *role),
            Action::Signal { id, pid, signal, scope } => {
                self.on_signal(world, before, (*id, *pid), *signal, *scope)
            }
            Action::Changed(change) => self.on_change(world, before, change),
            Action::Booted => {
                must(!self.booted, "boot", || "Booted twice".into())?;
                self.booted = true;
                Ok(())
            }
            Action::ShuttingDown { .. } => {
                must(self.shutdown.is_none(), "halt", || "two shutdowns".into())?;
                let code = match before.kind {
                    Kindly::Shutdown(code) => Some(code.unwrap_or(0)),
                    _ => None,
                };
                self.shutdown = Some((world.now, code));
                Ok(())
            }
            Action::Halt { code } => self.on_halt(world, *code),
            Action::Replanned { ids } => {
                self.on_replan(world, before, ids);
                Ok(())
            }
            Action::Warn { .. } => Ok(()),
        }
    }

    fn on_spawn(&mut self, world: &World, id: Id, role: Role) -> Verdict {
        let service = world.core.service(id);
        let name = &service.name;
        let seen = &mut self.seen[id.index()];
        match role {
            Role::Finish(exit) => {
                let ended = seen.unfinished.take();
                return must(ended == Some(exit), "finish-once", || {
                    format!("finish hook of {name} with {exit}, but its process ended: {ended:?}")
                });
            }
            Role::Main => {}
            _ => return Ok(()),
        }
        let unfinished = seen.unfinished.filter(|_| service.finish.is_some() && !seen.replanned);
        must(unfinished.is_none(), "finish-once", || format!("{name} starts before its finish hook ran"))?;
        let others = world.processes.iter().filter(|p| p.id == id && p.role == Role::Main);
        let others = others.filter(|p| !(p.left && p.dying));
        let others = others.filter(|p| world.zombie.is_none_or(|(pid, _)| p.pid != Some(pid))).count();
        must(others == 0, "one-process", || format!("{name} has a main process already"))?;
        for &on in &service.requires {
            let phase = self.seen[on.index()].phase;
            let met = matches!(phase, Phase::Up | Phase::Skipped)
                || (phase == Phase::Done && world.core.service(on).kind == Kind::Oneshot);
            must(met, "needs-first", || {
                format!("{name} starts, but {} is {}", world.core.service(on).name, phase.as_str())
            })?;
        }
        for &on in service.wants.iter().chain(&service.after) {
            let phase = self.seen[on.index()].phase;
            let on_its_way = matches!(phase, Phase::Waiting | Phase::Checking | Phase::Starting)
                && world.core.unit(on).goal == Goal::Up;
            must(!on_its_way, "wants-settled", || {
                format!("{name} starts, but {} is {}", world.core.service(on).name, phase.as_str())
            })?;
        }
        Ok(())
    }

    fn on_signal(
        &self,
        world: &World,
        before: &Before,
        (id, pid): (Id, Pid),
        signal: Signal,
        scope: Scope,
    ) -> Verdict {
        let name = &world.core.service(id).name;
        if let Some((zombie, owner)) = world.zombie
            && zombie == pid
        {
            let clears = signal == Signal::KILL && scope == Scope::Group && owner == id;
            return must(clears, "no-stray-signals", || format!("{signal} to the zombie {pid} of {name}"));
        }
        let target = world.processes.iter().find(|p| p.pid == Some(pid));
        must(target.is_some_and(|p| p.id == id), "no-stray-signals", || {
            format!("{signal} to {pid}, which is no process of {name}")
        })?;
        let Some(target) = target else { return Ok(()) };
        let asked_for = world.core.service(id).stop.signal == Signal::KILL;
        if target.role != Role::Main || target.left || signal != Signal::KILL || asked_for {
            return Ok(());
        }
        must(!self.all_obey || self.forced, "budget", || format!("{name} was killed although all obey"))?;
        let told = target.told || self.forced || before.kill_due || before.kind == Kindly::Force;
        // Who was to stop before its process was there is killed once its time is up.
        let late = matches!(world.core.unit(id).state, State::Stopping { .. });
        must(told || late, "asked-first", || format!("{name} is killed without having been told to stop"))
    }

    fn on_change(&mut self, world: &World, before: &Before, change: &Change) -> Verdict {
        let id = change.id;
        let service = world.core.service(id);
        let name = &service.name;
        let (from, to) = (change.from, change.to);
        must(from != to && self.seen[id.index()].phase == from, "changes-chain", || {
            let known = self.seen[id.index()].phase.as_str();
            format!("{name}: {} -> {}, but it was {known}", from.as_str(), to.as_str())
        })?;
        if let Some(transitions) = &mut self.transitions {
            let own = before.about.is_none_or(|about| about == id);
            let words = if own { before.kind.words() } else { "others" };
            transitions.entry((from, to)).or_default().insert(words);
        }
        let was = before.units.get(id.index()).copied();
        must(!before.impostor || to != Phase::Up, "own-readiness", || {
            format!("{name} is taken for ready on the word of another process")
        })?;
        self.stops_after_dependents(world, before, change)?;
        self.oneshot_runs_once(world, before, change)?;
        let again = matches!(to, Phase::Waiting | Phase::Backoff)
            && matches!(from, Phase::Ending | Phase::Stopping)
            && was.is_some_and(|was| was.phase == from && !was.asked && was.goal == Goal::Up);
        let seen = &mut self.seen[id.index()];
        if again && let Some((most, interval)) = service.restart.limit {
            seen.restarts.push(world.now);
            seen.restarts.retain(|&at| world.now.since(at) <= interval);
            must(seen.restarts.len() <= most as usize, "restart-limit", || {
                format!("{name} restarts more than {most} times")
            })?;
        }
        if to == Phase::Backoff {
            backoff_within_bounds(world, id, from)?;
        }
        let seen = &mut self.seen[id.index()];
        if to == Phase::Ending {
            must(change.exit.is_some(), "changes-chain", || format!("{name} ended, without an exit"))?;
            seen.unfinished = change.exit;
            seen.replanned = false;
        }
        seen.phase = to;
        if matches!(to, Phase::Up | Phase::Done | Phase::Skipped | Phase::Failed | Phase::Down) {
            seen.boots = false;
        }
        Ok(())
    }

    fn stops_after_dependents(&self, world: &World, before: &Before, change: &Change) -> Verdict {
        let core = &world.core;
        let id = change.id;
        let on_purpose = match &core.unit(id).state {
            State::Stopping { cause: Cause::Requested, .. } => change.to == Phase::Stopping,
            _ => change.to == Phase::Undoing,
        };
        let at_once = self.forced || before.kill_due || before.kind == Kindly::Force;
        if !on_purpose || core.unit(id).goal == Goal::Up || at_once {
            return Ok(());
        }
        // What stands between two services may have ended long ago: a oneshot that is done, one that was skipped.
        let mut next: Vec<Id> = core.dependents_of(id).iter().map(|&(above, _)| above).collect();
        let mut looked = BTreeSet::new();
        while let Some(above) = next.pop() {
            if core.unit(above).goal == Goal::Up || !looked.insert(above) {
                continue;
            }
            let phase = self.seen[above.index()].phase;
            let running = match phase {
                Phase::Starting | Phase::Up | Phase::Stopping | Phase::Ending | Phase::Undoing => true,
                Phase::Done => core.service(above).down.is_some(),
                _ => false,
            };
            must(!running, "dependents-first", || {
                let (below, above) = (&core.service(id).name, &core.service(above).name);
                format!("{below} stops, but {above} is {}", phase.as_str())
            })?;
            if matches!(phase, Phase::Done | Phase::Skipped | Phase::Failed)
                && core.unit(above).goal == Goal::Down
            {
                next.extend(core.dependents_of(above).iter().map(|&(above, _)| above));
            }
        }
        Ok(())
    }

    fn oneshot_runs_once(&self, world: &World, before: &Before, change: &Change) -> Verdict {
        let service = world.core.service(change.id);
        if service.kind != Kind::Oneshot || !matches!(change.to, Phase::Waiting | Phase::Backoff) {
            return Ok(());
        }
        let asked = before.kind == Kindly::Restart || before.kind == Kindly::Replan;
        must(change.from != Phase::Done || asked, "oneshot-once", || {
            format!("{} was complete and runs again", service.name)
        })?;
        let was = before.units.get(change.id.index());
        let complete = was.is_some_and(|was| {
            was.goal == Goal::Up
                && matches!(was.exit, Some(Exit::Code(code)) if service.restart.success.contains(&code))
        });
        must(!complete || change.from != Phase::Ending, "oneshot-once", || {
            format!("{} succeeded and runs again", service.name)
        })
    }

    fn on_halt(&mut self, world: &World, code: i32) -> Verdict {
        self.halted = true;
        let Some((since, asked)) = self.shutdown else { return Err("halt: without a shutdown".into()) };
        let _ = since;
        must(asked.is_none_or(|asked| asked == code), "exit-code", || {
            format!("{code}, but {asked:?} was asked for first")
        })?;
        let left = world.core.ids().find(|id| world.core.phase(*id) != Phase::Down);
        let end = world.now >= since.plus(world.core.plan().settings.shutdown_timeout);
        must(left.is_none() || end, "halt", || "before everything was down or its time was up".into())
    }

    fn on_replan(&mut self, world: &World, before: &mut Before, ids: &[Option<Id>]) {
        let mut seen = vec![Seen::new(); world.core.units.len()];
        let dull = Glimpse { goal: Goal::Down, phase: Phase::Down, asked: true, exit: None };
        let mut units = vec![dull; seen.len()];
        for (old, new) in ids.iter().enumerate() {
            let Some(new) = new else { continue };
            let was = &self.seen[old];
            // Hooks and limits may be new.
            seen[new.index()] = Seen { replanned: true, restarts: Vec::new(), ..was.clone() };
            units[new.index()] = before.units[old];
        }
        self.seen = seen;
        before.units = units;
        before.due.clear();
    }

    // ---- step by step ----

    pub(super) fn after_step(&mut self, world: &World, before: &Before) -> Verdict {
        let core = &world.core;
        if before.kind == Kindly::Force && self.shutdown.is_some() || before.kill_due {
            self.forced = true;
        }
        if matches!(before.kind, Kindly::Start | Kindly::Restart) {
            for id in core.ids().filter(|&id| core.unit(id).history.is_empty()) {
                self.seen[id.index()].restarts.clear();
            }
        }
        must(before.untold.is_empty() || !self.is_fair(world), "budget", || {
            let (pid, _) = before.untold[0];
            format!("the process {pid} was never told to stop before everything was killed")
        })?;
        self.boot_ends_when_all_settled(core, before)?;
        self.halts_in_time(world)?;
        if self.halted {
            return Ok(());
        }
        for id in core.ids() {
            must(self.seen[id.index()].phase == core.phase(id), "changes-chain", || {
                format!("{} is {} and nobody said so", core.service(id).name, core.phase(id).as_str())
            })?;
            failures_spread(core, id)?;
            nothing_is_left_undone(core, id)?;
            stop_has_an_end(core, id)?;
            first_start_is_in_order(core, id)?;
        }
        timers_are_right(core, before)?;
        books_are_right(world)
    }

    /// Nothing kept the shutdown from giving each service its time.
    fn is_fair(&self, world: &World) -> bool {
        let stuck = world.processes.iter().any(|p| p.temper == Temper::Stuck);
        let hooks = world.core.plan.services.iter();
        let hooks = hooks.filter(|s| s.finish.is_some() || s.down.is_some() || s.stop.exec.is_some()).count();
        !self.dawdled && !stuck && hooks == 0
    }

    fn boot_ends_when_all_settled(&mut self, core: &Supervisor, before: &Before) -> Verdict {
        if before.kind == Kindly::Boot {
            for id in core.ids() {
                self.seen[id.index()].boots = core.unit(id).goal == Goal::Up;
            }
        }
        let settled = self.seen.iter().all(|seen| !seen.boots);
        let stopping = core.stage() == Stage::Stopping;
        must(self.booted == settled || stopping, "boot", || {
            format!("Booted was said: {}, but every service of the boot settled: {settled}", self.booted)
        })
    }

    fn halts_in_time(&self, world: &World) -> Verdict {
        let Some((since, _)) = self.shutdown else { return Ok(()) };
        let end = since.plus(world.core.plan().settings.shutdown_timeout);
        must(self.halted || world.now < end, "halt", || "the shutdown's time is up".into())
    }
}

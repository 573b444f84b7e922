//! What must hold after every step, by name. `docs/architecture.md` lists them.

use std::collections::{BTreeMap, BTreeSet};

use super::before::{Before, EventKind, UnitBefore};
use super::check::{Outcome, must};
use super::state_rules::{
    bookkeeping_is_right, failures_spread, first_start_is_in_order, nothing_is_left_undone, stop_has_an_end,
    timers_are_right,
};
use super::stop_rules::stops_are_remembered;
use super::world::{Temper, World};
use crate::event::{Action, Event, Pid, Role};
use crate::state::{Goal, State};
use crate::status::{Exit, Phase, Stage};
use crate::supervisor::Supervisor;
use crate::time::Time;
use init_plan::{Id, Kind, Scope, Service, Signal};

/// What the rules remember of one service.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Its state, going by what was said of its changes.
    pub(super) phase: Phase,
    /// How its main process ended, if its finish hook has not run yet.
    pub(super) unfinished: Option<Exit>,
    /// Since then the plan was replaced: there may have been no hook then.
    pub(super) replanned: bool,
    /// When it was restarted.
    pub(super) restarts: Vec<Time>,
    /// The boot waits for it.
    pub(super) boots: bool,
}

impl Seen {
    fn new() -> Seen {
        Seen { phase: Phase::Down, unfinished: None, replanned: false, restarts: Vec::new(), boots: false }
    }
}

/// The services that the plan in force has, without those that only have to end.
fn in_force(core: &Supervisor) -> Vec<Service> {
    let of_plan = core.ids().filter(|id| !core.unit(*id).retired);
    of_plan.map(|id| core.service(id).clone()).collect()
}

/// What the rules remember.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) seen: Vec<Seen>,
    booted: bool,
    /// When the shutdown began, and the code asked for.
    shutdown: Option<(Time, Option<i32>)>,
    /// Everything was killed: a person asked for that, or the time for it had come.
    pub(super) forced: bool,
    /// During the shutdown time passed while something was overdue, or something was stuck.
    pub(super) dawdled: bool,
    pub(super) halted: bool,
    /// Every process obeys, so none may be killed.
    pub(super) all_obey: bool,
    /// The services of the plan before the one that is being applied, and those of that one.
    applying: Option<(Vec<Service>, Vec<Service>)>,
    /// Changes of state and what led to them.
    pub(super) transitions: Option<BTreeMap<(Phase, Phase), BTreeSet<&'static str>>>,
}

impl Rules {
    pub(super) fn new(core: &Supervisor) -> Rules {
        Rules { seen: vec![Seen::new(); core.units.len()], ..Rules::default() }
    }

    /// An event is about to happen.
    pub(super) fn before_step(&mut self, core: &Supervisor, event: &Event) {
        match event {
            Event::Apply { plan, .. } if core.stage() != Stage::Stopping => {
                self.applying = Some((in_force(core), plan.services.clone()));
            }
            Event::Replan(_) | Event::Shutdown(_) => self.applying = None,
            _ => {}
        }
    }

    // ---- action by action ----

    pub(super) fn on_action(&mut self, world: &World, before: &mut Before, action: &Action) -> Outcome {
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
                    EventKind::Shutdown(code) => Some(code.unwrap_or(0)),
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
            Action::Applied => {
                let applying = self.applying.take();
                must(applying.is_some_and(|(_, new)| new == in_force(&world.core)), "apply", || {
                    "a plan is said to be applied that is not in force".into()
                })
            }
            Action::RolledBack { .. } => {
                let applying = self.applying.take();
                must(applying.is_some_and(|(old, _)| old == in_force(&world.core)), "apply", || {
                    "rolled back, but not to the plan of before".into()
                })
            }
            Action::MainPidChanged { .. } | Action::Warn { .. } => Ok(()),
        }
    }

    fn on_spawn(&mut self, world: &World, id: Id, role: Role) -> Outcome {
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
    ) -> Outcome {
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
        let told = target.told || self.forced || before.kill_due || before.kind == EventKind::Force;
        // Who was to stop before its process was there is killed once its time is up.
        let late = matches!(world.core.unit(id).state, State::Stopping { .. });
        must(told || late, "asked-first", || format!("{name} is killed without having been told to stop"))
    }

    fn on_halt(&mut self, world: &World, code: i32) -> Outcome {
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
        let mut units = vec![UnitBefore::unknown(); seen.len()];
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
        before.replanned = true;
    }

    // ---- step by step ----

    pub(super) fn after_step(&mut self, world: &World, before: &Before) -> Outcome {
        let core = &world.core;
        if before.kind == EventKind::Force && self.shutdown.is_some() || before.kill_due {
            self.forced = true;
        }
        if matches!(before.kind, EventKind::Start | EventKind::Restart) {
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
        stops_are_remembered(core, before)?;
        timers_are_right(world, before)?;
        bookkeeping_is_right(world)
    }

    /// Nothing kept the shutdown from giving each service its time.
    fn is_fair(&self, world: &World) -> bool {
        let stuck = world.processes.iter().any(|p| p.temper == Temper::Stuck);
        // A service whose stop command hangs gets no signal.
        let commands = world.core.plan.services.iter().filter(|service| service.stop.exec.is_some()).count();
        !self.dawdled && !stuck && commands == 0
    }

    fn boot_ends_when_all_settled(&mut self, core: &Supervisor, before: &Before) -> Outcome {
        if before.kind == EventKind::Boot {
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

    fn halts_in_time(&self, world: &World) -> Outcome {
        let Some((since, _)) = self.shutdown else { return Ok(()) };
        let end = since.plus(world.core.plan().settings.shutdown_timeout);
        must(self.halted || world.now < end, "halt", || "the shutdown's time is up".into())
    }
}

//! What the rules note before a step, to compare its effects with.

use super::world::World;
use crate::event::{Event, Pid, Role, Run};
use crate::state::{Cause, Goal, Reason, State, Unit};
use crate::status::{Exit, Phase};
use crate::time::Time;
use init_plan::Id;

/// A service before a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnitBefore {
    pub(super) goal: Goal,
    pub(super) phase: Phase,
    /// It was being stopped because somebody asked for that.
    pub(super) requested: bool,
    /// How its process ended, if it ended by itself and nothing was decided about that yet.
    pub(super) exit: Option<Exit>,
}

impl UnitBefore {
    /// A service of which nothing is known.
    pub(super) fn unknown() -> UnitBefore {
        UnitBefore { goal: Goal::Down(Reason::Unasked), phase: Phase::Down, requested: true, exit: None }
    }

    fn of(unit: &Unit) -> UnitBefore {
        let (requested, exit) = match &unit.state {
            State::Stopping { cause, .. } => (*cause == Cause::Requested, None),
            State::Ending { cause, exit, .. } | State::Finishing { cause, exit, .. } => {
                (*cause == Cause::Requested, (*cause == Cause::ExitedByItself).then_some(*exit))
            }
            _ => (false, None),
        };
        UnitBefore { goal: unit.goal, phase: unit.state.phase(), requested, exit }
    }
}

/// The world before a step.
pub(super) struct Before {
    pub(super) units: Vec<UnitBefore>,
    /// The service that the event is about.
    pub(super) about: Option<Id>,
    /// A process that is no main process said that it is ready.
    pub(super) impostor: bool,
    pub(super) kind: EventKind,
    /// The plan was replaced in this step.
    pub(super) replanned: bool,
    /// Services whose deadline has come, and their states.
    pub(super) due: Vec<(Time, Id, State)>,
    /// The time has come to kill everything.
    pub(super) kill_due: bool,
    /// Main processes that were never told to stop, although the time has come to kill everything.
    pub(super) untold: Vec<(Pid, Run)>,
}

impl Before {
    pub(super) fn new(world: &World, event: &Event) -> Before {
        let core = &world.core;
        let tick = matches!(event, Event::Tick);
        let due = core.timers.iter().take_while(|&&(at, _)| tick && at <= world.now);
        let kill_due = tick && kill_is_due(world);
        let untold =
            world.processes.iter().filter(|p| kill_due && p.role == Role::Main && !p.left && !p.told);
        Before {
            units: core.units.iter().map(UnitBefore::of).collect(),
            about: about(world, event),
            impostor: match event {
                Event::Ready { run } => {
                    !world.processes.iter().any(|p| p.run == *run && p.role == Role::Main)
                }
                _ => false,
            },
            kind: EventKind::of(event),
            replanned: false,
            due: due.map(|&(at, id)| (at, id, core.unit(id).state.clone())).collect(),
            kill_due,
            untold: untold.filter_map(|p| Some((p.pid?, p.run))).collect(),
        }
    }
}

/// Whether the time has come to kill everything, and that was not done yet.
pub(super) fn kill_is_due(world: &World) -> bool {
    world.core.shutdown.as_ref().is_some_and(|shutdown| shutdown.budget.force_is_due(world.now))
}

/// The service that an event is about.
fn about(world: &World, event: &Event) -> Option<Id> {
    match event {
        Event::Start(id)
        | Event::Stop(id)
        | Event::Restart(id)
        | Event::Reload(id)
        | Event::Hold { id, .. } => Some(*id),
        Event::Spawned { run, .. }
        | Event::SpawnFailed { run, .. }
        | Event::Condition { run, .. }
        | Event::Ready { run }
        | Event::Notify { run, .. }
        | Event::Gone { run } => world.core.runs.get(run).copied(),
        Event::Exited { pid, .. } => world.core.owner(*pid).map(|(id, _)| id),
        _ => None,
    }
}

/// The kinds of events that rules tell apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum EventKind {
    Boot,
    Start,
    Restart,
    Replan,
    Apply,
    Shutdown(Option<i32>),
    Force,
    Tick,
    Exited(Exit),
    Other(&'static str),
}

impl EventKind {
    fn of(event: &Event) -> EventKind {
        match event {
            Event::Boot => EventKind::Boot,
            Event::Start(_) => EventKind::Start,
            Event::Restart(_) => EventKind::Restart,
            Event::Replan(_) => EventKind::Replan,
            Event::Apply { .. } => EventKind::Apply,
            Event::Shutdown(code) => EventKind::Shutdown(*code),
            Event::Force => EventKind::Force,
            Event::Tick => EventKind::Tick,
            Event::Exited { exit, .. } => EventKind::Exited(*exit),
            Event::Spawned { .. } => EventKind::Other("it runs"),
            Event::SpawnFailed { .. } => EventKind::Other("could not be started"),
            Event::Condition { .. } => EventKind::Other("condition"),
            Event::MainPidChanged { .. } => EventKind::Other("handed over"),
            Event::Ready { .. } => EventKind::Other("ready"),
            Event::Notify { .. } => EventKind::Other("says it is broken"),
            Event::Gone { .. } => EventKind::Other("group gone"),
            Event::Stop(_) => EventKind::Other("stop"),
            Event::Reload(_) => EventKind::Other("reload"),
            Event::Hold { .. } => EventKind::Other("release"),
            Event::Forward(_) => EventKind::Other("forward"),
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            EventKind::Boot => "boot",
            EventKind::Start => "start",
            EventKind::Restart => "restart",
            EventKind::Replan => "new plan",
            EventKind::Apply => "apply",
            EventKind::Shutdown(_) => "shutdown",
            EventKind::Force => "force",
            EventKind::Tick => "time",
            EventKind::Exited(_) => "process ended",
            EventKind::Other(words) => words,
        }
    }
}

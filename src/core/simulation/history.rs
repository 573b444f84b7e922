//! One case: a plan, a random history of it, then calm, then a shutdown.

use std::time::Duration;

use super::check::Outcome;
use super::choices::Choices;
use super::plans;
use super::simulated::{Simulation, Tamper};
use super::world::{Temper, World};
use crate::event::{Event, Notification, Role, Run};
use crate::state::{Goal, State, Unit};
use crate::status::{Exit, Phase, Stage};
use crate::supervisor::Supervisor;
use crate::time::Time;
use init_plan::{Id, Plan, Signal};

/// What decides a case.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Case {
    pub(super) plan: Vec<u16>,
    pub(super) moves: Vec<u16>,
}

/// How a case is run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    pub(super) tamper: Option<Tamper>,
    pub(super) trace: bool,
    pub(super) keep_actions: bool,
    pub(super) keep_transitions: bool,
    /// The supervisor is written down and read back before each step whose number this divides; 0: never.
    pub(super) rewrite_every: usize,
}

/// The most steps that calm may need.
const PATIENCE: usize = 3000;

/// Runs a case to its end; in error, the rule that was broken.
pub(super) fn run(case: &Case, options: Options) -> (Simulation, Outcome) {
    let plan = plans::plan(&mut Choices::new(&case.plan));
    let mut simulation = Simulation::new(Supervisor::new(plan, 42));
    simulation.tamper = options.tamper;
    simulation.trace = options.trace.then(Vec::new);
    simulation.actions = options.keep_actions.then(Vec::new);
    simulation.rules.transitions = options.keep_transitions.then(Default::default);
    let result = live(&mut simulation, &mut Choices::new(&case.moves), options);
    (simulation, result)
}

fn live(simulation: &mut Simulation, choices: &mut Choices<'_>, options: Options) -> Outcome {
    let obedient = !choices.chance(50);
    simulation.step(Event::Boot)?;
    let mut count = 0;
    while !choices.is_over() && !simulation.rules.halted {
        count += 1;
        if options.rewrite_every != 0 && count % options.rewrite_every == 0 {
            rewrite(&mut simulation.world);
        }
        let event = next(simulation, choices);
        let spawned = match &event {
            Event::Spawned { run, .. } => Some(*run),
            _ => None,
        };
        simulation.step(event)?;
        if let Some(run) = spawned {
            give_temper(&mut simulation.world, run, choices);
        }
    }
    calm_down(simulation)?;
    if simulation.rules.halted {
        return Ok(());
    }
    converged(&simulation.world)?;
    shut_down(simulation, obedient)
}

/// Writes the supervisor down as text and goes on with what is read back, as a new `init` binary would.
fn rewrite(world: &mut World) {
    let text = serde_json::to_string(&world.core).expect("a supervisor can be written");
    world.core = serde_json::from_str(&text).expect("what was written can be read");
}

fn give_temper(world: &mut World, run: Run, choices: &mut Choices<'_>) {
    use Temper::{Ignores, Obeys, Slow, Stuck};
    let tempers = [Obeys, Obeys, Obeys, Obeys, Slow, Slow, Ignores, Ignores, Ignores, Stuck];
    let temper = choices.one_of(&tempers);
    if let Some(process) = world.processes.iter_mut().find(|p| p.run == run) {
        process.temper = temper;
        // A signal that came with the answer has told it already.
        process.dying &= temper != Stuck;
    }
}

// ---- the random part ----

fn next(simulation: &mut Simulation, choices: &mut Choices<'_>) -> Event {
    let world = &simulation.world;
    let kind = choices.below(40);
    let event = match kind {
        0..=19 => world.overdue(choices, false).or_else(|| world.progress(choices, false)),
        20..=24 => world.progress(choices, false),
        25..=28 => trouble(world, choices),
        29..=33 => Some(request(world, choices)),
        _ => None,
    };
    event.unwrap_or_else(|| pass_time(simulation, choices))
}

fn pass_time(simulation: &mut Simulation, choices: &mut Choices<'_>) -> Event {
    let world = &mut simulation.world;
    let deadline = world.core.deadline();
    let moment = Duration::from_millis(choices.one_of(&[1000, 50, 300]));
    let way = choices.below(10);
    let late = way == 9;
    if world.dawdles() || late {
        simulation.rules.dawdled |= world.core.stage() == Stage::Stopping;
    }
    world.now = match deadline {
        Some(at) if way < 5 => world.now.max(at),
        Some(at) if late => world.now.max(at).plus(Duration::from_secs(5)),
        Some(at) => world.now.plus(moment).min(world.now.max(at)),
        None => world.now.plus(moment),
    };
    Event::Tick
}

fn trouble(world: &World, choices: &mut Choices<'_>) -> Option<Event> {
    let what = choices.below(9);
    if what == 8 {
        return stale(world, choices);
    }
    let process = world.any_running(choices)?;
    let (run, pid) = (process.run, process.pid?);
    Some(match what {
        0..=3 if process.temper == Temper::Stuck => return None,
        0..=3 => {
            let ends = [Exit::Code(1), Exit::Code(0), Exit::Code(3), Exit::Signal(9), Exit::Signal(11)];
            Event::Exited { pid, exit: choices.one_of(&ends) }
        }
        4 => Event::Ready { run },
        5 if process.role != Role::Main || process.left => return None,
        5 => Event::MainPidChanged { run, pid: world.free_pid() },
        _ => Event::Notify { run, notification: notification(choices) },
    })
}

fn notification(choices: &mut Choices<'_>) -> Notification {
    match choices.below(8) {
        0 | 1 => Notification::WatchdogPing,
        2 => Notification::WatchdogTrigger,
        3 => Notification::Reloading,
        4 => Notification::WatchdogInterval(Duration::from_secs(choices.one_of(&[3, 0, 1]))),
        5 => Notification::Status("busy".into()),
        6 => Notification::ExtendTimeout(Duration::from_secs(choices.one_of(&[5, 60, 100_000]))),
        _ => Notification::Stopping,
    }
}

/// Word of a process that is no more.
fn stale(world: &World, choices: &mut Choices<'_>) -> Option<Event> {
    if world.past.is_empty() {
        return None;
    }
    let run = choices.one_of(&world.past);
    let alive = world.processes.iter().any(|p| p.run == run) || world.lingering.contains(&run);
    Some(match choices.below(5) {
        0 | 1 => Event::Ready { run },
        2 => Event::Notify { run, notification: Notification::WatchdogTrigger },
        3 if !alive => Event::Gone { run },
        _ => Event::Notify { run, notification: Notification::WatchdogPing },
    })
}

fn request(world: &World, choices: &mut Choices<'_>) -> Event {
    let what = choices.below(39);
    // Ids of a person's request can be of a plan that was replaced.
    let id = Id(u32::try_from(choices.below(world.core.units.len() + 1)).unwrap_or(0));
    match what {
        0..=6 => Event::Start(id),
        7..=13 => Event::Stop(id),
        14..=20 => Event::Restart(id),
        21..=22 => Event::Reload(id),
        23 => Event::Forward(Signal::USR1),
        24..=27 => Event::Replan(Box::new(other_plan(world, choices))),
        28 => Event::Force,
        29 => Event::Shutdown(Some(7)),
        30 => Event::Shutdown(Some(0)),
        32 | 33 => Event::Hold { id, held: true },
        34 => Event::Hold { id, held: false },
        35..=38 => Event::Apply {
            plan: Box::new(other_plan(world, choices)),
            patience: Duration::from_millis(choices.one_of(&[60_000, 5_000, 100, 0])),
        },
        _ => Event::Shutdown(None),
    }
}

fn other_plan(world: &World, choices: &mut Choices<'_>) -> Plan {
    let seed = choices.next();
    let length = if seed == 0 { 0 } else { 160 };
    let numbers = super::choices::random(u64::from(seed), length);
    let mut plan = plans::plan(&mut Choices::new(&numbers));
    if choices.chance(50) {
        keep_definitions(&mut plan, world);
    }
    plan
}

/// Gives the services of a new plan the definitions they have, but for what they depend on.
fn keep_definitions(plan: &mut Plan, world: &World) {
    for service in &mut plan.services {
        let Some(was) = world.core.plan.services.iter().find(|s| s.name == service.name) else { continue };
        let (requires, wants, after) =
            (service.requires.clone(), service.wants.clone(), service.after.clone());
        *service = init_plan::Service { requires, wants, after, ..was.clone() };
    }
}

// ---- the calm part ----

/// Everybody means well and nothing fails until nothing is left to happen.
fn calm_down(simulation: &mut Simulation) -> Outcome {
    for id in simulation.world.core.ids() {
        if simulation.world.core.unit(id).held {
            simulation.step(Event::Hold { id, held: false })?;
        }
    }
    for process in &mut simulation.world.processes {
        if process.temper == Temper::Stuck {
            process.temper = Temper::Obeys;
            // Whoever was killed dies now.
            process.dying = process.told;
        }
    }
    let mut dull = Choices::new(&[]);
    for _ in 0..PATIENCE {
        if simulation.rules.halted {
            return Ok(());
        }
        let world = &simulation.world;
        if let Some(event) = world.overdue(&mut dull, true).or_else(|| world.progress(&mut dull, true)) {
            simulation.step(event)?;
        } else if is_quiet(world) {
            return Ok(());
        } else {
            wait_calmly(simulation)?;
        }
    }
    Err(format!("converges: not quiet after {PATIENCE} calm steps"))
}

fn is_quiet(world: &World) -> bool {
    world.core.stage() != Stage::Stopping
        && !world.core.is_applying()
        && world.core.units.iter().all(|unit| match &unit.state {
            State::Up { .. } => unit.goal == Goal::Up,
            state => state.is_inactive(),
        })
}

/// Time goes on, and every watchdog hears of its service in time.
fn wait_calmly(simulation: &mut Simulation) -> Outcome {
    if simulation.world.core.deadline().is_none() {
        return Err(format!("converges: waits for nothing: {}", phases(&simulation.world.core)));
    }
    let watched: Vec<Run> =
        simulation.world.core.units.iter().filter_map(watched).map(|(run, _)| run).collect();
    for run in watched {
        simulation.step(Event::Notify { run, notification: Notification::WatchdogPing })?;
    }
    let Some(at) = simulation.world.core.deadline() else { return Ok(()) };
    let bites = simulation.world.core.units.iter().filter_map(watched_at).min();
    let at = if bites == Some(at) { Time(at.0 - 1) } else { at };
    simulation.world.now = simulation.world.now.max(at);
    simulation.step(Event::Tick)
}

/// The process of a service with a watchdog, and when that bites.
fn watched(unit: &Unit) -> Option<(Run, Time)> {
    match &unit.state {
        State::Up { main, watchdog: Some(bites), .. } => Some((main.run, *bites)),
        _ => None,
    }
}

fn watched_at(unit: &Unit) -> Option<Time> {
    watched(unit).map(|(_, at)| at)
}

fn phases(core: &Supervisor) -> String {
    let line = |id: Id| {
        let (goal, note) = (core.unit(id).goal, core.note(id, core.now));
        format!("{} is {} ({goal:?}; {note:?})", core.service(id).name, core.phase(id).as_str())
    };
    core.ids().map(line).collect::<Vec<_>>().join(", ")
}

/// Whatever is wanted and can be had is there, and nothing else.
fn converged(world: &World) -> Outcome {
    let core = &world.core;
    for id in core.ids() {
        let phase = core.phase(id);
        let right = match core.unit(id).goal {
            Goal::Up => matches!(phase, Phase::Up | Phase::Done | Phase::Skipped | Phase::Failed),
            Goal::Down(_) => phase == Phase::Down,
            Goal::DependencyFailed(_) => matches!(phase, Phase::Failed | Phase::Done | Phase::Skipped),
        };
        if !right {
            return Err(format!("converges: {}", phases(core)));
        }
    }
    if !core.restarting.is_empty() {
        return Err(format!("converges: the turn of {:?} never comes: {}", core.restarting, phases(core)));
    }
    if !world.processes.iter().all(|p| p.role == Role::Main || !p.dying) {
        return Err("converges: killed processes are left".into());
    }
    Ok(())
}

// ---- the end ----

/// A shutdown in which either everybody obeys, or nobody does but all die when killed.
fn shut_down(simulation: &mut Simulation, obedient: bool) -> Outcome {
    simulation.rules.all_obey =
        obedient && simulation.world.core.plan.settings.shutdown_timeout > Duration::ZERO;
    for process in &mut simulation.world.processes {
        process.temper = if obedient { Temper::Obeys } else { Temper::Ignores };
    }
    let began = simulation.world.now;
    simulation.step(Event::Shutdown(None))?;
    let mut dull = Choices::new(&[]);
    for _ in 0..PATIENCE {
        if simulation.rules.halted {
            let at_once = !simulation.rules.all_obey || simulation.world.now == began;
            return if at_once { Ok(()) } else { Err("halt: not at once although all obey".into()) };
        }
        let world = &simulation.world;
        let event = world.overdue(&mut dull, false).or_else(|| world.progress(&mut dull, true));
        match event {
            Some(event) => simulation.step(event)?,
            None => {
                let Some(at) = simulation.world.core.deadline() else { return Err("halt: never".into()) };
                simulation.world.now = simulation.world.now.max(at);
                simulation.step(Event::Tick)?;
            }
        }
    }
    Err("halt: never".into())
}

//! The rules about the supervisor as it stands after a step, whatever led there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::before::{Before, kill_is_due};
use super::check::{Outcome, must};
use super::world::World;
use crate::dependencies::DependencyState;
use crate::event::{Pid, Run};
use crate::state::{Goal, Reason, State};
use crate::status::Phase;
use crate::supervisor::Supervisor;
use init_plan::{Id, Kind};

pub(super) fn backoff_within_bounds(world: &World, id: Id, from: Phase) -> Outcome {
    let core = &world.core;
    let (unit, policy) = (core.unit(id), &core.service(id).restart);
    let State::Backoff { until } = unit.state else { return Ok(()) };
    if unit.held {
        return Ok(());
    }
    let delay = until.since(world.now).as_secs_f64();
    let steps = i32::try_from(unit.tries.saturating_sub(2).min(64)).unwrap_or(64);
    let factor = f64::from(policy.factor_percent) / 100.0;
    let nominal = (policy.delay.as_secs_f64() * factor.powi(steps)).min(policy.max_delay.as_secs_f64());
    let spread = nominal * f64::from(policy.jitter_percent) / 100.0 + 1e-6;
    // Failing to start at all is no reason to spin.
    let started = !matches!(from, Phase::Starting | Phase::Checking);
    let floor = if started { 0.0 } else { crate::restart::LEAST_RETRY.as_secs_f64() };
    let longest = policy.max_delay.as_secs_f64() + 1e-6;
    let least = (nominal - spread).max(floor - 1e-6);
    let most = (nominal + spread).min(longest).max(floor + 1e-6);
    must((least..=most).contains(&delay), "backoff", || {
        format!("{} waits {delay} s, not {least} to {most} s", core.service(id).name)
    })
}

/// What failed takes with it what requires it, and what recovered gives it back.
pub(super) fn failures_spread(core: &Supervisor, id: Id) -> Outcome {
    let (unit, service) = (core.unit(id), core.service(id));
    let is_gone = |on: Id| {
        let (unit, kind) = (core.unit(on), core.service(on).kind);
        let ended = matches!(unit.state, State::Failed { .. })
            || (unit.state == State::Done && kind == Kind::Longrun);
        matches!(unit.goal, Goal::DependencyFailed(_))
            || (ended && unit.goal != Goal::Down(Reason::Restarting))
    };
    match unit.goal {
        // These are down for reasons of their own.
        Goal::Up if matches!(unit.state, State::Failed { .. }) => Ok(()),
        Goal::Up if unit.state == State::Done && service.kind == Kind::Longrun => Ok(()),
        Goal::Up => {
            let missing = service.requires.iter().find(|&&on| is_gone(on));
            must(missing.is_none(), "failure-spreads", || {
                format!("{} is still wanted without {:?}", service.name, missing.map(|id| id.0))
            })?;
            let unwanted = service.requires.iter().find(|&&on| !core.unit(on).goal.is_wanted());
            must(unwanted.is_none(), "failure-spreads", || {
                format!("{} is wanted, but what it requires is not", service.name)
            })
        }
        Goal::DependencyFailed(on) => {
            let met = |&on: &Id| core.required_state(on) == DependencyState::Met;
            let well = service.requires.iter().all(met);
            must(!well && core.unit(on).goal.is_wanted(), "failure-spreads", || {
                format!(
                    "{} failed because of {}, but all it requires is well",
                    service.name,
                    core.service(on).name
                )
            })?;
            let State::Failed { why } = &unit.state else { return Ok(()) };
            // One that failed by itself before keeps its own reason.
            must(why.contains(&*core.service(on).name), "failure-spreads", || {
                format!("{} failed because `{why}`, which does not name its cause", service.name)
            })
        }
        Goal::Down(_) => Ok(()),
    }
}

/// What is told of a service's first start makes sense: in order, and whole once the service is ready.
pub(super) fn first_start_is_in_order(core: &Supervisor, id: Id) -> Outcome {
    let unit = core.unit(id);
    let name = || core.service(id).name.clone();
    let Some(first_start) = unit.first_start else {
        return must(unit.state == State::Down, "first_start", || {
            format!("{} was never wanted, but is not down", name())
        });
    };
    let settled = first_start.settled.map(|(at, _)| at);
    let times: Vec<_> =
        [Some(first_start.wanted), first_start.started, settled].into_iter().flatten().collect();
    must(times.is_sorted() && times.iter().all(|&at| at <= core.now), "first_start", || {
        format!("{}: {first_start:?} is not in order", name())
    })?;
    must(
        first_start.settled.is_some() || !(unit.state.is_inactive() || unit.state.phase() == Phase::Up),
        "first_start",
        || format!("{} is {} and its first start is not over", name(), unit.state.phase().as_str()),
    )?;
    let known = first_start.waited_for.is_none_or(|on| on.index() < core.units.len() && on != id);
    must(known, "first_start", || format!("{} waited for nobody that there is: {first_start:?}", name()))
}

/// No rule of the core applies to a service that it has left alone.
pub(super) fn nothing_is_left_undone(core: &Supervisor, id: Id) -> Outcome {
    let (unit, service) = (core.unit(id), core.service(id));
    let undone = match (unit.goal, unit.state.phase()) {
        (Goal::Up, Phase::Down) => true,
        (Goal::Up, Phase::Waiting) => !matches!(core.dependency_state(id), DependencyState::Pending(_)),
        (Goal::Up, _) => false,
        (_, Phase::Waiting | Phase::Backoff | Phase::Checking) => true,
        (Goal::Down(_), Phase::Failed | Phase::Skipped) => !is_needed(core, id),
        (_, Phase::Starting | Phase::Up) => !is_needed(core, id),
        (_, Phase::Done) if service.down.is_some() => !is_needed(core, id) && !core.is_forced(),
        (Goal::Down(_), Phase::Done) => !is_needed(core, id),
        _ => false,
    };
    must(!undone, "settled", || format!("{} is {} for no reason", service.name, unit.state.phase().as_str()))
}

fn is_needed(core: &Supervisor, id: Id) -> bool {
    core.dependents_of(id).iter().any(|&(above, _)| {
        core.unit(above).goal != Goal::Up
            && match core.phase(above) {
                Phase::Starting | Phase::Up | Phase::Stopping | Phase::Ending | Phase::Undoing => true,
                Phase::Done | Phase::Skipped | Phase::Failed if core.unit(above).goal.is_down() => true,
                Phase::Done => core.service(above).down.is_some(),
                _ => false,
            }
    })
}

pub(super) fn stop_has_an_end(core: &Supervisor, id: Id) -> Outcome {
    let (unit, service) = (core.unit(id), core.service(id));
    let State::Stopping { main, .. } = &unit.state else { return Ok(()) };
    let longest = service.stop.timeout.max(super::plans::LONGEST_STOP)
        + crate::timers::LONGEST_EXTENSION
        + Duration::from_nanos(1);
    must(main.timeout.at().is_none_or(|at| at <= unit.since.plus(longest)), "stop-ends", || {
        format!("{} has more than its stop timeout", service.name)
    })
}

pub(super) fn timers_are_right(world: &World, before: &Before) -> Outcome {
    let core = &world.core;
    let mut count = 0;
    for id in core.ids() {
        let deadline = core.unit(id).deadline();
        count += usize::from(deadline.is_some());
        must(deadline.is_none_or(|at| core.timers.contains(&(at, id))), "timers", || {
            format!("the deadline of {} is not noted", core.service(id).name)
        })?;
    }
    must(count == core.timers.len(), "timers", || "a deadline is noted that nobody has".into())?;
    for (at, id, state) in &before.due {
        let stays = core.timers.contains(&(*at, *id)) && core.unit(*id).state == *state;
        must(!stays, "no-busy-loop", || {
            format!("the deadline of {} came to nothing", core.service(*id).name)
        })?;
    }
    let kill_stays = before.kill_due && kill_is_due(world);
    must(!kill_stays, "no-busy-loop", || "the time to kill everything came to nothing".into())
}

pub(super) fn bookkeeping_is_right(world: &World) -> Outcome {
    let core = &world.core;
    let living: BTreeMap<Pid, Run> =
        world.processes.iter().filter_map(|p| p.pid.map(|pid| (pid, p.run))).collect();
    must(living == core.pids, "books", || format!("{:?} are alive, noted are {:?}", living, core.pids))?;
    for process in &world.processes {
        must(core.runs.get(&process.run) == Some(&process.id), "books", || {
            format!("{:?} is not noted as it should be", process.run)
        })?;
    }
    let ending = core.units.iter().filter(|unit| matches!(unit.state, State::Ending { .. })).count();
    must(core.runs.len() == world.processes.len() + ending, "books", || {
        format!("{} processes and {ending} ended ones, noted are {:?}", world.processes.len(), core.runs)
    })?;
    for unit in &core.units {
        for child in unit.state.children() {
            let known = world.processes.iter().any(|p| p.run == child.run && p.pid == child.pid);
            must(known, "books", || format!("{child:?} stands in a state but is no process"))?;
        }
    }
    Ok(())
}

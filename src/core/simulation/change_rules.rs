//! The rules about changes of state.

use std::collections::BTreeSet;

use super::before::{Before, EventKind};
use super::check::{Outcome, must};
use super::rules::Rules;
use super::state_rules::backoff_within_bounds;
use super::world::World;
use crate::event::Change;
use crate::state::{Cause, Goal, Reason, State};
use crate::status::{Exit, Phase};
use init_plan::{Id, Kind};

impl Rules {
    pub(super) fn on_change(&mut self, world: &World, before: &Before, change: &Change) -> Outcome {
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
        let held = world.core.unit(id).held;
        // A shutdown and a stop change the goal; whatever else is asked for is another event.
        let is_wanted = world.core.unit(id).goal == Goal::Up && was.is_some_and(|was| was.goal == Goal::Up);
        let by_itself = before.kind == EventKind::Tick && is_wanted;
        must(!(by_itself && held && matches!(from, Phase::Up | Phase::Backoff)), "held", || {
            format!("{name} is held, and is {} by itself", to.as_str())
        })?;
        must(!before.impostor || to != Phase::Up, "own-readiness", || {
            format!("{name} is taken for ready on the word of another process")
        })?;
        self.stops_after_dependents(world, before, change)?;
        self.oneshot_runs_once(world, before, change)?;
        let again = !held
            && matches!(to, Phase::Waiting | Phase::Backoff)
            && matches!(from, Phase::Ending | Phase::Stopping)
            && was.is_some_and(|was| was.phase == from && !was.requested && was.goal == Goal::Up);
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

    fn stops_after_dependents(&self, world: &World, before: &Before, change: &Change) -> Outcome {
        let core = &world.core;
        let id = change.id;
        let on_purpose = match &core.unit(id).state {
            State::Stopping { cause: Cause::Requested, .. } => change.to == Phase::Stopping,
            _ => change.to == Phase::Undoing,
        };
        let at_once = self.forced || before.kill_due || before.kind == EventKind::Force;
        if !on_purpose || core.unit(id).goal == Goal::Up || at_once {
            return Ok(());
        }
        // What stands between two services may have ended long ago: a oneshot that is done, one that was skipped.
        let mut next: Vec<Id> = core.dependents_of(id).iter().map(|&(above, _)| above).collect();
        let mut looked = BTreeSet::new();
        while let Some(above) = next.pop() {
            // What a trial that fails calls back in this step was wanted when the other was stopped.
            let is_called_back = core.unit(above).goal == Goal::Down(Reason::Restarting)
                && !before.replanned
                && before.units.get(above.index()).is_some_and(|was| was.goal == Goal::Up);
            if core.unit(above).goal == Goal::Up || is_called_back || !looked.insert(above) {
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
                && core.unit(above).goal.is_down()
            {
                next.extend(core.dependents_of(above).iter().map(|&(above, _)| above));
            }
        }
        Ok(())
    }

    fn oneshot_runs_once(&self, world: &World, before: &Before, change: &Change) -> Outcome {
        let service = world.core.service(change.id);
        if service.kind != Kind::Oneshot || !matches!(change.to, Phase::Waiting | Phase::Backoff) {
            return Ok(());
        }
        let asked = before.kind == EventKind::Restart || before.replanned;
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
}

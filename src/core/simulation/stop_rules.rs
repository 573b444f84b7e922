//! The rules about what a person stopped, and what that took along.

use std::collections::BTreeSet;

use super::before::{Before, EventKind};
use super::check::{Outcome, must};
use crate::state::{Goal, Reason};
use crate::status::Stage;
use crate::supervisor::Supervisor;
use init_plan::Id;

/// A start brings back all that the stop of the service took along, and nothing that was stopped by its own name.
pub(super) fn stops_are_remembered(core: &Supervisor, before: &Before) -> Outcome {
    let wrong = core.ids().find(|id| core.unit(*id).goal.is_stopped() != core.stopped.contains(id));
    must(wrong.is_none() && core.stopped.iter().all(|id| id.index() < core.units.len()), "books", || {
        format!("the list of stopped services is wrong: {:?}, {wrong:?}", core.stopped)
    })?;
    let restarting = Goal::Down(Reason::Restarting);
    let wrong = core.ids().find(|id| (core.unit(*id).goal == restarting) != core.restarting.contains(id));
    must(wrong.is_none() && core.restarting.iter().all(|id| id.index() < core.units.len()), "books", || {
        format!("the list of restarting services is wrong: {:?}, {wrong:?}", core.restarting)
    })?;
    if core.stage() == Stage::Stopping || before.replanned {
        return Ok(());
    }
    let started = before.about.filter(|id| {
        matches!(before.kind, EventKind::Start | EventKind::Restart) && id.index() < core.units.len()
    });
    if let Some(id) = started {
        let left = core.stopped_with(id).next();
        must(left.is_none(), "brings-back", || {
            format!("{} was started, but {left:?} is still down because of its stop", core.service(id).name)
        })?;
    }
    let asked = started.map(|id| needs(core, id)).unwrap_or_default();
    for id in core.ids() {
        let (Some(was), is) = (before.units.get(id.index()), core.unit(id).goal) else { continue };
        let by_name = was.goal == Goal::Down(Reason::Stopped);
        must(!by_name || is == was.goal || asked.contains(&id), "stays-stopped", || {
            format!(
                "{} was stopped by its name, and is {is:?} although nobody started it",
                core.service(id).name
            )
        })?;
        let taken = matches!(was.goal, Goal::Down(Reason::StoppedWith(_)));
        let other = started.is_some() || is == Goal::Down(Reason::Stopped);
        must(!taken || is == was.goal || other, "stays-stopped", || {
            format!(
                "{} was stopped with another, and is {is:?} although nobody started that",
                core.service(id).name
            )
        })?;
    }
    Ok(())
}

/// A service and all that it requires and wants, directly or not.
fn needs(core: &Supervisor, id: Id) -> BTreeSet<Id> {
    let (mut queue, mut found) = (vec![id], BTreeSet::new());
    while let Some(next) = queue.pop() {
        if found.insert(next) {
            let service = core.service(next);
            queue.extend(service.requires.iter().chain(&service.wants));
        }
    }
    found
}

//! A new plan for a running supervisor.

use std::collections::{BTreeMap, BTreeSet};

use super::event::Action;
use super::graph::dependents;
use super::state::{Goal, State, Unit};
use super::status::Stage;
use super::supervisor::Supervisor;
use init_plan::{Id, Kind, Plan, Service};

impl Supervisor {
    /// Takes over a new plan. What is gone from it stops, what is new in it starts, and what it changes applies to
    /// a service from its next start on.
    pub(super) fn replan(&mut self, mut plan: Plan) {
        if self.stage == Stage::Stopping {
            return;
        }
        let mut ids = new_ids(&self.plan, &plan);
        let kept = plan.services.len();
        self.keep_running(&mut plan, &mut ids);
        let mut units: Vec<Unit> = plan.services.iter().map(|_| Unit::new()).collect();
        let mut news = News { fresh: (0..kept).collect(), ..News::default() };
        for (old, new) in ids.iter().enumerate() {
            let (Some(unit), Some(new)) = (self.units.get(old), *new) else { continue };
            let (Some(was), Some(is)) = (self.plan.services.get(old), plan.services.get(new.index())) else {
                continue;
            };
            let retired = new.index() >= kept;
            if !unit.retired {
                news.fresh.remove(&new.index());
            }
            news.compare(new, was, is, &ids);
            let changed = unit.changed || (!retired && runs_differently(was, is, &self.plan, &plan));
            let unit = Unit { retired, changed: changed && !unit.state.is_inactive(), ..unit.clone() };
            if let Some(place) = units.get_mut(new.index()) {
                *place = unit;
            }
        }
        self.adopt(plan, units, &ids);
        self.emit(Action::Replanned { ids });
        self.after_replan(&news);
    }

    /// Services that the new plan lacks stay in it, behind all others, until their processes are gone.
    fn keep_running(&self, plan: &mut Plan, ids: &mut [Option<Id>]) {
        // Processes of a service are still to end, though its state may not hold them any more.
        let busy: BTreeSet<usize> = self.runs.values().map(|id| id.index()).collect();
        for (old, (unit, service)) in self.units.iter().zip(&self.plan.services).enumerate() {
            let inactive = unit.state.is_inactive() && !(unit.state == State::Done && service.down.is_some());
            let Some(new) = ids.get(old).copied() else { continue };
            if new.is_some() || (inactive && !busy.contains(&old)) {
                continue;
            }
            let map = |on: &Vec<Id>| on.iter().filter_map(|&id| new_id(ids, id)).collect();
            let mut service = service.clone();
            (service.requires, service.wants, service.after) =
                (map(&service.requires), map(&service.wants), map(&service.after));
            let id = Id(u32::try_from(plan.services.len()).unwrap_or(u32::MAX));
            plan.services.push(service);
            if let Some(place) = ids.get_mut(old) {
                *place = Some(id);
            }
        }
    }

    fn adopt(&mut self, plan: Plan, units: Vec<Unit>, ids: &[Option<Id>]) {
        let new = |id: Id| new_id(ids, id);
        self.runs = self.runs.iter().filter_map(|(&run, &id)| Some((run, new(id)?))).collect();
        self.booting = self.booting.iter().filter_map(|&id| new(id)).collect();
        self.dirty.clear();
        self.timers.clear();
        self.timed = vec![None; units.len()];
        self.dependents = dependents(&plan);
        self.plan = plan;
        self.units = units;
        for (unit, id) in self.units.iter_mut().zip((0..).map(Id)) {
            if let Goal::DependencyFailed(on) = unit.goal {
                // One that is no more is found out about presently.
                unit.goal = Goal::DependencyFailed(new(on).unwrap_or(id));
            }
            if let Some(first_start) = &mut unit.first_start {
                first_start.waited_for = first_start.waited_for.and_then(new);
            }
        }
    }

    fn after_replan(&mut self, news: &News) {
        for id in self.ids() {
            self.update_timer(id);
            self.mark_dirty_around(id);
        }
        for &id in &news.other_kind {
            self.is_of_another_kind(id);
        }
        for &(id, on, required) in &news.needs {
            if self.unit(id).goal != Goal::Down && self.must_be_started(on, required) {
                self.start(on);
            }
        }
        // In the order of ids: what others require has found its own place before them.
        for id in self.ids() {
            let complete = self.unit(id).state == State::Done && self.service(id).kind == Kind::Oneshot;
            if matches!((self.unit(id).goal, complete), (Goal::DependencyFailed(_), _) | (Goal::Up, true)) {
                self.recheck_failed_dependency(id);
            }
            if self.unit(id).retired {
                self.stop(id);
            } else if news.fresh.contains(&id.index()) && self.service(id).autostart {
                self.start(id);
            }
        }
        for &id in &news.speak_otherwise {
            self.replace_readiness(id);
        }
    }

    /// What was complete as a command is not as a daemon.
    fn is_of_another_kind(&mut self, id: Id) {
        let done = self.unit(id).state == State::Done && self.service(id).kind == Kind::Longrun;
        if done && self.unit(id).goal == Goal::Up {
            self.transition(id, State::Waiting);
        }
    }
}

/// What a new plan means for services that were in the one before.
#[derive(Default)]
struct News {
    /// Places of services that were not there, or on their way out.
    fresh: BTreeSet<usize>,
    /// Who needs what that it did not need before, and whether it requires it.
    needs: Vec<(Id, Id, bool)>,
    other_kind: Vec<Id>,
    /// Services whose readiness is to be known in another way.
    speak_otherwise: Vec<Id>,
}

impl News {
    fn compare(&mut self, id: Id, was: &Service, is: &Service, ids: &[Option<Id>]) {
        if was.ready != is.ready || was.kind != is.kind {
            self.speak_otherwise.push(id);
        }
        if was.kind != is.kind {
            self.other_kind.push(id);
        }
        for (before, now, required) in [(&was.requires, &is.requires, true), (&was.wants, &is.wants, false)] {
            let before: BTreeSet<Id> = before.iter().filter_map(|&on| new_id(ids, on)).collect();
            self.needs.extend(now.iter().filter(|on| !before.contains(on)).map(|&on| (id, on, required)));
        }
    }
}

/// What becomes of each old id: services keep their identity by their name.
fn new_ids(old: &Plan, new: &Plan) -> Vec<Option<Id>> {
    let names: BTreeMap<&str, Id> =
        new.services.iter().zip((0..).map(Id)).map(|(service, id)| (&*service.name, id)).collect();
    old.services.iter().map(|service| names.get(&*service.name).copied()).collect()
}

fn new_id(ids: &[Option<Id>], old: Id) -> Option<Id> {
    ids.get(old.index()).copied().flatten()
}

/// Whether a service's definition changed in anything but its ids, which say nothing across plans.
fn runs_differently(was: &Service, is: &Service, old: &Plan, new: &Plan) -> bool {
    let names = |ids: &[Id], plan: &Plan| -> Vec<Option<Box<str>>> {
        ids.iter().map(|id| plan.services.get(id.index()).map(|s| s.name.clone())).collect()
    };
    let bare = |service: &Service| Service {
        requires: Vec::new(),
        wants: Vec::new(),
        after: Vec::new(),
        ..service.clone()
    };
    names(&was.requires, old) != names(&is.requires, new)
        || names(&was.wants, old) != names(&is.wants, new)
        || names(&was.after, old) != names(&is.after, new)
        || bare(was) != bare(is)
}

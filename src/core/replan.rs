//! A new plan for a running supervisor.

use std::collections::{BTreeMap, BTreeSet};

use super::event::Action;
use super::graph::dependents;
use super::state::{Goal, Reason, State, Unit};
use super::status::Stage;
use super::supervisor::Supervisor;
use init_plan::{Id, Kind, Plan, Service};

impl Supervisor {
    /// Takes over a new plan. Services that it lacks stop, services that are new in it start, and what it changes about a
    /// service applies from the service's next start on.
    pub(super) fn replan(&mut self, plan: Plan) {
        if self.stage == Stage::Stopping {
            return;
        }
        self.end_trial("another plan was read meanwhile");
        self.take_over(plan, &|supervisor, id, is_needed| {
            if is_needed || supervisor.service(id).autostart {
                supervisor.start(id);
            }
        });
    }

    /// Takes over a new plan, and tells `begin` of each service that is new in it, or is needed by one that did not depend on
    /// it before. Returns the services whose definition it changes, or an earlier one has changed since they were started,
    /// and the plan before.
    pub(super) fn take_over(
        &mut self,
        mut plan: Plan,
        begin: &dyn Fn(&mut Supervisor, Id, bool),
    ) -> (Vec<Id>, Plan) {
        let mut ids = new_ids(&self.plan, &plan);
        let kept = plan.services.len();
        self.keep_running(&mut plan, &mut ids);
        let mut units: Vec<Unit> =
            plan.services.iter().map(|_| Unit { since: self.now, ..Unit::new() }).collect();
        let mut differences = Differences { fresh: (0..kept).collect(), ..Differences::default() };
        for (old, new) in ids.iter().enumerate() {
            let (Some(unit), Some(new)) = (self.units.get(old), *new) else { continue };
            let (Some(was), Some(is)) = (self.plan.services.get(old), plan.services.get(new.index())) else {
                continue;
            };
            let retired = new.index() >= kept;
            if !unit.retired {
                differences.fresh.remove(&new.index());
            }
            differences.compare(new, was, is, &ids);
            let changed = !retired && (unit.changed || runs_differently(was, is, &self.plan, &plan));
            if changed && !unit.retired {
                differences.changed.push(new);
            }
            let unit = Unit { retired, changed: changed && !unit.state.is_inactive(), ..unit.clone() };
            if let Some(place) = units.get_mut(new.index()) {
                *place = unit;
            }
        }
        let before = self.adopt(plan, units, &ids, kept);
        self.emit(Action::Replanned { ids });
        self.after_replan(&differences, begin);
        (differences.changed, before)
    }

    /// What a new plan would change: the names of services, with `+` before new ones, `-` before those that would go, and `~`
    /// before those that would run otherwise.
    pub fn differences(&self, plan: &Plan) -> Vec<String> {
        let ids = new_ids(&self.plan, plan);
        let mut fresh: BTreeSet<usize> = (0..plan.services.len()).collect();
        let mut found = Vec::new();
        let mut mark = |sign: &str, service: &Service| found.push([sign, &*service.name].concat());
        let present = self.units.iter().zip(&self.plan.services).zip(ids);
        for ((_, was), id) in present.filter(|((unit, _), _)| !unit.retired) {
            let is = id.and_then(|id| plan.services.get(id.index()));
            match is {
                None => mark("-", was),
                Some(is) if runs_differently(was, is, &self.plan, plan) => mark("~", was),
                Some(_) => {}
            }
            fresh.remove(&id.map_or(usize::MAX, Id::index));
        }
        for service in fresh.into_iter().filter_map(|index| plan.services.get(index)) {
            mark("+", service);
        }
        found
    }

    /// Services that the new plan lacks stay in it, behind all others, until their processes are gone.
    fn keep_running(&self, plan: &mut Plan, ids: &mut [Option<Id>]) {
        // A service may have processes that are still to end although its state does not hold them any more.
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

    /// The services of the new plan proper are the first `kept`. Returns the plan before.
    fn adopt(&mut self, plan: Plan, units: Vec<Unit>, ids: &[Option<Id>], kept: usize) -> Plan {
        let new = |id: Id| new_id(ids, id);
        self.runs = self.runs.iter().filter_map(|(&run, &id)| Some((run, new(id)?))).collect();
        self.booting = self.booting.iter().filter_map(|&id| new(id)).collect();
        self.dirty.clear();
        self.timers.clear();
        self.timed = vec![None; units.len()];
        self.dependents = dependents(&plan);
        let before = std::mem::replace(&mut self.plan, plan);
        self.units = units;
        for (unit, id) in self.units.iter_mut().zip((0..).map(Id)) {
            if let Goal::DependencyFailed(on) = unit.goal {
                // If that service is no more, `after_replan` finds another reason, or none.
                unit.goal = Goal::DependencyFailed(new(on).unwrap_or(id));
            }
            if let Goal::Down(Reason::StoppedWith(on)) = unit.goal {
                // Nobody can start what is not in the plan any more, so the service no longer waits for that.
                let on = new(on).filter(|on| on.index() < kept);
                unit.goal = Goal::Down(on.map_or(Reason::Stopped, Reason::StoppedWith));
            }
            if let Some(first_start) = &mut unit.first_start {
                first_start.waited_for = first_start.waited_for.and_then(new);
            }
        }
        self.stopped = self.ids().filter(|&id| self.unit(id).goal.is_stopped()).collect();
        let restarting = Goal::Down(Reason::Restarting);
        self.restarting = self.ids().filter(|&id| self.unit(id).goal == restarting).collect();
        before
    }

    fn after_replan(&mut self, differences: &Differences, begin: &dyn Fn(&mut Supervisor, Id, bool)) {
        for id in self.ids() {
            self.update_timer(id);
            self.mark_dirty_around(id);
        }
        for &id in &differences.other_kind {
            self.change_kind(id);
        }
        let new = differences.dependencies.iter();
        let needed = new.filter(|&&(id, on, required)| {
            self.unit(id).goal.is_wanted() && self.must_be_started(on, required)
        });
        let needed: Vec<Id> = needed.map(|&(_, on, _)| on).collect();
        // Dependencies have smaller ids, so their goals are right before those of their dependents.
        for id in self.ids() {
            let complete = self.unit(id).state == State::Done && self.service(id).kind == Kind::Oneshot;
            if matches!((self.unit(id).goal, complete), (Goal::DependencyFailed(_), _) | (Goal::Up, true)) {
                self.recheck_failed_dependency(id);
            }
            if self.unit(id).retired {
                self.retire(id);
            } else if needed.contains(&id) || differences.fresh.contains(&id.index()) {
                begin(self, id, needed.contains(&id));
            }
        }
        for &id in &differences.other_readiness {
            self.replace_readiness(id);
        }
    }

    /// A service that was complete as a oneshot is not complete as a longrun.
    fn change_kind(&mut self, id: Id) {
        let done = self.unit(id).state == State::Done && self.service(id).kind == Kind::Longrun;
        if done && self.unit(id).goal == Goal::Up {
            self.transition(id, State::Waiting);
        }
    }
}

/// What a new plan changes.
#[derive(Default)]
struct Differences {
    /// Indices of services that the plan before did not have, or that were retired.
    fresh: BTreeSet<usize>,
    /// Services whose definition is newer than the one that they were started with.
    changed: Vec<Id>,
    /// New dependencies: the service, what it depends on, and whether it requires that.
    dependencies: Vec<(Id, Id, bool)>,
    /// Services that became a longrun or a oneshot.
    other_kind: Vec<Id>,
    /// Services that are known to be ready in another way.
    other_readiness: Vec<Id>,
}

impl Differences {
    fn compare(&mut self, id: Id, was: &Service, is: &Service, ids: &[Option<Id>]) {
        if was.ready != is.ready || was.kind != is.kind {
            self.other_readiness.push(id);
        }
        if was.kind != is.kind {
            self.other_kind.push(id);
        }
        for (before, now, required) in [(&was.requires, &is.requires, true), (&was.wants, &is.wants, false)] {
            let before: BTreeSet<Id> = before.iter().filter_map(|&on| new_id(ids, on)).collect();
            self.dependencies
                .extend(now.iter().filter(|on| !before.contains(on)).map(|&on| (id, on, required)));
        }
    }
}

/// The new id of each old one. Services keep their identity by their name.
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
    let name = |plan: &Plan, id: &Id| plan.services.get(id.index()).map(|service| service.name.clone());
    let same = |was: &[Id], is: &[Id]| {
        was.len() == is.len() && was.iter().zip(is).all(|(was, is)| name(old, was) == name(new, is))
    };
    let with_old_ids = || Service {
        requires: was.requires.clone(),
        wants: was.wants.clone(),
        after: was.after.clone(),
        ..is.clone()
    };
    !same(&was.requires, &is.requires)
        || !same(&was.wants, &is.wants)
        || !same(&was.after, &is.after)
        || with_old_ids() != *was
}

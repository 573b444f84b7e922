//! A new plan for a running supervisor.

use std::collections::BTreeMap;

use super::event::Action;
use super::state::{Goal, State, Trial, Unit};
use super::status::Stage;
use super::supervisor::{Supervisor, dependents};
use crate::plan::{Id, Plan, Service};

impl Supervisor {
    /// Takes over a new plan. What is gone from it stops, what is new in it starts, and what it changes applies to
    /// a service from its next start on.
    pub(super) fn replan(&mut self, mut plan: Plan) {
        if self.stage == Stage::Stopping {
            return;
        }
        let names: BTreeMap<Box<str>, Id> =
            plan.services.iter().zip((0..).map(Id)).map(|(service, id)| (service.name.clone(), id)).collect();
        let mut ids: Vec<Option<Id>> =
            self.plan.services.iter().map(|s| names.get(&s.name).copied()).collect();
        let kept = plan.services.len();
        self.keep_running(&mut plan, &mut ids);
        let mut units: Vec<Unit> = plan.services.iter().map(|_| Unit::new()).collect();
        let mut speak_otherwise = Vec::new();
        for (old, new) in ids.iter().enumerate() {
            let (Some(unit), Some(new)) = (self.units.get(old), new) else { continue };
            let (Some(was), Some(is)) = (self.plan.services.get(old), plan.services.get(new.index())) else {
                continue;
            };
            if was.ready != is.ready {
                speak_otherwise.push(*new);
            }
            let retired = new.index() >= kept;
            let changed = unit.changed || (!retired && runs_differently(was, is, &self.plan, &plan));
            let unit = Unit { retired, changed: changed && !unit.state.is_at_rest(), ..unit.clone() };
            if let Some(place) = units.get_mut(new.index()) {
                *place = unit;
            }
        }
        self.adopt(plan, units, &ids);
        self.act(Action::Replanned { ids: ids.clone() });
        self.after_replan(&ids);
        for id in speak_otherwise {
            self.listen_anew(id);
        }
    }

    /// A service that is starting is to be known ready in another way than when it was started. If it cannot be
    /// known of this process, its start timeout ends that.
    fn listen_anew(&mut self, id: Id) {
        let State::Starting { main, .. } = self.unit(id).state else { return };
        if main.pid.is_some() {
            self.drop_trial(id);
            self.set_trial(id, Trial::Off);
            self.main_runs(id);
        }
    }

    /// Services that the new plan lacks stay in it, behind all others, until their processes are gone.
    fn keep_running(&self, plan: &mut Plan, ids: &mut [Option<Id>]) {
        for (old, (unit, service)) in self.units.iter().zip(&self.plan.services).enumerate() {
            let at_rest = unit.state.is_at_rest() && !(unit.state == State::Done && service.down.is_some());
            let Some(new) = ids.get(old).copied() else { continue };
            if new.is_some() || (at_rest && !self.has_runs(old)) {
                continue;
            }
            let map =
                |on: &Vec<Id>| on.iter().filter_map(|id| ids.get(id.index()).copied().flatten()).collect();
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

    /// Whether processes of this service are still to end, held by its state or not.
    fn has_runs(&self, old: usize) -> bool {
        self.runs.values().any(|id| id.index() == old)
    }

    fn adopt(&mut self, plan: Plan, units: Vec<Unit>, ids: &[Option<Id>]) {
        let new = |id: Id| ids.get(id.index()).copied().flatten();
        self.runs = self.runs.iter().filter_map(|(&run, &id)| Some((run, new(id)?))).collect();
        self.booting = self.booting.iter().filter_map(|&id| new(id)).collect();
        self.dirty.clear();
        self.timers.clear();
        self.timed = vec![None; units.len()];
        self.dependents = dependents(&plan);
        self.plan = plan;
        self.units = units;
        for unit in &mut self.units {
            // Who was lost with a service that is no more gets another chance.
            if let Goal::Lost(on) = unit.goal {
                unit.goal = new(on).map_or(Goal::Up, Goal::Lost);
            }
        }
    }

    fn after_replan(&mut self, ids: &[Option<Id>]) {
        let known: std::collections::BTreeSet<Id> = ids.iter().copied().flatten().collect();
        for id in self.ids() {
            self.retime(id);
            self.touch_around(id);
            if self.unit(id).retired {
                self.stop(id);
            } else if !known.contains(&id) && self.service(id).autostart {
                self.start(id);
            } else if self.unit(id).goal == Goal::Up {
                self.start_missing(id);
            }
        }
    }

    /// A running service may have been given new requirements.
    fn start_missing(&mut self, id: Id) {
        let below: Vec<Id> =
            self.service(id).requires.iter().chain(&self.service(id).wants).copied().collect();
        for on in below {
            if self.unit(on).goal == Goal::Down {
                self.start(on);
            }
        }
    }
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

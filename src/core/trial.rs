//! A new plan on trial: what it changes restarts at once and in order, and if that does not come up, the plan of before comes
//! back.
//!
//! Whatever restarts gets the goal [`Reason::Restarting`]: it comes down after what depends on it and restarts, too, and is
//! started when all that it depends on has been. A service that the plan did not have starts when those are gone that it has
//! no more: they may hold the same port. A rollback takes over the plan of before in the same way. It begins a step of its
//! own, because ids have another meaning from then on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::Action;
use super::state::{Cause, Goal, Reason, State, Unit};
use super::status::Stage;
use super::supervisor::Supervisor;
use super::time::Time;
use init_plan::{Id, Kind, Plan, Ready};

/// A daemon that does not say when it is ready has to run for so long before it counts as well.
const PROOF: Duration = Duration::from_secs(1);

/// What is said of a rollback.
const BACK: &str = ": the plan of before is in force again";

/// A plan that is being applied.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Trial {
    /// What comes back if the trial fails; `None` once it has come back.
    before: Option<Box<Before>>,
    /// The services that have to come up.
    watched: Vec<Id>,
    patience: Duration,
    until: Time,
    /// When to look again although nothing changes.
    look: Option<Time>,
    /// Why the plan of before has to come back, or has.
    why: Option<String>,
}

/// What was in force before.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Before {
    plan: Plan,
    /// The names of services that were wanted up.
    wanted: Vec<Box<str>>,
}

impl Trial {
    /// When something is to be decided at the latest.
    pub(super) fn deadline(&self) -> Time {
        if self.is_condemned() {
            Time::default()
        } else {
            self.look.map_or(self.until, |at| at.min(self.until))
        }
    }

    fn is_condemned(&self) -> bool {
        self.before.is_some() && self.why.is_some()
    }
}

/// What can be said of a service on trial.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Verdict {
    /// It is well.
    Well,
    /// It is not known yet; when to look again, if nothing changes.
    Pending(Option<Time>),
    /// It failed.
    Failed,
}

impl Supervisor {
    /// Takes over a plan, restarts what it changes, and puts it on trial.
    pub(super) fn apply(&mut self, plan: Plan, patience: Duration) {
        if self.stage == Stage::Stopping {
            return;
        }
        self.end_trial("another plan was applied meanwhile");
        let kept = self.units.iter().take_while(|unit| !unit.retired).count();
        let wanted = self.ids().take(kept).filter(|&id| self.is_wanted(id));
        let wanted = wanted.map(|id| self.service(id).name.clone()).collect();
        let mut before = self.restart_changed(plan, &|supervisor, id| supervisor.service(id).autostart);
        before.services.truncate(kept);
        self.try_out(Some(Box::new(Before { plan: before, wanted })), patience, None);
    }

    /// Brings the plan of before back if that is to be done. It begins a step.
    pub(super) fn roll_back_if_condemned(&mut self) {
        let Some(trial) = self.trial.take_if(|trial| trial.is_condemned()) else { return };
        let (Some(before), Some(why)) = (trial.before, trial.why) else { return };
        self.emit(Action::RolledBack { why: why.clone() });
        let Before { plan, wanted } = *before;
        self.restart_changed(plan, &|supervisor, id| wanted.contains(&supervisor.service(id).name));
        self.try_out(None, trial.patience, Some(why));
    }

    /// Takes over a plan, and restarts in order what it changes and what is new in it and `is_to_start`. Returns the plan
    /// before.
    #[inline(never)]
    fn restart_changed(&mut self, plan: Plan, is_to_start: &dyn Fn(&Supervisor, Id) -> bool) -> Plan {
        let restarting = Goal::Down(Reason::Restarting);
        let (changed, before) = self.take_over(plan, &|supervisor, id, is_needed| {
            // What a person holds is left alone, here and below.
            let is_held = supervisor.is_wanted(id) && supervisor.unit(id).held;
            if is_needed || (!is_held && is_to_start(supervisor, id)) {
                supervisor.set_goal(id, restarting);
            }
        });
        for id in changed {
            if self.is_wanted(id) && !self.unit(id).held {
                self.set_goal(id, restarting);
            }
        }
        before
    }

    /// Whatever restarts now is on trial.
    fn try_out(&mut self, before: Option<Box<Before>>, patience: Duration, why: Option<String>) {
        let watched = self.restarting.iter().copied().collect();
        // There is no verdict in the step in which it begins: ids have another meaning within that.
        let patience = patience.max(Duration::from_millis(1));
        let until = self.now.plus(patience);
        self.applied = None;
        self.trial = Some(Trial { before, watched, patience, until, look: None, why });
    }

    /// Ends a trial without a verdict: what restarts goes on, and nothing comes back.
    pub(super) fn end_trial(&mut self, why: &str) {
        if self.trial.take().is_some() {
            self.applied = Some(Err(why.to_owned()));
        }
    }

    /// Whether the next `Tick` brings the plan of before back, so that ids have another meaning from then on.
    pub fn is_about_to_roll_back(&self) -> bool {
        self.trial.as_ref().is_some_and(Trial::is_condemned)
    }

    /// Whether a plan is being applied.
    pub fn is_applying(&self) -> bool {
        self.trial.is_some()
    }

    /// What came of the last plan that was applied: `None` if it is being applied still, or none ever was.
    pub fn applied(&self) -> Option<Result<(), &str>> {
        self.applied.as_ref().map(|result| result.as_ref().map(|&()| ()).map_err(String::as_str))
    }

    // ---- restarting in order ----

    /// Starts a service that restarts and whose turn has come; whether there was one.
    pub(super) fn start_next_restarting(&mut self) -> bool {
        if self.is_about_to_roll_back() {
            return false;
        }
        let next = self.restarting.iter().copied().find(|&id| self.is_its_turn(id));
        let Some(id) = next else { return false };
        match self.stopped_requirement(id) {
            Some(on) => self.stop_with(id, on),
            None => self.start_sparing_stopped(id),
        }
        true
    }

    fn is_its_turn(&self, id: Id) -> bool {
        let unit = self.unit(id);
        let restarts = |on: &Id| *on != id && self.restarting.contains(on);
        let waits = || {
            self.service(id).dependencies().any(|on| restarts(&on))
                || self.to_be_started(id, |_| false).iter().any(restarts)
        };
        let is_new = unit.first_start.is_none();
        let leaves = |unit: &Unit| unit.retired && !unit.goal.is_wanted() && !unit.state.is_inactive();
        unit.state == State::Down && !waits() && !(is_new && self.units.iter().any(leaves))
    }

    // ---- the verdict ----

    /// Finds out what has become of a trial; whether that changes what is wanted of services.
    pub(super) fn judge_trial(&mut self) -> bool {
        let Some(trial) = self.trial.as_ref().filter(|trial| !trial.is_condemned()) else { return false };
        let is_late = self.now >= trial.until;
        let (mut look, mut pending, mut failed) = (None, false, None);
        for &id in &trial.watched {
            match self.verdict(id) {
                Verdict::Well => {}
                Verdict::Pending(at) if !is_late => {
                    pending = true;
                    look = look.into_iter().chain(at).min();
                }
                Verdict::Pending(_) | Verdict::Failed => failed = failed.or(Some(id)),
            }
        }
        let failure = failed.map(|id| self.what_is_wrong(id));
        let Some(trial) = &mut self.trial else { return false };
        trial.look = look;
        if failure.is_none() && pending {
            return false;
        }
        if failure.is_some() && trial.before.is_some() {
            trial.why = failure;
            let watched = trial.watched.clone();
            self.call_back(watched);
            return true;
        }
        self.conclude(failure);
        false
    }

    /// What is not ready is not started again by a definition that is about to be no more.
    fn call_back(&mut self, watched: Vec<Id>) {
        for id in watched {
            if self.is_wanted(id) && !self.is_ready(id) && !self.unit(id).held {
                self.set_goal(id, Goal::Down(Reason::Restarting));
            }
        }
    }

    /// The trial is over: either everything new is well, or the plan of before is back, whether or not that is.
    fn conclude(&mut self, failure: Option<String>) {
        let Some(trial) = self.trial.take() else { return };
        let result = match (trial.why, failure) {
            (None, _) => Ok(()),
            (Some(why), None) => Err(why + BACK),
            (Some(why), Some(too)) => Err(why + BACK + ", and " + &too + " with that"),
        };
        if result.is_ok() {
            self.emit(Action::Applied);
        }
        self.applied = Some(result);
    }

    fn verdict(&self, id: Id) -> Verdict {
        let (unit, service) = (self.unit(id), self.service(id));
        match (unit.goal, &unit.state) {
            // A person has stopped it meanwhile, or nobody wants it any more.
            (Goal::Down(reason), _) if reason != Reason::Restarting => Verdict::Well,
            (Goal::DependencyFailed(_), _) | (_, State::Failed { .. }) => Verdict::Failed,
            (_, State::Done) if service.kind == Kind::Longrun => Verdict::Failed,
            (Goal::Up, State::Up { .. }) if service.ready == Ready::Started => {
                let proved = unit.since.plus(PROOF);
                if proved <= self.now { Verdict::Well } else { Verdict::Pending(Some(proved)) }
            }
            (Goal::Up, State::Up { .. } | State::Done | State::Skipped { .. }) => Verdict::Well,
            (Goal::Up, _) if unit.held => Verdict::Pending(None),
            (Goal::Up, State::Ending { exit, cause, .. } | State::Finishing { exit, cause, .. })
                if *cause != Cause::Requested && !self.has_completed(id, *exit, cause) =>
            {
                Verdict::Failed
            }
            (Goal::Up, State::Stopping { cause, .. }) if *cause != Cause::Requested => Verdict::Failed,
            (Goal::Up, State::Backoff { .. }) => Verdict::Failed,
            _ => Verdict::Pending(None),
        }
    }

    /// Why a service is the reason for a rollback.
    fn what_is_wrong(&self, id: Id) -> String {
        let (unit, name) = (self.unit(id), &self.service(id).name);
        if let State::Ending { exit, .. } | State::Finishing { exit, .. } = &unit.state {
            return format!("{name} ended with {exit}");
        }
        let (is, note) = (unit.state.phase().as_str(), self.note(id, self.now));
        format!("{name} is {is} ({})", note.as_deref().unwrap_or("not for long enough"))
    }
}

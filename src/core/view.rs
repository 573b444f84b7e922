//! What the supervisor says of itself to those who ask.

use super::halt::seconds;
use super::needs::DependencyState;
use super::state::{Cause, Goal, State, Timeout, Unit};
use super::status::{Phase, ServiceStatus, Stage, Wellness};
use super::supervisor::Supervisor;
use super::time::Time;
use init_plan::{Id, Kind};

impl Supervisor {
    /// One service as shown at this time.
    pub fn status(&self, id: Id, now: Time) -> ServiceStatus {
        let (unit, service) = (self.unit(id), self.service(id));
        let names = |ids: &[Id]| ids.iter().map(|&id| self.service(id).name.to_string()).collect();
        ServiceStatus {
            name: service.name.to_string(),
            description: service.description.as_deref().map(str::to_owned),
            kind: service.kind,
            state: unit.state.phase(),
            wanted: unit.goal != Goal::Down,
            essential: service.essential,
            for_ms: millis(now.since(unit.since)),
            pid: self.main_pid(id),
            restarts: unit.restarts,
            health: unit.wellness,
            note: self.note(id, now),
            last_exit: unit.last_exit,
            ready_after_ms: unit.ready_after.map(millis),
            changed: unit.changed,
            requires: names(&service.requires),
            wants: names(&service.wants),
            after: names(&service.after),
        }
    }

    /// The state of a service in one word.
    pub fn phase(&self, id: Id) -> Phase {
        self.unit(id).state.phase()
    }

    /// Whether a service is wanted up.
    pub fn is_wanted(&self, id: Id) -> bool {
        self.unit(id).goal != Goal::Down
    }

    /// Whether a service is where somebody who waits for its readiness wants it.
    pub fn is_ready(&self, id: Id) -> bool {
        match self.phase(id) {
            Phase::Up | Phase::Skipped => true,
            Phase::Done => self.service(id).kind == Kind::Oneshot,
            _ => false,
        }
    }

    /// Whether a service has failed for good.
    pub fn has_failed(&self, id: Id) -> bool {
        self.phase(id) == Phase::Failed
    }

    /// Whether nothing of a service runs.
    pub fn is_down(&self, id: Id) -> bool {
        self.unit(id).state.is_inactive()
    }

    /// Whether it has left the plan.
    pub fn is_retired(&self, id: Id) -> bool {
        self.unit(id).retired
    }

    /// Whether it has left the plan and is gone.
    pub fn is_forgotten(&self, id: Id) -> bool {
        self.unit(id).retired && self.is_down(id)
    }

    /// The longest that any service has been on its way down, and which: who blocks a shutdown.
    pub fn blockers(&self) -> impl Iterator<Item = (Id, Time)> + '_ {
        self.ids().filter_map(|id| {
            let busy = matches!(self.phase(id), Phase::Stopping | Phase::Ending | Phase::Undoing);
            busy.then(|| (id, self.unit(id).since))
        })
    }

    /// What is wrong, a line each.
    pub fn problems(&self, now: Time) -> Vec<String> {
        let mut problems = Vec::new();
        if self.stage() == Stage::Stopping {
            problems.push("shutting down".to_owned());
        }
        for id in self.ids() {
            let unit = self.unit(id);
            let bad = unit.goal != Goal::Down
                && match unit.state.phase() {
                    Phase::Up => unit.wellness == Wellness::Unhealthy,
                    Phase::Done | Phase::Skipped => false,
                    Phase::Down | Phase::Waiting | Phase::Checking | Phase::Starting => true,
                    Phase::Stopping | Phase::Ending | Phase::Undoing | Phase::Backoff | Phase::Failed => true,
                };
            if bad {
                let phase = unit.state.phase().as_str();
                let note = self.note(id, now).map(|note| format!(": {note}")).unwrap_or_default();
                problems.push(format!("{}: {phase}{note}", self.service(id).name));
            }
        }
        problems
    }

    /// Why a service is where it is, for a person.
    pub fn note(&self, id: Id, now: Time) -> Option<String> {
        let unit = self.unit(id);
        match &unit.state {
            State::Waiting => self.waits_for(id),
            State::Checking { .. } => Some("checks whether it is to start".into()),
            State::Starting { .. } if self.service(id).kind == Kind::Longrun => {
                let said = unit.said.clone().or_else(|| unit.reason.clone());
                Some(said.unwrap_or_else(|| "not ready yet".into()))
            }
            State::Starting { .. } => unit.said.clone(),
            State::Up { .. } if unit.goal != Goal::Up => self.stops_after(id),
            State::Up { reloading: true, .. } => Some("reloading".into()),
            State::Up { .. } => unit.said.clone(),
            State::Stopping { main, cause, .. } => Some(stopping(unit, main.timeout, cause, now)),
            State::Ending { .. } => Some("its processes are being cleared away".into()),
            State::Finishing { .. } => Some("its finish hook runs".into()),
            State::Undoing { .. } => Some("its down command runs".into()),
            State::Backoff { until } => {
                let said = unit.said.as_deref().unwrap_or("ended");
                Some(format!("{said}; next start in {}", seconds(until.since(now))))
            }
            State::Skipped { why } | State::Failed { why } => Some(why.clone()),
            State::Down | State::Done => None,
        }
    }

    fn waits_for(&self, id: Id) -> Option<String> {
        match self.dependency_state(id) {
            DependencyState::Pending(on) => {
                Some(format!("waits for {} ({})", self.service(on).name, self.phase(on).as_str()))
            }
            DependencyState::Met | DependencyState::Failed(_) => None,
        }
    }

    fn stops_after(&self, id: Id) -> Option<String> {
        let above = self.dependents_of(id).iter().map(|&(dependent, _)| dependent);
        let first = above.into_iter().find(|&dependent| self.main_pid(dependent).is_some())?;
        Some(format!("stops after {}", self.service(first).name))
    }
}

fn stopping(unit: &Unit, timeout: Timeout, cause: &Cause, now: Time) -> String {
    let when = match timeout.at() {
        Some(at) => format!("killed in {} at the latest", seconds(at.since(now))),
        None => "was killed".to_owned(),
    };
    match (cause, unit.goal) {
        (Cause::Unhealthy { why, .. }, _) => format!("{why}; {when}"),
        (Cause::StartTimeout, _) => format!("was not ready in time; {when}"),
        (Cause::ExitedByItself | Cause::Requested, _) => when,
    }
}

pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

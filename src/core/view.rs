//! What the supervisor tells those who ask. Nothing here changes anything.

use std::collections::BTreeSet;
use std::time::Duration;

use super::dependencies::DependencyState;
use super::state::{Cause, Goal, Reason, State, Timeout};
use super::status::{FirstStartStatus, Phase, ServiceStatus, Stage, Wellness};
use super::supervisor::Supervisor;
use super::time::{Time, millis, seconds};
use init_plan::{Id, Kind};

impl Supervisor {
    /// One service as it is shown at this time.
    pub fn status(&self, id: Id, now: Time) -> ServiceStatus {
        let (unit, service) = (self.unit(id), self.service(id));
        let names = |ids: &[Id]| ids.iter().map(|&id| self.service(id).name.to_string()).collect();
        ServiceStatus {
            name: service.name.to_string(),
            description: service.description.as_deref().map(str::to_owned),
            kind: service.kind,
            state: unit.state.phase(),
            wanted: self.is_wanted(id),
            essential: service.essential,
            for_ms: millis(now.since(unit.since)),
            pid: self.main_pid(id),
            restarts: unit.restarts,
            health: unit.wellness,
            note: self.note(id, now),
            last_exit: unit.last_exit,
            ready_after_ms: unit.ready_after.map(millis),
            changed: unit.changed,
            held: unit.held,
            requires: names(&service.requires),
            wants: names(&service.wants),
            after: names(&service.after),
            strays: Vec::new(),
        }
    }

    /// Whether the definition of a service is newer than the one that it runs with.
    pub fn is_changed(&self, id: Id) -> bool {
        self.unit(id).changed
    }

    /// Whether a service is wanted up.
    pub fn is_wanted(&self, id: Id) -> bool {
        self.unit(id).goal.is_wanted()
    }

    /// Whether a service is in the state that somebody who waits for its readiness waits for.
    pub fn is_ready(&self, id: Id) -> bool {
        match self.phase(id) {
            Phase::Up | Phase::Skipped => true,
            Phase::Done => self.service(id).kind == Kind::Oneshot,
            _ => false,
        }
    }

    /// What came of the last reload command of a service: `None` if it runs still, otherwise why it failed, if it did.
    pub fn reload_result(&self, id: Id) -> Option<Result<(), String>> {
        let unit = self.unit(id);
        match &unit.state {
            State::Up { helper: Some(_), .. } => None,
            State::Up { .. } => Some(unit.reload_failure.clone().map_or(Ok(()), Err)),
            _ => Some(Err(format!("is {} now", unit.state.phase().as_str()))),
        }
    }

    /// Whether the process of a service has just ended without being told to.
    pub fn ended_by_itself(&self, id: Id) -> bool {
        matches!(self.unit(id).state, State::Ending { cause: Cause::ExitedByItself, .. })
    }

    /// For how long a service has been in a state of its present phase.
    pub fn time_in_phase(&self, id: Id, now: Time) -> Duration {
        now.since(self.unit(id).since)
    }

    /// Whether a service has failed for good.
    pub fn has_failed(&self, id: Id) -> bool {
        self.phase(id) == Phase::Failed
    }

    /// Whether nothing of a service runs.
    pub fn is_down(&self, id: Id) -> bool {
        self.unit(id).state.is_inactive()
    }

    /// Whether a service is no longer in the plan.
    pub fn is_retired(&self, id: Id) -> bool {
        self.unit(id).retired
    }

    /// Whether a service is no longer in the plan and nothing of it runs.
    pub fn is_forgotten(&self, id: Id) -> bool {
        self.is_retired(id) && self.is_down(id)
    }

    /// The services that are on their way down, and since when: these hold up a shutdown.
    pub fn blockers(&self) -> impl Iterator<Item = (Id, Time)> + '_ {
        self.ids().filter_map(|id| {
            let is_stopping = matches!(self.phase(id), Phase::Stopping | Phase::Ending | Phase::Undoing);
            is_stopping.then(|| (id, self.unit(id).since))
        })
    }

    /// What is wrong, one line for each problem.
    pub fn problems(&self, now: Time) -> Vec<String> {
        let shutdown = (self.stage() == Stage::Stopping).then(|| "shutting down".to_owned());
        // During a shutdown nothing is down because a person stopped it.
        let is_asked = !self.stopped.is_empty() && shutdown.is_none();
        let of_boot = if is_asked { self.of_boot() } else { BTreeSet::new() };
        let is_missing = |id: Id| of_boot.contains(&id) && self.stopped.contains(&id);
        let services = self.ids().filter(|&id| self.has_problem(id) || is_missing(id)).map(|id| {
            let note = self.note(id, now).map(|note| format!(": {note}")).unwrap_or_default();
            format!("{}: {}{note}", self.service(id).name, self.phase(id).as_str())
        });
        shutdown.into_iter().chain(services).collect()
    }

    /// Whether a service is wanted and not as it should be.
    fn has_problem(&self, id: Id) -> bool {
        self.is_wanted(id)
            && match self.phase(id) {
                Phase::Up => self.unit(id).wellness == Wellness::Unhealthy,
                Phase::Done | Phase::Skipped => false,
                Phase::Down | Phase::Waiting | Phase::Checking | Phase::Starting => true,
                Phase::Stopping | Phase::Ending | Phase::Undoing | Phase::Backoff | Phase::Failed => true,
            }
    }

    // ---- why a service is in its state ----

    /// Why a service is in its state, for a person.
    pub fn note(&self, id: Id, now: Time) -> Option<String> {
        let note = self.note_of_state(id, now);
        if !self.unit(id).held {
            return note;
        }
        Some(note.map_or_else(|| "held".to_owned(), |note| format!("held; {note}")))
    }

    fn note_of_state(&self, id: Id, now: Time) -> Option<String> {
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
            State::Stopping { main, cause, .. } => Some(stopping(main.timeout, cause, now)),
            State::Ending { .. } => Some("its processes are being cleared away".into()),
            State::Finishing { .. } => Some("its finish hook runs".into()),
            State::Undoing { .. } => Some("its down command runs".into()),
            State::Backoff { .. } if unit.held => unit.said.clone(),
            State::Backoff { until } => {
                let said = unit.said.as_deref().unwrap_or("ended");
                Some(format!("{said}; next start in {}", seconds(until.since(now))))
            }
            State::Skipped { why } | State::Failed { why } => Some(why.clone()),
            State::Down => self.stopped_by(unit.goal),
            State::Done => None,
        }
    }

    /// Whose stop keeps a service down.
    fn stopped_by(&self, goal: Goal) -> Option<String> {
        match goal {
            Goal::Down(Reason::Stopped) => Some("stopped by hand".into()),
            Goal::Down(Reason::StoppedWith(on)) => Some(format!("stopped with {}", self.service(on).name)),
            Goal::Down(Reason::Restarting) => Some("starts again in its turn".into()),
            Goal::Up | Goal::Down(Reason::Unasked) | Goal::DependencyFailed(_) => None,
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
        let mut dependents = self.dependents_of(id).iter().map(|&(dependent, _)| dependent);
        let first = dependents.find(|&dependent| self.main_pid(dependent).is_some())?;
        Some(format!("stops after {}", self.service(first).name))
    }

    // ---- the first start ----

    /// How a service came up the first time; `None` if nobody has wanted it yet. Times are counted from `origin`.
    pub fn first_start(&self, id: Id, origin: Time) -> Option<FirstStartStatus> {
        let (unit, service) = (self.unit(id), self.service(id));
        let first_start = unit.first_start?;
        let after = |time: Time| millis(time.since(origin));
        Some(FirstStartStatus {
            name: service.name.to_string(),
            state: first_start.settled.map_or_else(|| unit.state.phase(), |(_, phase)| phase),
            wanted_ms: after(first_start.wanted),
            started_ms: first_start.started.map(after),
            settled_ms: first_start.settled.map(|(time, _)| after(time)),
            took_ms: first_start.took().map(millis),
            waited_for: first_start.waited_for.map(|on| self.service(on).name.to_string()),
        })
    }

    /// How long the first start of a service took, once it is over.
    pub fn first_start_took(&self, id: Id) -> Option<Duration> {
        self.unit(id).first_start?.took()
    }

    /// When the boot was complete.
    pub fn booted_at(&self) -> Option<Time> {
        self.booted_at
    }
}

fn stopping(timeout: Timeout, cause: &Cause, now: Time) -> String {
    let when = match timeout.at() {
        Some(at) => format!("killed in {} at the latest", seconds(at.since(now))),
        None => "was killed".to_owned(),
    };
    match cause {
        Cause::Unhealthy { why, .. } => format!("{why}; {when}"),
        Cause::StartTimeout => format!("was not ready in time; {when}"),
        Cause::ExitedByItself | Cause::Requested => when,
    }
}

//! How each service came up the first time: what `svctl blame`, `critical-chain` and `plot` show.
//!
//! It is kept for as long as `init` runs, so it is small: points in time and an id for each service, and no text. What
//! a service waited for last is noted while it waits: afterwards nobody could tell, for the plan may have changed, and
//! several services may have become ready at the same time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::state::{Goal, Unit};
use super::status::{FirstStartStatus, Phase};
use super::supervisor::Supervisor;
use super::time::Time;
use super::view::millis;
use init_plan::Id;

/// A service's first way up.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FirstStart {
    /// When it was first wanted.
    pub wanted: Time,
    /// What it waited for last: once that had settled it could start. `None`: it did not have to wait.
    pub waited_for: Option<Id>,
    /// When all its needs were met, so that its conditions were looked at and it was started.
    pub started: Option<Time>,
    /// When it was first ready, complete, skipped, given up or called off, and which of these.
    pub settled: Option<(Time, Phase)>,
}

impl FirstStart {
    fn new(wanted: Time) -> FirstStart {
        FirstStart { wanted, waited_for: None, started: None, settled: None }
    }

    /// Its start was called off before it was ready: the next one is its first.
    fn was_called_off(&self) -> bool {
        matches!(self.settled, Some((_, Phase::Down)))
    }

    /// How long it took from its start until it had settled.
    fn took(&self) -> Option<Duration> {
        Some(self.settled?.0.since(self.started?))
    }
}

impl Unit {
    /// It changes to this state.
    pub(super) fn note_first_start(&mut self, to: Phase, now: Time) {
        let Some(first_start) = self.first_start.as_mut().filter(|first_start| !first_start.was_called_off())
        else {
            if to == Phase::Waiting {
                self.first_start = Some(FirstStart::new(now));
            }
            return;
        };
        if first_start.settled.is_some() {
            return;
        }
        match to {
            Phase::Checking | Phase::Starting => first_start.started = first_start.started.or(Some(now)),
            Phase::Up | Phase::Done | Phase::Skipped | Phase::Failed | Phase::Down => {
                if let (Goal::DependencyFailed(on), None) = (self.goal, first_start.started) {
                    first_start.waited_for = Some(on);
                }
                first_start.settled = Some((now, to));
            }
            // On the way to another try.
            Phase::Waiting | Phase::Backoff | Phase::Stopping | Phase::Ending | Phase::Undoing => {}
        }
    }

    /// It waits for another.
    pub(super) fn note_wait(&mut self, on: Id) {
        if let Some(first_start) =
            self.first_start.as_mut().filter(|first_start| first_start.started.is_none())
        {
            first_start.waited_for = Some(on);
        }
    }
}

impl Supervisor {
    /// How a service came up the first time; `None`: nobody has wanted it yet. Times are counted from `origin`.
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

//! How each service came up the first time: what `svctl blame`, `critical-chain` and `plot` show.
//!
//! This is kept for as long as `init` runs, so it is small: points in time and one id for each service, and no text.
//! What a service waited for last is noted while it waits. Nobody could tell afterwards: the plan may have changed, and
//! several services may have become ready at the same time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::status::Phase;
use super::time::Time;
use init_plan::Id;

/// How a service came up the first time.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FirstStart {
    /// When the service was first wanted.
    pub wanted: Time,
    /// The dependency that it waited for last: once that had settled, the service could start. `None` if the service
    /// did not have to wait.
    pub waited_for: Option<Id>,
    /// When all its dependencies were met, so that its conditions were checked and it was started.
    pub started: Option<Time>,
    /// When it was first up, done, skipped, failed or called off, and which of these.
    pub settled: Option<(Time, Phase)>,
}

impl FirstStart {
    pub(super) fn new(wanted: Time) -> FirstStart {
        FirstStart { wanted, waited_for: None, started: None, settled: None }
    }

    /// Whether the start was called off before the service was ready. Then its next start is its first.
    pub(super) fn was_called_off(&self) -> bool {
        matches!(self.settled, Some((_, Phase::Down)))
    }

    /// How long the service took from its start until it had settled.
    pub(super) fn took(&self) -> Option<Duration> {
        Some(self.settled?.0.since(self.started?))
    }

    /// Notes that the service waits for a dependency.
    pub(super) fn wait_for(&mut self, on: Id) {
        if self.started.is_none() {
            self.waited_for = Some(on);
        }
    }

    /// Notes that the service changes to a state; `failed` is a dependency that failed, if that is why.
    pub(super) fn enter(&mut self, to: Phase, failed: Option<Id>, now: Time) {
        if self.settled.is_some() {
            return;
        }
        match to {
            Phase::Checking | Phase::Starting => self.started = self.started.or(Some(now)),
            Phase::Up | Phase::Done | Phase::Skipped | Phase::Failed | Phase::Down => {
                if self.started.is_none() {
                    self.waited_for = failed.or(self.waited_for);
                }
                self.settled = Some((now, to));
            }
            // The service is on its way to another attempt.
            Phase::Waiting | Phase::Backoff | Phase::Stopping | Phase::Ending | Phase::Undoing => {}
        }
    }
}

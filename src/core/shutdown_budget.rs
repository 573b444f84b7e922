//! The time that a shutdown may take, and how the services share it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::graph::tiers;
use super::time::Time;
use init_plan::{Id, Plan};

/// The last tenth of the shutdown's time is for what had to be killed.
const KILL_PERCENT: u32 = 90;
/// Each tier of services that stop after a service keeps this much of the time from it.
const TIER_PERCENT: u32 = 10;
/// All those tiers together keep no more than this.
const TIERS_PERCENT: u32 = 50;

/// The time of a shutdown that is under way.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct ShutdownBudget {
    /// When the shutdown began.
    since: Time,
    /// How long all of it may take.
    total: Duration,
    /// When everything left is killed, in whatever order; `None` once that was done.
    kill_at: Option<Time>,
    /// For each service, the length of the longest chain of services that stop after it.
    tiers: Vec<u32>,
}

impl ShutdownBudget {
    /// The budget of a shutdown that begins now.
    pub(super) fn new(plan: &Plan, now: Time) -> ShutdownBudget {
        let total = plan.settings.shutdown_timeout;
        let kill_at = Some(now.plus(percent(total, KILL_PERCENT)));
        ShutdownBudget { since: now, total, kill_at, tiers: tiers(plan) }
    }

    /// When `init` exits whatever is left: a process in an uninterruptible sleep obeys nobody.
    pub(super) fn end(&self) -> Time {
        self.since.plus(self.total)
    }

    /// When something has to be done about it next.
    pub(super) fn deadline(&self) -> Time {
        self.kill_at.unwrap_or(self.end())
    }

    /// Whether everything was killed, so that all that is left to do is to exit.
    pub(super) fn is_forced(&self) -> bool {
        self.kill_at.is_none()
    }

    /// Whether the time has come to kill what is left.
    pub(super) fn force_is_due(&self, now: Time) -> bool {
        self.kill_at.is_some_and(|at| at <= now)
    }

    /// Notes that everything is killed.
    pub(super) fn force(&mut self) {
        self.kill_at = None;
    }

    /// The latest time at which a service must be killed for those that stop after it to have their time.
    pub(super) fn latest_kill(&self, id: Id, now: Time) -> Time {
        let tiers = self.tiers.get(id.index()).copied().unwrap_or_default();
        let kept = TIER_PERCENT.saturating_mul(tiers).min(TIERS_PERCENT);
        let planned = self.since.plus(percent(percent(self.total, KILL_PERCENT), 100 - kept));
        // If services before this one took more than their time, the rest is shared: nobody is killed as soon as told.
        let left = self.kill_at.map_or(Duration::ZERO, |at| at.since(now));
        planned.max(now.plus(left / tiers.saturating_add(2)))
    }
}

/// A share of a duration, which may be endless.
fn percent(all: Duration, percent: u32) -> Duration {
    all.saturating_mul(percent) / 100
}

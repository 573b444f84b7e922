//! Points in time, handed in from outside: the core has no clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Nanoseconds of a clock that never goes back (CLOCK_MONOTONIC, or a simulation's).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Time(pub u64);

impl Time {
    /// This much later; at the end of the clock if that is beyond it (584 years).
    pub fn plus(self, more: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(more.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; nothing if it is before it.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

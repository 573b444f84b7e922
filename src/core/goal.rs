//! What is wanted of a service, and why it is not wanted.

use serde::{Deserialize, Serialize};

use init_plan::Id;

/// What is wanted of a service.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Goal {
    /// The service is to run, or to be complete.
    Up,
    /// The service is not to run, for this reason.
    Down(Reason),
    /// The service is wanted up, but this service, which it requires directly or not, failed for good. So it stays down
    /// until that one recovers.
    DependencyFailed(Id),
}

impl Goal {
    /// Whether the service is not wanted.
    pub fn is_down(self) -> bool {
        matches!(self, Goal::Down(_))
    }

    /// Whether the service is to run sooner or later, as far as anybody's wish goes.
    pub fn is_wanted(self) -> bool {
        !self.is_down() || self == Goal::Down(Reason::Restarting)
    }

    /// Whether a person stopped the service, or one that it requires.
    pub fn is_stopped(self) -> bool {
        matches!(self, Goal::Down(Reason::Stopped | Reason::StoppedWith(_)))
    }
}

/// Why a service is not wanted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Reason {
    /// Nobody has asked for it, or the container ends, or the plan has it no more.
    Unasked,
    /// A person stopped it.
    Stopped,
    /// A person stopped this service, which it requires directly or not. It comes back with that one.
    StoppedWith(Id),
    /// It restarts together with others: it comes down after what depends on it, and starts after what it depends on.
    Restarting,
}

//! Mistakes that the simulation must find. Only tests ever make them.

/// A mistake made on purpose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(not(test), allow(dead_code, reason = "only tests name them all"))]
pub(super) enum Bug {
    /// Starts a service before what it depends on has settled.
    StartsTooEarly,
    /// Stops a service before what depends on it.
    StopsTooEarly,
    /// Leaves dependents of a failed service running.
    KeepsDependents,
    /// Never takes back what was lost with a service that is well again.
    NeverRecovers,
    /// Ignores the restart limit.
    NeverGivesUp,
    /// Never sends KILL.
    NeverKills,
    /// Lets each service take its whole stop timeout during a shutdown.
    ForgetsBudget,
    /// Restarts a service without waiting for its process to end.
    RestartsWithoutStopping,
}

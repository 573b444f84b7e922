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
    /// Sends KILL where the stop signal belongs.
    KillsAtOnce,
    /// Lets each service take its whole stop timeout during a shutdown.
    ForgetsBudget,
    /// Restarts a service without waiting for its process to end.
    RestartsWithoutStopping,
    /// Forgets a process that is stopped before word came that it runs.
    ForgetsPendingSpawn,
    /// Goes on using the id of a process that was reaped.
    KeepsReapedPid,
    /// Lets a process that put another in its place outlive that one.
    KeepsPredecessor,
    /// Takes the word of any process of a service for that of its main one.
    BelievesAnybody,
    /// Runs a oneshot again that succeeded.
    RepeatsOneshot,
    /// Restarts without any delay.
    IgnoresBackoff,
    /// Does not note when the next start is due.
    ForgetsTimer,
    /// Does not look at dependents when something changed.
    ForgetsDependents,
    /// Runs no finish hook for a process that was killed by a signal.
    SkipsFinish,
    /// Says that the boot is complete when the first service has settled.
    BootsEarly,
    /// Orders the exit again and again.
    HaltsTwice,
    /// Exits with the code of the last reason to, not of the first.
    ExitsWithLastCode,
}

//! The states of a service.
//!
//! A state holds all that belongs to it: the processes it has and the times at which it must act. Leaving a state
//! drops them, so no timer and no pid outlives what it was for. `Supervisor::transition` is the only place that assigns a
//! state; it kills whatever processes the new state no longer holds.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Pid, Run};
use super::first_start::FirstStart;
use super::status::{Exit, Phase, Wellness};
use super::time::Time;
use init_plan::Id;

/// What is wanted of a service.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Goal {
    /// Running, or complete.
    Up,
    /// Not running.
    Down,
    /// Wanted up, but something it requires (directly or not) failed for good: down until that recovers.
    DependencyFailed(Id),
}

/// How long a process may take for what it is to do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Timeout {
    /// The process may take as long as it likes.
    Never,
    /// The process is stopped, or killed if it was told to stop already, at this time.
    At(Time),
    /// The time is over: the process was killed, or is killed as soon as it is known to run.
    Expired,
}

impl Timeout {
    /// The time at which it expires, if that is still to come.
    pub fn at(self) -> Option<Time> {
        match self {
            Timeout::At(time) => Some(time),
            Timeout::Never | Timeout::Expired => None,
        }
    }

    /// Whether it is over by now, and nothing has been done about that yet.
    pub fn is_due(self, now: Time) -> bool {
        self.at().is_some_and(|at| at <= now)
    }

    /// The same, but no later than `latest`.
    #[must_use]
    pub fn at_most(self, latest: Time) -> Timeout {
        match self {
            Timeout::At(time) => Timeout::At(time.min(latest)),
            Timeout::Never | Timeout::Expired => self,
        }
    }
}

/// A process that was asked for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Child {
    /// Its name.
    pub run: Run,
    /// `None` until word comes that it runs.
    pub pid: Option<Pid>,
    /// How long it may take.
    pub timeout: Timeout,
    /// The process that put this one in its place. It should end by itself, and does at the latest with this one.
    pub predecessor: Option<(Run, Pid)>,
}

/// Tries to find out whether a service is ready or well.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum ProbeState {
    /// There are none.
    Off,
    /// The next one begins at this time.
    Idle(Time),
    /// One is under way.
    Running(Child),
}

/// Why a main process is being stopped, or ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Cause {
    /// By itself.
    ExitedByItself,
    /// Somebody wanted it down, or restarted.
    Requested,
    /// It was not ready or complete in time.
    StartTimeout,
    /// Health checks or the watchdog found it broken.
    Unhealthy {
        /// How.
        why: String,
        /// It is not to be started again.
        fatal: bool,
    },
}

/// The state of a service.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum State {
    /// Not running.
    Down,
    /// To start once its dependencies have settled.
    Waiting,
    /// The start condition number `at` is looked at.
    Checking {
        /// The process that does.
        child: Child,
        /// Its place in the plan.
        at: usize,
    },
    /// Runs, but is not ready (longrun) or not complete (oneshot). `main.timeout`: the start timeout.
    Starting {
        /// The service's process.
        main: Child,
        /// Readiness probes.
        probe: ProbeState,
    },
    /// Runs and is ready.
    Up {
        /// The service's process.
        main: Child,
        /// Health checks.
        probe: ProbeState,
        /// When the watchdog bites.
        watchdog: Option<Time>,
        /// It said `RELOADING=1` and not yet `READY=1`.
        reloading: bool,
        /// Its reload command.
        helper: Option<Child>,
    },
    /// Told to stop. `main.timeout`: when it is killed.
    Stopping {
        /// The service's process.
        main: Child,
        /// Its stop command.
        helper: Option<Child>,
        /// Why.
        cause: Cause,
    },
    /// The main process is gone; what is left of its group was killed and has not vanished yet.
    Ending {
        /// The main process that was.
        run: Run,
        /// How it ended.
        exit: Exit,
        /// Why.
        cause: Cause,
        /// When the rest is left to itself.
        until: Time,
    },
    /// The finish hook runs.
    Finishing {
        /// The hook.
        child: Child,
        /// How the main process ended.
        exit: Exit,
        /// Why.
        cause: Cause,
    },
    /// A oneshot's `down` command runs.
    Undoing {
        /// That command.
        child: Child,
    },
    /// Ended by itself; starts again then.
    Backoff {
        /// When.
        until: Time,
    },
    /// Complete.
    Done,
    /// A start condition did not hold.
    Skipped {
        /// Which.
        why: String,
    },
    /// Given up.
    Failed {
        /// Why.
        why: String,
    },
}

impl State {
    /// The state in one word.
    pub fn phase(&self) -> Phase {
        match self {
            State::Down => Phase::Down,
            State::Waiting => Phase::Waiting,
            State::Checking { .. } => Phase::Checking,
            State::Starting { .. } => Phase::Starting,
            State::Up { .. } => Phase::Up,
            State::Stopping { .. } => Phase::Stopping,
            State::Ending { .. } | State::Finishing { .. } => Phase::Ending,
            State::Undoing { .. } => Phase::Undoing,
            State::Backoff { .. } => Phase::Backoff,
            State::Done => Phase::Done,
            State::Skipped { .. } => Phase::Skipped,
            State::Failed { .. } => Phase::Failed,
        }
    }

    /// The service's own process, if it has one.
    pub fn main(&self) -> Option<&Child> {
        match self {
            State::Starting { main, .. } | State::Up { main, .. } | State::Stopping { main, .. } => {
                Some(main)
            }
            _ => None,
        }
    }

    /// The process beside the main one, if there is one.
    pub fn helper(&self) -> Option<&Child> {
        match self {
            State::Checking { child, .. } | State::Finishing { child, .. } | State::Undoing { child } => {
                Some(child)
            }
            State::Starting { probe: ProbeState::Running(child), .. } => Some(child),
            State::Up { helper: Some(child), .. } | State::Stopping { helper: Some(child), .. } => {
                Some(child)
            }
            State::Up { probe: ProbeState::Running(child), .. } => Some(child),
            _ => None,
        }
    }

    /// Every process this state holds.
    pub fn children(&self) -> impl Iterator<Item = &Child> {
        // Only `Up` can have three: itself, a health check and a reload command.
        let check = match self {
            State::Up { probe: ProbeState::Running(child), helper: Some(_), .. } => Some(child),
            _ => None,
        };
        self.main().into_iter().chain(self.helper()).chain(check)
    }

    /// The earliest time at which this state wants to act.
    pub fn deadline(&self) -> Option<Time> {
        let own = match self {
            State::Backoff { until } | State::Ending { until, .. } => Some(*until),
            State::Up { watchdog, .. } => *watchdog,
            _ => None,
        };
        let probe = match self {
            State::Starting { probe: ProbeState::Idle(at), .. }
            | State::Up { probe: ProbeState::Idle(at), .. } => Some(*at),
            _ => None,
        };
        self.children().filter_map(|child| child.timeout.at()).chain(own).chain(probe).min()
    }

    /// Whether no process of it is left and none will come by itself.
    pub fn is_inactive(&self) -> bool {
        matches!(self, State::Down | State::Done | State::Skipped { .. } | State::Failed { .. })
    }
}

/// A service as it is now.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Unit {
    /// What is wanted.
    pub goal: Goal,
    /// Where it is.
    pub state: State,
    /// Since when.
    pub since: Time,
    /// When its main process was last started.
    pub started: Time,
    /// How long it then took until it was ready or complete.
    pub ready_after: Option<Duration>,
    /// Restarts in a row, for the next delay.
    pub tries: u32,
    /// Restarts in all.
    pub restarts: u32,
    /// When it was restarted lately, as far back as its limit looks.
    pub history: VecDeque<Time>,
    /// Health checks that failed in a row.
    pub failures: u32,
    /// What they say.
    pub wellness: Wellness,
    /// A watchdog interval the service chose itself.
    pub watchdog: Option<Duration>,
    /// The last thing worth telling: its `STATUS=`, why it could not be started.
    pub said: Option<String>,
    /// Why its last probe or condition said no.
    pub reason: Option<String>,
    /// How its main process last ended.
    pub last_exit: Option<Exit>,
    /// The plan's definition is newer than the one its process was started with.
    pub changed: bool,
    /// It is no longer in the plan; it goes when it is down.
    pub retired: bool,
    /// Where the search for what it waits for found something last, among what it depends on. Only a hint: it
    /// saves one with a thousand dependencies from looking at all of them each time one of them changes.
    pub blocked_at: usize,
    /// The same for the dependents that it has to wait for before it stops.
    pub needed_at: usize,
    /// How it came up the first time; `None`: nobody has wanted it yet.
    pub first_start: Option<FirstStart>,
}

impl Unit {
    /// A service nobody has asked for yet.
    pub fn new() -> Unit {
        Unit {
            goal: Goal::Down,
            state: State::Down,
            since: Time::default(),
            started: Time::default(),
            ready_after: None,
            tries: 0,
            restarts: 0,
            history: VecDeque::new(),
            failures: 0,
            wellness: Wellness::Unknown,
            watchdog: None,
            said: None,
            reason: None,
            last_exit: None,
            changed: false,
            retired: false,
            blocked_at: 0,
            needed_at: 0,
            first_start: None,
        }
    }
}

impl Default for Unit {
    fn default() -> Unit {
        Unit::new()
    }
}

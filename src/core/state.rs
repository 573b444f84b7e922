//! The states of a service.
//!
//! A state holds all that belongs to it: the processes it has and the times at which it must act. Leaving a state drops
//! them, so no timer and no pid outlives what it was for. `Supervisor::transition` is the only place that assigns a
//! state, and it kills the processes that the new state does not hold.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Pid, Run};
use super::first_start::FirstStart;
pub use super::goal::{Goal, Reason};
use super::status::{Exit, Phase, Wellness};
use super::time::Time;

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

    /// Whether its time has come and nothing was done about that yet.
    pub fn is_due(self, now: Time) -> bool {
        self.at().is_some_and(|at| at <= now)
    }

    /// The same timeout, but no later than `latest`.
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
    /// Its process id; `None` until the process is known to run.
    pub pid: Option<Pid>,
    /// How long it may take.
    pub timeout: Timeout,
    /// The process that was the service's main process before it named this one (`MAINPID=`). It should end by itself,
    /// and is killed when this one ends.
    pub predecessor: Option<(Run, Pid)>,
}

/// The probes that find out whether a service is ready or healthy.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum ProbeState {
    /// The service has no probe.
    Off,
    /// The next probe starts at this time.
    Idle(Time),
    /// A probe runs.
    Running(Child),
}

/// Why a main process is being stopped, or ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Cause {
    /// The process ended without being told to.
    ExitedByItself,
    /// The service was wanted down, or a restart was requested.
    Requested,
    /// The service was not ready or complete within its start timeout.
    StartTimeout,
    /// Health checks or the watchdog found the service broken.
    Unhealthy {
        /// What they found.
        why: String,
        /// Whether the service is given up instead of being started again.
        fatal: bool,
    },
}

/// The state of a service.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum State {
    /// The service does not run.
    Down,
    /// The service is to start once its dependencies have settled.
    Waiting,
    /// A start condition is checked.
    Checking {
        /// The process that checks it.
        child: Child,
        /// The position of the condition in the definition.
        at: usize,
    },
    /// The process runs, but is not ready (longrun) or not complete (oneshot). Its timeout is the start timeout.
    Starting {
        /// The service's process.
        main: Child,
        /// Its readiness probes.
        probe: ProbeState,
    },
    /// The service runs and is ready.
    Up {
        /// The service's process.
        main: Child,
        /// Its health checks.
        probe: ProbeState,
        /// When the watchdog finds the service broken if it hears nothing until then.
        watchdog: Option<Time>,
        /// Whether the service said `RELOADING=1` and not yet `READY=1`.
        reloading: bool,
        /// Its reload command.
        helper: Option<Child>,
    },
    /// The process was told to stop, or is to be told as soon as it is known to run. It is killed when its timeout
    /// expires.
    Stopping {
        /// The service's process.
        main: Child,
        /// Its stop command.
        helper: Option<Child>,
        /// When the stop signal is sent again.
        again: Option<Time>,
        /// Why it is stopped.
        cause: Cause,
    },
    /// The main process has ended. The rest of its process group was killed and has not vanished yet.
    Ending {
        /// The main process that has ended.
        run: Run,
        /// How it ended.
        exit: Exit,
        /// Why it ended.
        cause: Cause,
        /// When the service goes on without waiting for the group any longer.
        until: Time,
    },
    /// The finish hook runs.
    Finishing {
        /// The hook's process.
        child: Child,
        /// How the main process ended.
        exit: Exit,
        /// Why the main process ended.
        cause: Cause,
    },
    /// A oneshot's `down` command runs.
    Undoing {
        /// That command's process.
        child: Child,
    },
    /// The process ended by itself, and the service starts again after a delay.
    Backoff {
        /// When it starts again.
        until: Time,
    },
    /// The service is complete.
    Done,
    /// A start condition did not hold.
    Skipped {
        /// Which condition did not hold.
        why: String,
    },
    /// The service was given up.
    Failed {
        /// Why it was given up.
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

    /// Every process that this state holds.
    pub fn children(&self) -> impl Iterator<Item = &Child> {
        let (helper, probe) = match self {
            State::Checking { child, .. } | State::Finishing { child, .. } | State::Undoing { child } => {
                (Some(child), None)
            }
            State::Starting { probe, .. } => (None, Some(probe)),
            State::Up { probe, helper, .. } => (helper.as_ref(), Some(probe)),
            State::Stopping { helper, .. } => (helper.as_ref(), None),
            State::Down | State::Waiting | State::Ending { .. } | State::Backoff { .. } => (None, None),
            State::Done | State::Skipped { .. } | State::Failed { .. } => (None, None),
        };
        let probe = match probe {
            Some(ProbeState::Running(child)) => Some(child),
            _ => None,
        };
        self.main().into_iter().chain(helper).chain(probe)
    }

    /// The process of this name, if this state holds it.
    pub(super) fn child_mut(&mut self, run: Run) -> Option<&mut Child> {
        let (main, helper, probe) = match self {
            State::Checking { child, .. } | State::Finishing { child, .. } | State::Undoing { child } => {
                (Some(child), None, None)
            }
            State::Starting { main, probe } => (Some(main), None, Some(probe)),
            State::Up { main, probe, helper, .. } => (Some(main), helper.as_mut(), Some(probe)),
            State::Stopping { main, helper, .. } => (Some(main), helper.as_mut(), None),
            State::Down | State::Waiting | State::Ending { .. } | State::Backoff { .. } => return None,
            State::Done | State::Skipped { .. } | State::Failed { .. } => return None,
        };
        let probe = match probe {
            Some(ProbeState::Running(child)) => Some(child),
            _ => None,
        };
        main.into_iter().chain(helper).chain(probe).find(|child| child.run == run)
    }

    /// The earliest time at which this state wants to act.
    pub fn deadline(&self) -> Option<Time> {
        let own = match self {
            State::Backoff { until } | State::Ending { until, .. } => Some(*until),
            State::Up { watchdog, .. } => *watchdog,
            State::Stopping { again, .. } => *again,
            _ => None,
        };
        let probe = match self {
            State::Starting { probe: ProbeState::Idle(at), .. }
            | State::Up { probe: ProbeState::Idle(at), .. } => Some(*at),
            _ => None,
        };
        self.children().filter_map(|child| child.timeout.at()).chain(own).chain(probe).min()
    }

    /// Whether no process of the service is left and none will start by itself.
    pub fn is_inactive(&self) -> bool {
        matches!(self, State::Down | State::Done | State::Skipped { .. } | State::Failed { .. })
    }

    /// How the main process ended, in the state that tells this first.
    pub(super) fn exit(&self) -> Option<Exit> {
        match self {
            State::Ending { exit, .. } => Some(*exit),
            _ => None,
        }
    }

    /// What a person should know about the state beside its name.
    pub(super) fn explanation(&self) -> Option<String> {
        match self {
            State::Failed { why } | State::Skipped { why } => Some(why.clone()),
            State::Stopping { cause: Cause::Unhealthy { why, .. }, .. } => Some(why.clone()),
            State::Stopping { cause: Cause::StartTimeout, .. } => Some("was not ready in time".into()),
            _ => None,
        }
    }
}

/// A service as it is now.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Unit {
    /// What is wanted of the service.
    pub goal: Goal,
    /// The state it is in.
    pub state: State,
    /// Since when it is in a state of this phase.
    pub since: Time,
    /// When its main process was last started.
    pub started: Time,
    /// How long it then took until the service was ready or complete.
    pub ready_after: Option<Duration>,
    /// Restarts in a row, which decide the next delay.
    pub tries: u32,
    /// Restarts in all.
    pub restarts: u32,
    /// When the service was restarted lately, as far back as its limit looks.
    pub history: VecDeque<Time>,
    /// Health checks that failed in a row.
    pub failures: u32,
    /// What the health checks say.
    pub wellness: Wellness,
    /// A watchdog interval that the service chose itself.
    pub watchdog: Option<Duration>,
    /// The last thing worth telling: its `STATUS=`, or why it could not be started.
    pub said: Option<String>,
    /// Why its last probe or condition failed.
    pub reason: Option<String>,
    /// Why its last reload command failed; `None` if it succeeded, or none was run.
    pub reload_failure: Option<String>,
    /// How its main process last ended.
    pub last_exit: Option<Exit>,
    /// Whether the plan's definition is newer than the one its process was started with.
    pub changed: bool,
    /// Whether a person holds the service: nothing happens to it by itself.
    #[serde(default)]
    pub held: bool,
    /// Whether the service is no longer in the plan. It is forgotten once it is down.
    pub retired: bool,
    /// Where the last search for an unmet dependency found one, as a position among the dependencies. This is only a
    /// hint: it saves a service with a thousand dependencies from looking at all of them each time one changes.
    pub blocked_at: usize,
    /// The same for the dependents that have to come down before this service stops.
    pub needed_at: usize,
    /// How the service came up the first time; `None` if nobody has wanted it yet.
    pub first_start: Option<FirstStart>,
}

impl Unit {
    /// A service that nobody has asked for yet.
    pub fn new() -> Unit {
        Unit {
            goal: Goal::Down(Reason::Unasked),
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
            reload_failure: None,
            last_exit: None,
            changed: false,
            held: false,
            retired: false,
            blocked_at: 0,
            needed_at: 0,
            first_start: None,
        }
    }

    /// Notes that the service enters a state of another phase.
    pub(super) fn enter(&mut self, to: Phase, now: Time) {
        self.since = now;
        if matches!(to, Phase::Down | Phase::Skipped) {
            // What was found out about its last process says nothing about a service without one.
            self.wellness = Wellness::Unknown;
            self.ready_after = None;
        }
        if self.state.is_inactive() {
            // Its next start, whenever that is, will be by the definition of that time.
            self.changed = false;
        }
        let failed = match self.goal {
            Goal::DependencyFailed(on) => Some(on),
            Goal::Up | Goal::Down(_) => None,
        };
        match self.first_start.as_mut().filter(|first_start| !first_start.was_called_off()) {
            Some(first_start) => first_start.enter(to, failed, now),
            None if to == Phase::Waiting => self.first_start = Some(FirstStart::new(now)),
            None => {}
        }
    }
}

impl Default for Unit {
    fn default() -> Unit {
        Unit::new()
    }
}

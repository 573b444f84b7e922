//! What goes into the core, and what comes out of it.

use serde::{Deserialize, Serialize};

use super::status::{Exit, Phase};
use init_plan::{Id, Plan, Scope, Signal};

/// A process id in `init`'s own pid namespace.
pub type Pid = i32;

/// The name of one process that the core asked for. It is never used again, so news of an earlier process (its readiness,
/// its exit) is not taken for a later one's.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Run(pub u64);

/// What a process is to its service.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Role {
    /// The service itself.
    Main,
    /// A start condition, by its position in the definition.
    Condition(usize),
    /// A readiness probe.
    ReadyProbe,
    /// A health check.
    HealthProbe,
    /// The stop command.
    Stop,
    /// The reload command.
    Reload,
    /// The finish hook, and how the main process ended.
    Finish(Exit),
    /// The `down` command of a oneshot.
    Down,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// `init` is ready to start services.
    Boot,
    /// A process that was asked for runs. This comes before any other event about the process.
    Spawned {
        /// The process.
        run: Run,
        /// Its process id.
        pid: Pid,
    },
    /// A process that was asked for could not be started.
    SpawnFailed {
        /// The process.
        run: Run,
        /// Why it could not be started.
        error: SpawnError,
    },
    /// A condition that needs no process was checked.
    Condition {
        /// The name under which the check was asked for.
        run: Run,
        /// Why the condition does not hold; `None` if it holds.
        unmet: Option<String>,
    },
    /// The main process named another one as the service's main process (`MAINPID=`). That one is a child of `init` too
    /// and leads a process group of its own.
    MainPidChanged {
        /// The main process until now.
        run: Run,
        /// The main process from now on, which keeps the name `run`.
        pid: Pid,
    },
    /// The service said that it is ready.
    Ready {
        /// The process that said so.
        run: Run,
    },
    /// A process of the service said something else.
    Notify {
        /// The process that said so.
        run: Run,
        /// What it said.
        notification: Notification,
    },
    /// A process ended. Until the actions of this step are carried out, signals for its process group reach that group
    /// and no other: the process is still a zombie, or `init` has a handle on it.
    Exited {
        /// The process.
        pid: Pid,
        /// How it ended.
        exit: Exit,
    },
    /// Nothing is left of the process group (and cgroup) of a main process that ended.
    Gone {
        /// The main process that was.
        run: Run,
    },
    /// A person wants the service up.
    Start(Id),
    /// A person wants the service down.
    Stop(Id),
    /// A person wants the service stopped and started.
    Restart(Id),
    /// A person wants the service to read its configuration again.
    Reload(Id),
    /// A person wants nothing to happen to the service by itself, or that no longer.
    Hold {
        /// The service.
        id: Id,
        /// Whether it is held from now on.
        held: bool,
    },
    /// `init` got a signal that services may have asked for.
    Forward(Signal),
    /// The container is to stop, with this exit code; `None` means 0.
    Shutdown(Option<i32>),
    /// During a shutdown: the container is to stop at once.
    Force,
    /// There is a new plan.
    Replan(Box<Plan>),
    /// There is a new plan: what it changes restarts at once, and if that does not come up, the present plan comes back.
    Apply {
        /// The new plan.
        plan: Box<Plan>,
        /// How long it may take until all that it starts is ready.
        patience: std::time::Duration,
    },
    /// Time has passed.
    Tick,
}

/// What a service can say of itself, other than that it is ready (see sd_notify(3)).
#[derive(Clone, Debug, PartialEq)]
pub enum Notification {
    /// `STATUS=`: what the service is doing.
    Status(String),
    /// `RELOADING=1`: the service reads its configuration.
    Reloading,
    /// `STOPPING=1`: the service stops by itself.
    Stopping,
    /// `WATCHDOG=1`: the service is alive.
    WatchdogPing,
    /// `WATCHDOG=trigger`: the service found itself to be broken.
    WatchdogTrigger,
    /// `WATCHDOG_USEC=`: the service wants another watchdog interval. Zero switches the watchdog off.
    WatchdogInterval(std::time::Duration),
    /// `EXTEND_TIMEOUT_USEC=`: the service needs so much longer, from now on, to start or to stop.
    ExtendTimeout(std::time::Duration),
    /// A probe or a condition of the service says why it fails.
    Reason(String),
}

/// Why a process could not be started.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SpawnError {
    /// What failed, on what, and the cure, for a person.
    pub message: String,
    /// Whether trying again later cannot help, for example because there is no such program. A lack of processes or
    /// memory passes.
    pub lasting: bool,
    /// The exit code that a shell gives: 127 if the program was not found, 126 if it is not executable.
    pub code: i32,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start a process. The answer is `Spawned`, `SpawnFailed` or, for a condition without a command, `Condition`.
    Spawn {
        /// The service.
        id: Id,
        /// The name of the process from now on.
        run: Run,
        /// What the process is to its service.
        role: Role,
    },
    /// Send a signal. The process has not ended as far as the core knows, or this step is about its end.
    Signal {
        /// The service.
        id: Id,
        /// The process, or the leader of the process group.
        pid: Pid,
        /// The signal.
        signal: Signal,
        /// Whether the process or its group gets it. KILL for a group is also for the service's cgroup.
        scope: Scope,
    },
    /// A service changed state.
    Changed(Change),
    /// Another process is the main one of a service, in the same state.
    MainPidChanged {
        /// The service.
        id: Id,
        /// Its main process from now on.
        pid: Pid,
    },
    /// A person should know something beside changes of state.
    Warn {
        /// The service.
        id: Id,
        /// One line of text.
        message: String,
    },
    /// Every service that starts at boot has settled.
    Booted,
    /// The shutdown began.
    ShuttingDown {
        /// Why, for a person; `None` if a person asked for it.
        why: Option<String>,
    },
    /// The plan was replaced, so ids have a new meaning.
    Replanned {
        /// The new id of each old one; `None` if the service is forgotten.
        ids: Vec<Option<Id>>,
    },
    /// A plan was applied, and all that it changed is ready.
    Applied,
    /// A plan that was applied did not come up: the plan of before comes back, by the `Replanned` that follows.
    RolledBack {
        /// What did not come up, for a person.
        why: String,
    },
    /// Everything is down, or its time is over: end whatever else is left, and exit.
    Halt {
        /// The exit code.
        code: i32,
    },
}

/// A change of state.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The service.
    pub id: Id,
    /// The state before.
    pub from: Phase,
    /// The state now.
    pub to: Phase,
    /// Its main process, if it has one now.
    pub pid: Option<Pid>,
    /// How its main process ended, if that is what happened.
    pub exit: Option<Exit>,
    /// Why the state changed, where that is not obvious.
    pub why: Option<String>,
}

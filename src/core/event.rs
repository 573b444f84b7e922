//! What goes into the core and what comes out of it.

use serde::{Deserialize, Serialize};

use super::status::{Exit, Phase};
use init_plan::{Id, Plan, Scope, Signal};

/// A process id in `init`'s own pid namespace.
pub type Pid = i32;

/// One process that the core asked for. Never used twice, so that word of an earlier process (its readiness, its
/// exit) is not taken for a later one's.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Run(pub u64);

/// What a process is to its service.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Role {
    /// The service itself.
    Main,
    /// One of its start conditions, by its place in the plan.
    Condition(usize),
    /// A try to find out whether it is ready.
    ReadyProbe,
    /// A try to find out whether it is well.
    HealthProbe,
    /// Its stop command.
    Stop,
    /// Its reload command.
    Reload,
    /// Its finish hook, after the process ended so.
    Finish(Exit),
    /// A oneshot's `down` command.
    Down,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// `init` is ready to start services.
    Boot,
    /// A process that was asked for runs. Comes before anything else about it.
    Spawned {
        /// Which.
        run: Run,
        /// Its process id.
        pid: Pid,
    },
    /// A process that was asked for could not be started.
    SpawnFailed {
        /// Which.
        run: Run,
        /// Why.
        error: SpawnError,
    },
    /// A condition that needs no process was looked at.
    Condition {
        /// Which.
        run: Run,
        /// `None`: it holds; else why it does not.
        unmet: Option<String>,
    },
    /// The main process put another in its place, which is a child of `init` too and leads a group of its own.
    MainPidChanged {
        /// Which.
        run: Run,
        /// The process that is the service from now on.
        pid: Pid,
    },
    /// The service said that it is ready.
    Ready {
        /// Which of its processes.
        run: Run,
    },
    /// The service said something of itself.
    Notify {
        /// Which of its processes.
        run: Run,
        /// What it said.
        notification: Notification,
    },
    /// A process ended. Until the actions of this step are carried out, signals meant for its group reach that and
    /// nobody else: it is still a zombie, or `init` has a handle on it.
    Exited {
        /// Which.
        pid: Pid,
        /// How.
        exit: Exit,
    },
    /// Nothing is left of the group (and cgroup) of a main process that ended.
    Gone {
        /// Which.
        run: Run,
    },
    /// A person wants it up.
    Start(Id),
    /// A person wants it down.
    Stop(Id),
    /// A person wants it stopped and started.
    Restart(Id),
    /// A person wants it to read its configuration again.
    Reload(Id),
    /// `init` got a signal that services may have asked for.
    Forward(Signal),
    /// The container is to stop. `None`: with code 0.
    Shutdown(Option<i32>),
    /// It is to stop at once.
    Force,
    /// There is a new plan.
    Replan(Box<Plan>),
    /// Time passed.
    Tick,
}

/// What a service can say of itself (sd_notify(3)), readiness apart.
#[derive(Clone, Debug, PartialEq)]
pub enum Notification {
    /// `STATUS=`: what it is doing.
    Status(String),
    /// `RELOADING=1`.
    Reloading,
    /// `STOPPING=1`.
    Stopping,
    /// `WATCHDOG=1`.
    WatchdogPing,
    /// `WATCHDOG=trigger`: it found itself to be broken.
    WatchdogTrigger,
    /// `WATCHDOG_USEC=`: another watchdog interval.
    WatchdogInterval(std::time::Duration),
    /// Not of the service but of a probe or condition of it: why it says no.
    Reason(String),
}

/// Why a process could not be started.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SpawnError {
    /// For a person: what failed, on what, and the cure.
    pub message: String,
    /// Trying again later cannot help (no such program), as opposed to a lack of processes or memory.
    pub lasting: bool,
    /// The exit code a shell gives: 127 not found, 126 not executable.
    pub code: i32,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start a process; answer with `Spawned`, `SpawnFailed` or, for a condition without a command, `Condition`.
    Spawn {
        /// Whose.
        id: Id,
        /// Its name from now on.
        run: Run,
        /// What it is to its service.
        role: Role,
    },
    /// Send a signal. The process has not ended as far as the core knows, or this step is about its end.
    Signal {
        /// Whose.
        id: Id,
        /// The process, or the leader of the group.
        pid: Pid,
        /// What is sent.
        signal: Signal,
        /// The process or its group (with KILL: its cgroup too).
        scope: Scope,
    },
    /// A service changed state.
    Changed(Change),
    /// Something a person should know, beside changes of state.
    Warn {
        /// Whose.
        id: Id,
        /// One line.
        message: String,
    },
    /// Every service that starts at boot has settled.
    Booted,
    /// The shutdown began.
    ShuttingDown {
        /// Why, for a person, when no person asked for it.
        why: Option<String>,
    },
    /// Ids have a new meaning: the plan was replaced, and `ids[old]` is what became of each.
    Replanned {
        /// Indexed by old id; `None`: gone.
        ids: Vec<Option<Id>>,
    },
    /// Everything is down: end whatever else is left, and exit.
    Halt {
        /// With this code.
        code: i32,
    },
}

/// A change of state.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Whose.
    pub id: Id,
    /// The state before.
    pub from: Phase,
    /// The state now.
    pub to: Phase,
    /// Its main process, where it has one now.
    pub pid: Option<Pid>,
    /// How its main process ended, if that is what happened.
    pub exit: Option<Exit>,
    /// Why, where that is not obvious.
    pub why: Option<String>,
}

//! What the supervisor tells of a service to those who ask: the vocabulary of `svctl list --json`.

use serde::{Deserialize, Serialize};

use init_plan::Kind;

/// A service's state in one word.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Not running, and not meant to.
    Down,
    /// To be started once what it depends on is ready.
    Waiting,
    /// A start condition is being checked.
    Checking,
    /// Its process runs but is not ready (longrun) or not complete (oneshot).
    Starting,
    /// Running and ready.
    Up,
    /// Told to stop.
    Stopping,
    /// Its process has ended; what it left behind is being cleared away, or its finish hook runs.
    Ending,
    /// A completed oneshot's `down` command runs.
    Undoing,
    /// Ended by itself; the next start comes after a delay.
    Backoff,
    /// A oneshot that succeeded, or a longrun that ended well and is not to be started again.
    Done,
    /// Not started because a start condition did not hold.
    Skipped,
    /// Given up.
    Failed,
}

impl Phase {
    /// The word as shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Down => "down",
            Phase::Waiting => "waiting",
            Phase::Checking => "checking",
            Phase::Starting => "starting",
            Phase::Up => "up",
            Phase::Stopping => "stopping",
            Phase::Ending => "ending",
            Phase::Undoing => "undoing",
            Phase::Backoff => "backoff",
            Phase::Done => "done",
            Phase::Skipped => "skipped",
            Phase::Failed => "failed",
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// As a shell shows it: the code, or 128 + the signal's number.
    pub fn shell_code(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(number) => 128 + number,
        }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(number) => match init_plan::Signal::from_number(number) {
                Some(signal) => write!(f, "signal {signal}"),
                None => write!(f, "signal {number}"),
            },
        }
    }
}

/// What the health checks say.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wellness {
    /// Nobody checks, or nobody has yet.
    #[default]
    Unknown,
    /// The last check succeeded.
    Healthy,
    /// The last check failed, though not often enough in a row to act on it.
    Failing,
    /// Failed as often as it takes.
    Unhealthy,
}

/// One service, as shown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Its description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Daemon or command.
    pub kind: Kind,
    /// Its state.
    pub state: Phase,
    /// Whether it is meant to be up.
    pub wanted: bool,
    /// Whether its failure ends the container.
    pub essential: bool,
    /// Milliseconds in this state.
    pub for_ms: u64,
    /// Its main process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// How often it was started again after it had ended by itself.
    pub restarts: u32,
    /// What the health checks say.
    pub health: Wellness,
    /// Why it is in this state, for a person: what it is blocked on, why it failed, its own `STATUS=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How its last process ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<Exit>,
    /// Milliseconds from its last start until it was ready or complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_after_ms: Option<u64>,
    /// The definition on disk is newer than the one it runs with: a restart applies it.
    #[serde(default)]
    pub changed: bool,
    /// A person holds it: no checks, no restarts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// Names of what it requires.
    #[serde(default)]
    pub requires: Vec<String>,
    /// Names of what it wants.
    #[serde(default)]
    pub wants: Vec<String>,
    /// Names of what it starts after.
    #[serde(default)]
    pub after: Vec<String>,
    /// Processes of it that left its process group; only where services were asked for by name, by one who may act.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strays: Vec<Stray>,
}

/// A process that left the process group of its service.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stray {
    /// Its process id.
    pub pid: i32,
    /// The beginning of its command line.
    pub command: String,
}

/// How a service came up the first time, as shown. Times are milliseconds since `init` began.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FirstStartStatus {
    /// Its name.
    pub name: String,
    /// What came of it: up, done, skipped, failed, or down if it was called off. Until then, the state it is in.
    pub state: Phase,
    /// Since when it was wanted.
    pub wanted_ms: u64,
    /// When it no longer had to wait for another, and started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<u64>,
    /// When that came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_ms: Option<u64>,
    /// How long it took from its start until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// What it waited for last: its start followed on that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_for: Option<String>,
}

/// How far the boot is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Services are being started.
    Booting,
    /// Every service that starts at boot was ready, complete, skipped or failed once.
    Running,
    /// Shutting down.
    Stopping,
}

//! The compiled plan: what the supervisor works from.
//!
//! A [`Plan`] is valid by construction: every name in it is resolved to an [`Id`], bundles and templates are
//! expanded, variables of the container's environment are replaced, and the dependency graph has no cycle.
//! Only `plan::compile` makes one (tests use `Plan::new`, which checks the same).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::signal::Signal;

/// A service's place in its plan. Ids are dense, and dependencies always have smaller ids than their dependents.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Id(pub u32);

impl Id {
    /// The id as an index into a table with one row a service.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Everything the supervisor knows about what it is to run.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Plan {
    /// In dependency order: a service stands after everything it depends on.
    pub services: Vec<Service>,
    /// Each bundle's members, bundles in bundles resolved. A template's bundle holds its instances.
    pub bundles: BTreeMap<String, Vec<Id>>,
    /// What concerns `init` itself.
    pub settings: Settings,
}

/// What concerns `init` itself (`init.toml`).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Settings {
    /// From the request to shut down until `init` exits, whatever happens.
    pub shutdown_timeout: Duration,
    /// How services log that do not say it themselves.
    pub log: Log,
    /// How much of each service's output is kept for `svctl logs`, in bytes.
    pub log_ring: usize,
    /// The group, a name or a number, whose members may read that beside root and the user `init` runs as; `None`: none.
    pub log_group: Option<Box<str>>,
    /// The group whose members may read that and act on services, too; `None`: none.
    #[serde(default)]
    pub act_group: Option<Box<str>>,
}

impl Default for Settings {
    fn default() -> Self {
        // 9 s: docker and podman send KILL 10 s after TERM.
        Settings {
            shutdown_timeout: Duration::from_secs(9),
            log: Log::Prefix,
            log_ring: 64 * 1024,
            log_group: None,
            act_group: None,
        }
    }
}

/// How long a service is expected to run.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A daemon that stays.
    Longrun,
    /// A command that ends; the service is complete once it succeeded.
    Oneshot,
}

/// One service, complete.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Service {
    /// Unique in the plan; an instance of a template is `template@instance`.
    pub name: Box<str>,
    /// One line for people.
    pub description: Option<Box<str>>,
    /// Daemon or command.
    pub kind: Kind,
    /// Whether it starts at boot without anybody asking.
    pub autostart: bool,
    /// Whether its failure for good ends the container with its exit code.
    pub essential: bool,
    /// Must be ready or complete before this starts; if one fails for good, so does this.
    pub requires: Vec<Id>,
    /// Are started too and waited for, but may fail.
    pub wants: Vec<Id>,
    /// Order only: waited for if they are to be started anyway. `before` of others is turned round into this.
    pub after: Vec<Id>,
    /// What runs.
    pub exec: Vec<Box<str>>,
    /// Of a oneshot: what undoes it at stop.
    pub down: Option<Hook>,
    /// How it says that it is ready.
    pub ready: Ready,
    /// From its start until it must be ready (longrun) or complete (oneshot); `None`: for ever.
    pub start_timeout: Option<Duration>,
    /// Checks after it was ready.
    pub health: Option<Box<Health>>,
    /// The longest silence between two `WATCHDOG=1`; `None`: no watchdog.
    pub watchdog: Option<Duration>,
    /// It may speak sd_notify(3), in whatever way it is ready.
    pub notify: bool,
    /// What happens when it ends by itself.
    pub restart: Arc<Restart>,
    /// How it is stopped.
    pub stop: Arc<Stop>,
    /// Runs each time the service's process has ended, before anything else happens to it.
    pub finish: Option<Hook>,
    /// What `svctl reload NAME` does.
    pub reload: Option<Reload>,
    /// Signals to `init` that are passed on to this service.
    pub forward: Vec<Signal>,
    /// All must hold when it is about to start, or it is skipped.
    pub conditions: Vec<Condition>,
    /// What its processes are given.
    pub process: Arc<Process>,
}

impl Service {
    /// Everything that must be settled before this service starts.
    pub fn dependencies(&self) -> impl Iterator<Item = Id> + '_ {
        self.requires.iter().chain(&self.wants).chain(&self.after).copied()
    }
}

/// A command beside the service's own, with a bound on its time.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Hook {
    /// Program and arguments.
    pub exec: Vec<Box<str>>,
    /// After this it is killed, which counts as failure; `None`: never.
    pub timeout: Option<Duration>,
}

/// How a service says that it is ready.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// As soon as its program runs.
    Started,
    /// It writes a newline to this file descriptor (s6's protocol).
    Fd(i32),
    /// It sends `READY=1` to `$NOTIFY_SOCKET` (sd_notify(3)).
    Notify,
    /// A line of its output matches this regular expression.
    Log(Box<str>),
    /// A probe succeeds.
    Probe(Box<Probe>),
}

/// Something to try from outside the service, and when.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Probe {
    /// What is tried.
    pub check: Check,
    /// Before the first try.
    pub initial_delay: Duration,
    /// From the end of one try to the next.
    pub interval: Duration,
    /// For one try.
    pub timeout: Duration,
}

/// One kind of try.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// A connection to `host:port` is accepted.
    Tcp(Box<str>),
    /// A connection to a Unix stream socket is accepted.
    Unix(PathBuf),
    /// A GET is answered as expected.
    Http(Box<HttpCheck>),
    /// A command exits with 0.
    Exec(Vec<Box<str>>),
}

/// A GET and what its answer must be.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct HttpCheck {
    /// `http://…`, `https://…`, or `http+unix://%2Fpath%2Fto.sock/path`.
    pub url: Box<str>,
    /// Accepted status codes, inclusive ranges.
    pub status: Vec<(u16, u16)>,
    /// Request headers.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// Answer headers: name, regular expression its value must match.
    pub expect_headers: Vec<(Box<str>, Box<str>)>,
    /// A regular expression the body must match.
    pub body: Option<Box<str>>,
    /// Of https: check the certificate against these CAs; `None` accepts any (a probe inside one container).
    pub ca_file: Option<PathBuf>,
}

/// Checks of a running service.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Health {
    /// What is tried and when.
    pub probe: Probe,
    /// So many failures in a row make it unhealthy. At least 1.
    pub threshold: u32,
    /// What happens then.
    pub action: HealthAction,
}

/// What happens to an unhealthy service.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthAction {
    /// It is shown as unhealthy, nothing more.
    None,
    /// It is stopped and started again, as its restart policy says.
    Restart,
    /// It is stopped and fails for good.
    Stop,
    /// The container shuts down.
    Exit,
}

/// What happens when a service ends by itself.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Restart {
    /// When it is started again.
    pub policy: Policy,
    /// Exit codes that are no failure.
    pub success: Vec<i32>,
    /// Before the second restart in a row; the first is at once.
    pub delay: Duration,
    /// Each further delay is this much longer, in percent (200: doubled). At least 100.
    pub factor_percent: u32,
    /// Delays grow no longer than this.
    pub max_delay: Duration,
    /// Delays vary by so much in both directions, in percent. At most 100.
    pub jitter_percent: u32,
    /// A service that ran this long is forgiven its earlier failures.
    pub reset_after: Duration,
    /// More than this many restarts within the interval: it gives up. `None`: never.
    pub limit: Option<(u32, Duration)>,
}

/// When an ended service is started again.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Whatever its exit was.
    Always,
    /// Only after a failure.
    OnFailure,
    /// Never.
    Never,
}

/// How a service is stopped.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Stop {
    /// Sent first, with a CONT behind it.
    pub signal: Signal,
    /// Who gets that signal.
    pub scope: Scope,
    /// Runs instead of the signal; if it fails the signal is sent after all.
    pub exec: Option<Vec<Box<str>>>,
    /// The signal is sent again so often until the process has ended; `None`: it is sent once.
    pub repeat: Option<Duration>,
    /// From the first signal or the start of the command until KILL.
    pub timeout: Duration,
}

/// Who gets a stop signal. KILL always goes to the group, and to the cgroup where there is one.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The service's own process, which tells its children itself.
    Leader,
    /// Every process of its group.
    Group,
}

/// What `svctl reload NAME` does.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reload {
    /// Sends a signal to the service's process.
    Signal(Signal),
    /// Runs a command.
    Exec(Hook),
}

/// Must hold when a service is about to start.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// A variable of the container's environment is set and not empty, or equals the value. `negate`: is not so.
    Env {
        /// Its name.
        name: Box<str>,
        /// What it must be; `None`: anything but empty.
        value: Option<Box<str>>,
        /// The condition holds when the above does not.
        negate: bool,
    },
    /// A path exists. `negate`: does not.
    File {
        /// An absolute path.
        path: PathBuf,
        /// The condition holds when the above does not.
        negate: bool,
    },
    /// A command exits with 0. Its last line of output is the reason shown when it does not.
    Exec(Hook),
}

/// How a service's output gets to the container's.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(feature = "docs", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Log {
    /// Whole lines, each with the service's name before it.
    Prefix,
    /// One JSON object a line.
    Json,
    /// The service writes to the container's output itself; nothing is kept.
    Inherit,
    /// Kept for `svctl logs`, not copied to the container's output.
    Ring,
    /// Thrown away.
    None,
}

/// Where programs are looked for when a service's environment has no `PATH`.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a service's processes are given.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Process {
    /// Name or number.
    pub user: Option<Box<str>>,
    /// Name or number; `None`: the user's own.
    pub group: Option<Box<str>>,
    /// Supplementary groups; `None`: those of the user in /etc/group.
    pub groups: Option<Vec<Box<str>>>,
    /// Where its environment comes from.
    pub env: Env,
    /// Absolute; `None`: `/` (the command of `init CMD`: where `init` was started).
    pub cwd: Option<PathBuf>,
    /// File mode creation mask; `None`: inherited.
    pub umask: Option<u32>,
    /// −20 to 19; `None`: inherited.
    pub nice: Option<i32>,
    /// −1000 to 1000; `None`: inherited.
    pub oom_score_adj: Option<i32>,
    /// setrlimit(2): resource, soft, hard (`u64::MAX`: unlimited).
    pub limits: Vec<(Resource, u64, u64)>,
    /// Capabilities (their numbers) taken from the bounding, permitted, inheritable and ambient sets.
    pub drop_capabilities: Vec<u8>,
    /// prctl(PR_SET_NO_NEW_PRIVS).
    pub no_new_privileges: bool,
    /// What its standard input is.
    pub stdin: Stdin,
    /// `None`: as the settings say.
    pub log: Option<Log>,
    /// What its cgroup may use.
    pub cgroup: CgroupLimits,
    /// Which of the sockets that `init` was given it gets, by name; [`OTHER_SOCKETS`]: those that no service names.
    pub sockets: Vec<Box<str>>,
}

/// So many sockets can be given to `init`.
pub const MAX_SOCKETS: i32 = 64;

/// The first descriptor that is one: `SD_LISTEN_FDS_START` of sd_listen_fds(3).
pub const FIRST_SOCKET: i32 = 3;

/// Instead of a name: the sockets that no service names.
pub const OTHER_SOCKETS: &str = "*";

/// Where a service's environment comes from, in this order; later wins.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Env {
    /// What is taken from the container's environment.
    pub inherit: Inherit,
    /// Variables of the container that it does not get all the same.
    pub unset: Vec<Box<str>>,
    /// Files of `NAME=value` lines, read at each start; with `true` one that is missing is no error.
    pub files: Vec<(PathBuf, bool)>,
    /// Set last, already expanded.
    pub set: Vec<(Box<str>, Box<str>)>,
}

/// What is taken from the container's environment.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inherit {
    /// All of it.
    #[default]
    All,
    /// Nothing.
    Nothing,
    /// These, if they are set.
    Only(Vec<Box<str>>),
}

/// A limit of setrlimit(2).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are setrlimit(2)'s")]
pub enum Resource {
    As,
    Core,
    Cpu,
    Data,
    Fsize,
    Locks,
    Memlock,
    Msgqueue,
    Nice,
    Nofile,
    Nproc,
    Rss,
    Rtprio,
    Rttime,
    Sigpending,
    Stack,
}

/// What a standard input is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(feature = "docs", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Stdin {
    /// `/dev/null`.
    #[default]
    Null,
    /// The container's own standard input; if that is a terminal, the service is its foreground job.
    Tty,
}

/// cgroup v2 limits; `None`: none.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct CgroupLimits {
    /// `memory.max`, bytes.
    pub memory: Option<u64>,
    /// `pids.max`.
    pub pids: Option<u64>,
    /// `cpu.max`, in percent of one CPU.
    pub cpu_percent: Option<u32>,
}

impl CgroupLimits {
    /// Whether there is any limit at all.
    pub fn is_none(&self) -> bool {
        self == &CgroupLimits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_limit_is_one() {
        assert!(CgroupLimits::default().is_none());
        assert!(!CgroupLimits { pids: Some(1), ..CgroupLimits::default() }.is_none());
    }
}

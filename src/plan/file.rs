//! The format of `services.d` as types: the source of its JSON Schema, which editors use to complete and check.
//!
//! The compiler does not deserialise into these (serde would stop at the first problem); a test holds that the keys
//! here and the keys that the compiler reads are the same. The doc comments are what an editor shows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// A type of JSON Schema that is written out by hand.
macro_rules! written {
    ($(#[doc = $doc:literal] $name:ident: $schema:tt;)*) => {$(
        #[doc = $doc]
        #[derive(Debug)]
        pub struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

written! {
    #[doc = "A string; `${VAR}` in it is replaced."]
    Text: { "type": "string" };
    #[doc = "A whole number, or a string that becomes one."]
    Whole: { "type": ["integer", "string"], "pattern": "^\\s*[+-]?[0-9]+\\s*$|\\$" };
    #[doc = "A number, or a string that becomes one."]
    Number: { "type": ["number", "string"], "pattern": "^\\s*[+-]?[0-9.]+\\s*$|\\$" };
    #[doc = "True or false, or a string that becomes one of them."]
    Truth: { "type": ["boolean", "string"], "pattern": "^(true|false)$|\\$" };
    #[doc = "A duration with its unit."]
    Time: { "type": "string", "pattern": "^\\s*([0-9.]+(ms|s|m|min|h|d)\\s*)+$|\\$" };
    #[doc = "A duration with its unit, or `none`: for ever."]
    TimeOrNone: { "type": "string", "pattern": "^none$|^\\s*([0-9.]+(ms|s|m|min|h|d)\\s*)+$|\\$" };
    #[doc = "Bytes, or a size with its unit."]
    Size: { "type": ["integer", "string"], "minimum": 0, "pattern": "^\\s*[0-9.]+\\s*[KkMmGgTt]?([Ii]?[Bb])?$|\\$" };
    #[doc = "A limit: a number, a size, or `unlimited`."]
    Bound: { "type": ["integer", "string"], "minimum": 0, "pattern": "^unlimited$|^\\s*[0-9.]+\\s*[KkMmGgTt]?([Ii]?[Bb])?$|\\$" };
    #[doc = "Whole percent."]
    Percent: { "type": "string", "pattern": "^\\s*[0-9]+\\s*%\\s*$|\\$" };
    #[doc = "Octal digits."]
    Umask: { "type": "string", "pattern": "^[0-7]{1,4}$|\\$" };
    #[doc = "A user or a group: a name or a number."]
    Account: { "type": ["integer", "string"], "minimum": 0 };
    #[doc = "A signal: `TERM`, `SIGTERM`, `RTMIN+3`, or its number."]
    SignalName: { "type": ["integer", "string"] };
    #[doc = "A program and its arguments, one string each; no shell reads it."]
    Command: { "type": "array", "items": { "type": "string" }, "minItems": 1 };
    #[doc = "A string, or a list of them."]
    Texts: { "type": ["string", "array"], "items": { "type": "string" } };
    #[doc = "The kind of definition."]
    TypeWord: { "anyOf": [{ "enum": ["longrun", "oneshot", "bundle"] }, { "type": "string", "pattern": "\\$\\{" }] };
    #[doc = "Where output goes."]
    LogWord: { "anyOf": [{ "enum": ["prefix", "json", "inherit", "ring", "none"] }, { "type": "string", "pattern": "\\$\\{" }] };
    #[doc = "What standard input is."]
    StdinWord: { "anyOf": [{ "enum": ["null", "tty"] }, { "type": "string", "pattern": "\\$\\{" }] };
    #[doc = "When an ended service is started again."]
    PolicyWord: { "anyOf": [{ "enum": ["always", "on-failure", "never"] }, { "type": "string", "pattern": "\\$\\{" }] };
    #[doc = "What happens to an unhealthy service."]
    ActionWord: { "anyOf": [{ "enum": ["restart", "stop", "exit", "none"] }, { "type": "string", "pattern": "\\$\\{" }] };
    #[doc = "Who gets the stop signal."]
    ScopeWord: { "anyOf": [{ "enum": ["leader", "group"] }, { "type": "string", "pattern": "\\$\\{" }] };
    #[doc = "A number of instances, or their names."]
    Instances: { "type": ["integer", "string", "array"], "minimum": 0, "maximum": 1000, "items": { "type": ["string", "integer"] }, "maxItems": 1000 };
    #[doc = "HTTP status: a code, a range, or a list of such."]
    Statuses: { "type": ["integer", "string", "array"], "items": { "type": ["integer", "string"] }, "minItems": 1 };
    #[doc = "All, nothing, or some names."]
    Inherited: { "type": ["boolean", "string", "array"], "items": { "type": "string" } };
    #[doc = "A variable's value."]
    Setting: { "type": ["string", "integer", "boolean"] };
    #[doc = "Exit codes."]
    Codes: { "type": ["integer", "string", "array"], "items": { "type": ["integer", "string"] } };
}

/// A file `NAME.toml` of `services.d`, or a drop-in `NAME.d/*.toml`: a service, a template of services, or a bundle.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServiceFile {
    /// What it is: a daemon (`longrun`), a command that ends (`oneshot`), or a name for several (`bundle`).
    /// Default: `longrun`.
    pub r#type: Option<TypeWord>,
    /// One line for people.
    pub description: Option<Text>,
    /// The program and its arguments. It must stay in the foreground.
    pub exec: Option<Command>,
    /// Services and bundles that must be ready or complete before this starts. If one fails for good, so does this.
    pub requires: Option<Vec<Text>>,
    /// Services and bundles that are started too and waited for, but may fail.
    pub wants: Option<Vec<Text>>,
    /// Services and bundles that come first if they are started anyway.
    pub after: Option<Vec<Text>>,
    /// Services and bundles that come later if they are started anyway.
    pub before: Option<Vec<Text>>,
    /// Whether it starts at boot. Default: true.
    pub autostart: Option<Truth>,
    /// Whether the container ends, with its exit code, when it fails for good. Default: false.
    pub essential: Option<Truth>,
    /// Only in a template `NAME@.toml`: how many instances, or their names.
    pub instances: Option<Instances>,
    /// Only in a template: how many instances, if a variable in `instances` makes that no number.
    pub instances_fallback: Option<Whole>,
    /// Only in a bundle: its members.
    pub contents: Option<Vec<Text>>,
    /// The user it runs as. Default: that of `init`.
    pub user: Option<Account>,
    /// The group it runs as. Default: the user's own.
    pub group: Option<Account>,
    /// Supplementary groups. Default: those of the user in /etc/group.
    pub groups: Option<Vec<Account>>,
    /// The working directory. Default: `/`.
    pub cwd: Option<Text>,
    /// The file mode creation mask, octal digits in a string. Default: inherited.
    pub umask: Option<Umask>,
    /// The niceness, −20 to 19. Default: inherited.
    #[schemars(range(min = -20, max = 19))]
    pub nice: Option<Whole>,
    /// The OOM killer's adjustment, −1000 to 1000. Default: inherited.
    #[schemars(range(min = -1000, max = 1000))]
    pub oom_score_adj: Option<Whole>,
    /// Whether it and its children can never gain privileges by execve. Default: false.
    pub no_new_privileges: Option<Truth>,
    /// Capabilities that are taken from it, with or without `CAP_`; `all` for every one.
    pub drop_capabilities: Option<Vec<Text>>,
    /// Its standard input: /dev/null, or the container's. Default: `null`.
    pub stdin: Option<StdinWord>,
    /// Where its output goes. Default: as init.toml says.
    pub log: Option<LogWord>,
    /// Signals to `init` that are passed on to this service.
    pub forward_signals: Option<Vec<SignalName>>,
    /// Only of a oneshot: the command that undoes it at stop.
    pub down: Option<HookOrCommand>,
    /// A command that runs each time the service has ended.
    pub finish: Option<HookOrCommand>,
    /// How long it may take to be ready (longrun: 90s) or complete (oneshot: none).
    pub start_timeout: Option<TimeOrNone>,
    /// The longest silence between two WATCHDOG=1. Default: no watchdog.
    pub watchdog: Option<Time>,
    /// Whether it has a $NOTIFY_SOCKET though it is ready in another way: for STATUS=, MAINPID= and the like.
    /// Default: false, but with a watchdog.
    pub notify: Option<Truth>,
    /// How it says that it is ready. Exactly one of fd, notify, tcp, unix, http, exec, log.
    pub ready: Option<ReadyTable>,
    /// Checks after it was ready. Exactly one of tcp, unix, http, exec.
    pub health: Option<HealthTable>,
    /// What happens when it ends by itself.
    pub restart: Option<RestartOrWord>,
    /// How it is stopped.
    pub stop: Option<StopTable>,
    /// What `svctl reload` does. One of signal, exec.
    pub reload: Option<ReloadTable>,
    /// Its environment.
    pub env: Option<EnvTable>,
    /// Limits of setrlimit(2).
    pub limits: Option<LimitsTable>,
    /// Limits of cgroup v2, where the cgroup is writable.
    pub cgroup: Option<CgroupTable>,
    /// Which of the sockets that `init` was given (`$LISTEN_FDS`) it gets, by name; `*`: those that no service names.
    pub sockets: Option<Vec<Text>>,
    /// What must hold when it is about to start; otherwise it is skipped.
    pub start_if: Option<StartIfTable>,
}

/// A command, alone or with a timeout.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum HookOrCommand {
    /// The command.
    Command(Command),
    /// The command and its timeout.
    Hook(HookTable),
}

/// A command with a timeout.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HookTable {
    /// The program and its arguments.
    pub exec: Command,
    /// After this it is killed. Default: 5s.
    pub timeout: Option<TimeOrNone>,
}

/// How a service says that it is ready.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadyTable {
    /// It writes a newline to this file descriptor.
    #[schemars(range(min = 3, max = 255))]
    pub fd: Option<Whole>,
    /// It sends READY=1 to $NOTIFY_SOCKET.
    pub notify: Option<Truth>,
    /// A line of its output matches this regular expression.
    pub log: Option<Text>,
    /// A connection to HOST:PORT is accepted.
    pub tcp: Option<Text>,
    /// A connection to this Unix socket is accepted.
    pub unix: Option<Text>,
    /// A GET of this URL is answered as expected.
    pub http: Option<Text>,
    /// Of http: accepted status. Default: 200-299.
    pub status: Option<Statuses>,
    /// Of http: request headers.
    pub header: Option<BTreeMap<String, Text>>,
    /// Of http: answer headers, and regular expressions that they must match.
    pub expect_header: Option<BTreeMap<String, Text>>,
    /// Of http: a regular expression that the body must match.
    pub body: Option<Text>,
    /// Of https: the CAs that the certificate is checked against. Default: any certificate will do.
    pub ca_file: Option<Text>,
    /// This command exits with 0.
    pub exec: Option<Command>,
    /// Before the first try. Default: 0s.
    pub initial_delay: Option<Time>,
    /// Between tries. Default: 200ms.
    pub interval: Option<Time>,
    /// For one try. Default: 3s.
    pub timeout: Option<Time>,
}

/// Checks of a running service.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HealthTable {
    /// A connection to HOST:PORT is accepted.
    pub tcp: Option<Text>,
    /// A connection to this Unix socket is accepted.
    pub unix: Option<Text>,
    /// A GET of this URL is answered as expected.
    pub http: Option<Text>,
    /// Of http: accepted status. Default: 200-299.
    pub status: Option<Statuses>,
    /// Of http: request headers.
    pub header: Option<BTreeMap<String, Text>>,
    /// Of http: answer headers, and regular expressions that they must match.
    pub expect_header: Option<BTreeMap<String, Text>>,
    /// Of http: a regular expression that the body must match.
    pub body: Option<Text>,
    /// Of https: the CAs that the certificate is checked against. Default: any certificate will do.
    pub ca_file: Option<Text>,
    /// This command exits with 0.
    pub exec: Option<Command>,
    /// From readiness to the first check. Default: 0s.
    pub initial_delay: Option<Time>,
    /// Between checks. Default: 10s.
    pub interval: Option<Time>,
    /// For one check. Default: 3s.
    pub timeout: Option<Time>,
    /// So many failures in a row make it unhealthy. Default: 3.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub failures: Option<Whole>,
    /// What happens then. Default: `restart`.
    pub action: Option<ActionWord>,
}

/// When a service is started again: one word, or a table.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum RestartOrWord {
    /// The policy alone.
    Word(PolicyWord),
    /// Everything.
    Table(RestartTable),
}

/// When a service is started again.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RestartTable {
    /// Default: `always` for a longrun, `never` for a oneshot.
    pub policy: Option<PolicyWord>,
    /// Exit codes that are no failure. Default: 0.
    pub success_codes: Option<Codes>,
    /// Before the second restart in a row; the first is at once. Default: 100ms.
    pub delay: Option<Time>,
    /// Each further delay is so many times longer. Default: 2.
    #[schemars(range(min = 1, max = 100))]
    pub factor: Option<Number>,
    /// The longest delay. Default: 30s.
    pub max_delay: Option<Time>,
    /// The share by which delays vary. Default: 0.1.
    #[schemars(range(min = 0, max = 1))]
    pub jitter: Option<Number>,
    /// A service that ran this long is forgiven its earlier failures. Default: 10s.
    pub reset_after: Option<Time>,
    /// When it gives up. Default: never.
    pub limit: Option<LimitTable>,
}

/// When a service that keeps failing gives up.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LimitTable {
    /// More restarts than this within the interval are too many.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: Whole,
    /// Default: 60s.
    pub interval: Option<Time>,
}

/// How a service is stopped.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StopTable {
    /// Sent first. Default: TERM.
    pub signal: Option<SignalName>,
    /// Who gets it: the service's own process, or its whole group. Default: `leader`.
    pub scope: Option<ScopeWord>,
    /// Runs instead of the signal.
    pub exec: Option<Command>,
    /// How often the signal is sent again until the process has ended; at least 100ms. Default: it is sent once.
    pub repeat: Option<Time>,
    /// Until KILL. Default: 5s.
    pub timeout: Option<Time>,
}

/// What `svctl reload` does.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReloadTable {
    /// Sent to the service's process.
    pub signal: Option<SignalName>,
    /// The command that reloads it.
    pub exec: Option<Command>,
    /// Of exec: after this it is killed. Default: 30s.
    pub timeout: Option<TimeOrNone>,
}

/// A service's environment.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EnvTable {
    /// What is taken from the container's environment. Default: true, all of it.
    pub inherit: Option<Inherited>,
    /// Variables of the container's environment that it does not get: a name or a list of names.
    pub unset: Option<Texts>,
    /// Files of NAME=value lines, read at each start; with `-` before it one may be missing.
    pub file: Option<Texts>,
    /// Variables set last.
    pub set: Option<BTreeMap<String, Setting>>,
}

/// A limit: one value, or a soft and a hard one.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum ResourceLimit {
    /// For both.
    Same(Bound),
    /// For each.
    Both(SoftAndHard),
}

/// A soft and a hard limit.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SoftAndHard {
    /// What is enforced.
    pub soft: Bound,
    /// How far the service may raise it.
    pub hard: Bound,
}

/// Limits of setrlimit(2).
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are setrlimit(2)'s")]
pub struct LimitsTable {
    pub r#as: Option<ResourceLimit>,
    pub core: Option<ResourceLimit>,
    pub cpu: Option<ResourceLimit>,
    pub data: Option<ResourceLimit>,
    pub fsize: Option<ResourceLimit>,
    pub locks: Option<ResourceLimit>,
    pub memlock: Option<ResourceLimit>,
    pub msgqueue: Option<ResourceLimit>,
    pub nice: Option<ResourceLimit>,
    pub nofile: Option<ResourceLimit>,
    pub nproc: Option<ResourceLimit>,
    pub rss: Option<ResourceLimit>,
    pub rtprio: Option<ResourceLimit>,
    pub rttime: Option<ResourceLimit>,
    pub sigpending: Option<ResourceLimit>,
    pub stack: Option<ResourceLimit>,
}

/// Limits of cgroup v2.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CgroupTable {
    /// memory.max.
    pub memory: Option<Size>,
    /// pids.max.
    #[schemars(range(min = 1, max = 4_194_304))]
    pub pids: Option<Whole>,
    /// cpu.max, of one CPU.
    pub cpu: Option<Percent>,
}

/// What must hold when a service is about to start.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct StartIfTable {
    /// Variables: NAME is set and not empty, NAME=value, or either with `!` before it.
    pub env: Option<Texts>,
    /// Paths that exist, or with `!` before them do not.
    pub file: Option<Texts>,
    /// A command that exits with 0.
    pub exec: Option<HookOrCommand>,
}

/// `init.toml`: what concerns `init` itself.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SettingsFile {
    /// From the request to shut down until `init` exits, whatever happens; 1s to 1h. Default: 9s.
    pub shutdown_timeout: Option<Time>,
    /// Where the output of services goes that do not say it themselves. Default: `prefix`.
    pub log: Option<LogWord>,
    /// How much of each service's output is kept; 0 keeps nothing. At most 64MiB. Default: 64KiB.
    pub log_ring: Option<Size>,
    /// The group whose members may read that, beside root and the user `init` runs as. Default: none.
    pub log_group: Option<Account>,
    /// The group whose members may read that and act on services, too. Default: none.
    pub act_group: Option<Account>,
}

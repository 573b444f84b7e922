//! A compiled definition as the keys of a file, so that two of them can be compared key by key.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use init_core::status::ServiceStatus;
use init_plan::model::{Inherit, Restart, Stop};
use init_plan::{Check, Condition, Health, Hook, Id, Probe, Process, Ready, Reload, Service, caps, values};
use serde::Serialize;

/// What each key says, as TOML. A key that is not there has no value.
pub type Keys = BTreeMap<String, String>;

/// All keys of a definition, those with default values too. `name` gives the names of other services.
pub fn of(service: &Service, name: impl Fn(Id) -> String) -> Keys {
    let mut keys = Writer::default();
    let others = |ids: &[Id]| {
        let mut names: Vec<String> = ids.iter().map(|&id| name(id)).collect();
        names.sort();
        names
    };
    keys.word("type", &service.kind);
    keys.text("description", service.description.as_deref());
    keys.value("autostart", Some(service.autostart));
    keys.value("essential", Some(service.essential));
    keys.list("requires", &others(&service.requires));
    keys.list("wants", &others(&service.wants));
    keys.list("after", &others(&service.after));
    keys.list("exec", &service.exec);
    keys.hook("down", service.down.as_ref());
    keys.hook("finish", service.finish.as_ref());
    keys.time_or_none("start-timeout", service.start_timeout);
    keys.time("watchdog", service.watchdog);
    keys.value("notify", Some(service.notify));
    keys.ready(&service.ready);
    keys.health(service.health.as_deref());
    keys.restart(&service.restart);
    keys.stop(&service.stop);
    keys.reload(service.reload.as_ref());
    keys.list("forward-signals", &service.forward.iter().map(ToString::to_string).collect::<Vec<_>>());
    keys.conditions(&service.conditions);
    keys.process(&service.process);
    keys.0
}

/// The same of a definition that is in force, whose dependencies are known by their names only.
pub fn of_running(service: &Service, status: &ServiceStatus) -> Keys {
    let plain = Service { requires: Vec::new(), wants: Vec::new(), after: Vec::new(), ..service.clone() };
    let mut keys = Writer(of(&plain, |_| String::new()));
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    keys.list("requires", &sorted(&status.requires));
    keys.list("wants", &sorted(&status.wants));
    keys.list("after", &sorted(&status.after));
    keys.0
}

#[derive(Default)]
struct Writer(Keys);

impl Writer {
    fn put(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }

    fn value(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.put(key, value.to_string());
        }
    }

    fn text(&mut self, key: &str, text: Option<&str>) {
        self.value(key, text.map(quoted));
    }

    fn path(&mut self, key: &str, path: Option<&Path>) {
        self.text(key, path.map(|path| path.to_string_lossy()).as_deref());
    }

    /// A word as the file has it, which is how it is serialized.
    fn word(&mut self, key: &str, word: &impl Serialize) {
        if let Ok(serde_json::Value::String(word)) = serde_json::to_value(word) {
            self.text(key, Some(&word));
        }
    }

    fn list<T: AsRef<str>>(&mut self, key: &str, items: &[T]) {
        if !items.is_empty() {
            self.put(key, list(items));
        }
    }

    fn time(&mut self, key: &str, time: Option<Duration>) {
        self.text(key, time.map(shown).as_deref());
    }

    fn time_or_none(&mut self, key: &str, time: Option<Duration>) {
        self.text(key, Some(&time.map_or_else(|| "none".to_owned(), shown)));
    }

    fn hook(&mut self, key: &str, hook: Option<&Hook>) {
        if let Some(hook) = hook {
            self.list(&format!("{key}.exec"), &hook.exec);
            self.time_or_none(&format!("{key}.timeout"), hook.timeout);
        }
    }

    fn ready(&mut self, ready: &Ready) {
        match ready {
            Ready::Started => {}
            Ready::Fd(number) => self.value("ready.fd", Some(number)),
            Ready::Notify => self.value("ready.notify", Some(true)),
            Ready::Log(pattern) => self.text("ready.log", Some(pattern)),
            Ready::Probe(probe) => self.probe("ready", probe),
        }
    }

    fn probe(&mut self, table: &str, probe: &Probe) {
        let key = |name: &str| format!("{table}.{name}");
        match &probe.check {
            Check::Tcp(address) => self.text(&key("tcp"), Some(address)),
            Check::Unix(path) => self.path(&key("unix"), Some(path)),
            Check::Exec(words) => self.list(&key("exec"), words),
            Check::Http(http) => {
                self.text(&key("http"), Some(&http.url));
                let status = |&(from, to): &(u16, u16)| match from == to {
                    true => from.to_string(),
                    false => format!("{from}-{to}"),
                };
                self.list(&key("status"), &http.status.iter().map(status).collect::<Vec<_>>());
                for (name, value) in &http.headers {
                    self.text(&format!("{table}.header.{name}"), Some(value));
                }
                for (name, value) in &http.expect_headers {
                    self.text(&format!("{table}.expect-header.{name}"), Some(value));
                }
                self.text(&key("body"), http.body.as_deref());
                self.path(&key("ca-file"), http.ca_file.as_deref());
            }
        }
        self.time(&key("initial-delay"), Some(probe.initial_delay));
        self.time(&key("interval"), Some(probe.interval));
        self.time(&key("timeout"), Some(probe.timeout));
    }

    fn health(&mut self, health: Option<&Health>) {
        let Some(health) = health else { return };
        self.probe("health", &health.probe);
        self.value("health.failures", Some(health.threshold));
        self.word("health.action", &health.action);
    }

    fn restart(&mut self, restart: &Restart) {
        self.word("restart.policy", &restart.policy);
        let codes: Vec<String> = restart.success.iter().map(ToString::to_string).collect();
        self.put("restart.success-codes", format!("[{}]", codes.join(", ")));
        self.time("restart.delay", Some(restart.delay));
        self.value("restart.factor", Some(hundredths(restart.factor_percent)));
        self.time("restart.max-delay", Some(restart.max_delay));
        self.value("restart.jitter", Some(hundredths(restart.jitter_percent)));
        self.time("restart.reset-after", Some(restart.reset_after));
        self.value("restart.limit.count", restart.limit.map(|(count, _)| count));
        self.time("restart.limit.interval", restart.limit.map(|(_, interval)| interval));
    }

    fn stop(&mut self, stop: &Stop) {
        self.text("stop.signal", Some(&stop.signal.to_string()));
        self.word("stop.scope", &stop.scope);
        self.list("stop.exec", stop.exec.as_deref().unwrap_or_default());
        self.time("stop.repeat", stop.repeat);
        self.time("stop.timeout", Some(stop.timeout));
    }

    fn reload(&mut self, reload: Option<&Reload>) {
        match reload {
            None => {}
            Some(Reload::Signal(signal)) => self.text("reload.signal", Some(&signal.to_string())),
            Some(Reload::Exec(hook)) => self.hook("reload", Some(hook)),
        }
    }

    fn conditions(&mut self, conditions: &[Condition]) {
        let sign = |negate: &bool| if *negate { "!" } else { "" };
        let (mut variables, mut files) = (Vec::new(), Vec::new());
        for condition in conditions {
            match condition {
                Condition::Env { name, value, negate } => {
                    let value = value.as_ref().map(|value| format!("={value}")).unwrap_or_default();
                    variables.push(format!("{}{name}{value}", sign(negate)));
                }
                Condition::File { path, negate } => files.push(format!("{}{}", sign(negate), path.display())),
                Condition::Exec(hook) => self.hook("start-if.exec", Some(hook)),
            }
        }
        self.list("start-if.env", &variables);
        self.list("start-if.file", &files);
    }

    fn process(&mut self, process: &Process) {
        self.text("user", process.user.as_deref());
        self.text("group", process.group.as_deref());
        if let Some(groups) = &process.groups {
            self.put("groups", list(groups));
        }
        self.path("cwd", process.cwd.as_deref());
        self.text("umask", process.umask.map(|umask| format!("{umask:03o}")).as_deref());
        self.value("nice", process.nice);
        self.value("oom-score-adj", process.oom_score_adj);
        for (resource, soft, hard) in &process.limits {
            let bound = |bound: u64| match bound {
                u64::MAX => quoted("unlimited"),
                bound => bound.to_string(),
            };
            let Ok(serde_json::Value::String(name)) = serde_json::to_value(resource) else { continue };
            let value = match soft == hard {
                true => bound(*soft),
                false => format!("{{ soft = {}, hard = {} }}", bound(*soft), bound(*hard)),
            };
            self.put(&format!("limits.{name}"), value);
        }
        let name_of = |&number: &u8| {
            let known = caps::names().find(|name| {
                caps::numbers(name)
                    .is_some_and(|numbers| numbers.start() == &number && numbers.end() == &number)
            });
            known.map_or_else(|| number.to_string(), str::to_owned)
        };
        self.list("drop-capabilities", &process.drop_capabilities.iter().map(name_of).collect::<Vec<_>>());
        self.value("no-new-privileges", Some(process.no_new_privileges));
        self.word("stdin", &process.stdin);
        if let Some(log) = &process.log {
            self.word("log", log);
        }
        self.value("cgroup.memory", process.cgroup.memory);
        self.value("cgroup.pids", process.cgroup.pids);
        self.text("cgroup.cpu", process.cgroup.cpu_percent.map(|percent| format!("{percent}%")).as_deref());
        self.list("sockets", &process.sockets);
        match &process.env.inherit {
            Inherit::All => self.value("env.inherit", Some(true)),
            Inherit::Nothing => self.value("env.inherit", Some(false)),
            Inherit::Only(names) => self.put("env.inherit", list(names)),
        }
        self.list("env.unset", &process.env.unset);
        let file = |(path, optional): &(std::path::PathBuf, bool)| {
            format!("{}{}", if *optional { "-" } else { "" }, path.display())
        };
        self.list("env.file", &process.env.files.iter().map(file).collect::<Vec<_>>());
        for (name, value) in &process.env.set {
            self.text(&format!("env.set.{name}"), Some(value));
        }
    }
}

/// A length of time as a file has it, in one unit.
fn shown(time: Duration) -> String {
    if time.subsec_nanos() == 0 { format!("{}s", time.as_secs()) } else { values::duration_text(time) }
}

/// Whole percent as a fraction: 200 is 2, 10 is 0.1.
fn hundredths(percent: u32) -> String {
    let text = format!("{}.{:02}", percent / 100, percent % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A TOML string; Rust's escapes of what cannot be printed are not all TOML's, but a person reads this.
pub fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

/// A key that two definitions have different values of.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Changed {
    /// With the tables it is in.
    pub key: String,
    /// What it says in the first one, as TOML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it says in the second one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// The keys that differ, in their order.
pub fn compare(from: &Keys, to: &Keys) -> Vec<Changed> {
    let all: std::collections::BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let differ = all.into_iter().filter(|key| from.get(*key) != to.get(*key));
    let changed =
        |key: &String| Changed { key: key.clone(), from: from.get(key).cloned(), to: to.get(key).cloned() };
    differ.map(changed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use init_plan::{Environment, Source, compile, origins};

    fn keys(text: &str) -> Keys {
        let sources = [Source::new("a.toml", "exec = [\"a\"]"), Source::new("web.toml", text)];
        let plan = compile(&sources, &Environment::new()).unwrap();
        let service = plan.services.iter().find(|service| &*service.name == "web").unwrap();
        of(service, |id| plan.services[id.index()].name.to_string())
    }

    /// Every key that a definition can have, as it is written back.
    const ALL: &str = r#"
after = ["a"]
autostart = false
cgroup = { memory = 1048576, pids = 7, cpu = "50%" }
cwd = "/srv"
description = "web"
drop-capabilities = ["net_raw"]
env = { inherit = ["A"], unset = ["B"], file = ["-/x"], set = { C = "d" } }
essential = true
exec = ["web", "-x"]
finish = { exec = ["f"], timeout = "2s" }
forward-signals = ["USR1"]
group = "g"
groups = ["h"]
health = { http = "http://127.0.0.1/", status = ["200-204"], header = { X = "y" }, expect-header = { Z = "z" }, body = "ok", interval = "5s", timeout = "1s", failures = 2, action = "stop" }
limits = { nofile = { soft = 10, hard = 20 }, core = "unlimited" }
log = "json"
nice = 3
no-new-privileges = true
notify = true
oom-score-adj = 5
ready = { log = "up" }
reload = { signal = "HUP" }
restart = { policy = "on-failure", success-codes = [3], delay = "1s", factor = 1.5, max-delay = "9s", jitter = 0.2, reset-after = "4s", limit = { count = 3, interval = "60s" } }
sockets = ["http"]
start-if = { env = ["!X", "Y=1"], file = ["/f"] }
start-timeout = "7s"
stdin = "tty"
stop = { signal = "QUIT", scope = "group", timeout = "3s", repeat = "1s" }
umask = "027"
user = "u"
watchdog = "8s"
"#;

    #[test]
    fn every_key_is_written_as_a_file_has_it() {
        let sources = [Source::new("a.toml", "exec = [\"a\"]"), Source::new("web.toml", ALL)];
        let written = origins(&sources, &Environment::new(), "web").unwrap();
        let keys = keys(ALL);
        for origin in &written {
            let told = keys.get(&origin.key);
            // These are written in more than one way.
            let free = ["health.status", "drop-capabilities", "restart.success-codes"]
                .contains(&&*origin.key)
                || origin.key.starts_with("limits.nofile");
            let is_same = told == Some(&origin.value);
            assert!(free || is_same, "{}: {told:?} for {}", origin.key, origin.value);
        }
        assert_eq!(keys["limits.nofile"], "{ soft = 10, hard = 20 }");
        assert_eq!(keys["drop-capabilities"].to_lowercase(), "[\"net_raw\"]");
        // Whatever is written back is the same definition again.
        let table: String = keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        assert_eq!(self::keys(&table), keys, "{table}");
    }

    #[test]
    fn keys_that_differ_are_told_with_both_values() {
        let before = keys("exec = [\"web\"]\nnice = 1\n[restart]\ndelay = \"1s\"");
        let after = keys("exec = [\"web\"]\n[restart]\ndelay = \"2s\"\n[env.set]\nA = \"b\"");
        let told = compare(&before, &after);
        let lines: Vec<String> = told
            .iter()
            .map(|one| {
                format!(
                    "{} {} {}",
                    one.key,
                    one.from.as_deref().unwrap_or("-"),
                    one.to.as_deref().unwrap_or("-")
                )
            })
            .collect();
        assert_eq!(lines, ["env.set.A - \"b\"", "nice 1 -", "restart.delay \"1s\" \"2s\""]);
        assert!(compare(&before, &before).is_empty());
    }
}

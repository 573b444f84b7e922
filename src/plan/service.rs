//! One service or bundle: from its (merged) table to a draft in which only the names of others are still names.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::model::{
    Env, FIRST_SOCKET, Inherit, Kind, Log, MAX_SOCKETS, Policy, Process, Ready, Restart, Service, Stop,
};
use super::read::{Item, Scope, Table};
use super::report::At;
use super::signal::Signal;
use super::tree::Tree;
use super::{probe, process, sections};
use crate::id;

const LONGRUN_START_TIMEOUT: Duration = Duration::from_secs(90);

/// How one service refers to another. The order is that of strength.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum LinkKind {
    Requires,
    Wants,
    After,
    Before,
}

impl LinkKind {
    /// The key it is written with.
    pub fn key(self) -> &'static str {
        match self {
            LinkKind::Requires => "requires",
            LinkKind::Wants => "wants",
            LinkKind::After => "after",
            LinkKind::Before => "before",
        }
    }
}

/// A reference to a service or bundle, as written.
#[derive(Debug)]
pub(super) struct Link {
    pub kind: LinkKind,
    pub name: Box<str>,
    pub at: At,
}

/// A service whose links are still to be resolved.
#[derive(Debug)]
pub(super) struct Draft {
    /// Complete but for `requires`, `wants` and `after`.
    pub service: Service,
    pub links: Vec<Link>,
    /// Where it asks for the terminal.
    pub tty_at: Option<At>,
    /// Where it says how long its stop may take.
    pub stop_timeout_at: Option<At>,
}

/// What a definition turned out to be.
pub(super) enum Drafted {
    Service(Box<Draft>),
    /// Its contents, as written.
    Bundle(Vec<(Box<str>, At)>),
}

/// Keeps one of several equal values, so that a thousand like services share what they have in common.
#[derive(Default)]
pub(super) struct Pool {
    restarts: BTreeSet<Arc<Restart>>,
    stops: BTreeSet<Arc<Stop>>,
    processes: BTreeSet<Arc<Process>>,
}

fn shared<T: Ord>(pool: &mut BTreeSet<Arc<T>>, value: T) -> Arc<T> {
    if let Some(known) = pool.get(&value) {
        return known.clone();
    }
    let value = Arc::new(value);
    pool.insert(value.clone());
    value
}

/// Reads a definition. What is wrong is in the report; the draft then has defaults in its place.
pub(super) fn draft<'a>(
    scope: &'a Scope<'a>,
    name: &str,
    at: At,
    tree: &'a Tree<'a>,
    pool: &mut Pool,
) -> Drafted {
    let mut table = Table::new(scope, "", at, tree);
    let kind = table.take("type").and_then(|item| item.word(KINDS)).unwrap_or(Type::Longrun);
    match kind {
        Type::Bundle => Drafted::Bundle(bundle(table)),
        Type::Longrun => Drafted::Service(Box::new(service(table, name, Kind::Longrun, pool))),
        Type::Oneshot => Drafted::Service(Box::new(service(table, name, Kind::Oneshot, pool))),
    }
}

#[derive(Clone, Copy)]
enum Type {
    Longrun,
    Oneshot,
    Bundle,
}

const KINDS: &[(&str, Type)] =
    &[("longrun", Type::Longrun), ("oneshot", Type::Oneshot), ("bundle", Type::Bundle)];

fn bundle(mut table: Table<'_>) -> Vec<(Box<str>, At)> {
    // Nobody shows a bundle's description yet; it is checked like any other.
    table.take("description").and_then(|item| item.line());
    let contents = table.take("contents");
    if contents.is_none() {
        table.missing(id!("D0307"), "a bundle needs `contents`, the list of its members");
    }
    for item in table.rest() {
        let message = "cannot stand in a bundle, which has only `type`, `description` and `contents`";
        item.misplaced::<()>(id!("D0306"), message);
    }
    table.done();
    names(contents)
}

fn names(item: Option<Item<'_>>) -> Vec<(Box<str>, At)> {
    let items = item.and_then(|item| item.list()).unwrap_or_default();
    items.iter().filter_map(|item| Some((item.string()?, item.at()))).collect()
}

fn service(mut table: Table<'_>, name: &str, kind: Kind, pool: &mut Pool) -> Draft {
    let table = &mut table;
    let first_claim = table.scope.claimed();
    let exec = exec(table);
    let links = links(table);
    let (process, tty) = process::process(table);
    let restart = restart(table, kind);
    let ready =
        of_longrun(table, kind, "ready").and_then(|item| probe::ready(&item)).unwrap_or(Ready::Started);
    let (stop, stop_timeout_at) =
        table.take("stop").map_or_else(|| (sections::default_stop(), None), |item| sections::stop(&item));
    let default_timeout = (kind == Kind::Longrun).then_some(LONGRUN_START_TIMEOUT);
    let truth = |item: Option<Item<'_>>, default| item.and_then(|item| item.boolean()).unwrap_or(default);
    let service = Service {
        name: name.into(),
        description: table.take("description").and_then(|item| item.line()),
        kind,
        autostart: truth(table.take("autostart"), true),
        essential: truth(table.take("essential"), false),
        requires: Vec::new(),
        wants: Vec::new(),
        after: Vec::new(),
        exec,
        down: down(table, kind).and_then(|item| sections::hook(&item, "down.")),
        ready,
        start_timeout: table
            .take("start-timeout")
            .and_then(|item| item.timeout_or_none())
            .unwrap_or(default_timeout),
        health: of_longrun(table, kind, "health").and_then(|item| probe::health(&item)),
        watchdog: of_longrun(table, kind, "watchdog").and_then(|item| item.timeout()),
        notify: truth(of_longrun(table, kind, "notify"), false),
        restart: shared(&mut pool.restarts, restart),
        stop: shared(&mut pool.stops, stop),
        finish: table.take("finish").and_then(|item| sections::hook(&item, "finish.")),
        reload: of_longrun(table, kind, "reload").and_then(|item| sections::reload(&item)),
        forward: table.take("forward-signals").map(|item| forward(&item)).unwrap_or_default(),
        conditions: table.take("start-if").map(|item| sections::conditions(&item)).unwrap_or_default(),
        process: shared(&mut pool.processes, process),
    };
    never_ready(table, &service);
    unread_output(table, &service);
    number_of_a_socket(table, &service);
    table.scope.search(first_claim, search_path(table.scope, &service.process.env));
    misplaced_keys(table);
    table.finish();
    Draft { service, links, tty_at: tty.map(|item| item.at()), stop_timeout_at }
}

/// A probe that begins when patience is over finds nobody.
fn never_ready(table: &Table<'_>, service: &Service) {
    if let (Ready::Probe(probe), Some(patience)) = (&service.ready, service.start_timeout)
        && probe.initial_delay >= patience
    {
        table.missing(
            id!("D0606"),
            "ready.initial-delay must be shorter than `start-timeout`, or the service is never ready",
        );
    }
}

/// Two descriptors cannot have one number, and how many sockets there are is not known before `init` runs.
fn number_of_a_socket(table: &Table<'_>, service: &Service) {
    let free = FIRST_SOCKET + MAX_SOCKETS;
    if matches!(service.ready, Ready::Fd(number) if number < free) && !service.process.sockets.is_empty() {
        table.peek("ready").and_then(|item| {
            let message = format!("must have an `fd` of {free} or more: lower numbers are for `sockets`");
            item.misplaced::<()>(id!("D0607"), message)
        });
    }
}

/// A service is not ready by a line of output that `init` does not get to see.
fn unread_output(table: &Table<'_>, service: &Service) {
    let hidden = |log: Log| matches!(log, Log::Inherit | Log::None);
    if !matches!(service.ready, Ready::Log(_)) {
        return;
    }
    match service.process.log {
        Some(log) if hidden(log) => {
            let word = process::log_word(log);
            table.peek("log").and_then(|item| {
                let message = format!(
                    "must not be `{word}` here, because `ready.log` reads the output; write \"ring\" to keep it off the container's output"
                );
                item.wrong::<()>(id!("D0608"), message)
            });
        }
        None if hidden(table.scope.log) => {
            let word = process::log_word(table.scope.log);
            table.peek("ready").and_then(|item| {
                let message = format!(
                    "reads the output, which init.toml's `log` (`{word}`) hides from `init`; give this service a `log` of its own, such as \"prefix\""
                );
                item.misplaced::<()>(id!("D0609"), message)
            });
        }
        _ => (),
    }
}

/// Keys that are right in other files.
fn misplaced_keys(table: &mut Table<'_>) {
    // Read when the template was, which knows how many there are to be.
    table.allow("instances");
    table.allow("instances-fallback");
    if let Some(item) = table.take("contents") {
        item.misplaced::<()>(id!("D0305"), "is only for bundles; write `type = \"bundle\"` too");
    }
}

fn exec(table: &mut Table<'_>) -> Vec<Box<str>> {
    match table.take("exec") {
        Some(item) => item.command().unwrap_or_default(),
        None => {
            let message = "`exec` is missing: the program to run and its arguments, as a list";
            table.missing(id!("D0302"), message);
            Vec::new()
        }
    }
}

/// The `PATH` that a service's programs are looked for in, as far as it is known before it runs: a file of `[env]` may
/// have another.
fn search_path<'a>(scope: &Scope<'a>, env: &'a Env) -> Option<&'a str> {
    let own = env.set.iter().rev().find(|(name, _)| &**name == "PATH").map(|(_, value)| &**value);
    let inherited = match &env.inherit {
        Inherit::All => true,
        Inherit::Nothing => false,
        Inherit::Only(names) => names.iter().any(|name| &**name == "PATH"),
    };
    own.or_else(|| scope.environment.get("PATH").filter(|_| inherited).map(String::as_str))
}

fn links(table: &mut Table<'_>) -> Vec<Link> {
    let mut links = Vec::new();
    for kind in [LinkKind::Requires, LinkKind::Wants, LinkKind::After, LinkKind::Before] {
        let named = names(table.take(kind.key()));
        links.extend(named.into_iter().map(|(name, at)| Link { kind, name, at }));
    }
    links
}

/// A key that only makes sense for what stays up.
fn of_longrun<'a>(table: &mut Table<'a>, kind: Kind, key: &'static str) -> Option<Item<'a>> {
    let item = table.take(key)?;
    match kind {
        Kind::Longrun => Some(item),
        Kind::Oneshot => {
            let message = "is only for longruns: a oneshot is complete when its program has ended";
            item.misplaced(id!("D0303"), message)
        }
    }
}

fn down<'a>(table: &mut Table<'a>, kind: Kind) -> Option<Item<'a>> {
    let item = table.take("down")?;
    match kind {
        Kind::Oneshot => Some(item),
        Kind::Longrun => {
            item.misplaced(id!("D0304"), "is only for oneshots; a longrun has [stop] and `finish`")
        }
    }
}

fn restart(table: &mut Table<'_>, kind: Kind) -> Restart {
    let default = match kind {
        Kind::Longrun => Policy::Always,
        Kind::Oneshot => Policy::Never,
    };
    let Some(item) = table.take("restart") else { return sections::default_restart(default) };
    let (restart, policy) = sections::restart(&item, default);
    if let (Kind::Oneshot, Policy::Always, Some(item)) = (kind, restart.policy, policy) {
        let message = "a oneshot that always restarts never completes; write \"on-failure\"";
        item.wrong::<()>(id!("D0610"), message);
    }
    restart
}

/// `forward-signals`: signals that reach `init`, and by which it means nothing else.
fn forward(item: &Item<'_>) -> Vec<Signal> {
    let one = |item: &Item<'_>| {
        let signal = sections::signal(item)?;
        if Signal::PASSED_ON.contains(&signal) {
            return Some(signal);
        }
        if Signal::ACTED_ON.contains(&signal) {
            let message = format!("cannot pass on {signal}: `init` itself acts on it");
            return item.wrong(id!("D0505"), message);
        }
        let received = Signal::PASSED_ON.map(|signal| signal.to_string()).join(", ");
        let message = format!("cannot pass on {signal}: `init` receives none but {received} for others");
        item.wrong(id!("D0506"), message)
    };
    let mut signals: Vec<Signal> = item.list().unwrap_or_default().iter().filter_map(one).collect();
    signals.sort_unstable();
    signals.dedup();
    signals
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::keys::SERVICE_KEYS;
    use super::super::read::known::KEYS;
    use super::super::{Environment, Source, compile};

    #[test]
    fn keys_of_a_service_are_those_that_are_read() {
        KEYS.take();
        let _ = compile(&[Source::new("a.toml", "exec = ['x']")], &Environment::new());
        let read = KEYS.take();
        let known: BTreeSet<String> = SERVICE_KEYS.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(known, read);
    }
}

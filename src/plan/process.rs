//! What a service's processes are given: user, environment, limits.

use std::path::PathBuf;

use super::caps;
use super::message_id::MessageId;
use super::model::{CgroupLimits, Env, Inherit, Log, Process, Resource, Stdin};
use super::read::{Claim, Item, Table};
use super::suggest::did_you_mean;
use super::tree::Value;
use super::values;
use crate::id;

const STDINS: &[(&str, Stdin)] = &[("null", Stdin::Null), ("tty", Stdin::Tty)];

/// How output may be treated, by name.
pub(super) const LOGS: &[(&str, Log)] = &[
    ("prefix", Log::Prefix),
    ("json", Log::Json),
    ("inherit", Log::Inherit),
    ("ring", Log::Ring),
    ("none", Log::None),
];

/// The word for a way of logging.
pub(super) fn log_word(log: Log) -> &'static str {
    LOGS.iter().find(|(_, known)| *known == log).map_or("", |(word, _)| *word)
}

const RESOURCES: [(&str, Resource); 16] = [
    ("as", Resource::As),
    ("core", Resource::Core),
    ("cpu", Resource::Cpu),
    ("data", Resource::Data),
    ("fsize", Resource::Fsize),
    ("locks", Resource::Locks),
    ("memlock", Resource::Memlock),
    ("msgqueue", Resource::Msgqueue),
    ("nice", Resource::Nice),
    ("nofile", Resource::Nofile),
    ("nproc", Resource::Nproc),
    ("rss", Resource::Rss),
    ("rtprio", Resource::Rtprio),
    ("rttime", Resource::Rttime),
    ("sigpending", Resource::Sigpending),
    ("stack", Resource::Stack),
];

/// Reads the keys of the service's own table that concern its processes. The second of the pair: where it asks for
/// the terminal.
pub(super) fn process<'a>(table: &mut Table<'a>) -> (Process, Option<Item<'a>>) {
    let groups = table.take("groups").and_then(|item| item.list());
    let stdin = table.take("stdin");
    let input = stdin.and_then(|item| item.word(STDINS)).unwrap_or_default();
    let process = Process {
        user: table.take("user").and_then(|item| account(&item, Claim::User)),
        group: table.take("group").and_then(|item| account(&item, Claim::Group)),
        groups: groups.map(|items| items.iter().filter_map(|item| account(item, Claim::Group)).collect()),
        env: table.take("env").map(|item| env(&item)).unwrap_or_default(),
        cwd: table.take("cwd").and_then(|item| item.absolute()),
        umask: table.take("umask").and_then(|item| umask(&item)),
        nice: table.take("nice").and_then(|item| item.number(-20..=19)),
        oom_score_adj: table.take("oom-score-adj").and_then(|item| item.number(-1000..=1000)),
        limits: table.take("limits").map(|item| limits(&item)).unwrap_or_default(),
        drop_capabilities: table
            .take("drop-capabilities")
            .map(|item| capabilities(&item))
            .unwrap_or_default(),
        no_new_privileges: table.take("no-new-privileges").and_then(|item| item.boolean()).unwrap_or(false),
        stdin: input,
        log: table.take("log").and_then(|item| item.word(LOGS)),
        cgroup: table.take("cgroup").map(|item| cgroup(&item)).unwrap_or_default(),
        sockets: table.take("sockets").map(|item| sockets(&item)).unwrap_or_default(),
    };
    (process, stdin.filter(|_| input == Stdin::Tty))
}

/// A user or group: a name, or a number.
pub(super) fn account(item: &Item<'_>, claim: fn(String) -> Claim) -> Option<Box<str>> {
    let name = match item.node.value {
        Value::Integer(_) => item.integer(0..=i64::from(u32::MAX - 1))?.to_string().into_boxed_str(),
        _ => item.parsed(id!("D0510"), values::account)?,
    };
    if name.bytes().any(|b| !b.is_ascii_digit()) {
        item.scope.claim(item.at(), || claim(name.to_string()));
    }
    Some(name)
}

/// What is no mask of modes.
const UMASK: MessageId = id!("D0511");

fn umask(item: &Item<'_>) -> Option<u32> {
    match item.node.value {
        // TOML reads 022 as an error and 22 as twenty-two.
        Value::Integer(_) => item.wrong(UMASK, "must be a string of octal digits: \"022\""),
        _ => item.parsed(UMASK, values::umask),
    }
}

fn capabilities(item: &Item<'_>) -> Vec<u8> {
    let one = |item: &Item<'_>| {
        item.parsed(id!("D0512"), |word| {
            caps::numbers(word).ok_or_else(|| {
                let name = word.to_ascii_lowercase();
                let name = name.strip_prefix("cap_").unwrap_or(&name);
                format!("`{word}` is no capability of capabilities(7){}", did_you_mean(name, caps::names()))
            })
        })
    };
    let mut numbers: Vec<u8> = item.list().unwrap_or_default().iter().filter_map(one).flatten().collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// `sockets`: names, or `*`.
fn sockets(item: &Item<'_>) -> Vec<Box<str>> {
    let items = item.list().unwrap_or_default();
    let one = |item: &Item<'_>| item.parsed(id!("D0513"), values::socket_name);
    let mut names: Vec<Box<str>> = items.iter().filter_map(one).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// `[env]`.
fn env(item: &Item<'_>) -> Env {
    let Some(mut table) = item.table("env.") else { return Env::default() };
    let inherit = table.take("inherit").and_then(|item| inherit(&item)).unwrap_or_default();
    let files = table.take("file").and_then(|item| item.one_or_list()).unwrap_or_default();
    let files = files.iter().filter_map(|item| item.parsed(values::NOT_ABSOLUTE, env_file)).collect();
    let unset = table.take("unset").and_then(|item| item.one_or_list()).unwrap_or_default();
    let unset = unset.iter().filter_map(Item::variable).collect();
    let set = table.take("set").and_then(|item| item.table("env.set."));
    table.done();
    // The names are the person's own: nothing in there is unknown.
    let set = set.map(|mut set| set.rest()).unwrap_or_default();
    Env { inherit, unset, files, set: set.iter().filter_map(setting).collect() }
}

fn inherit(item: &Item<'_>) -> Option<Inherit> {
    if !item.is_list() {
        return item.boolean().map(|all| if all { Inherit::All } else { Inherit::Nothing });
    }
    let names = item.list()?;
    Some(Inherit::Only(names.iter().filter_map(Item::variable).collect()))
}

/// `/path`, or `-/path` for one that may be missing.
fn env_file(text: &str) -> Result<(PathBuf, bool), String> {
    let optional = text.strip_prefix('-');
    Ok((values::absolute(optional.unwrap_or(text))?, optional.is_some()))
}

fn setting(item: &Item<'_>) -> Option<(Box<str>, Box<str>)> {
    let name = match values::variable(item.key) {
        Ok(name) => name,
        Err(why) => return item.misplaced(values::VARIABLE, why),
    };
    let value = match &item.node.value {
        Value::Integer(Some(number)) => number.to_string().into_boxed_str(),
        Value::Boolean(truth) => truth.to_string().into_boxed_str(),
        _ => item.string()?,
    };
    // With the `=` between them.
    if let Err(why) = values::fits_a_word(name.len() + 1 + value.len()) {
        return item.wrong(values::TOO_LONG, why);
    }
    Some((name, value))
}

/// `[limits]`, in the order of the resources, so that equal limits are equal.
fn limits(item: &Item<'_>) -> Vec<(Resource, u64, u64)> {
    let Some(mut table) = item.table("limits.") else { return Vec::new() };
    let one = |(name, resource)| {
        let item = table.take(name)?;
        let (soft, hard) = limit(&item)?;
        Some((resource, soft, hard))
    };
    let limits = RESOURCES.into_iter().filter_map(one).collect();
    table.done();
    limits
}

/// One value for both limits, or a table of the two.
fn limit(item: &Item<'_>) -> Option<(u64, u64)> {
    if !item.is_table() {
        return bound(item).map(|value| (value, value));
    }
    let mut table = item.table("limits.*.")?;
    let (soft, hard) = (table.take("soft"), table.take("hard"));
    table.done();
    let (Some(soft), Some(hard)) = (soft, hard) else {
        return item.wrong(id!("D0321"), "needs both `soft` and `hard`");
    };
    let limits = (bound(&soft)?, bound(&hard)?);
    if limits.0 > limits.1 {
        item.wrong(id!("D0612"), "the soft limit must not be above the hard one")
    } else {
        Some(limits)
    }
}

fn bound(item: &Item<'_>) -> Option<u64> {
    match &item.node.value {
        Value::String(_) if item.text()? == "unlimited" => Some(u64::MAX),
        _ => item.size(),
    }
}

/// `[cgroup]`.
fn cgroup(item: &Item<'_>) -> CgroupLimits {
    let Some(mut table) = item.table("cgroup.") else { return CgroupLimits::default() };
    let above_zero = |item: Item<'_>| match item.size()? {
        0 => item.wrong(values::ZERO, "must be more than 0"),
        bytes => Some(bytes),
    };
    let limits = CgroupLimits {
        memory: table.take("memory").and_then(above_zero),
        pids: table.take("pids").and_then(|item| item.number(1..=4_194_304)),
        cpu_percent: table.take("cpu").and_then(|item| item.parsed(id!("D0514"), values::percent)),
    };
    table.done();
    limits
}

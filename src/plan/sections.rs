//! The smaller tables of a service: `[restart]`, `[stop]`, `[reload]`, `[start-if]`, and hooks.

use std::time::Duration;

use super::message_id::MessageId;
use super::model::{Condition, Hook, Policy, Reload, Restart, Scope as StopScope, Stop};
use super::read::{Item, Table};
use super::report::At;
use super::signal::Signal;
use super::suggest::did_you_mean;
use super::values;
use crate::id;

/// For commands that should be short: `down`, `finish`, a start condition.
const HOOK_TIMEOUT: Duration = Duration::from_secs(5);
const RELOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// What is no signal.
const SIGNAL: MessageId = id!("D0507");

/// A signal by name or number.
pub(super) fn signal(item: &Item<'_>) -> Option<Signal> {
    if !item.is_string() {
        let number = item.integer(1..=64)?;
        let known = i32::try_from(number).ok().and_then(Signal::from_number);
        return known.or_else(|| item.wrong(SIGNAL, format!("{number} is no signal")));
    }
    item.parsed(SIGNAL, |text| {
        text.parse().map_err(|why| {
            let upper = text.trim().to_ascii_uppercase();
            let name = upper.strip_prefix("SIG").unwrap_or(&upper);
            format!("{why}{}", did_you_mean(name, Signal::names()))
        })
    })
}

/// `["cmd", …]` or `{ exec = […], timeout = … }`; `prefix` is the key with a dot behind it.
pub(super) fn hook(item: &Item<'_>, prefix: &'static str) -> Option<Hook> {
    if !item.is_table() {
        return Some(Hook { exec: item.command()?, timeout: Some(HOOK_TIMEOUT) });
    }
    let mut table = item.table(prefix)?;
    let exec = table.take("exec");
    let timeout = table.take("timeout").and_then(|item| item.timeout_or_none()).unwrap_or(Some(HOOK_TIMEOUT));
    if exec.is_none() {
        table.wrong(id!("D0308"), "needs `exec`, the command");
    }
    table.done();
    Some(Hook { exec: exec?.command()?, timeout })
}

const POLICIES: &[(&str, Policy)] =
    &[("always", Policy::Always), ("on-failure", Policy::OnFailure), ("never", Policy::Never)];

/// What holds where a longrun says nothing.
pub(super) fn default_restart(policy: Policy) -> Restart {
    Restart {
        policy,
        success: vec![0],
        delay: Duration::from_millis(100),
        factor_percent: 200,
        max_delay: Duration::from_secs(30),
        jitter_percent: 10,
        reset_after: Duration::from_secs(10),
        limit: None,
    }
}

/// `"never"` or `[restart]`. The second of the pair: the item that names the policy.
pub(super) fn restart<'a>(item: &Item<'a>, default: Policy) -> (Restart, Option<Item<'a>>) {
    let mut restart = default_restart(default);
    if item.is_string() {
        restart.policy = item.word(POLICIES).unwrap_or(default);
        return (restart, Some(*item));
    }
    let Some(mut table) = item.table("restart.") else { return (restart, None) };
    let policy = table.take("policy");
    restart.policy = policy.and_then(|item| item.word(POLICIES)).unwrap_or(default);
    if let Some(codes) = table.take("success-codes").and_then(|item| success_codes(&item)) {
        restart.success = codes;
    }
    delays(&mut table, &mut restart);
    restart.limit = table.take("limit").and_then(|item| limit(&item));
    table.done();
    (restart, policy)
}

fn success_codes(item: &Item<'_>) -> Option<Vec<i32>> {
    let mut codes: Vec<i32> = item.one_or_list()?.iter().filter_map(|item| item.number(0..=255)).collect();
    codes.sort_unstable();
    codes.dedup();
    if codes.is_empty() {
        item.wrong(id!("D0508"), "needs at least one code, or nothing ever succeeds")
    } else {
        Some(codes)
    }
}

fn delays(table: &mut Table<'_>, restart: &mut Restart) {
    let set = |time: &mut Duration, item: Option<Item<'_>>| {
        if let Some(value) = item.and_then(|item| item.duration()) {
            *time = value;
        }
    };
    set(&mut restart.delay, table.take("delay"));
    if let Some(percent) = table.take("factor").and_then(|item| item.ratio(1.0..=100.0)) {
        restart.factor_percent = percent;
    }
    let max_delay = table.take("max-delay");
    // A long `delay` alone is no mistake: it is the longest, too.
    restart.max_delay = restart.max_delay.max(restart.delay);
    set(&mut restart.max_delay, max_delay);
    if let Some(item) = max_delay.filter(|_| restart.max_delay < restart.delay) {
        item.wrong::<()>(id!("D0611"), "must not be less than `delay`");
    }
    if let Some(percent) = table.take("jitter").and_then(|item| item.ratio(0.0..=1.0)) {
        restart.jitter_percent = percent;
    }
    set(&mut restart.reset_after, table.take("reset-after"));
}

fn limit(item: &Item<'_>) -> Option<(u32, Duration)> {
    let mut table = item.table("restart.limit.")?;
    let count = table.take("count");
    if count.is_none() {
        table.wrong(id!("D0309"), "needs `count`, the number of restarts after which it gives up");
    }
    let interval = table.take("interval").and_then(|item| item.timeout()).unwrap_or(Duration::from_secs(60));
    table.done();
    Some((count?.number(1..=1_000_000)?, interval))
}

const SCOPES: &[(&str, StopScope)] = &[("leader", StopScope::Leader), ("group", StopScope::Group)];

/// What holds where a service says nothing.
pub(super) fn default_stop() -> Stop {
    Stop {
        signal: Signal::TERM,
        scope: StopScope::Leader,
        exec: None,
        repeat: None,
        timeout: Duration::from_secs(5),
    }
}

/// More often, a process would have no time to do what the signal asks for.
const SHORTEST_REPEAT: Duration = Duration::from_millis(100);

fn repeat(item: &Item<'_>) -> Option<Duration> {
    let time = item.duration()?;
    if time < SHORTEST_REPEAT { item.wrong(id!("D0509"), "must be at least 100ms") } else { Some(time) }
}

/// `[stop]`. The second of the pair: where its timeout stands.
pub(super) fn stop(item: &Item<'_>) -> (Stop, Option<At>) {
    let mut stop = default_stop();
    let Some(mut table) = item.table("stop.") else { return (stop, None) };
    if let Some(signal) = table.take("signal").and_then(|item| signal(&item)) {
        stop.signal = signal;
    }
    if let Some(scope) = table.take("scope").and_then(|item| item.word(SCOPES)) {
        stop.scope = scope;
    }
    stop.exec = table.take("exec").and_then(|item| item.command());
    stop.repeat = table.take("repeat").and_then(|item| repeat(&item));
    let timeout = table.take("timeout");
    if let Some(value) = timeout.and_then(|item| item.timeout()) {
        stop.timeout = value;
    }
    table.done();
    (stop, timeout.map(|item| item.at()))
}

/// `[reload]`.
pub(super) fn reload(item: &Item<'_>) -> Option<Reload> {
    let mut table = item.table("reload.")?;
    let sent = table.take("signal");
    let exec = table.take("exec");
    let timeout = table.take("timeout");
    match (&sent, &exec) {
        (Some(_), Some(_)) => table.wrong(id!("D0312"), "takes only one of `signal`, `exec`"),
        (None, None) => table.wrong(id!("D0313"), "needs one of `signal`, `exec`"),
        _ => (),
    }
    if let (Some(timeout), None) = (&timeout, &exec) {
        timeout.misplaced::<()>(id!("D0314"), "is only for exec");
    }
    table.done();
    let timeout = timeout.and_then(|item| item.timeout_or_none()).unwrap_or(Some(RELOAD_TIMEOUT));
    let sent = sent.and_then(|item| signal(&item)).map(Reload::Signal);
    sent.or_else(|| Some(Reload::Exec(Hook { exec: exec?.command()?, timeout })))
}

/// `[start-if]`.
pub(super) fn conditions(item: &Item<'_>) -> Vec<Condition> {
    let Some(mut table) = item.table("start-if.") else { return Vec::new() };
    let env = table.take("env").and_then(|item| item.one_or_list()).unwrap_or_default();
    let file = table.take("file").and_then(|item| item.one_or_list()).unwrap_or_default();
    let exec = table.take("exec").and_then(|item| hook(&item, "start-if.exec."));
    table.done();
    let env = env.iter().filter_map(|item| item.parsed(values::VARIABLE, env_condition));
    let file = file.iter().filter_map(|item| item.parsed(values::NOT_ABSOLUTE, file_condition));
    env.chain(file).chain(exec.map(Condition::Exec)).collect()
}

fn negated(text: &str) -> (bool, &str) {
    text.strip_prefix('!').map_or((false, text), |rest| (true, rest))
}

fn env_condition(text: &str) -> Result<Condition, String> {
    let (negate, rest) = negated(text);
    let (name, value) = rest.split_once('=').map_or((rest, None), |(name, value)| (name, Some(value)));
    Ok(Condition::Env { name: values::variable(name)?, value: value.map(Into::into), negate })
}

fn file_condition(text: &str) -> Result<Condition, String> {
    let (negate, path) = negated(text);
    Ok(Condition::File { path: values::absolute(path)?, negate })
}

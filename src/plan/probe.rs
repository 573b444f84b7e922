//! `[ready]` and `[health]`: what is tried from outside a service, and when.

use std::time::Duration;

use super::message_id::MessageId;
use super::model::{Check, Health, HealthAction, HttpCheck, Probe, Ready};
use super::read::{Item, Table};
use super::suggest::listed;
use super::url::{self, Server, Url};
use super::{header, values};
use crate::id;

/// Between two tries of a probe that waits for readiness: a fifth of a second is not noticed at boot.
const READY_INTERVAL: Duration = Duration::from_millis(200);
const HEALTH_INTERVAL: Duration = Duration::from_secs(10);
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

const READY_KINDS: [&str; 7] = ["fd", "notify", "tcp", "unix", "http", "exec", "log"];
const HEALTH_KINDS: [&str; 4] = ["tcp", "unix", "http", "exec"];

/// Reads `[ready]`.
pub(super) fn ready(item: &Item<'_>) -> Option<Ready> {
    let mut table = item.table("ready.")?;
    let fd = table.take("fd");
    let notify = table.take("notify");
    let log = table.take("log");
    let probed = HEALTH_KINDS.iter().any(|kind| table.has(kind));
    let kind_is_clear = one_kind(&table, &READY_KINDS);
    let probe = probe(&mut table, READY_INTERVAL, probed, ["ready.header.", "ready.expect-header."]);
    table.done();
    let fd = fd.and_then(|item| item.number(3..=255)).map(Ready::Fd);
    let notify = notify.and_then(|item| match item.boolean()? {
        true => Some(Ready::Notify),
        false => item.wrong(id!("D0515"), "can only be true; to wait for nothing remove [ready]"),
    });
    let log = log.and_then(|item| item.regex()).map(Ready::Log);
    let probe = probe.map(|probe| Ready::Probe(Box::new(probe)));
    kind_is_clear.then(|| fd.or(notify).or(log).or(probe)).flatten()
}

/// Reads `[health]`.
pub(super) fn health(item: &Item<'_>) -> Option<Box<Health>> {
    let mut table = item.table("health.")?;
    for key in ["fd", "notify", "log"] {
        // Known words, in the wrong table: a better answer than "unknown key".
        if table.has(key) {
            table.misused(
                key,
                id!("D0317"),
                "says when a service is ready, not whether it is well; use tcp, unix, http or exec",
            );
        }
    }
    let kind_is_clear = one_kind(&table, &HEALTH_KINDS);
    let threshold = table.take("failures").and_then(|item| item.number(1..=1_000_000)).unwrap_or(3);
    let action = table.take("action").and_then(|item| item.word(ACTIONS)).unwrap_or(HealthAction::Restart);
    let probe = probe(&mut table, HEALTH_INTERVAL, true, ["health.header.", "health.expect-header."]);
    table.done();
    let probe = probe.filter(|_| kind_is_clear)?;
    Some(Box::new(Health { probe, threshold, action }))
}

const ACTIONS: &[(&str, HealthAction)] = &[
    ("restart", HealthAction::Restart),
    ("stop", HealthAction::Stop),
    ("exit", HealthAction::Exit),
    ("none", HealthAction::None),
];

/// Whether the table names exactly one kind; says so if not.
fn one_kind(table: &Table<'_>, kinds: &[&'static str]) -> bool {
    let named: Vec<&str> = kinds.iter().copied().filter(|kind| table.has(kind)).collect();
    let (id, message) = match named.len() {
        1 => return true,
        0 => (id!("D0310"), format!("needs one of {}", listed(kinds.iter().copied()))),
        _ => (id!("D0311"), format!("takes only one of {}", listed(named))),
    };
    table.wrong(id, &message);
    false
}

/// What `ready` and `health` share. `probed`: something is tried from outside, so that times make sense.
fn probe(
    table: &mut Table<'_>,
    interval: Duration,
    probed: bool,
    prefixes: [&'static str; 2],
) -> Option<Probe> {
    let tcp = table.take("tcp").and_then(|item| item.parsed(id!("D0516"), tcp));
    let unix = table
        .take("unix")
        .and_then(|item| item.parsed(id!("D0517"), |text| values::socket(text.as_ref())))
        .map(Check::Unix);
    let http = http(table, prefixes);
    let exec = table.take("exec").and_then(|item| item.command()).map(Check::Exec);
    let times = ["initial-delay", "interval", "timeout"].map(|key| table.take(key));
    if !probed {
        for item in times.iter().flatten() {
            item.misplaced::<()>(
                id!("D0315"),
                "is only for tcp, unix, http and exec; the service's own bound is `start-timeout`",
            );
        }
    }
    let [initial_delay, own_interval, timeout] = times;
    let initial_delay = initial_delay.and_then(|item| item.duration()).unwrap_or_default();
    let interval = own_interval.and_then(|item| item.timeout()).unwrap_or(interval);
    let timeout = timeout.and_then(|item| item.timeout()).unwrap_or(PROBE_TIMEOUT);
    let check = tcp.or(unix).or(http).or(exec)?;
    Some(Probe { check, initial_delay, interval, timeout })
}

fn tcp(text: &str) -> Result<Check, String> {
    url::host_and_port(text).map(|_| Check::Tcp(text.into()))
}

/// A key that says more about an http probe, where there is none.
const HTTP: MessageId = id!("D0316");

/// `http` and the keys that say more about it.
fn http(table: &mut Table<'_>, [sent, expected]: [&'static str; 2]) -> Option<Check> {
    let url = table.take("http");
    let status = table.take("status");
    let header = table.take("header");
    let expect = table.take("expect-header");
    let body = table.take("body");
    let ca_file = table.take("ca-file");
    let Some(url) = url else {
        for item in [status, header, expect, body, ca_file].iter().flatten() {
            item.misplaced::<()>(HTTP, "is only for http");
        }
        return None;
    };
    let parsed = url.parsed(id!("D0518"), |text| Url::parse(text).map(|url| (text.into(), url.server)));
    let secure = parsed.as_ref().is_none_or(|(_, server)| matches!(server, Server::Tls(..)));
    let check = HttpCheck {
        status: status.and_then(|item| statuses(&item)).unwrap_or_else(|| vec![(200, 299)]),
        headers: header.map(|item| headers(&item, sent, header::value)).unwrap_or_default(),
        expect_headers: expect.map(|item| headers(&item, expected, header_pattern)).unwrap_or_default(),
        body: body.and_then(|item| item.regex()),
        ca_file: ca_file.and_then(|item| match secure {
            true => item.absolute(),
            false => item.misplaced(HTTP, "is only for https"),
        }),
        url: parsed?.0,
    };
    Some(Check::Http(Box::new(check)))
}

/// What is no status of HTTP.
const STATUS: MessageId = id!("D0519");

/// `200`, `"200-299"`, or a list of such.
fn statuses(item: &Item<'_>) -> Option<Vec<(u16, u16)>> {
    let items = item.one_or_list()?;
    if items.is_empty() {
        return item.wrong(STATUS, "must accept at least one status");
    }
    let one = |item: &Item<'_>| match item.is_string() {
        true => item.parsed(STATUS, values::status_range),
        false => item.number(100..=599).map(|code| (code, code)),
    };
    Some(items.iter().filter_map(one).collect())
}

/// A table of header names; `value` reads what stands behind them.
fn headers(
    item: &Item<'_>,
    prefix: &'static str,
    value: impl Fn(&str) -> Result<Box<str>, String>,
) -> Vec<(Box<str>, Box<str>)> {
    // The names are the person's own: nothing in here is unknown.
    let Some(mut table) = item.table(prefix) else { return Vec::new() };
    let mut whole = 0;
    let one = |item: Item<'_>| {
        let name = header::name(item.key).map_err(|why| item.misplaced::<()>(id!("D0520"), why)).ok()?;
        let value = item.parsed(id!("D0521"), &value)?;
        // All of them are handed to the probe in one variable.
        whole += name.len() + value.len() + 3;
        if let Err(why) = values::fits_a_word(PROBE_VARIABLE + whole) {
            return item.wrong(values::TOO_LONG, why);
        }
        Some((name, value))
    };
    table.rest().into_iter().filter_map(one).collect()
}

/// `NAME=` of the variable that holds the headers.
const PROBE_VARIABLE: usize = super::probe_command::HEADERS_VARIABLE.len() + 1;

fn header_pattern(text: &str) -> Result<Box<str>, String> {
    header::pattern(text).map(|_| text.into())
}

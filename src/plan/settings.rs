//! `init.toml`: what concerns `init` itself.

use std::time::Duration;

use super::model::Settings;
use super::process::{LOGS, account};
use super::read::{Claim, Item, Scope, Table};
use super::report::At;
use super::tree::Tree;
use crate::id;

/// A ring is memory of PID 1's, one for each service.
const MAX_RING: u64 = 64 << 20;

pub(super) fn settings<'a>(scope: &'a Scope<'a>, at: At, tree: &'a Tree<'a>) -> Settings {
    let mut table = Table::new(scope, "", at, tree);
    let default = Settings::default();
    let settings = Settings {
        shutdown_timeout: table
            .take("shutdown-timeout")
            .and_then(|item| shutdown_timeout(&item))
            .unwrap_or(default.shutdown_timeout),
        log: table.take("log").and_then(|item| item.word(LOGS)).unwrap_or(default.log),
        log_ring: table.take("log-ring").and_then(|item| ring(&item)).unwrap_or(default.log_ring),
        log_group: table.take("log-group").and_then(|item| account(&item, Claim::Group)),
        act_group: table.take("act-group").and_then(|item| account(&item, Claim::Group)),
    };
    table.done();
    settings
}

fn shutdown_timeout(item: &Item<'_>) -> Option<Duration> {
    let time = item.duration()?;
    let fits = (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&time);
    if fits { Some(time) } else { item.wrong(id!("D0522"), "must be from 1s to 1h") }
}

fn ring(item: &Item<'_>) -> Option<usize> {
    let bytes = item.size()?;
    if bytes > MAX_RING {
        return item.wrong(id!("D0523"), "must be at most 64MiB (0 keeps nothing)");
    }
    usize::try_from(bytes).ok()
}

//! A new cluster with the data of an older release.
//!
//! PostgreSQL's own `pg_upgrade` makes it, or a dump that is restored, where the old release lacks a program that
//! `pg_upgrade` needs. The old cluster is only read, but for the recovery of one that was not shut down, which its own
//! programs do. So a boot that is killed here changes nothing: the next one begins again.

mod by_copy;
mod by_dump;
mod control;
mod progress;
mod server;
mod settings;
mod sockets;

use std::path::Path;
use std::time::Duration;

use nix::sys::statvfs::statvfs;

use super::place::{Place, remove, shown, size_of};
use super::release::{Layout, Release};
use super::{REINDEX, stale};
use crate::ask::command::Tool;
use crate::volume::files;
use crate::{Context, Problem};
use control::Control;
use sockets::Sockets;

/// Where the upgrade's sockets are. It is made while the step is still root, who alone can write above.
pub const WORKROOM: &str = "/run/pulp/upgrade";
/// Recovery, and the copy of a large database on a slow disk. Nothing else bounds it.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
/// What to do about an upgrade that failed.
const CURE: &str =
    "the old database is as it was: use the image that wrote it, or cure what is said here and start again";
/// What a new cluster takes up before there is any data in it, with Pulp's empty tables and the first log segments.
const EMPTY: u64 = 160 << 20;

/// How the data gets from one cluster to the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    /// `pg_upgrade`, on a file system that copies by sharing blocks.
    Clone,
    /// `pg_upgrade`, which copies files.
    Copy,
    /// A dump, and a restore of it.
    Dump,
}

/// Makes the new cluster from the old one in `data`.
pub fn build(context: &Context, place: &Place, ours: &Release, major: u32) -> Result<(), Problem> {
    let Some(old) = ours.beside(major) else { return Err(no_programs(place, major)) };
    let way = way(context, place, &old);
    let size = size(place)?;
    context.say(&format!(
        "upgrading the database ({}) from PostgreSQL {major} to {}",
        shown(size),
        ours.major
    ));
    room(place, way, size)?;
    let control = ask(context, place, &old)?;
    ours.initdb(context, place, &Layout(control.options(ours.major)))?;
    let sockets = Sockets::make(context)?;
    progress::told(context, place, size, || match way {
        Way::Dump => by_dump::run(context, place, &old, ours, &sockets),
        Way::Clone | Way::Copy => by_copy::run(context, place, &old, ours, &sockets, way == Way::Clone),
    })?;
    settings::carry_over(context, place, ours)?;
    stale::remove_locks(context, place)?;
    if way == Way::Dump {
        return Ok(()); // its indexes have just been built
    }
    // The old image's system may have sorted text in another order.
    files::write(context, &place.new_cluster().join(REINDEX), b"", context.accounts.postgres, 0o600)
}

fn no_programs(place: &Place, major: u32) -> Problem {
    Problem::config(
        "S1513",
        format!(
            "the database in {} is of PostgreSQL {major}, and this image has no programs to upgrade it from that",
            place.data.display()
        ),
        format!(
            "start an older image once that upgrades from {major}, or dump the database there with pg_dump and restore it into an empty volume here; nothing was changed"
        ),
    )
}

fn way(context: &Context, place: &Place, old: &Release) -> Way {
    if !by_copy::PROGRAMS.iter().all(|program| old.bin.join(program).is_file()) {
        Way::Dump
    } else if can_clone(context, place) {
        Way::Clone
    } else {
        Way::Copy
    }
}

/// Whether the file system can copy without copying.
fn can_clone(context: &Context, place: &Place) -> bool {
    let copy = place.scratch().join("clone");
    let from = place.data.join("global/pg_control");
    let tool = Tool::new(context, "cp").user(context, context.accounts.postgres);
    let cloned = tool.arg("--reflink=always").arg(from).arg(&copy).output();
    let _ = remove(&copy);
    cloned.is_ok_and(|output| output.status.success())
}

fn free(place: &Place) -> Result<u64, Problem> {
    statvfs(&place.shelf)
        .map(|is| is.blocks_available().saturating_mul(is.fragment_size()))
        .map_err(|error| Problem::io("look at", &place.shelf, &error.into()))
}

/// Refuses to make a database on a volume on which the first boot would fail halfway.
pub fn room_for_a_new_one(place: &Place) -> Result<(), Problem> {
    enough("a new database", &place.shelf, EMPTY, free(place)?)
}

/// What the old cluster takes up, without older ones that may be kept in the same directory.
fn size(place: &Place) -> Result<u64, Problem> {
    Ok(place.own_entries()?.iter().map(|name| size_of(&place.data.join(name))).sum())
}

/// Refuses to begin what cannot end.
fn room(place: &Place, way: Way, size: u64) -> Result<(), Problem> {
    let (what, copies) = match way {
        Way::Clone => ("an upgrade of the database", 0),
        Way::Copy => ("an upgrade of the database copies it and", size),
        // The dump is compressed, but what is in the database may not be compressible.
        Way::Dump => ("an upgrade of the database dumps and restores it and", size.saturating_mul(2)),
    };
    enough(what, &place.shelf, copies.saturating_add(EMPTY), free(place)?)
}

fn enough(what: &str, shelf: &Path, needed: u64, free: u64) -> Result<(), Problem> {
    if needed <= free {
        return Ok(());
    }
    Err(Problem::config(
        "S1514",
        format!("{what} needs {} in {}, where {} are free", shown(needed), shelf.display(), shown(free)),
        format!("make that volume larger by {} and start again; nothing was changed", shown(needed - free)),
    ))
}

/// Asks the old cluster, without a server, what it is like. This also recovers it, and shuts it down cleanly.
fn ask(context: &Context, place: &Place, old: &Release) -> Result<Control, Problem> {
    let tool = old.tool(context, "postgres").args(["--single", "-D"]).arg(&place.data);
    let output = tool.arg("template1").input(Control::question(old.major)).limit(LIMIT).output()?;
    if output.err.contains("not properly shut down") {
        context.say("the old database was not shut down, and has recovered first");
    }
    if !output.status.success() {
        return Err(Problem::new(
            "S1515",
            format!("PostgreSQL {} cannot open the old database: {}", old.major, output.last_words()),
            "start it once with the image that wrote it and stop that cleanly, then start this one again",
        ));
    }
    Control::parse(&output.out)
}

/// A path in a list of options: it goes through a shell and PostgreSQL's own splitting of words.
fn word(path: &str) -> String {
    path.replace('\\', "\\\\").replace(' ', "\\ ")
}

/// The lines of a log that say what went wrong, or its first ones: a list of what is in the way.
fn errors(log: &str) -> Vec<String> {
    let lines = || log.lines().map(str::trim).filter(|line| !line.is_empty());
    let bad = |line: &&str| ["error:", "ERROR:", "FATAL:"].iter().any(|word| line.contains(word));
    let found: Vec<String> = lines().filter(bad).take(3).map(str::to_owned).collect();
    if found.is_empty() { lines().take(3).map(str::to_owned).collect() } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn an_upgrade_without_room_is_refused_with_both_figures() {
        let problem =
            enough("an upgrade of the database copies it and", Path::new("/v"), 300 << 20, 100 << 20)
                .unwrap_err();
        assert!(problem.what().contains("300 MB") && problem.what().contains("100 MB"), "{problem}");
        assert!(problem.cure().contains("200 MB"), "{problem}");
    }

    #[test]
    fn a_release_whose_programs_are_missing_is_named_and_nothing_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        let ours = Release { bin: context.path("/usr/lib/postgresql/17/bin"), major: 17 };
        let problem = build(&context, &Place::of(&context), &ours, 12).unwrap_err();
        assert!(problem.what().contains("PostgreSQL 12"), "{problem}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

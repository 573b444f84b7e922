//! A new cluster with the data of an older release, made by PostgreSQL's own `pg_upgrade`.
//!
//! The old cluster is only read, but for the recovery of one that was not shut down, which its own programs do. So a
//! boot that is killed here changes nothing: the next one begins again.

mod control;
mod settings;

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::statvfs::statvfs;

use super::place::{Place, remove, shown, size_of};
use super::release::{Layout, Release};
use super::{REINDEX, access, stale};
use crate::ask::command::{Output, Tool};
use crate::volume::files;
use crate::{Context, Problem};
use control::Control;

/// Where the upgrade's sockets are. It is made while the step is still root, who alone can write above.
pub const WORKROOM: &str = "/run/pulp/upgrade";
/// Recovery, and the copy of a large database on a slow disk. Nothing else bounds it.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
/// What a new cluster takes up before there is any data in it, with Pulp's empty tables and the first log segments.
const EMPTY: u64 = 160 << 20;

/// Makes the new cluster from the old one in `data`.
pub fn build(context: &Context, place: &Place, ours: &Release, major: u32) -> Result<(), Problem> {
    let Some(old) = ours.beside(major) else {
        return Err(Problem::config(
            format!(
                "the database in {} is of PostgreSQL {major}, and this image has no programs to upgrade it from that",
                place.data.display()
            ),
            format!(
                "start an older image once that upgrades from {major}, or dump the database there with pg_dump and restore it into an empty volume here; nothing was changed"
            ),
        ));
    };
    context.say(&format!("upgrading the database from PostgreSQL {major} to {}", ours.major));
    let cloning = can_clone(context, place);
    room(place, cloning)?;
    let layout = layout(context, place, &old, ours)?;
    ours.initdb(context, place, &layout)?;
    pg_upgrade(context, place, &old, ours, cloning)?;
    settings::carry_over(context, place, ours)?;
    stale::remove_locks(context, place)?;
    // The old image's system may have sorted text in another order.
    files::write(context, &place.new_cluster().join(REINDEX), b"", context.accounts.postgres, 0o600)
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

/// Refuses to begin what cannot end.
fn room(place: &Place, cloning: bool) -> Result<(), Problem> {
    // Without older clusters that may be kept in the same directory.
    let size = || Ok(place.own_entries()?.iter().map(|name| size_of(&place.data.join(name))).sum::<u64>());
    let copy = if cloning { 0 } else { size()? };
    enough("an upgrade of the database copies it and", &place.shelf, copy + EMPTY, free(place)?)
}

fn enough(what: &str, shelf: &Path, needed: u64, free: u64) -> Result<(), Problem> {
    if needed <= free {
        return Ok(());
    }
    Err(Problem::config(
        format!("{what} needs {} in {}, where {} are free", shown(needed), shelf.display(), shown(free)),
        format!("make that volume larger by {} and start again; nothing was changed", shown(needed - free)),
    ))
}

/// The options of `initdb` that make the new cluster like the old one: `pg_upgrade` insists.
fn layout(context: &Context, place: &Place, old: &Release, ours: &Release) -> Result<Layout, Problem> {
    let report = old.tool(context, "pg_controldata").arg(&place.data).run(
        "read the state of the old database",
        "restore the volume from a backup, or start it once more with the image that wrote it",
    )?;
    let control = Control::parse(&report)?;
    if !control.shut_down {
        context.say("the old database was not shut down: it recovers first");
    }
    let locale = ask(context, place, old)?;
    Ok(Layout(control.options(ours.major).into_iter().chain(locale.options(ours.major)).collect()))
}

/// Asks the old cluster, without a server, how it sorts. This also recovers it, and shuts it down cleanly.
fn ask(context: &Context, place: &Place, old: &Release) -> Result<control::Locale, Problem> {
    let tool = old.tool(context, "postgres").args(["--single", "-D"]).arg(&place.data);
    let output = tool.arg("template1").input(control::Locale::question(old.major)).limit(LIMIT).output()?;
    if !output.status.success() {
        return Err(Problem::new(
            format!("PostgreSQL {} cannot open the old database: {}", old.major, output.last_words()),
            "start it once with the image that wrote it and stop that cleanly, then start this one again",
        ));
    }
    control::Locale::parse(&output.out)
}

fn pg_upgrade(
    context: &Context,
    place: &Place,
    old: &Release,
    ours: &Release,
    cloning: bool,
) -> Result<(), Problem> {
    let socket = Socket::make(context)?;
    let (hba, ident) = access::write_for_upgrade(context, &socket.0)?;
    let access = format!("-c hba_file={} -c ident_file={}", word(&hba), word(&ident));
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let tool = ours.tool(context, "pg_upgrade").directory(&place.scratch()).limit(LIMIT);
    let tool = tool.args(["--username=postgres", "--old-bindir"]).arg(&old.bin);
    let tool = tool.arg("--new-bindir").arg(&ours.bin).arg("--socketdir").arg(&socket.0);
    let tool = tool.arg("--old-datadir").arg(&place.data).arg("--new-datadir").arg(place.new_cluster());
    let tool = tool.args(["--old-options", &access, "--new-options", &access, "--jobs", &jobs.to_string()]);
    // Without a word it copies; `--copy` is newer than some releases.
    let tool = if cloning { tool.arg("--clone") } else { tool };
    let output = tool.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(Problem::new(
        format!("pg_upgrade from {} to {} failed: {}", old.major, ours.major, told(&output)),
        "the old database is as it was: use the image that wrote it, or cure what is said here and start again",
    ))
}

/// Its options go through a shell and PostgreSQL's own splitting of words.
fn word(path: &str) -> String {
    path.replace('\\', "\\\\").replace(' ', "\\ ")
}

/// What `pg_upgrade` said last, and the errors in the files that it points to: they go with the unfinished cluster.
fn told(output: &Output) -> String {
    let text = format!("{}\n{}", output.out, output.err);
    let empty = |line: &&str| line.contains("ailure") || line.starts_with("Consult");
    let lines: Vec<&str> =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !empty(line)).collect();
    let last = lines.iter().skip(lines.len().saturating_sub(4)).map(|&line| line.to_owned());
    let files = text.split([' ', '"', '\n']).filter(|word| word.starts_with('/'));
    let logs = files.filter(|file| file.ends_with(".log") || file.ends_with(".txt"));
    let errors = logs.flat_map(|log| errors(&fs::read_to_string(log).unwrap_or_default()));
    last.chain(errors).collect::<Vec<_>>().join("; ")
}

/// The lines of a log that say what went wrong, or its first ones: a list of what is in the way.
fn errors(log: &str) -> Vec<String> {
    let lines = || log.lines().map(str::trim).filter(|line| !line.is_empty());
    let bad = |line: &&str| ["error:", "ERROR:", "FATAL:"].iter().any(|word| line.contains(word));
    let found: Vec<String> = lines().filter(bad).take(3).map(str::to_owned).collect();
    if found.is_empty() { lines().take(3).map(str::to_owned).collect() } else { found }
}

/// The directory of the upgrade's sockets, and of who may connect there. Not on the volume: a socket's path has at most
/// 107 bytes, and some volumes can hold none. Emptied when it is dropped.
struct Socket(std::path::PathBuf);

impl Socket {
    fn make(context: &Context) -> Result<Socket, Problem> {
        let socket = Socket(context.path(WORKROOM));
        files::directory(context, &socket.0, context.accounts.postgres, 0o700)?;
        socket.empty();
        Ok(socket)
    }
}

impl Socket {
    fn empty(&self) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let _ = remove(&entry.path());
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

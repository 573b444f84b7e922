//! The upgrade by `pg_upgrade`: it copies or clones the old cluster's files, and dumps only their description.

use std::fs;

use super::sockets::Sockets;
use super::{CURE, LIMIT, errors, word};
use crate::ask::command::Output;
use crate::postgres::place::Place;
use crate::postgres::release::Release;
use crate::{Context, Problem};

/// What `pg_upgrade` needs of the old release.
pub const PROGRAMS: [&str; 4] = ["postgres", "pg_ctl", "pg_controldata", "pg_resetwal"];

/// Fills the new cluster, which is empty.
pub fn run(
    context: &Context,
    place: &Place,
    old: &Release,
    ours: &Release,
    sockets: &Sockets,
    cloning: bool,
) -> Result<(), Problem> {
    let access = format!("-c hba_file={} -c ident_file={}", word(&sockets.hba), word(&sockets.ident));
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let tool = ours.tool(context, "pg_upgrade").directory(&place.scratch()).limit(LIMIT);
    let tool = tool.args(["--username=postgres", "--old-bindir"]).arg(&old.bin);
    let tool = tool.arg("--new-bindir").arg(&ours.bin).arg("--socketdir").arg(&sockets.directory);
    let tool = tool.arg("--old-datadir").arg(&place.data).arg("--new-datadir").arg(place.new_cluster());
    let tool = tool.args(["--old-options", &access, "--new-options", &access, "--jobs", &jobs.to_string()]);
    // Without a word it copies; `--copy` is newer than some releases.
    let tool = if cloning { tool.arg("--clone") } else { tool };
    let output = tool.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(Problem::new(
        "S1509",
        format!("pg_upgrade from {} to {} failed: {}", old.major, ours.major, told(&output)),
        CURE,
    ))
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

//! A full volume behind a failure.
//!
//! Programs that run out of space seldom say so themselves: a database ends, and its clients tell of a lost connection.
//! So when a step has failed we look at the volumes, and say which one is full.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::postgres::place::shown;
use crate::steps::memory;
use crate::{Context, Problem};

/// What may run full.
const VOLUMES: &[&str] =
    &["/var/lib/pgsql", "/var/lib/pgsql/data", "/var/lib/pulp", "/etc/pulp", "/run", "/tmp"];
/// With less than this PostgreSQL cannot go on: a segment of its log.
const SEGMENT: u64 = 16 << 20;
/// With less than this nobody can.
const NOTHING: u64 = 64 << 10;

/// What to do about a full volume.
pub const CURE: &str = "make that volume larger or free some space on it, then start the container again; nothing half-written is used";

/// The same problem, with a full volume named as its cause where there is one.
pub fn explain(context: &Context, problem: Problem) -> Problem {
    // What the user has to change first is no matter of space.
    if problem.is_quiet() || problem.code() != crate::problem::FAILED {
        return problem;
    }
    let full = VOLUMES.iter().find_map(|volume| {
        let (free, files) = left(&context.path(volume))?;
        let enough = if volume.starts_with("/var/lib/pgsql") { SEGMENT } else { NOTHING };
        (free < enough || files == 0).then_some((volume, free, files))
    });
    let Some((volume, free, files)) = full else { return problem };
    let what = if files == 0 {
        "it can hold no more files".to_owned()
    } else {
        format!("less than {} are left", shown(free.max(1 << 20)))
    };
    Problem::new(
        "S2514",
        format!("{}: the volume at {volume} is full, {what}", problem.what().trim_end_matches('.')),
        CURE,
    )
}

/// `pulp-setup ended`: after the end of a service that `init` will start again, as its `finish` hook.
pub fn ended(context: &Context, args: &[String]) -> Result<(), Problem> {
    let code = context.var("EXIT_CODE").unwrap_or("0");
    if code == "0" {
        return Ok(());
    }
    let name = args.first().map_or("the service", String::as_str);
    if context.var("EXIT_SIGNAL") == Some("9")
        && let Some(problem) = memory::told(context, name)?
    {
        return Err(problem);
    }
    let problem = Problem::new("S2515", format!("{name} ended with exit code {code}"), "see its log");
    // Without a full volume there is nothing to add to what it said itself.
    if explain(context, problem.clone()) == problem { Ok(()) } else { Err(problem) }
}

/// How many bytes and how many files a file system has room for. Some do not count files.
fn left(path: &Path) -> Option<(u64, u64)> {
    let is = statvfs(path).ok()?;
    let files = if is.files() == 0 { u64::MAX } else { is.files_available() };
    Some((is.blocks_available().saturating_mul(is.fragment_size()), files))
}

#[cfg(test)]
mod tests {
    use nix::mount::{MntFlags, MsFlags, mount, umount2};

    use super::*;

    #[test]
    fn where_there_is_room_a_problem_stays_as_it_is() {
        let context = Context::for_test(Path::new("/nowhere"), []);
        let problem = Problem::new("S0000", "a", "b");
        assert_eq!(explain(&context, problem.clone()), problem);
    }

    #[test]
    fn a_full_volume_is_named_unless_the_configuration_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        let volume = context.path("/var/lib/pgsql");
        std::fs::create_dir_all(&volume).unwrap();
        if mount(Some("tmpfs"), &volume, Some("tmpfs"), MsFlags::empty(), Some("size=8m")).is_err() {
            return; // not allowed here
        }
        let (told, config) = (
            explain(&context, Problem::new("S0000", "server closed the connection", "x")),
            explain(&context, Problem::config("S0000", "a", "b")),
        );
        umount2(&volume, MntFlags::MNT_DETACH).unwrap();
        assert!(
            told.what().contains("connection: the volume at /var/lib/pgsql is full, less than 8 MB are left"),
            "{told}"
        );
        assert_eq!(config, Problem::config("S0000", "a", "b"));
    }
}

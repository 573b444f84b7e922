//! `memory`: whether the container was given enough memory and processes to come up at all; and who ended for want of it.
//!
//! Where the limit of memory is reached the kernel kills whichever process is largest, and says so in the host's log alone.
//! Where the limit of processes is reached, each program fails in its own words wherever it happens to start one. Services
//! would be started and end for ever. So a limit that cannot be enough ends the boot, one that is likely too low is warned
//! of, and one that was not enough is named.

use crate::programs::imports;
use crate::steps::variables::Variables;
use crate::volume::files;
use crate::{Context, Problem};

/// Where the container's limit is, in cgroups of version 2 and 1.
const LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
/// Where the kernel counts whom it has killed, in both.
const KILLS: [&str; 2] = ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"];
/// Less is not enough for PostgreSQL and the few processes of Pulp that there are without settings …
const LEAST: u64 = 384 << 20;
/// … which are so many …
const COVERED: u64 = 6;
/// … and each more needs at least this, idle, with its connections to PostgreSQL.
const EACH_AT_LEAST: u64 = 25 << 20;
/// Measured on boots with 3 and 6 processes, with and without shared imports: 397, 462 and 903 MB, and 31 and 40 tasks at rest.
/// What a boot takes beside the processes that can be chosen: PostgreSQL, redis, nginx, the imports that all share, and the
/// steps of the boot itself …
const BASE: u64 = 340 << 20;
/// … and each of those processes …
const EACH: u64 = 25 << 20;
/// … or, if it imports Pulp by itself, this much.
const EACH_ALONE: u64 = 95 << 20;
/// Where the container's limit on processes and threads is, in cgroups of version 2 and 1.
const TASK_LIMITS: [&str; 2] = ["/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"];
/// Processes and threads that a boot takes beside those that can be chosen …
const BASE_TASKS: u64 = 30;
/// … and each of those, with its connection to the database.
const EACH_TASKS: u64 = 4;
/// What to do about it.
const CURE: &str = "give the container 2 GB or more (`--memory`), or let it have fewer processes (PULP_WORKERS, PULP_API_WORKERS, PULP_CONTENT_WORKERS)";

/// The step.
pub fn run(context: &Context, _args: &[String]) -> Result<(), Problem> {
    let variables = Variables::read(context)?;
    enough_tasks(context, &variables)?;
    let Some(limit) = limit(context)? else { return Ok(()) };
    let count = chosen(&variables);
    let (least, needed) = (memory_at_least(count), memory_needed(&variables));
    if limit < least {
        return Err(Problem::config(
            "S0601",
            format!(
                "the container may use {} of memory; less than {} is not enough for {count} processes of Pulp",
                mega(limit),
                mega(least)
            ),
            CURE,
        ));
    }
    if limit < needed {
        context.say(&format!(
            "warning: the container may use {} of memory; with {count} processes of Pulp it needs about {}, and is likely to be \
             killed; {CURE}",
            mega(limit),
            mega(needed)
        ));
    }
    Ok(())
}

/// The processes whose number the user chooses.
fn chosen(variables: &Variables) -> u64 {
    [variables.api.workers, variables.content.workers, variables.workers].map(u64::from).iter().sum()
}

fn memory_at_least(processes: u64) -> u64 {
    LEAST + processes.saturating_sub(COVERED).saturating_mul(EACH_AT_LEAST)
}

fn memory_needed(variables: &Variables) -> u64 {
    let shared = imports::unwanted(variables).is_none();
    BASE + chosen(variables).saturating_mul(if shared { EACH } else { EACH_ALONE })
}

fn enough_tasks(context: &Context, variables: &Variables) -> Result<(), Problem> {
    // Without a limit: `max`.
    let limit = first(context, &TASK_LIMITS)?.and_then(|text| text.trim().parse::<u64>().ok());
    let count = chosen(variables);
    let needed = BASE_TASKS + count.saturating_mul(EACH_TASKS);
    match limit.filter(|&limit| limit < needed) {
        None => Ok(()),
        Some(limit) => Err(Problem::config(
            "S0602",
            format!(
                "the container may have {limit} processes and threads; with {count} processes of Pulp it needs about {needed}"
            ),
            "give the container more (`--pids-limit`), or let it have fewer processes (PULP_WORKERS, PULP_API_WORKERS, PULP_CONTENT_WORKERS)",
        )),
    }
}

/// What to say of a service that was killed, if the kernel has killed somebody here for want of memory.
pub fn told(context: &Context, name: &str) -> Result<Option<Problem>, Problem> {
    let killed = first(context, &KILLS)?.and_then(|text| {
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(key, _)| *key == "oom_kill")?.1.trim().parse::<u64>().ok()
    });
    let Some(count) = killed.filter(|&count| count > 0) else { return Ok(None) };
    let of = limit(context)?.map(|limit| format!(" of {}", mega(limit))).unwrap_or_default();
    Ok(Some(Problem::new(
        "S0603",
        format!(
            "{name} was killed, and the container is out of memory: its limit{of} was reached, {count} processes were killed"
        ),
        CURE,
    )))
}

/// What the container may use, if that is bounded.
fn limit(context: &Context) -> Result<Option<u64>, Problem> {
    // Without a limit: `max`, or a number near 2^63.
    Ok(first(context, &LIMITS)?.and_then(|text| text.trim().parse().ok()).filter(|&limit| limit < 1 << 60))
}

fn first(context: &Context, paths: &[&str]) -> Result<Option<String>, Problem> {
    for path in paths {
        if let Some(text) = files::read(&context.path(path))? {
            return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
        }
    }
    Ok(None)
}

fn mega(bytes: u64) -> String {
    format!("{} MB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn container(files: &[(&str, &str)]) -> (tempfile::TempDir, Context) {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        for (path, text) in files {
            let path = context.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        (dir, context)
    }

    #[test]
    fn too_little_memory_is_refused_under_both_kinds_of_cgroups() {
        for path in LIMITS {
            let (_dir, context) = container(&[(path, "104857600\n")]);
            let problem = run(&context, &[]).unwrap_err();
            assert!(problem.what().contains("may use 100 MB"), "{problem}");
            for enough in ["max\n", "9223372036854771712\n", "1073741824\n"] {
                let (_dir, context) = container(&[(path, enough)]);
                run(&context, &[]).unwrap();
            }
        }
        run(&container(&[]).1, &[]).unwrap();
    }

    #[test]
    fn too_few_processes_are_refused_under_both_kinds_of_cgroups() {
        for path in TASK_LIMITS {
            let (_dir, context) = container(&[(path, "30\n")]);
            let problem = run(&context, &[]).unwrap_err();
            assert!(problem.what().contains("may have 30 processes"), "{problem}");
            assert_eq!(problem.code(), 78);
            for enough in ["max\n", "2048\n"] {
                run(&container(&[(path, enough)]).1, &[]).unwrap();
            }
        }
        let (dir, _) = container(&[(TASK_LIMITS[0], "200\n")]);
        let many = Context::for_test(dir.path(), [("PULP_WORKERS", "100")]);
        assert!(run(&many, &[]).unwrap_err().what().contains("with 104 processes"));
    }

    #[test]
    fn many_processes_need_more_than_few() {
        let (dir, _) = container(&[(LIMITS[0], "1073741824\n")]);
        let with = |env: &[(&str, &str)]| run(&Context::for_test(dir.path(), env.iter().copied()), &[]);
        with(&[("PULP_WORKERS", "20")]).unwrap();
        let problem = with(&[("PULP_WORKERS", "40"), ("PULP_API_WORKERS", "20")]).unwrap_err();
        assert!(
            problem.what().contains("may use 1024 MB") && problem.what().contains("62 processes"),
            "{problem}"
        );
    }

    #[test]
    fn memory_that_is_needed_grows_with_the_processes() {
        let needed = |env: &[(&str, &str)]| {
            let (dir, _) = container(&[]);
            memory_needed(&Variables::read(&Context::for_test(dir.path(), env.iter().copied())).unwrap())
                >> 20
        };
        let usual = needed(&[]);
        assert!((400..700).contains(&usual), "{usual} MB");
        assert!(
            needed(&[("PULP_WORKERS", "10")]) > usual && needed(&[("PULP_SHARED_IMPORTS", "false")]) > usual
        );
    }

    #[test]
    fn whoever_was_killed_for_want_of_memory_is_told() {
        let (_dir, none) = container(&[(KILLS[0], "low 0\noom 0\noom_kill 0\n")]);
        assert_eq!(told(&none, "x").unwrap(), None);
        let texts = ["low 0\noom 3\noom_kill 2\n", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"];
        for (path, text) in KILLS.into_iter().zip(texts) {
            let (_dir, context) = container(&[(path, text), (LIMITS[0], "524288000\n")]);
            let problem = told(&context, "worker").unwrap().unwrap();
            assert!(
                problem.what().contains("worker was killed")
                    && problem.what().contains("of 500 MB was reached, 2"),
                "{problem}"
            );
        }
    }
}

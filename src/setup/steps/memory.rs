//! `memory`: whether the container was given enough to come up at all; and who ended for want of it.
//!
//! Where the limit is reached the kernel kills whichever process is largest, and says so in the host's log alone. Services
//! would be started and killed for ever. So a limit that cannot be enough ends the boot, and one that was not is named.

use super::variables::Variables;
use crate::volume::files;
use crate::{Context, Problem};

/// Where the container's limit is, in cgroups of version 2 and 1.
const LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
/// Where the kernel counts whom it has killed, in both.
const KILLS: [&str; 2] = ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"];
/// Less is not enough for PostgreSQL and the few processes of Pulp that there are without settings.
const LEAST: u64 = 384 << 20;
/// How many processes that covers.
const COVERED: u32 = 6;
/// What each more needs at least, idle, with its connections to PostgreSQL.
const EACH: u64 = 25 << 20;
/// What to do about it.
const CURE: &str = "give the container 2 GB or more (`--memory`), or let it have fewer processes (PULP_WORKERS, PULP_API_WORKERS, PULP_CONTENT_WORKERS)";

/// The step.
pub fn run(context: &Context, _args: &[String]) -> Result<(), Problem> {
    let variables = Variables::read(context)?;
    let processes =
        variables.workers.saturating_add(variables.api.workers).saturating_add(variables.content.workers);
    let least = least(processes);
    match limit(context)? {
        Some(limit) if limit < least => Err(Problem::config(
            format!(
                "the container may use {} of memory; less than {} is not enough for {processes} processes of Pulp",
                mega(limit),
                mega(least)
            ),
            CURE,
        )),
        _ => Ok(()),
    }
}

fn least(processes: u32) -> u64 {
    LEAST + u64::from(processes.saturating_sub(COVERED)) * EACH
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

//! The processes of this container, as proc(5) shows them, and which service each belongs to.

use std::collections::BTreeMap;

use init_core::status::ServiceStatus;
use serde::Serialize;

use crate::exit::{Code, Trouble};
use init_plan::id;

/// A process.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Process {
    /// Its process id.
    pub pid: i32,
    /// That of its parent; 0 if that is not in this container.
    pub parent: i32,
    /// Its process group.
    #[serde(skip)]
    pub group: i32,
    /// Milliseconds on a processor since its start.
    pub cpu_ms: u64,
    /// Resident memory, in bytes. What it shares with others is counted for each of them.
    pub rss_bytes: u64,
    /// Its command line, or its name in brackets if it has none.
    pub command: String,
}

/// What several processes use together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Usage {
    /// How many they are.
    pub processes: u64,
    /// Milliseconds on a processor since their starts.
    pub cpu_ms: u64,
    /// Resident memory, in bytes. What they share is counted for each of them.
    pub rss_bytes: u64,
}

impl Usage {
    /// What these use together.
    pub fn of<'a>(processes: impl IntoIterator<Item = &'a Process>) -> Usage {
        processes.into_iter().fold(Usage::default(), |sum, process| Usage {
            processes: sum.processes + 1,
            cpu_ms: sum.cpu_ms + process.cpu_ms,
            rss_bytes: sum.rss_bytes + process.rss_bytes,
        })
    }
}

/// All processes that can be seen from here. One that ends meanwhile is left out.
///
/// # Errors
/// If /proc is not there.
pub fn all() -> Result<Vec<Process>, Trouble> {
    let found = procfs::process::all_processes()
        .map_err(|error| Trouble::said(Code::Failed, id!("C0203"), format!("cannot read /proc: {error}")))?;
    let mut processes: Vec<Process> = found.filter_map(|process| read(&process.ok()?)).collect();
    processes.sort_by_key(|process| process.pid);
    Ok(processes)
}

fn read(process: &procfs::process::Process) -> Option<Process> {
    let stat = process.stat().ok()?;
    let command = process.cmdline().unwrap_or_default().join(" ");
    let command = if command.is_empty() { format!("[{}]", stat.comm) } else { command };
    Some(Process {
        pid: stat.pid,
        parent: stat.ppid,
        group: stat.pgrp,
        cpu_ms: (stat.utime + stat.stime).saturating_mul(1000) / procfs::ticks_per_second(),
        rss_bytes: stat.rss.saturating_mul(procfs::page_size()),
        command,
    })
}

/// The processes of each service, in the order of the services, and those of none.
///
/// A process belongs to the service whose main process or stray is its nearest ancestor, itself included, or leads the process
/// group of one: a child that outlives its parent keeps the group.
pub fn by_service<'a>(
    processes: &'a [Process],
    services: &[ServiceStatus],
) -> (Vec<Vec<&'a Process>>, Vec<&'a Process>) {
    let by_pid: BTreeMap<i32, &Process> = processes.iter().map(|process| (process.pid, process)).collect();
    let mut heads = BTreeMap::new();
    for (index, service) in services.iter().enumerate() {
        let strays = service.strays.iter().map(|stray| stray.pid);
        heads.extend(service.pid.into_iter().chain(strays).map(|pid| (pid, index)));
    }
    let (mut of_services, mut others) = (vec![Vec::new(); services.len()], Vec::new());
    for process in processes {
        // Numbers are used again: between two reads a process may come to look like an ancestor of its own.
        let mut line = std::iter::successors(Some(process), |at| by_pid.get(&at.parent).copied());
        let mut line = line.by_ref().take(processes.len());
        let owner = line.find_map(|at| heads.get(&at.pid).or_else(|| heads.get(&at.group)));
        owner.and_then(|&index| of_services.get_mut(index)).unwrap_or(&mut others).push(process);
    }
    (of_services, others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples::{process, service};
    use init_core::status::{Phase, Stray};

    fn pids(processes: &[&Process]) -> Vec<i32> {
        processes.iter().map(|process| process.pid).collect()
    }

    #[test]
    fn a_process_belongs_to_the_service_of_its_nearest_ancestor_or_of_its_group() {
        let web = ServiceStatus { pid: Some(10), ..service("web", Phase::Up) };
        let stray = Stray { pid: 40, command: "left".into() };
        let db = ServiceStatus { pid: Some(11), strays: vec![stray], ..service("db", Phase::Up) };
        let processes = [
            process(1, 0, 1, "/init"),
            process(10, 1, 10, "web"),
            process(11, 10, 11, "db, started by web"),
            process(12, 11, 12, "a child with a group of its own"),
            process(13, 1, 10, "an orphan of web"),
            process(14, 13, 14, "its child"),
            process(40, 1, 40, "left"),
            process(41, 40, 41, "its child"),
            process(50, 0, 50, "bash of podman exec"),
        ];
        let (of_services, others) = by_service(&processes, &[web, db]);
        let of_services: Vec<Vec<i32>> = of_services.iter().map(|of| pids(of)).collect();
        assert_eq!(of_services, [vec![10, 13, 14], vec![11, 12, 40, 41]]);
        assert_eq!(pids(&others), [1, 50]);
    }

    #[test]
    fn numbers_that_were_used_again_end_no_walk_in_a_circle() {
        let processes = [process(20, 21, 20, "a"), process(21, 20, 21, "b")];
        assert_eq!(pids(&by_service(&processes, &[]).1), [20, 21]);
    }

    #[test]
    fn the_system_shows_this_process_with_what_it_uses() {
        let me = all().unwrap().into_iter().find(|it| it.pid.cast_unsigned() == std::process::id()).unwrap();
        assert!(me.rss_bytes > 100_000 && me.parent > 0, "{me:?}");
        assert!(me.command.contains("svctl"), "{me:?}");
    }
}

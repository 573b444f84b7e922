//! What is shown: what `init` and the system said at one moment, and what changed since the moment before.

use std::collections::BTreeMap;
use std::path::Path;

use init_core::status::{ServiceStatus, Stage};

use crate::processes::{Process, Usage, by_service};

/// What a service uses.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Used {
    /// Its processes, the time that they ever had on a processor, and their memory.
    pub usage: Usage,
    /// Its share of one processor since the sample before, in tenths of a percent.
    pub cpu_permille: u64,
}

/// One moment.
#[derive(Clone, Debug)]
pub struct Sample {
    /// How far the boot is.
    pub stage: Stage,
    /// Every service, and what it uses.
    pub services: Vec<(ServiceStatus, Used)>,
    /// What all processes of this container use.
    pub all: Used,
    /// The container's memory.
    pub memory: Memory,
    /// The time of each process on a processor so far, to compare the next sample with.
    spent: BTreeMap<i32, u64>,
}

impl Sample {
    /// From what was read, so many milliseconds after the sample before.
    pub fn new(
        (services, stage): (Vec<ServiceStatus>, Stage),
        processes: &[Process],
        memory: Memory,
        before: Option<&Sample>,
        elapsed_ms: u64,
    ) -> Sample {
        let earlier = |pid: i32| before.and_then(|sample| sample.spent.get(&pid)).copied();
        let lately = |process: &Process| match (before, earlier(process.pid)) {
            // There is nothing to compare the first sample with.
            (None, _) => 0,
            // A number that was used again belongs to a process that began after the sample before.
            (_, Some(spent)) if spent <= process.cpu_ms => process.cpu_ms - spent,
            (Some(_), _) => process.cpu_ms,
        };
        let used = |of: &[&Process]| Used {
            usage: Usage::of(of.iter().copied()),
            cpu_permille: of.iter().map(|process| lately(process)).sum::<u64>().saturating_mul(1000)
                / elapsed_ms.max(1),
        };
        let (of_services, _) = by_service(processes, &services);
        let all = used(&processes.iter().collect::<Vec<_>>());
        let each: Vec<Used> = of_services.iter().map(|of| used(of)).collect();
        let spent = processes.iter().map(|process| (process.pid, process.cpu_ms)).collect();
        Sample { stage, services: services.into_iter().zip(each).collect(), all, memory, spent }
    }
}

/// The memory of a container, in bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Memory {
    /// What its control group says that it uses, caches included.
    pub used: Option<u64>,
    /// How much it may use.
    pub limit: Option<u64>,
}

impl Memory {
    /// What the control group at this root of a file system says: of version 2, or of version 1.
    pub fn read(root: &Path) -> Memory {
        let number = |name: &str| {
            let text = std::fs::read_to_string(root.join("sys/fs/cgroup").join(name)).ok()?;
            text.trim().parse::<u64>().ok()
        };
        let either = |new: &str, old: &str| number(new).or_else(|| number(old));
        // Version 1 has a number for "no limit", which is larger than any machine.
        let limit = either("memory.max", "memory/memory.limit_in_bytes").filter(|&limit| limit < 1 << 60);
        Memory { used: either("memory.current", "memory/memory.usage_in_bytes"), limit }
    }
}

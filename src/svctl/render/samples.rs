//! Services to render in tests.

use crate::boot::Boot;
use crate::processes::Process;
use init_core::status::{Exit, FirstStartStatus, Phase, ServiceStatus, Wellness};
use init_plan::Kind;

/// A longrun in this state, with nothing special about it.
pub fn service(name: &str, state: Phase) -> ServiceStatus {
    ServiceStatus {
        name: name.to_owned(),
        description: None,
        kind: Kind::Longrun,
        state,
        wanted: state != Phase::Down,
        essential: false,
        for_ms: 12_000,
        pid: (state == Phase::Up).then_some(100),
        restarts: 0,
        health: Wellness::Unknown,
        note: None,
        last_exit: None,
        ready_after_ms: None,
        changed: false,
        requires: Vec::new(),
        wants: Vec::new(),
        after: Vec::new(),
        held: false,
        strays: Vec::new(),
    }
}

/// A process that has used 1.5 s and 3 MB.
pub fn process(pid: i32, parent: i32, group: i32, command: &str) -> Process {
    Process { pid, parent, group, cpu_ms: 1500, rss_bytes: 3_000_000, command: command.to_owned() }
}

/// A small container with something of everything.
pub fn several() -> Vec<ServiceStatus> {
    vec![
        ServiceStatus {
            kind: Kind::Oneshot,
            for_ms: 184_000,
            ready_after_ms: Some(41),
            ..service("certs", Phase::Done)
        },
        ServiceStatus { health: Wellness::Healthy, for_ms: 184_000, ..service("postgresql", Phase::Up) },
        ServiceStatus { health: Wellness::Unhealthy, pid: Some(23456), ..service("redis", Phase::Up) },
        ServiceStatus {
            description: Some("web server".into()),
            essential: true,
            note: Some("waits for api (backoff)".into()),
            requires: vec!["api".into(), "certs".into()],
            wants: vec!["redis".into()],
            ..service("nginx", Phase::Waiting)
        },
        ServiceStatus {
            restarts: 3,
            note: Some("exit code 1; next start in 1.6 s".into()),
            last_exit: Some(Exit::Code(1)),
            requires: vec!["postgresql".into()],
            ..service("api", Phase::Backoff)
        },
        ServiceStatus {
            last_exit: Some(Exit::Signal(9)),
            for_ms: 7_800_000,
            ..service("batch", Phase::Failed)
        },
        service("debug", Phase::Down),
        ServiceStatus { last_exit: Some(Exit::Code(0)), ..service("stopped", Phase::Down) },
    ]
}

/// A first start with these times.
pub fn first_start(
    name: &str,
    state: Phase,
    wanted_ms: u64,
    started_ms: Option<u64>,
    settled_ms: Option<u64>,
    waited_for: Option<&str>,
) -> FirstStartStatus {
    let took_ms = started_ms.zip(settled_ms).map(|(from, to)| to - from);
    let waited_for = waited_for.map(str::to_owned);
    FirstStartStatus { name: name.to_owned(), state, wanted_ms, started_ms, settled_ms, took_ms, waited_for }
}

/// A boot with something of everything.
pub fn boot() -> Boot {
    let services = vec![
        first_start("certs", Phase::Done, 0, Some(0), Some(110), None),
        first_start("redis", Phase::Up, 0, Some(0), Some(45), None),
        first_start("tls", Phase::Skipped, 0, Some(0), Some(2), None),
        first_start("postgresql", Phase::Up, 0, Some(110), Some(1020), Some("certs")),
        first_start("migrations", Phase::Done, 0, Some(1020), Some(1340), Some("postgresql")),
        first_start("api", Phase::Up, 0, Some(1340), Some(3440), Some("migrations")),
        first_start("batch", Phase::Failed, 0, Some(1340), Some(1740), Some("migrations")),
        first_start("report", Phase::Failed, 0, None, Some(1740), Some("batch")),
        first_start("nginx", Phase::Up, 0, Some(3440), Some(3560), Some("api")),
        first_start("late", Phase::Up, 60_000, Some(60_000), Some(60_700), None),
    ];
    Boot { services, now_ms: 184_000, complete_ms: Some(3560) }
}

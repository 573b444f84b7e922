//! Services to render in tests.

use crate::core::status::{Exit, Phase, ServiceStatus, Wellness};
use crate::plan::Kind;

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
    }
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

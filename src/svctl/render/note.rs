//! The last column of `svctl list`: why a service is where it is.

use init_core::status::{Exit, Phase, ServiceStatus, Wellness};

use super::paint::one_line;

/// Everything worth saying of a service beside its state, in one line; may be empty.
pub fn of(service: &ServiceStatus) -> String {
    let mut parts: Vec<String> = Vec::new();
    match service.health {
        Wellness::Unknown | Wellness::Healthy => {}
        Wellness::Failing => parts.push("health check failing".to_owned()),
        Wellness::Unhealthy => parts.push("unhealthy".to_owned()),
    }
    match &service.note {
        Some(note) => parts.push(one_line(note).into_owned()),
        None => parts.extend(ending(service)),
    }
    if service.changed {
        parts.push("its definition changed: a restart applies it".to_owned());
    }
    parts.join("; ")
}

/// How a service that is at rest came to it, if that was not the usual way.
fn ending(service: &ServiceStatus) -> Option<String> {
    let at_rest = matches!(service.state, Phase::Down | Phase::Done | Phase::Failed | Phase::Backoff);
    service.last_exit.filter(|&exit| at_rest && exit != Exit::Code(0)).map(|exit| exit.to_string())
}

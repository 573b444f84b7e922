//! Why a service is not up: what it waits for, down to the cause, and what to do.

use init_core::status::{Phase, ServiceStatus, Wellness};

use crate::dependencies::{Dependencies, Tie};

/// Whether a service is as it should be. One that nobody asked for is.
pub fn is_well(service: &ServiceStatus) -> bool {
    match service.state {
        Phase::Up => service.health != Wellness::Unhealthy,
        Phase::Done | Phase::Skipped => true,
        // A note says who stopped it.
        Phase::Down => !service.wanted && service.note.is_none(),
        _ => false,
    }
}

/// Whether its own output may say more: it has a part in what is wrong.
pub fn has_a_say(service: &ServiceStatus) -> bool {
    let ran = service.pid.is_some() || service.last_exit.is_some();
    ran && !is_well(service) && service.state != Phase::Down && service.state != Phase::Waiting
}

/// The services because of which it is not up, by their numbers.
pub fn because_of(all: &Dependencies, number: usize) -> Vec<usize> {
    let Some(service) = all.service(number) else { return Vec::new() };
    let is_in_the_way = |other: &ServiceStatus, tie: Tie| {
        let settled = matches!(other.state, Phase::Up | Phase::Done | Phase::Skipped);
        // What is only wanted may fail, or stay down.
        let given_up = matches!(other.state, Phase::Down | Phase::Failed);
        match service.state {
            Phase::Waiting => !settled && (tie == Tie::Requires || !given_up),
            Phase::Failed | Phase::Down => tie == Tie::Requires && given_up && !is_well(other),
            _ => false,
        }
    };
    let ties = all.of(number, false).iter();
    let found = ties.filter(|&&(on, tie)| all.service(on).is_some_and(|other| is_in_the_way(other, tie)));
    found.map(|&(on, _)| on).collect()
}

/// What a person can do about it, as commands with what they do. Empty if it only waits for others.
pub fn hints(service: &ServiceStatus, waits: bool) -> Vec<(String, &'static str)> {
    let name = &service.name;
    let mut hints = Vec::new();
    let mut hint = |command: String, does: &'static str| hints.push((command, does));
    match service.state {
        _ if waits => {}
        Phase::Failed => hint(format!("svctl start {name}"), "tries again"),
        Phase::Backoff => hint(format!("svctl restart {name}"), "tries again at once"),
        Phase::Down => hint(format!("svctl start {name}"), "starts it"),
        Phase::Skipped => hint(format!("svctl start {name}"), "looks at its condition again"),
        Phase::Starting | Phase::Checking => hint(format!("svctl logs -f {name}"), "shows what it does"),
        Phase::Up if service.health == Wellness::Unhealthy => {
            hint(format!("svctl restart {name}"), "stops it and starts it again");
        }
        _ => {}
    }
    if service.changed {
        hint(format!("svctl restart {name}"), "applies its definition, which has changed");
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples::{service, several};

    fn names(of: &str, services: &[ServiceStatus]) -> Vec<String> {
        let all = Dependencies::new(services);
        let number = all.numbers(&[of.to_owned()])[0];
        because_of(&all, number).into_iter().map(|on| services[on].name.clone()).collect()
    }

    #[test]
    fn a_service_waits_for_what_is_not_there_yet() {
        let mut services = several();
        // It requires `api` (backoff) and `certs` (done), and wants `redis` (up, though unhealthy).
        assert_eq!(names("nginx", &services), ["api"]);
        services[2].state = Phase::Starting;
        assert_eq!(names("nginx", &services), ["api", "redis"]);
        services[2].state = Phase::Failed;
        assert_eq!(names("nginx", &services), ["api"], "what is only wanted may fail");
        assert_eq!(names("api", &services), Vec::<String>::new(), "it has only itself to blame");
    }

    #[test]
    fn a_service_that_failed_with_another_names_it() {
        let mut services = several();
        services[3].state = Phase::Failed;
        services[4].state = Phase::Failed;
        assert_eq!(names("nginx", &services), ["api"]);
    }

    #[test]
    fn what_is_well_has_no_say_and_no_hint() {
        for phase in [Phase::Up, Phase::Done] {
            let service = service("a", phase);
            assert!(
                is_well(&service) && !has_a_say(&service) && hints(&service, false).is_empty(),
                "{phase:?}"
            );
        }
        let stopped = ServiceStatus { note: Some("stopped by hand".into()), ..service("a", Phase::Down) };
        assert!(!is_well(&stopped));
        assert_eq!(hints(&stopped, false), [("svctl start a".to_owned(), "starts it")]);
        assert_eq!(hints(&service("a", Phase::Failed), true), []);
    }
}

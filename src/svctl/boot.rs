//! The boot as `init` reports it, and what follows: which services were slow, and which ones the boot waited for.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use init_core::status::FirstStartStatus;

/// How services came up the first time.
#[derive(Clone, Debug, Default)]
pub struct Boot {
    /// In an order in which what others depend on comes first.
    pub services: Vec<FirstStartStatus>,
    /// Milliseconds from the beginning of `init` until now.
    pub now_ms: u64,
    /// The same until the boot was complete, if it is.
    pub complete_ms: Option<u64>,
}

impl Boot {
    /// When the boot ended; now, if it goes on.
    pub fn end_ms(&self) -> u64 {
        self.complete_ms.unwrap_or(self.now_ms)
    }

    /// Those that were wanted while the boot went on.
    pub fn services_of_boot(&self) -> impl Iterator<Item = &FirstStartStatus> {
        self.services.iter().filter(|service| service.wanted_ms <= self.end_ms())
    }

    /// How long a service has taken from its start: until it had settled, or so far.
    pub fn took_ms(&self, service: &FirstStartStatus) -> Option<u64> {
        let so_far = || self.now_ms.saturating_sub(service.started_ms.unwrap_or(0));
        service.started_ms.map(|_| service.took_ms.unwrap_or_else(so_far))
    }

    /// Every service of the boot that was started, the slowest first.
    pub fn slowest_first(&self) -> Vec<&FirstStartStatus> {
        let mut services: Vec<_> = self.services_of_boot().filter(|s| s.started_ms.is_some()).collect();
        services.sort_by_key(|service| Reverse(self.took_ms(service)));
        services
    }

    /// In the order in which they could start; those that never could stand where that was known.
    pub fn in_order(&self) -> Vec<&FirstStartStatus> {
        let mut services: Vec<_> = self.services_of_boot().collect();
        services.sort_by_key(|s| (s.started_ms.or(s.settled_ms).unwrap_or(u64::MAX), s.wanted_ms));
        services
    }

    /// The service that the completion of the boot waited for, the one that this had waited for, and so on; nothing
    /// while the boot goes on.
    pub fn critical_chain(&self) -> Vec<&FirstStartStatus> {
        let complete = self.complete_ms;
        let settled =
            |s: &&FirstStartStatus| complete.is_some() && s.settled_ms.is_some_and(|at| Some(at) <= complete);
        self.chain(self.services_of_boot().filter(settled))
    }

    /// The same for the last of these services.
    pub fn chain_of(&self, names: &[String]) -> Vec<&FirstStartStatus> {
        self.chain(self.services.iter().filter(|service| names.contains(&service.name)))
    }

    fn chain<'a>(&'a self, ends: impl Iterator<Item = &'a FirstStartStatus>) -> Vec<&'a FirstStartStatus> {
        let all: BTreeMap<&str, &FirstStartStatus> =
            self.services.iter().map(|s| (s.name.as_str(), s)).collect();
        let last = ends.max_by_key(|service| service.settled_ms.unwrap_or(u64::MAX));
        let before = |s: &&'a FirstStartStatus| all.get(s.waited_for.as_deref()?).copied();
        // No chain is longer than that, whatever is sent.
        std::iter::successors(last, before).take(self.services.len()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples::{boot, first_start};
    use init_core::status::Phase;

    fn names(services: &[&FirstStartStatus]) -> Vec<String> {
        services.iter().map(|service| service.name.clone()).collect()
    }

    #[test]
    fn chain_leads_from_the_last_service_back_to_one_that_did_not_wait() {
        assert_eq!(names(&boot().critical_chain()), ["nginx", "api", "migrations", "postgresql", "certs"]);
    }

    #[test]
    fn chain_of_several_is_that_of_the_last_of_them() {
        let chain = |of: &[&str]| {
            let of: Vec<String> = of.iter().map(|&name| name.to_owned()).collect();
            names(&boot().chain_of(&of))
        };
        assert_eq!(chain(&["redis"]), ["redis"]);
        assert_eq!(chain(&["redis", "migrations"]), ["migrations", "postgresql", "certs"]);
        assert_eq!(chain(&["late"]), ["late"]);
        assert!(chain(&["never"]).is_empty());
        assert!(chain(&[]).is_empty());
    }

    #[test]
    fn service_that_is_not_ready_yet_is_later_than_any_that_is() {
        let mut boot = boot();
        boot.complete_ms = None;
        boot.services.push(first_start("slow", Phase::Starting, 0, Some(10), None, Some("redis")));
        let of = ["nginx".to_owned(), "slow".to_owned()];
        assert_eq!(names(&boot.chain_of(&of)), ["slow", "redis"]);
        assert!(boot.critical_chain().is_empty(), "nobody knows yet");
        assert_eq!(names(&boot.slowest_first())[0], "slow");
    }

    #[test]
    fn failed_and_skipped_services_end_a_boot_too() {
        let services = vec![
            first_start("a", Phase::Failed, 0, Some(1), Some(500), None),
            first_start("b", Phase::Failed, 0, None, Some(500), Some("a")),
            first_start("c", Phase::Skipped, 0, Some(0), Some(3), None),
        ];
        let boot = Boot { services, now_ms: 900, complete_ms: Some(500) };
        assert_eq!(names(&boot.critical_chain()), ["b", "a"]);
        assert_eq!(names(&boot.slowest_first()), ["a", "c"], "b was never started");
    }

    #[test]
    fn what_was_first_started_after_the_boot_is_no_part_of_it() {
        let boot = boot();
        assert!(boot.services.iter().any(|service| service.name == "late"));
        assert!(!names(&boot.slowest_first()).contains(&"late".to_owned()));
        assert!(!names(&boot.in_order()).contains(&"late".to_owned()));
    }

    #[test]
    fn nothing_comes_of_nothing_and_a_circle_has_an_end() {
        let none = Boot { complete_ms: Some(0), ..Boot::default() };
        assert!(none.critical_chain().is_empty() && none.slowest_first().is_empty());
        let services = vec![
            first_start("a", Phase::Up, 0, Some(1), Some(2), Some("b")),
            first_start("b", Phase::Up, 0, Some(1), Some(2), Some("a")),
        ];
        let circle = Boot { services, now_ms: 3, complete_ms: Some(2) };
        assert_eq!(names(&circle.critical_chain()), ["b", "a"]);
    }

    #[test]
    fn order_is_that_of_the_starts_and_equals_keep_theirs() {
        assert_eq!(
            names(&boot().in_order()),
            ["certs", "redis", "tls", "postgresql", "migrations", "api", "batch", "report", "nginx"]
        );
    }
}

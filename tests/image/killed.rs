//! `kill -9` of each process in turn.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::harness::{Boot, PROMPTLY, Pulp, turn, until};

/// Who is killed: the main process of a service, or a process that it has started.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Main(&'static str),
    Child(&'static str),
}

const VICTIMS: &[Victim] = &[
    Victim::Main("redis"),
    Victim::Main("pulp-worker@1"),
    Victim::Main("pulp-api"),
    Victim::Child("pulp-api"),
    Victim::Main("pulp-content"),
    Victim::Child("pulp-content"),
    Victim::Main("nginx"),
    Victim::Child("nginx"),
    Victim::Main("postgresql"),
    Victim::Child("postgresql"),
];

/// How long to look for services that are started again and again. Upstream's nginx was, every 6 s.
const WATCH: &str = "12";

impl Victim {
    fn service(self) -> &'static str {
        match self {
            Victim::Main(service) | Victim::Child(service) => service,
        }
    }

    fn pids(self, pulp: &Pulp) -> Vec<u64> {
        let main = pulp.services()[self.service()]["pid"].as_u64().unwrap_or_default();
        match self {
            Victim::Main(_) => vec![main],
            Victim::Child(_) => pulp.children(main),
        }
    }
}

/// Everything that a client or `svctl` sees is as it should be.
fn is_well(pulp: &Pulp) -> bool {
    pulp.get("/pulp/api/v3/status/").status == 200
        && pulp.get("/pulp/content/").status == 200
        && pulp.exec(&["svctl", "health"]).code == 0
}

/// Kills it, and returns how long it took until all was well again, that one replaced.
fn kill(pulp: &Pulp, victim: Victim) -> Duration {
    let before = victim.pids(pulp);
    let killed = before[0];
    pulp.ok(&["kill", "-9", &killed.to_string()]);
    let begin = Instant::now();
    until(&format!("all is well after the end of {victim:?}"), PROMPTLY, || {
        // Whoever died with its database is noticed by its own service first.
        pulp.exec(&["svctl", "wait", "-t", "60s"]);
        let now = victim.pids(pulp);
        now.len() >= before.len() && !now.contains(&0) && !now.contains(&killed) && is_well(pulp)
    });
    begin.elapsed()
}

fn restarts(pulp: &Pulp) -> BTreeMap<String, u64> {
    let services = pulp.services();
    services
        .into_iter()
        .map(|(name, service)| (name, service["restarts"].as_u64().unwrap_or_default()))
        .collect()
}

#[test]
fn whoever_is_killed_is_replaced_and_nothing_restarts_in_a_loop() {
    let Some(_turn) = turn() else { return };
    let pulp = Boot::new("killed").ready();
    until("all is well at first", PROMPTLY, || is_well(&pulp));
    for &victim in VICTIMS {
        eprintln!("kill -9 of {victim:?}: well again after {:.1} s", kill(&pulp, victim).as_secs_f64());
    }
    let before = restarts(&pulp);
    // Prints each change of state, until it is stopped.
    let changes = pulp.exec(&["timeout", WATCH, "svctl", "events"]);
    assert_eq!(changes.out, "", "{:?}", pulp.services());
    assert_eq!(restarts(&pulp), before);
    eprintln!("restarts: {before:?}");
    // Each was killed once, and PostgreSQL's end may take others with it: itself twice, the others once or twice each.
    for (service, count) in before {
        assert!(count <= 5, "{service} was restarted {count} times");
    }
    let zombies = pulp.ok(&["ps", "-e", "-o", "stat=,args="]);
    assert!(!zombies.lines().any(|line| line.starts_with('Z')), "{zombies}");
    assert_eq!(pulp.stop(), 0);
}

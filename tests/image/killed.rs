//! `kill -9` of each process in turn.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::harness::{Boot, PROMPTLY, Pulp, podman_ok, turn, until};

/// Who is killed: the main process of a service, or a process that it has started.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Main(&'static str),
    Child(&'static str),
}

const VICTIMS: &[Victim] = &[
    Victim::Main("redis"),
    Victim::Main("pulp-imports"),
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

/// Clients get what they ask for.
fn answers(pulp: &Pulp) -> bool {
    pulp.get("/pulp/api/v3/status/").status == 200 && pulp.get("/pulp/content/").status == 200
}

/// So they do, and each service runs.
fn is_well(pulp: &Pulp) -> bool {
    answers(pulp) && pulp.exec(&["svctl", "health"]).code == 0
}

/// Kills it, and waits until all is well again and that one replaced. Returns when clients got the first answer after
/// the last error, and how long all of it took.
fn kill(pulp: &Pulp, victim: Victim) -> (Duration, Duration) {
    let before = victim.pids(pulp);
    let killed = before[0];
    pulp.ok(&["kill", "-9", &killed.to_string()]);
    let begin = Instant::now();
    let mut answered = Duration::ZERO;
    until(&format!("all is well after the end of {victim:?}"), PROMPTLY, || {
        if !answers(pulp) {
            until(&format!("answers after the end of {victim:?}"), PROMPTLY, || answers(pulp));
            answered = begin.elapsed();
        }
        let now = victim.pids(pulp);
        now.len() >= before.len() && !now.contains(&0) && !now.contains(&killed) && is_well(pulp)
    });
    (answered, begin.elapsed())
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
    let _turn = turn();
    let pulp = Boot::new("killed").ready();
    until("all is well at first", PROMPTLY, || is_well(&pulp));
    for &victim in VICTIMS {
        let (answered, all) = kill(&pulp, victim);
        let seconds = [answered.as_secs_f64(), all.as_secs_f64()];
        eprintln!(
            "kill -9 of {victim:?}: answers after {:.1} s, all is well after {:.1} s",
            seconds[0], seconds[1]
        );
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
    let states = pulp.ok(&["ps", "-e", "-o", "stat=,args="]);
    assert!(!states.lines().any(|line| line.starts_with('Z')), "{states}");
    and_all_at_once(&pulp);
}

/// PID 1 is killed, and all with it. The same container is started again, with what they left in its files.
fn and_all_at_once(pulp: &Pulp) {
    podman_ok(&["kill", "--signal", "KILL", &pulp.name]);
    podman_ok(&["wait", &pulp.name]);
    podman_ok(&["start", &pulp.name]);
    pulp.wait();
    until("all is well in the same container", PROMPTLY, || is_well(pulp));
    assert!(restarts(pulp).values().all(|&count| count == 0), "{:?}", restarts(pulp));
    assert_eq!(pulp.stop(), 0);
}

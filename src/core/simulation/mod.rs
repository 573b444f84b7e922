//! The core in a simulated world: random plans, random histories, rules that must hold after every step.
//!
//! A case is a sequence of numbers ([`choices`]). They decide a plan ([`plans`]) and what happens to it ([`history`]) in a
//! world of processes that obey, are slow, ignore signals or cannot even die ([`world`]). After every step
//! ([`simulated`]) the rules are checked ([`rules`], [`change_rules`], [`state_rules`], [`stop_rules`]). A case that breaks a rule is cut
//! down to a short one and printed ([`shrink`]). [`tampering`] shows that the rules can be broken.
//!
//! | variable | meaning |
//! |---|---|
//! | `PULP_INIT_SIMULATIONS` | how many cases are run; 100,000 |
//! | `PULP_INIT_SEED` | the first of them; 0 |
//! | `PULP_INIT_CASE` | runs this one case only, as a failure shows it |

mod before;
mod change_rules;
mod check;
mod choices;
mod history;
mod plans;
mod rules;
mod scale;
mod shrink;
mod simulated;
mod state_rules;
mod states;
mod stop_rules;
mod tampering;
mod world;

pub(super) use plans::plain;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use history::{Case, Options};

/// Case number `seed`.
fn case(seed: u64) -> Case {
    let plan = choices::random(seed.wrapping_mul(2).wrapping_add(1), 180);
    let length = 40 + usize::try_from(seed % 7).unwrap() * 40;
    Case { plan, moves: choices::random(seed.wrapping_mul(2), length) }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// How many cases are run.
fn cases() -> u64 {
    number("PULP_INIT_SIMULATIONS", 100_000)
}

/// Runs the cases of these numbers on every processor; the first failure found, if there is one.
fn explore(seeds: std::ops::Range<u64>, options: impl Fn(u64) -> Options + Sync) -> Option<(u64, String)> {
    let (next, failed) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return None;
            }
            if let Err(message) = shrink::check(&case(seed), options(seed)) {
                failed.store(true, Ordering::Relaxed);
                return Some((seed, message));
            }
        }
        None
    };
    std::thread::scope(|scope| {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().unwrap()).min()
    })
}

#[test]
fn every_rule_holds_in_100_000_random_histories() {
    if let Ok(text) = std::env::var("PULP_INIT_CASE") {
        let (plan, moves) = serde_json::from_str(&text).unwrap();
        let (case, options) = (Case { plan, moves }, Options::default());
        let result = shrink::check(&case, options);
        return assert!(result.is_ok(), "{}", shrink::story(&case, options, &result.unwrap_err()));
    }
    let first = number("PULP_INIT_SEED", 0);
    let count = cases();
    // Every sixteenth supervisor is written down and read back on the way.
    let options = |seed| Options { rewrite_every: if seed % 16 == 0 { 7 } else { 0 }, ..Options::default() };
    if let Some((seed, message)) = explore(first..first + count, options) {
        let small = shrink::shrink(&case(seed), options(seed), &message);
        let message = shrink::check(&small, options(seed)).unwrap_err();
        panic!("case {seed}: {}", shrink::story(&small, options(seed), &message));
    }
}

#[test]
fn same_events_give_the_same_actions_also_when_the_supervisor_is_written_down_and_read_back() {
    for seed in 0..(cases() / 50).max(20) {
        let run = |rewrite_every| {
            let options = Options { keep_actions: true, rewrite_every, ..Options::default() };
            history::run(&case(seed), options).0.actions
        };
        let first = run(0);
        assert_eq!(first, run(0), "case {seed}, twice");
        assert_eq!(first, run(3), "case {seed}, read back every third step");
    }
}

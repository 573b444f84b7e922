//! The core in a simulated world: random plans, random histories, rules that must hold after every step.
//!
//! A case is a sequence of numbers ([`choices`]). They decide a plan ([`plans`]) and what happens to it
//! ([`history`]) in a world of processes that obey, are slow, ignore signals or cannot even die ([`world`]).
//! After every step the rules are checked ([`rules`], [`steady`]). A case that breaks one is cut down and told ([`shrink`]).
//!
//! | variable | meaning |
//! |---|---|
//! | `PULP_INIT_SIMULATIONS` | how many cases are run; 100,000 |
//! | `PULP_INIT_SEED` | the first of them; 0 |
//! | `PULP_INIT_CASE` | runs this one case only, as a failure shows it |

mod choices;
mod history;
mod mistakes;
mod plans;
mod rules;
mod scale;
mod shrink;
mod states;
mod steady;
mod world;

pub(super) use plans::plain;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use history::{Case, Manner};

/// Case number `seed`.
fn case(seed: u64) -> Case {
    let plan = choices::random(seed.wrapping_mul(2).wrapping_add(1), 180);
    let length = 40 + usize::try_from(seed % 7).unwrap() * 40;
    Case { plan, moves: choices::random(seed.wrapping_mul(2), length) }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Runs the cases of these numbers on every processor; the first failure found, if there is one.
fn explore(seeds: std::ops::Range<u64>, manner: impl Fn(u64) -> Manner + Sync) -> Option<(u64, String)> {
    let (next, failed) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return None;
            }
            if let Err(message) = shrink::verdict(&case(seed), manner(seed)) {
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
        let (case, manner) = (Case { plan, moves }, Manner::default());
        let verdict = shrink::verdict(&case, manner);
        return assert!(verdict.is_ok(), "{}", shrink::story(&case, manner, &verdict.unwrap_err()));
    }
    let first = number("PULP_INIT_SEED", 0);
    let count = number("PULP_INIT_SIMULATIONS", 100_000);
    // Every sixteenth supervisor is written down and read back on the way.
    let manner = |seed| Manner { rewrite_every: if seed % 16 == 0 { 7 } else { 0 }, ..Manner::default() };
    if let Some((seed, message)) = explore(first..first + count, manner) {
        let small = shrink::shrink(&case(seed), manner(seed), &message);
        let message = shrink::verdict(&small, manner(seed)).unwrap_err();
        panic!("case {seed}: {}", shrink::story(&small, manner(seed), &message));
    }
}

#[test]
fn same_events_give_the_same_actions_also_when_the_supervisor_is_written_down_and_read_back() {
    for seed in 0..2000 {
        let run = |rewrite_every| {
            let manner = Manner { keep_actions: true, rewrite_every, ..Manner::default() };
            history::run(&case(seed), manner).0.actions
        };
        let first = run(0);
        assert_eq!(first, run(0), "case {seed}, twice");
        assert_eq!(first, run(3), "case {seed}, read back every third step");
    }
}

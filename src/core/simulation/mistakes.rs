//! The rules find mistakes: each one made on purpose is caught, and cut down to a short case.

use super::history::Manner;
use super::{case, shrink};
use crate::planted::Bug;

/// Every mistake, and the rule that it breaks first.
const MISTAKES: [(Bug, &str); 21] = [
    (Bug::StartsTooEarly, "needs-first"),
    (Bug::StopsTooEarly, "dependents-first"),
    (Bug::KeepsDependents, "failure-spreads"),
    (Bug::NeverRecovers, "failure-spreads"),
    (Bug::NeverGivesUp, "restart-limit"),
    (Bug::NeverKills, "no-busy-loop"),
    (Bug::KillsAtOnce, "budget"),
    (Bug::ForgetsBudget, "budget"),
    (Bug::RestartsWithoutStopping, "asked-first"),
    (Bug::ForgetsPendingSpawn, "one-process"),
    (Bug::KeepsReapedPid, "books"),
    (Bug::BelievesAnybody, "own-readiness"),
    (Bug::RepeatsOneshot, "oneshot-once"),
    (Bug::IgnoresBackoff, "backoff"),
    (Bug::ForgetsTimer, "timers"),
    (Bug::ForgetsDependents, "settled"),
    (Bug::SkipsFinish, "finish-once"),
    (Bug::BootsEarly, "boot"),
    (Bug::HaltsTwice, "halt"),
    (Bug::ExitsWithLastCode, "exit-code"),
    (Bug::KeepsPredecessor, "one-process"),
];

/// Most cases that finding one may take.
const MOST_CASES: u64 = 20_000;
/// Most decisions other than the dullest that its shortest case may need.
const MOST_CHOICES: usize = 25;

#[test]
fn every_planted_mistake_is_caught_and_cut_down_to_a_short_case() {
    let mut table = Vec::new();
    let mut missed = Vec::new();
    for (bug, rule) in MISTAKES {
        let manner = Manner { bug: Some(bug), ..Manner::default() };
        let breaks = |seed| Some((seed, shrink::verdict(&case(seed), manner).err()?));
        let Some((seed, message)) = (0..MOST_CASES).find_map(breaks) else {
            missed.push(format!("{bug:?} is not caught"));
            continue;
        };
        let small = shrink::shrink(&case(seed), manner, &message);
        let size = shrink::size(&small);
        let found = message.split(':').next().unwrap();
        table.push(format!("{bug:?}: {found}, case {}, cut to {size} choices", seed + 1));
        if size > MOST_CHOICES {
            missed.push(format!("{bug:?}: {size} choices: {}", shrink::story(&small, manner, &message)));
        }
        if found != rule {
            missed.push(format!("{bug:?} breaks {found}, not {rule}"));
        }
    }
    println!("{}", table.join("\n"));
    assert!(missed.is_empty(), "{}", missed.join("\n\n"));
}

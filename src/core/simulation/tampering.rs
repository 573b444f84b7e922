//! The rules can be broken: a supervisor whose actions are tampered with is caught, and the case is cut down to a short
//! one.
//!
//! Mistakes in the supervisor's own code are made by `make mutants`. These tests are about the simulation.

use super::history::Options;
use super::simulated::Tamper;
use super::{case, shrink};
use crate::event::{Action, Role};
use crate::status::Phase;
use init_plan::Signal;

/// What is done to the actions, and the rules that may break first.
const TAMPERINGS: [(&str, Tamper, &[&str]); 12] = [
    (
        "no KILL is sent",
        |actions| without(actions, is_kill),
        &["converges", "no-busy-loop", "halt", "budget"],
    ),
    ("KILL is sent in place of TERM", kill_at_once, &["asked-first", "budget"]),
    ("a signal goes to another process", signal_astray, &["no-stray-signals"]),
    ("a service comes up unnoticed", |actions| without(actions, is_up), &["changes-chain"]),
    ("a change is told twice", |actions| twice(actions, is_up), &["changes-chain"]),
    ("a main process is started twice", |actions| twice(actions, is_start), &["one-process"]),
    ("no main process is started", |actions| without(actions, is_start), &["books"]),
    ("no finish hook is run", |actions| without(actions, is_finish), &["books"]),
    ("the boot never ends", |actions| without(actions, |a| *a == Action::Booted), &["boot"]),
    ("the boot ends twice", |actions| twice(actions, |a| *a == Action::Booted), &["boot"]),
    ("the exit is ordered twice", |actions| twice(actions, is_halt), &["halt"]),
    ("the exit code is another", other_code, &["exit-code"]),
];

/// The most cases that finding one may take.
const MOST_CASES: u64 = 2000;
/// The most decisions other than the simplest that the shortest case may need.
const MOST_CHOICES: usize = 25;

fn without(actions: &mut Vec<Action>, which: fn(&Action) -> bool) {
    actions.retain(|action| !which(action));
}

fn twice(actions: &mut Vec<Action>, which: fn(&Action) -> bool) {
    let again = actions.iter().filter(|action| which(action)).cloned().collect::<Vec<_>>();
    actions.extend(again);
}

fn kill_at_once(actions: &mut Vec<Action>) {
    for action in actions {
        if let Action::Signal { signal, .. } = action
            && *signal == Signal::TERM
        {
            *signal = Signal::KILL;
        }
    }
}

fn signal_astray(actions: &mut Vec<Action>) {
    for action in actions {
        if let Action::Signal { pid, .. } = action {
            *pid += 1000;
        }
    }
}

fn other_code(actions: &mut Vec<Action>) {
    for action in actions {
        if let Action::Halt { code } = action {
            *code += 1;
        }
    }
}

fn is_kill(action: &Action) -> bool {
    matches!(action, Action::Signal { signal: Signal::KILL, .. })
}

fn is_up(action: &Action) -> bool {
    matches!(action, Action::Changed(change) if change.to == Phase::Up)
}

fn is_start(action: &Action) -> bool {
    matches!(action, Action::Spawn { role: Role::Main, .. })
}

fn is_finish(action: &Action) -> bool {
    matches!(action, Action::Spawn { role: Role::Finish(_), .. })
}

fn is_halt(action: &Action) -> bool {
    matches!(action, Action::Halt { .. })
}

#[test]
fn every_tampering_breaks_a_rule_and_is_cut_down_to_a_short_case() {
    let mut wrong = Vec::new();
    for (what, tamper, rules) in TAMPERINGS {
        let options = Options { tamper: Some(tamper), ..Options::default() };
        let breaks = |seed| Some((seed, shrink::check(&case(seed), options).err()?));
        let Some((seed, message)) = (0..MOST_CASES).find_map(breaks) else {
            wrong.push(format!("{what}: breaks no rule"));
            continue;
        };
        let small = shrink::shrink(&case(seed), options, &message);
        let (size, found) = (shrink::size(&small), message.split(':').next().unwrap());
        println!("{what}: {found}, case {seed}, cut to {size} choices");
        if size > MOST_CHOICES {
            wrong.push(format!("{what}: {size} choices: {}", shrink::story(&small, options, &message)));
        }
        if !rules.contains(&found) {
            wrong.push(format!("{what}: breaks {found}, not {rules:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

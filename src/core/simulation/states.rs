//! The state diagram of the documentation, made of what the simulation sees.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::history::{Options, run};
use super::{case, cases};
use crate::status::Phase;

/// So many cases show every transition there is, with every reason for it.
const CASES: u64 = 30_000;
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/architecture-states.md");

type Transitions = BTreeMap<(Phase, Phase), BTreeSet<&'static str>>;

/// Every transition that so many cases show.
fn seen(cases: u64) -> Transitions {
    let options = Options { keep_transitions: true, ..Options::default() };
    let mut all = Transitions::new();
    for seed in 0..cases {
        for (transition, reasons) in run(&case(seed), options).0.rules.transitions.unwrap_or_default() {
            all.entry(transition).or_default().extend(reasons);
        }
    }
    all
}

fn render(transitions: &Transitions) -> String {
    let mut text = String::from(HEAD);
    for (from, to) in transitions.keys() {
        text.push_str(&arrow((*from, *to)));
    }
    text.push_str(TABLE);
    for ((from, to), reasons) in transitions {
        let reasons: Vec<&str> = reasons.iter().copied().collect();
        let _ = writeln!(text, "| {} | {} | {} |", from.as_str(), to.as_str(), reasons.join(", "));
    }
    text
}

fn arrow((from, to): (Phase, Phase)) -> String {
    format!("    {} --> {}\n", from.as_str(), to.as_str())
}

const HEAD: &str = "# The states of a service

Made from what the simulation of the core sees: each arrow is a change of state that happened in it. A test compares
this file with the code; `PULP_INIT_WRITE=1 cargo test states` writes it anew.

```mermaid
stateDiagram-v2
    [*] --> down
";

const TABLE: &str = "```

What led to each change: an event that concerns the service itself, or (*others*) one that concerns another.

| from | to | after |
|---|---|---|
";

#[test]
fn states_shown_in_the_documentation_are_those_of_the_code() {
    let shown = std::fs::read_to_string(FILE).unwrap_or_default();
    if cases() < CASES {
        // So few do not show every transition, but none that is not there.
        let seen = seen(cases());
        let mut unknown =
            seen.keys().map(|&transition| arrow(transition)).filter(|arrow| !shown.contains(arrow));
        return assert_eq!(unknown.next(), None, "{FILE} does not show this transition");
    }
    let text = render(&seen(CASES));
    if std::env::var_os("PULP_INIT_WRITE").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).unwrap();
        std::fs::write(FILE, &text).unwrap();
    }
    let shown = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(shown == text, "{FILE} is not current: PULP_INIT_WRITE=1 cargo test states writes it\n{text}");
}

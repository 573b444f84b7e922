//! Cutting a failing case down to what it takes to fail, and telling it.

use super::history::{Case, Options, run};
use super::{choices::Choices, plans};

/// Runs a case; a panic of the core is a broken rule like any other.
pub(super) fn check(case: &Case, options: Options) -> Result<(), String> {
    let result = std::panic::catch_unwind(|| run(case, options).1);
    result.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(format!("panic: {}", words.unwrap_or_default()))
    })
}

fn rule(message: &str) -> &str {
    message.split(':').next().unwrap_or(message)
}

/// The smallest case found that still breaks the same rule.
pub(super) fn shrink(case: &Case, options: Options, message: &str) -> Case {
    let fails = |case: &Case| matches!(check(case, options), Err(m) if rule(&m) == rule(message));
    let mut best = case.clone();
    let mut budget = 20_000;
    loop {
        let before = best.clone();
        for part in [Part::Moves, Part::Plan] {
            cut(&mut best, part, &fails, &mut budget);
            lower(&mut best, part, &fails, &mut budget);
        }
        if best == before || budget == 0 {
            return best;
        }
    }
}

#[derive(Clone, Copy)]
enum Part {
    Plan,
    Moves,
}

fn part_mut(case: &mut Case, part: Part) -> &mut Vec<u16> {
    match part {
        Part::Plan => &mut case.plan,
        Part::Moves => &mut case.moves,
    }
}

/// Takes out runs of numbers, long ones first.
fn cut(best: &mut Case, part: Part, fails: &impl Fn(&Case) -> bool, budget: &mut usize) {
    let mut length = part_mut(best, part).len().max(1).next_power_of_two();
    while length > 0 {
        let mut at = 0;
        while at < part_mut(best, part).len() {
            let mut next = best.clone();
            let numbers = part_mut(&mut next, part);
            let end = (at + length).min(numbers.len());
            numbers.drain(at..end);
            if !accept(best, next, fails, budget) {
                at += length;
            }
        }
        length /= 2;
    }
}

/// Makes numbers smaller, best of all zero.
fn lower(best: &mut Case, part: Part, fails: &impl Fn(&Case) -> bool, budget: &mut usize) {
    for at in 0..part_mut(best, part).len() {
        let number = part_mut(best, part)[at];
        for smaller in [0, 1, 2, 3, 5, number % 100, number % 40, number / 2, number.saturating_sub(1)] {
            if smaller >= part_mut(best, part)[at] {
                continue;
            }
            let mut next = best.clone();
            part_mut(&mut next, part)[at] = smaller;
            if accept(best, next, fails, budget) {
                break;
            }
        }
    }
}

fn accept(best: &mut Case, next: Case, fails: &impl Fn(&Case) -> bool, budget: &mut usize) -> bool {
    if *budget == 0 {
        return false;
    }
    *budget -= 1;
    let better = fails(&next);
    if better {
        *best = next;
    }
    better
}

/// How many decisions a case takes that are not the dullest.
pub(super) fn size(case: &Case) -> usize {
    case.plan.iter().chain(&case.moves).filter(|&&number| number != 0).count()
}

/// A failing case, for a person.
pub(super) fn story(case: &Case, options: Options, message: &str) -> String {
    let options = Options { trace: true, ..options };
    let trace = std::panic::catch_unwind(|| run(case, options).0.trace.unwrap_or_default());
    let trace = trace.unwrap_or_else(|_| vec!["(panicked)".into()]);
    let plan = plans::show(&plans::plan(&mut Choices::new(&case.plan)));
    format!(
        "{message}\n\n{plan}\n\n{}\n\nreplay with PULP_INIT_CASE='{}'",
        trace.join("\n"),
        serde_json::json!([case.plan, case.moves]),
    )
}

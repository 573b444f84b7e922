//! `svctl deps` and `svctl graph`.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::branches;
use super::paint::{self, BOLD, PLAIN};
use crate::dependencies::{Dependencies, Tie};
use crate::output::Screen;

/// Each of these services with what it depends on below it, or, in reverse, with what depends on it.
///
/// What was shown already is not shown again: `…` stands for it.
pub fn deps(all: &Dependencies, roots: &[usize], reverse: bool, screen: Screen) -> String {
    let mut shown = BTreeSet::new();
    let top: Vec<(usize, Option<Tie>)> = roots.iter().map(|&root| (root, None)).collect();
    let lines = branches::lines(top, |&(number, _)| {
        let below = if shown.insert(number) { all.of(number, reverse) } else { &[] };
        below.iter().map(|&(on, tie)| (on, Some(tie))).collect()
    });
    let mut text = String::with_capacity(lines.len() * 40);
    let mut seen = BTreeSet::new();
    for line in lines {
        let (number, tie) = line.item;
        let Some(service) = all.service(number) else { continue };
        text.push_str(&line.before);
        text.push_str(if reverse { "" } else { tie.map_or("", leads) });
        paint::add(&mut text, &service.name, if tie.is_none() { BOLD } else { PLAIN }, screen.colour);
        text.push_str(" (");
        paint::add(&mut text, service.state.as_str(), paint::of_state(service), screen.colour);
        text.push(')');
        text.push_str(if reverse { tie.map_or("", follows) } else { "" });
        if !seen.insert(number) && !all.of(number, reverse).is_empty() {
            text.push_str(" …");
        }
        text.push('\n');
    }
    text
}

/// The tie to what a service depends on. That it requires it is the rule, and is not said.
fn leads(tie: Tie) -> &'static str {
    match tie {
        Tie::Requires => "",
        Tie::Wants => "wants ",
        Tie::After => "after ",
    }
}

/// The same, said of what depends on a service.
fn follows(tie: Tie) -> &'static str {
    match tie {
        Tie::Requires => "",
        Tie::Wants => " wants it",
        Tie::After => " starts after it",
    }
}

/// These services and what ties them, in the language of Graphviz.
pub fn dot(all: &Dependencies, numbers: &BTreeSet<usize>) -> String {
    let mut text = "digraph services {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    let quoted = |name: &str| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    edges(all, numbers, |line| match line {
        Edge::Service(_, name) => writeln!(text, "  {};", quoted(name)),
        Edge::Tie((_, from), tie, (_, to)) => {
            let style = match tie {
                Tie::Requires => "",
                Tie::Wants => " [style=dashed]",
                Tie::After => " [style=dotted]",
            };
            writeln!(text, "  {} -> {}{style};", quoted(from), quoted(to))
        }
    });
    text.push_str("}\n");
    text
}

/// The same in the language of Mermaid.
pub fn mermaid(all: &Dependencies, numbers: &BTreeSet<usize>) -> String {
    let mut text = "flowchart LR\n".to_owned();
    edges(all, numbers, |line| match line {
        Edge::Service(number, name) => writeln!(text, "  s{number}[\"{}\"]", name.replace('"', "#quot;")),
        Edge::Tie((from, _), tie, (to, _)) => {
            let arrow = match tie {
                Tie::Requires => "-->",
                Tie::Wants => "-.->",
                Tie::After => "-.->|after|",
            };
            writeln!(text, "  s{from} {arrow} s{to}")
        }
    });
    text
}

/// A part of a picture.
enum Edge<'a> {
    Service(usize, &'a str),
    Tie((usize, &'a str), Tie, (usize, &'a str)),
}

/// Hands over each service, and then what ties them.
fn edges(all: &Dependencies, numbers: &BTreeSet<usize>, mut draw: impl FnMut(Edge<'_>) -> std::fmt::Result) {
    let name = |number: usize| all.service(number).map_or("", |service| service.name.as_str());
    for &number in numbers {
        // Writing into a string does not fail.
        let _ = draw(Edge::Service(number, name(number)));
    }
    for &number in numbers {
        for &(on, tie) in all.of(number, false).iter().filter(|(on, _)| numbers.contains(on)) {
            let _ = draw(Edge::Tie((number, name(number)), tie, (on, name(on))));
        }
    }
}

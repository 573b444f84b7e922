//! `svctl why`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::branches::{self, Line};
use super::note;
use super::paint::{self, BOLD, DIM, one_line};
use crate::dependencies::Dependencies;
use crate::duration::age;
use crate::output::Screen;
use crate::why::{because_of, hints};

/// The last lines of the output of services, by their numbers.
pub type Outputs = BTreeMap<usize, Vec<String>>;

/// Each of these services with its cause below it, its last lines of output, and what to do.
pub fn why(all: &Dependencies, roots: &[usize], outputs: &Outputs, screen: Screen) -> String {
    let mut text = String::with_capacity(1024);
    let mut told = BTreeSet::new();
    let lines = branches::lines(roots.to_vec(), |&number| because_of(all, number));
    for line in lines {
        let is_new = told.insert(line.item);
        if line.before.is_empty() && !text.is_empty() {
            text.push('\n');
        }
        tell(&mut text, all, &line, outputs, is_new, screen);
    }
    text
}

fn tell(
    to: &mut String,
    all: &Dependencies,
    line: &Line<usize>,
    outputs: &Outputs,
    is_new: bool,
    screen: Screen,
) {
    let Some(service) = all.service(line.item) else { return };
    to.push_str(&line.before);
    paint::add(to, &service.name, BOLD, screen.colour);
    to.push_str(": ");
    paint::add(to, service.state.as_str(), paint::of_state(service), screen.colour);
    let _ = write!(to, " for {}", age(service.for_ms));
    let note = note::of(service);
    if !note.is_empty() {
        let _ = write!(to, "; {note}");
    }
    if !is_new {
        // Two services may have the same cause.
        to.push_str(" (see above)\n");
        return;
    }
    if service.restarts > 0 {
        let times =
            if service.restarts == 1 { "once".to_owned() } else { format!("{} times", service.restarts) };
        let _ = write!(to, "; started again {times}");
    }
    to.push('\n');
    let before = format!("{}  ", line.beside);
    for output in outputs.get(&line.item).into_iter().flatten() {
        let output = one_line(output);
        let room = screen.width.map(|width| width.saturating_sub(before.chars().count() + 2));
        to.push_str(&before);
        paint::add(to, "| ", DIM, screen.colour);
        to.push_str(room.map_or_else(|| output.clone(), |room| paint::cut(&output, room)).trim_end());
        to.push('\n');
    }
    let waits = !because_of(all, line.item).is_empty();
    let mut hints = hints(service, waits);
    if outputs.get(&line.item).is_some_and(|lines| !lines.is_empty()) {
        hints.push((format!("svctl logs {}", service.name), "shows more of its output"));
    }
    let width = hints.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    for (command, does) in hints {
        let _ = writeln!(to, "{before}> {command:<width$}  {does}");
    }
}

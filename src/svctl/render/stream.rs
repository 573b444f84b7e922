//! `svctl logs` and `svctl events`: a line for each thing that comes.

use std::fmt::Write;

use init_control::time::rfc3339;
use init_control::wire::Event;

use super::paint::{self, DIM, one_line};

/// How log lines are shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogStyle<'a> {
    /// The only service asked for: its lines are shown without a name.
    pub only: Option<&'a str>,
    /// Each line begins with its time.
    pub timestamps: bool,
    /// Names are coloured.
    pub colour: bool,
}

/// A line of a service's output, newline included. Its bytes are shown as the service wrote them, colours and all.
pub fn log_line(service: &str, time_ms: u64, line: &str, style: LogStyle<'_>) -> String {
    let mut text = String::with_capacity(service.len() + line.len() + 40);
    if style.timestamps {
        paint::add(&mut text, &rfc3339(time_ms), DIM, style.colour);
        text.push(' ');
    }
    if style.only != Some(service) {
        paint::add(&mut text, service, paint::of_name(service), style.colour);
        text.push_str(" | ");
    }
    text.push_str(line);
    text.push('\n');
    text
}

/// A change of state, newline included: `TIME NAME: from -> to (pid 12; exit code 1; note)`.
pub fn event_line(event: &Event, timestamps: bool, colour: bool) -> String {
    let mut text = String::with_capacity(96);
    if timestamps {
        paint::add(&mut text, &rfc3339(event.time_ms), DIM, colour);
        text.push(' ');
    }
    let _ = write!(text, "{}: {} -> ", event.service, event.from.as_str());
    paint::add(&mut text, event.to.as_str(), paint::of_phase(event.to), colour);
    let pid = event.pid.map(|pid| format!("pid {pid}"));
    let exit = event.exit.map(|exit| exit.to_string());
    let note = event.note.as_deref().map(|note| one_line(note).into_owned());
    let about: Vec<String> = [pid, exit, note].into_iter().flatten().collect();
    if !about.is_empty() {
        let _ = write!(text, " ({})", about.join("; "));
    }
    text.push('\n');
    text
}

/// Says that something is missing.
pub fn dropped(count: u64, what: &str) -> String {
    format!("svctl: {count} {what} dropped: they came faster than they were read\n")
}

//! `svctl status NAME`.

use std::fmt::Write;

use crate::duration::{age, taken};
use crate::output::Screen;
use init_core::status::{ServiceStatus, Stray, Wellness};
use init_plan::Kind;

use super::paint::{self, BOLD, DIM, one_line};

/// One service at length: a heading, a line for each thing there is to say, and its last lines of output.
///
/// `all` is where the states of its neighbours are looked up; `lines` may be why they are not shown.
pub fn details(
    service: &ServiceStatus,
    all: &[ServiceStatus],
    lines: Result<&[String], &str>,
    screen: Screen,
) -> String {
    let mut text = String::with_capacity(1024);
    heading(&mut text, service, screen);
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<12} {value}");
        }
    };
    fact("state", &state(service, screen));
    fact("note", &service.note.as_deref().map(one_line).unwrap_or_default());
    fact("pid", &service.pid.map(|pid| pid.to_string()).unwrap_or_default());
    fact("ready after", &service.ready_after_ms.map(taken).unwrap_or_default());
    fact("strays", &strays(&service.strays));
    fact("restarts", &service.restarts.to_string());
    fact("health", health(service.health));
    fact("last exit", &service.last_exit.map(|exit| exit.to_string()).unwrap_or_default());
    fact("definition", if service.changed { "changed: a restart applies it" } else { "" });
    fact("requires", &neighbours(service.requires.iter(), all, screen));
    fact("wants", &neighbours(service.wants.iter(), all, screen));
    fact("after", &neighbours(service.after.iter(), all, screen));
    let above = |list: fn(&ServiceStatus) -> &Vec<String>| {
        let over = all.iter().filter(move |other| list(other).contains(&service.name));
        neighbours(over.map(|other| &other.name), all, screen)
    };
    let (required_by, wanted_by) = (above(|other| &other.requires), above(|other| &other.wants));
    fact("required by", &required_by);
    fact("wanted by", &wanted_by);
    match lines {
        Ok(lines) => output(&mut text, lines, screen),
        Err(why) => {
            let _ = writeln!(text, "  {:<12} {}", "last output", one_line(why));
        }
    }
    text
}

fn heading(to: &mut String, service: &ServiceStatus, screen: Screen) {
    paint::add(to, &service.name, BOLD, screen.colour);
    to.push_str(match service.kind {
        Kind::Longrun => ": longrun",
        Kind::Oneshot => ": oneshot",
    });
    if service.essential {
        to.push_str(", essential");
    }
    if let Some(description) = &service.description {
        let _ = write!(to, ", {}", one_line(description));
    }
    to.push('\n');
}

fn state(service: &ServiceStatus, screen: Screen) -> String {
    let mut text = String::new();
    paint::add(&mut text, service.state.as_str(), paint::of_state(service), screen.colour);
    let _ = write!(text, " for {}", age(service.for_ms));
    text
}

fn health(wellness: Wellness) -> &'static str {
    match wellness {
        Wellness::Unknown => "",
        Wellness::Healthy => "healthy",
        Wellness::Failing => "failing: the last check failed",
        Wellness::Unhealthy => "unhealthy",
    }
}

/// `12 (sleep 1000), 13 (gpg-agent)`: processes that are killed when the service stops.
fn strays(strays: &[Stray]) -> String {
    let one = |stray: &Stray| format!("{} ({})", stray.pid, one_line(&stray.command));
    strays.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// `certs (done), redis (up)`.
fn neighbours<'a>(names: impl Iterator<Item = &'a String>, all: &[ServiceStatus], screen: Screen) -> String {
    let mut text = String::new();
    for name in names {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(name);
        if let Some(other) = all.iter().find(|other| &other.name == name) {
            text.push_str(" (");
            paint::add(&mut text, other.state.as_str(), paint::of_state(other), screen.colour);
            text.push(')');
        }
    }
    text
}

fn output(to: &mut String, lines: &[String], screen: Screen) {
    if lines.is_empty() {
        return;
    }
    to.push_str("  last output\n");
    for line in lines {
        let line = one_line(line);
        // 4 columns stand before each line.
        let shown =
            screen.width.map_or_else(|| line.clone(), |width| paint::cut(&line, width.saturating_sub(4)));
        paint::add(to, "  | ", DIM, screen.colour);
        to.push_str(shown.trim_end());
        to.push('\n');
    }
}

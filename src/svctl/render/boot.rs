//! `svctl blame` and `svctl critical-chain`.

use std::fmt::Write;

use crate::boot::Boot;
use crate::duration::taken;
use crate::output::Screen;
use init_core::status::{FirstStartStatus, Phase};

use super::paint::{self, BOLD};

/// Links farther down than that are not moved in any more: a chain may be long, a line should not be.
const DEEPEST: usize = 30;

/// How long each service took to start, a line each, the slowest first.
pub fn blame(boot: &Boot, screen: Screen) -> String {
    let services = boot.slowest_first();
    let times: Vec<String> =
        services.iter().map(|service| taken(boot.took_ms(service).unwrap_or(0))).collect();
    let width = times.iter().map(String::len).max().unwrap_or(0);
    let mut text = String::with_capacity(services.len() * 32);
    for (service, time) in services.iter().zip(times) {
        let _ = write!(text, "{time:>width$}  {}", service.name);
        remark(&mut text, service, screen);
        text.push('\n');
    }
    text
}

/// What the boot, or the first of these services, had to wait for.
pub fn chain(boot: &Boot, links: &[&FirstStartStatus], whole_boot: bool, screen: Screen) -> String {
    let mut text = String::with_capacity(128 + links.len() * 64);
    match (links, boot.complete_ms) {
        (_, Some(complete)) if whole_boot => {
            let _ = writeln!(text, "The boot was complete after {}.", taken(complete));
        }
        ([last, ..], _) => {
            let when = last.settled_ms.map_or_else(
                || format!("since {}", taken(last.started_ms.unwrap_or(last.wanted_ms))),
                |at| format!("after {}", taken(at)),
            );
            let _ = writeln!(text, "{}: {} {when}.", last.name, last.state.as_str());
        }
        ([], _) => {}
    }
    if links.is_empty() {
        text.push_str("Nothing had to be waited for.\n");
        return text;
    }
    text.push_str("@ when it could start, + how long it took; each waited for the one below it.\n\n");
    for (depth, link) in links.iter().enumerate() {
        if depth > 0 {
            text.extend(std::iter::repeat_n("  ", (depth - 1).min(DEEPEST)));
            text.push_str("└─");
        }
        paint::add(&mut text, &link.name, if depth == 0 { BOLD } else { paint::PLAIN }, screen.colour);
        if let Some(started) = link.started_ms {
            let _ = write!(text, " @{}", taken(started));
        }
        if let Some(took) = boot.took_ms(link).filter(|&took| took > 0) {
            let _ = write!(text, " +{}", taken(took));
        }
        remark(&mut text, link, screen);
        text.push('\n');
    }
    text
}

/// What came of it, unless that is what should.
fn remark(to: &mut String, service: &FirstStartStatus, screen: Screen) {
    if matches!(service.state, Phase::Up | Phase::Done) {
        return;
    }
    to.push_str(" (");
    paint::add(to, outcome(service), paint::of_phase(service.state), screen.colour);
    to.push(')');
}

/// What came of it, in a word or three.
pub fn outcome(service: &FirstStartStatus) -> &'static str {
    match (service.state, service.settled_ms, service.started_ms) {
        (Phase::Down, Some(_), _) => "called off",
        (Phase::Failed, _, None) => "failed, never started",
        (state, ..) => state.as_str(),
    }
}

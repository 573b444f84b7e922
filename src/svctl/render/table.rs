//! `svctl list`.

use crate::duration::age;
use crate::output::Screen;
use init_core::status::{Phase, ServiceStatus};
use init_plan::Kind;

use super::note;
use super::paint::{self, BOLD, PLAIN};

/// A note narrower than this says nothing: then lines wrap instead.
const NARROWEST_NOTE: usize = 12;

const HEADINGS: [&str; 5] = ["NAME", "STATE", "SINCE", "PID", "RESTARTS"];

/// Whether a service is shown without `-a`: not if it is a oneshot that did its work or had none, nor if nobody
/// ever asked for it.
pub fn is_of_interest(service: &ServiceStatus) -> bool {
    let ran = service.last_exit.is_some() || service.ready_after_ms.is_some() || service.restarts > 0;
    match service.state {
        Phase::Done | Phase::Skipped => service.kind == Kind::Longrun || service.changed,
        // A note says who stopped it.
        Phase::Down => service.wanted || ran || service.note.is_some(),
        _ => true,
    }
}

/// The services as a table with headings, a line each. Only on a terminal are long notes cut.
pub fn table(services: &[&ServiceStatus], screen: Screen) -> String {
    let rows: Vec<[String; 5]> = services.iter().map(|service| cells(service)).collect();
    let widths = widths(&rows);
    let mut text = String::with_capacity((rows.len() + 1) * 100);
    let left = widths.iter().sum::<usize>() + 2 * widths.len();
    let room = screen.width.map(|width| width.saturating_sub(left)).filter(|&room| room >= NARROWEST_NOTE);
    let headings = HEADINGS.map(str::to_owned);
    row(&mut text, &headings, &widths, [BOLD; 5], screen.colour);
    paint::add(&mut text, "NOTE", BOLD, screen.colour);
    text.push('\n');
    for (service, cells) in services.iter().zip(&rows) {
        let colours = [PLAIN, paint::of_state(service), PLAIN, PLAIN, PLAIN];
        row(&mut text, cells, &widths, colours, screen.colour);
        let note = note::of(service);
        text.push_str(&room.map_or_else(|| note.as_str().into(), |room| paint::cut(&note, room)));
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

fn cells(service: &ServiceStatus) -> [String; 5] {
    [
        service.name.clone(),
        service.state.as_str().to_owned(),
        age(service.for_ms),
        service.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
        service.restarts.to_string(),
    ]
}

fn widths(rows: &[[String; 5]]) -> [usize; 5] {
    let mut widths = HEADINGS.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

fn row(to: &mut String, cells: &[String; 5], widths: &[usize; 5], colours: [paint::Colour; 5], colour: bool) {
    for ((index, cell), (&width, tint)) in cells.iter().enumerate().zip(widths.iter().zip(colours)) {
        let padding = width.saturating_sub(cell.chars().count());
        // Numbers are easier to compare when they end together.
        let before = if index >= 3 { padding } else { 0 };
        spaces(to, before);
        paint::add(to, cell, tint, colour);
        spaces(to, padding - before + 2);
    }
}

/// By hand: `{:width$}` takes five times as long, which is felt in a table of a hundred services.
fn spaces(to: &mut String, count: usize) {
    to.extend(std::iter::repeat_n(' ', count));
}

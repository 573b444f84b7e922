//! `svctl list`.

use crate::duration::{age, taken};
use crate::output::Screen;
use crate::processes::Usage;
use init_core::status::{Phase, ServiceStatus};
use init_plan::Kind;

use super::note;
use super::paint::{self, BOLD, PLAIN};
use super::tree::size;

/// The column of the state, and the first one of numbers.
const STATE: usize = 1;
const NUMBERS: usize = 3;
/// A note narrower than this says nothing: then lines wrap instead.
const NARROWEST_NOTE: usize = 12;

const HEADINGS: [&str; 5] = ["NAME", "STATE", "SINCE", "PID", "RESTARTS"];
const HEADINGS_WITH_USAGE: [&str; 8] = ["NAME", "STATE", "SINCE", "PID", "RESTARTS", "PROCS", "CPU", "RSS"];

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
    lay_out(HEADINGS, &rows, services, screen)
}

/// The same, with what each of them uses.
pub fn table_with_usage(services: &[&ServiceStatus], usages: &[Usage], screen: Screen) -> String {
    let rows: Vec<[String; 8]> = services
        .iter()
        .zip(usages)
        .map(|(service, usage)| {
            let [name, state, since, pid, restarts] = cells(service);
            let used = |text: String| if usage.processes == 0 { "-".to_owned() } else { text };
            let (cpu, rss) = (used(taken(usage.cpu_ms)), used(size(usage.rss_bytes)));
            [name, state, since, pid, restarts, usage.processes.to_string(), cpu, rss]
        })
        .collect();
    lay_out(HEADINGS_WITH_USAGE, &rows, services, screen)
}

fn lay_out<const N: usize>(
    headings: [&str; N],
    rows: &[[String; N]],
    services: &[&ServiceStatus],
    screen: Screen,
) -> String {
    let widths = widths(headings, rows);
    let mut text = String::with_capacity((rows.len() + 1) * 100);
    let left = widths.iter().sum::<usize>() + 2 * widths.len();
    let room = screen.width.map(|width| width.saturating_sub(left)).filter(|&room| room >= NARROWEST_NOTE);
    row(&mut text, &headings.map(str::to_owned), &widths, |_| BOLD, screen.colour);
    paint::add(&mut text, "NOTE", BOLD, screen.colour);
    text.push('\n');
    for (service, cells) in services.iter().zip(rows) {
        let colour = |column| if column == STATE { paint::of_state(service) } else { PLAIN };
        row(&mut text, cells, &widths, colour, screen.colour);
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

fn widths<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> [usize; N] {
    let mut widths = headings.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

fn row<const N: usize>(
    to: &mut String,
    cells: &[String; N],
    widths: &[usize; N],
    tint: impl Fn(usize) -> paint::Colour,
    colour: bool,
) {
    for ((index, cell), &width) in cells.iter().enumerate().zip(widths) {
        let padding = width.saturating_sub(cell.chars().count());
        // Numbers are easier to compare when they end together.
        let before = if index >= NUMBERS { padding } else { 0 };
        spaces(to, before);
        paint::add(to, cell, tint(index), colour);
        spaces(to, padding - before + 2);
    }
}

/// By hand: `{:width$}` takes five times as long, which is felt in a table of a hundred services.
fn spaces(to: &mut String, count: usize) {
    to.extend(std::iter::repeat_n(' ', count));
}

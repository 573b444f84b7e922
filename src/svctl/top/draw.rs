//! The picture: a line of totals, the table, the last lines of the selected service, the keys.
//!
//! Where there is little room, the log goes first, then the keys, and columns from the right.

use init_core::status::{Phase, ServiceStatus, Stage};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::model::{Model, View};
use super::sample::{Memory, Sample, Used};
use crate::duration::age;
use crate::render::note;
use crate::render::paint::{self, one_line};
use crate::render::tree::size;

/// What is drawn beside the sample.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// The last lines of the selected service.
    pub lines: &'a [String],
    /// What went wrong lately, for the person.
    pub trouble: Option<&'a str>,
    /// Whether colours are wanted.
    pub colour: bool,
}

/// The table needs so many lines before the log gets any.
const LEAST_TABLE: u16 = 6;
/// The log gets a third of the screen, if that is so many lines, and what the table leaves over.
const LEAST_LOG: u16 = 4;
/// Screens lower than this show no keys.
const LEAST_FOR_KEYS: u16 = 8;
/// No longer piece of a line is looked at: a screen is narrower.
const LONGEST: usize = 2000;

const KEYS: &str = "q quit  ↑↓ select  Enter log  s sort  / filter  a all  ? help";

const HELP: [&str; 14] = [
    "q, Esc, Ctrl-C   quit",
    "↑ ↓, k j         select a service",
    "PgUp PgDn        the same by ten",
    "Home End, g G    the first, the last",
    "Enter, l         its log on the whole screen; Esc: back",
    "/                show services with this in their names; Esc: all again",
    "a                show services that are done or were never asked for, too",
    "s                sort by the next column",
    "c m p n o        sort by CPU, memory, processes, name, order of the start",
    "",
    "CPU              share of one processor since the last look",
    "RSS              resident memory; what processes share counts for each",
    "memory           of the whole container, as its control group counts it",
    "                 (with caches that the kernel would give back)",
];

/// Draws everything.
pub fn draw(to: &mut Buffer, model: &Model, sample: &Sample, beside: Beside<'_>) {
    let mut canvas = Canvas { to, colour: beside.colour };
    let area = canvas.to.area;
    let (mut top, mut bottom) = (area.top(), area.bottom());
    let mut take_line = |from_top: bool| {
        if top >= bottom {
            return None;
        }
        if from_top {
            top += 1;
            return Some(top - 1);
        }
        bottom -= 1;
        Some(bottom)
    };
    if let Some(y) = take_line(true) {
        canvas.title(y, sample, beside.trouble);
    }
    let has_keys = area.height >= LEAST_FOR_KEYS || model.typing;
    if let Some(y) = has_keys.then(|| take_line(false)).flatten() {
        canvas.keys(y, model);
    }
    let rest = Rect { y: top, height: bottom.saturating_sub(top), ..area };
    match model.view {
        View::Help => canvas.lines(rest, &HELP),
        View::Log => canvas.log(rest, model.selected_name(sample), beside.lines),
        View::Table => {
            let third = area.height / 3;
            let rows = u16::try_from(model.rows(sample).len()).unwrap_or(u16::MAX);
            let spare = rest.height.saturating_sub(rows.saturating_add(2));
            let is_shown = third >= LEAST_LOG && rest.height >= LEAST_TABLE + third;
            let log = if is_shown { third.max(spare) } else { 0 };
            canvas.table(Rect { height: rest.height - log, ..rest }, model, sample);
            let below = Rect { y: rest.bottom() - log, height: log, ..rest };
            canvas.log(below, model.selected_name(sample), beside.lines);
        }
    }
}

/// A column: its heading, whether it is a number, and its text.
struct Column {
    heading: &'static str,
    number: bool,
    cell: fn(&ServiceStatus, &Used) -> String,
}

/// The columns from left to right. Those that do not fit are left out, the later ones first.
const COLUMNS: [Column; 9] = [
    Column { heading: "NAME", number: false, cell: |service, _| one_line(&service.name).into_owned() },
    Column { heading: "STATE", number: false, cell: |service, _| service.state.as_str().to_owned() },
    Column { heading: "CPU", number: true, cell: |_, used| if_any(used, percent(used.cpu_permille)) },
    Column { heading: "RSS", number: true, cell: |_, used| if_any(used, size(used.usage.rss_bytes)) },
    Column { heading: "PROCS", number: true, cell: |_, used| used.usage.processes.to_string() },
    Column { heading: "SINCE", number: true, cell: |service, _| age(service.for_ms) },
    Column { heading: "PID", number: true, cell: |service, _| or_dash(service.pid) },
    Column { heading: "RESTARTS", number: true, cell: |service, _| service.restarts.to_string() },
    Column { heading: "NOTE", number: false, cell: |service, _| note::of(service) },
];

fn if_any(used: &Used, text: String) -> String {
    if used.usage.processes == 0 { "-".to_owned() } else { text }
}

fn or_dash(number: Option<i32>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

/// A share of a processor, as a percentage with one digit where that says something.
fn percent(permille: u64) -> String {
    if permille < 1000 {
        format!("{}.{}%", permille / 10, permille % 10)
    } else {
        format!("{}%", permille / 10)
    }
}

struct Canvas<'a> {
    to: &'a mut Buffer,
    colour: bool,
}

impl Canvas<'_> {
    /// Writes text at a place, cut at the end of the line; returns where it ended.
    fn text(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        let area = self.to.area;
        if x >= area.right() || y >= area.bottom() {
            return area.right();
        }
        let short: String = text.chars().take(LONGEST).collect();
        let room = usize::from(area.right() - x);
        self.to.set_stringn(x, y, one_line(&short), room, style).0
    }

    fn tint(&self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    fn dim(&self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn title(&mut self, y: u16, sample: &Sample, trouble: Option<&str>) {
        if let Some(trouble) = trouble {
            let style = self.tint(Color::Red).add_modifier(Modifier::BOLD);
            self.text(0, y, trouble, style);
            return;
        }
        let count = |of: fn(&ServiceStatus) -> bool| sample.services.iter().filter(|(s, _)| of(s)).count();
        let (up, failed) = (count(|s| s.state == Phase::Up), count(|s| s.state == Phase::Failed));
        let stage = match sample.stage {
            Stage::Booting => "booting: ",
            Stage::Running => "",
            Stage::Stopping => "shutting down: ",
        };
        let mut x = self.text(0, y, &format!("{stage}{up} up"), Style::new().add_modifier(Modifier::BOLD));
        if failed > 0 {
            x = self.text(x, y, ",", Style::new()) + 1;
            let style = self.tint(Color::Red).add_modifier(Modifier::BOLD);
            x = self.text(x, y, &format!("{failed} failed"), style);
        }
        let all = sample.all;
        let used = format!(
            " of {} services; {} processes, CPU {}, memory {}",
            sample.services.len(),
            all.usage.processes,
            percent(all.cpu_permille),
            memory(sample.memory, all.usage.rss_bytes)
        );
        self.text(x, y, &used, Style::new());
    }

    fn keys(&mut self, y: u16, model: &Model) {
        if model.typing {
            let x = self.text(0, y, &format!("/{}", model.filter), Style::new());
            self.text(x, y, "█", Style::new());
            return;
        }
        let filter = if model.filter.is_empty() { String::new() } else { format!("/{}  ", model.filter) };
        self.text(0, y, &format!("{filter}{KEYS}  (by {})", model.order.as_str()), self.dim());
    }

    fn lines(&mut self, area: Rect, lines: &[&str]) {
        for (y, line) in (area.top()..area.bottom()).zip(lines) {
            self.text(0, y, line, Style::new());
        }
    }

    fn table(&mut self, area: Rect, model: &Model, sample: &Sample) {
        let rows = model.rows(sample);
        let cells: Vec<[String; COLUMNS.len()]> =
            rows.iter().map(|(service, used)| COLUMNS.map(|column| (column.cell)(service, used))).collect();
        let widths = widths(&cells, usize::from(area.width));
        let headings = COLUMNS.map(|column| column.heading.to_owned());
        let bold = Style::new().add_modifier(Modifier::BOLD);
        self.row(area.top(), &headings, &widths, |_| bold);
        // The selected row is always on the screen.
        let selected = model.selected_row(&rows);
        let room = usize::from(area.height.saturating_sub(1));
        let first = (selected + 1).saturating_sub(room);
        for (y, index) in (area.top() + 1..area.bottom()).zip(first..) {
            let (Some((service, _)), Some(cells)) = (rows.get(index), cells.get(index)) else { break };
            let state = self.state(service);
            self.row(y, cells, &widths, |column| if column == 1 { state } else { Style::new() });
            if index == selected {
                let line = Rect { y, height: 1, ..area };
                self.to.set_style(line, Style::new().add_modifier(Modifier::REVERSED));
            }
        }
    }

    fn state(&self, service: &ServiceStatus) -> Style {
        match paint::of_state(service) {
            paint::GREEN => self.tint(Color::Green),
            paint::RED => self.tint(Color::Red),
            paint::YELLOW => self.tint(Color::Yellow),
            _ => self.dim(),
        }
    }

    fn row(
        &mut self,
        y: u16,
        cells: &[String; COLUMNS.len()],
        widths: &[usize],
        style: impl Fn(usize) -> Style,
    ) {
        let mut x = 0;
        for (index, ((cell, &width), column)) in cells.iter().zip(widths).zip(&COLUMNS).enumerate() {
            let cell = paint::cut(cell, width);
            let padding = if column.number { width.saturating_sub(cell.chars().count()) } else { 0 };
            let place = x + u16::try_from(padding).unwrap_or(u16::MAX);
            self.text(place, y, &cell, style(index));
            x = x.saturating_add(u16::try_from(width + 2).unwrap_or(u16::MAX));
        }
    }

    /// A line with the service's name, and below it as many of its last lines as there is room for.
    fn log(&mut self, area: Rect, name: Option<&str>, lines: &[String]) {
        if area.height == 0 {
            return;
        }
        let heading = format!("── log of {}", name.unwrap_or("nothing"));
        let x = self.text(0, area.top(), &heading, self.dim()).saturating_add(1);
        let line = "─".repeat(usize::from(area.right().saturating_sub(x)));
        self.text(x, area.top(), &line, self.dim());
        let room = usize::from(area.height - 1);
        let last = lines.get(lines.len().saturating_sub(room)..).unwrap_or_default();
        for (y, line) in (area.top() + 1..area.bottom()).zip(last) {
            self.text(0, y, line, Style::new());
        }
    }
}

/// A name longer than this is cut where there is not room for everything.
const LONGEST_NAME: usize = 24;
/// A note narrower than this says nothing.
const NARROWEST_NOTE: usize = 8;

/// The widths of the columns that fit.
fn widths(rows: &[[String; COLUMNS.len()]], room: usize) -> Vec<usize> {
    let mut widths = COLUMNS.map(|column| column.heading.len());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let [name, ..] = &mut widths;
    *name = (*name).min(LONGEST_NAME.max(room / 3)).min(room);
    let mut left = room;
    let mut fitting = Vec::new();
    for (index, width) in widths.into_iter().enumerate() {
        let is_last = index + 1 == COLUMNS.len();
        if width.min(if is_last { NARROWEST_NOTE } else { width }) > left {
            break;
        }
        fitting.push(width.min(left));
        left = left.saturating_sub(width + 2);
    }
    fitting
}

fn memory(memory: Memory, rss: u64) -> String {
    match (memory.used, memory.limit) {
        (Some(used), Some(limit)) => format!("{} of {}", size(used), size(limit)),
        (Some(used), None) => size(used),
        (None, _) => size(rss),
    }
}

//! `svctl plot`: the boot as a picture, with a bar for each service, in SVG.
//!
//! It needs nothing from elsewhere, brings its own background, dark where the viewer wants it dark, and is written in a
//! font whose letters are all of a width, so that we know how much room names need.

use std::fmt::{Display, Write};

use crate::boot::Boot;
use crate::duration::taken;
use init_core::status::{FirstStartStatus, Phase};

use super::boot::outcome;
use super::paint::cut;

/// Pixels from one service to the next …
const ROW: f64 = 20.0;
/// … of which so many are its bar.
const BAR: f64 = 12.0;
/// From the beginning of the boot to its end.
const TIME: f64 = 900.0;
/// Right of that, for what is written after the last bars.
const AFTER: f64 = 170.0;
/// Around everything.
const MARGIN: f64 = 16.0;
/// What stands above the bars.
const HEAD: f64 = 112.0;
/// The width of a letter of the font, which is as wide as 0.6 of its 12 pixels of height.
const LETTER: f64 = 7.25;
/// Longer names are cut.
const LONGEST_NAME: usize = 40;
/// At least so far apart are the marks of the time axis.
const TICK: f64 = 80.0;
/// There is no room for more.
const MARKS: u64 = 16;
/// After so many services the axis is repeated below them.
const MANY: usize = 25;

/// What lies between two marks of the time axis, in milliseconds; beyond them each is twice the one before.
const STEPS: [u64; 21] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000,
    600_000, 1_800_000, 3_600_000,
];

const STYLE: &str = "\
text{font:12px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#1f2328}
.title{font-size:15px;font-weight:bold}.small{font-size:11px}.dim{fill:#656d76}.key{font-weight:bold}
.over{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-opacity:.75;stroke-linejoin:round}
.end{text-anchor:end}.middle{text-anchor:middle}
.ground{fill:#fff}.stripe{fill:#f6f8fa}.grid{stroke:#d8dee4}.complete{stroke:#1f2328;stroke-dasharray:4 3}
.waiting{fill:#b4bcc6}.starting{fill:#3b82d6}.upto{fill:#bfe5cc}.up,.done{fill:#1a7f4b}
.failed{fill:#d1242f}.skipped{fill:#8c959f}.chain{fill:none;stroke:#d4730b;stroke-width:2}
@media(prefers-color-scheme:dark){
text{fill:#e6edf3}.dim{fill:#9198a1}.over{stroke:#0d1117}
.ground{fill:#0d1117}.stripe{fill:#151b23}.grid{stroke:#2d343d}.complete{stroke:#e6edf3}
.waiting{fill:#59636e}.starting{fill:#4493f8}.upto{fill:#16452b}.up,.done{fill:#3fb950}
.failed{fill:#f85149}.skipped{fill:#7d8590}.chain{stroke:#f0883e}
}
";

/// The boot as an SVG document.
pub fn plot(boot: &Boot) -> String {
    let picture = Picture::new(boot);
    let mut svg = String::with_capacity(4096 + picture.rows.len() * 512);
    picture.draw(&mut svg);
    svg
}

struct Picture<'a> {
    boot: &'a Boot,
    /// From top to bottom.
    rows: Vec<&'a FirstStartStatus>,
    /// What the boot had to wait for, the last first, as places in `rows`.
    chain: Vec<usize>,
    /// Where time begins.
    left: f64,
    /// Pixels in a millisecond.
    scale: f64,
}

impl<'a> Picture<'a> {
    fn new(boot: &'a Boot) -> Picture<'a> {
        let rows = boot.in_order();
        let place = |link: &FirstStartStatus| rows.iter().position(|row| row.name == link.name);
        let chain = boot.critical_chain().into_iter().filter_map(place).collect();
        let longest = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
        let left = 2.0 * MARGIN + LETTER * pixels(longest.min(LONGEST_NAME));
        Picture { boot, chain, rows, left, scale: TIME / millis(boot.end_ms().max(1)) }
    }

    fn x(&self, ms: u64) -> f64 {
        self.left + millis(ms.min(self.boot.end_ms())) * self.scale
    }

    fn y(&self, row: usize) -> f64 {
        HEAD + pixels(row) * ROW
    }

    fn right(&self) -> f64 {
        self.left + TIME + AFTER
    }

    fn bottom(&self) -> f64 {
        self.y(self.rows.len().max(1))
    }

    fn draw(&self, to: &mut String) {
        let width = self.right() + MARGIN;
        let height = self.bottom() + if self.rows.len() > MANY { 2.0 * MARGIN } else { MARGIN };
        let _ = write!(
            to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n",
            self.title()
        );
        rect(to, "ground", (0.0, 0.0), (width, height));
        for row in (0..self.rows.len()).step_by(2) {
            rect(to, "stripe", (MARGIN / 2.0, self.y(row)), (width - MARGIN, ROW));
        }
        text(to, "title", (MARGIN, 30.0), self.title());
        legend(to);
        self.axis(to);
        for (index, row) in self.rows.iter().enumerate() {
            self.bars(to, row, self.y(index));
        }
        self.completion(to);
        self.links(to);
        // What is written lies above everything that is drawn.
        for (index, row) in self.rows.iter().enumerate() {
            self.words(to, row, self.y(index) + 14.0, self.chain.contains(&index));
        }
        to.push_str("</svg>\n");
    }

    fn title(&self) -> String {
        let counts =
            [Phase::Up, Phase::Done, Phase::Skipped, Phase::Failed].into_iter().filter_map(|phase| {
                let count = self.rows.iter().filter(|row| row.state == phase).count();
                (count > 0).then(|| format!("{count} {}", phase.as_str()))
            });
        let counts: Vec<String> = counts.collect();
        let counts = if counts.is_empty() { "nothing was started".to_owned() } else { counts.join(", ") };
        match self.boot.complete_ms {
            Some(complete) => format!("Boot complete after {}: {counts}", taken(complete)),
            None => format!("Booting for {}: {counts}", taken(self.boot.now_ms)),
        }
    }

    fn axis(&self, to: &mut String) {
        let (above, below) = (HEAD - 4.0, self.bottom());
        let step = step(self.scale);
        let marks = (0..=MARKS).map(|mark| step.saturating_mul(mark));
        for (ms, x) in marks.map(|ms| (ms, self.left + millis(ms) * self.scale)) {
            if x > self.right() {
                break;
            }
            line(to, "grid", (x, above), (x, below));
            text(to, "small dim middle", (x, above - 4.0), taken(ms));
            if self.rows.len() > MANY {
                text(to, "small dim middle", (x, below + 14.0), taken(ms));
            }
        }
    }

    fn bars(&self, to: &mut String, row: &FirstStartStatus, y: f64) {
        let top = y + (ROW - BAR) / 2.0;
        let end = self.boot.end_ms();
        let settled = row.settled_ms.unwrap_or(end);
        let started = row.started_ms.unwrap_or(settled);
        let _ = write!(to, "<g><title>{}</title>", Escaped(&self.story(row)));
        let mut bar = |class: &str, from: f64, until: f64, height: f64| {
            if until > from {
                rect(to, class, (from, y + (ROW - height) / 2.0), (until - from, height));
            }
        };
        bar("waiting", self.x(row.wanted_ms), self.x(started), 4.0);
        if row.state == Phase::Up && row.settled_ms.is_some() {
            // After the boot it is so still; what comes after now nobody knows.
            let until = if self.boot.complete_ms.is_some() { self.right() } else { self.x(end) };
            bar("upto", self.x(settled), until, BAR);
        }
        bar(during(row), self.x(started), self.x(settled), BAR);
        // So that one that took no time is seen too.
        if row.settled_ms.is_some() {
            rect(to, after(row), (self.x(settled) - 1.5, top), (3.0, BAR));
        }
        to.push_str("</g>\n");
    }

    /// The line at which the boot was complete.
    fn completion(&self, to: &mut String) {
        let Some(complete) = self.boot.complete_ms else { return };
        let x = self.x(complete);
        line(to, "complete", (x, HEAD - 32.0), (x, self.bottom()));
        text(to, "small key", (x + 5.0, HEAD - 24.0), format!("complete {}", taken(complete)));
    }

    /// From each service that the boot had to wait for to the next.
    fn links(&self, to: &mut String) {
        for pair in self.chain.windows(2) {
            let [next, before] = *pair else { continue };
            let middle = |row: usize| self.y(row) + ROW / 2.0;
            let times = (self.rows.get(before), self.rows.get(next));
            let (Some(before_row), Some(next_row)) = times else { continue };
            let from = self.x(before_row.settled_ms.unwrap_or(0));
            let until = self.x(next_row.started_ms.or(next_row.settled_ms).unwrap_or(0));
            let _ = writeln!(
                to,
                "<path class=\"chain\" d=\"M{from:.1} {:.1}V{:.1}H{until:.1}\"/>",
                middle(before),
                middle(next)
            );
        }
    }

    fn words(&self, to: &mut String, row: &FirstStartStatus, y: f64, is_key: bool) {
        let key = if is_key { " key" } else { "" };
        text(to, &format!("end{key}"), (self.left - MARGIN / 2.0, y), cut(&row.name, LONGEST_NAME));
        let at = self.x(row.settled_ms.unwrap_or(u64::MAX)) + 6.0;
        text(to, &format!("small over{key}"), (at, y), self.remark(row));
    }

    /// What stands behind a service's bar.
    fn remark(&self, row: &FirstStartStatus) -> String {
        match (row.state, self.boot.took_ms(row)) {
            (Phase::Up | Phase::Done, Some(took)) if row.settled_ms.is_some() => taken(took),
            (_, Some(took)) => format!("{}, {}", taken(took), outcome(row)),
            (_, None) => outcome(row).to_owned(),
        }
    }

    /// What is shown where the pointer rests.
    fn story(&self, row: &FirstStartStatus) -> String {
        let mut story = format!("{}: wanted at {}", row.name, taken(row.wanted_ms));
        if let Some(on) = &row.waited_for {
            let _ = write!(story, ", waited for {on}");
        }
        if let Some(started) = row.started_ms {
            let _ = write!(story, ", started at {}", taken(started));
        }
        match row.settled_ms {
            Some(settled) => {
                let _ = write!(story, ", {} at {}", outcome(row), taken(settled));
            }
            None => {
                let _ = write!(story, ", {}", outcome(row));
            }
        }
        story
    }
}

/// The colour of the time between start and outcome.
fn during(row: &FirstStartStatus) -> &'static str {
    match (row.settled_ms, row.state) {
        (Some(_), Phase::Failed) => "failed",
        (Some(_), Phase::Skipped | Phase::Down) => "skipped",
        _ => "starting",
    }
}

/// The colour of the outcome.
fn after(row: &FirstStartStatus) -> &'static str {
    match row.state {
        Phase::Failed => "failed",
        Phase::Up | Phase::Done => "up",
        _ => "skipped",
    }
}

/// What the colours mean.
fn legend(to: &mut String) {
    let middle = 52.0;
    let top = middle - BAR / 2.0;
    let mut x = MARGIN;
    let items = ["waiting", "starting", "up", "done", "failed", "skipped", "complete", "chain"];
    for class in items {
        match class {
            "waiting" => rect(to, class, (x, middle - 2.0), (20.0, 4.0)),
            "up" => {
                rect(to, "upto", (x, top), (20.0, BAR));
                rect(to, class, (x, top), (3.0, BAR));
            }
            "done" => rect(to, class, (x + 17.0, top), (3.0, BAR)),
            "complete" => line(to, class, (x + 10.0, top - 2.0), (x + 10.0, top + BAR + 2.0)),
            "chain" => line(to, class, (x, middle), (x + 20.0, middle)),
            _ => rect(to, class, (x, top), (20.0, BAR)),
        }
        let words = match class {
            "waiting" => "waits for another",
            "complete" => "boot complete",
            "chain" => "what the boot waited for",
            class => class,
        };
        text(to, "small", (x + 26.0, middle + 4.0), words);
        x += 26.0 + LETTER * pixels(words.len()) + MARGIN;
    }
}

/// The least round step at which marks of the time axis are far enough apart.
fn step(scale: f64) -> u64 {
    let wide = |step: u64| millis(step) * scale >= TICK;
    let longer = std::iter::successors(STEPS.last().copied(), |step| step.checked_mul(2));
    STEPS.into_iter().chain(longer).find(|&step| wide(step)).unwrap_or(u64::MAX)
}

type Point = (f64, f64);

fn rect(to: &mut String, class: &str, (x, y): Point, (width, height): Point) {
    let _ = writeln!(
        to,
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
    );
}

fn line(to: &mut String, class: &str, (x, y): Point, (x2, y2): Point) {
    let _ = writeln!(to, "<path class=\"{class}\" d=\"M{x:.1} {y:.1}L{x2:.1} {y2:.1}\"/>");
}

fn text(to: &mut String, class: &str, (x, y): Point, words: impl AsRef<str>) {
    let words = Escaped(words.as_ref());
    let _ = writeln!(to, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>");
}

/// Text as XML can hold it.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            // No XML document may hold these, however they are written.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                f.write_char(char::REPLACEMENT_CHARACTER)
            }
            c => f.write_char(c),
        })
    }
}

#[allow(clippy::cast_precision_loss, reason = "to a pixel it is exact enough")]
fn millis(ms: u64) -> f64 {
    ms as f64
}

#[allow(clippy::cast_precision_loss, reason = "there are not that many")]
fn pixels(count: usize) -> f64 {
    count as f64
}

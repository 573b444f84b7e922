//! The terminal, the clock, and the questions to `init`.

use std::io::{self, IsTerminal, Stdout};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{self, Event};
use crossterm::execute;
use crossterm::terminal::{
    self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use signal_hook::consts::SIGTERM;

use super::draw::{Beside, draw};
use super::model::{Effect, Model};
use super::sample::{Memory, Sample};
use crate::commands::ask::Init;
use crate::exit::{Code, Trouble};
use crate::output::Screen;
use crate::processes;
use init_plan::id;

/// How many of a service's last lines are asked for: as many as the tallest screen shows.
const LINES: usize = 300;
/// What a terminal that does not know its size is taken for.
const USUAL: (u16, u16) = (80, 24);

/// `svctl top`: looks again after each `interval`, until the person has seen enough.
///
/// # Errors
/// If standard output is no terminal, `init` cannot be asked at the beginning, or SIGTERM ends it.
pub fn run(init: &Init, names: &[String], interval: Duration) -> Result<(), Trouble> {
    if !io::stdout().is_terminal() {
        let message = "standard output is no terminal; svctl list -u prints the same once";
        return Err(Trouble::said(Code::Usage, id!("C0201"), message));
    }
    // Whatever can be refused is refused before the screen is taken.
    let mut live = Live::start(init, names)?;
    let terminated = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGTERM, Arc::clone(&terminated)).map_err(|error| refused(&error))?;
    let taken = Taken::new().map_err(|error| refused(&error))?;
    let ended = live.until_quit(interval, &terminated);
    drop(taken);
    ended.map_err(|error| refused(&error))?;
    if terminated.load(Ordering::Relaxed) {
        return Err(Trouble::Interrupted(Code::Terminated, ""));
    }
    Ok(())
}

fn refused(error: &io::Error) -> Trouble {
    Trouble::said(Code::Failed, id!("C0202"), format!("cannot use the terminal: {error}"))
}

/// The screen, until this is dropped.
struct Taken;

impl Taken {
    fn new() -> io::Result<Taken> {
        enable_raw_mode()?;
        let taken = Taken;
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that does not take it.
        let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

struct Live<'a> {
    init: &'a Init,
    names: &'a [String],
    model: Model,
    sample: Sample,
    sampled: Instant,
    lines: Vec<String>,
    trouble: Option<String>,
}

impl<'a> Live<'a> {
    fn start(init: &'a Init, names: &'a [String]) -> Result<Live<'a>, Trouble> {
        let (model, sampled) = (Model::default(), Instant::now());
        let sample = look(init, names, None, 0)?;
        let mut live = Live { init, names, model, sample, sampled, lines: Vec::new(), trouble: None };
        live.ask_for_log();
        Ok(live)
    }

    fn until_quit(&mut self, interval: Duration, terminated: &AtomicBool) -> io::Result<()> {
        let mut area = screen();
        let mut terminal = cleared(area)?;
        loop {
            let now = screen();
            if std::mem::replace(&mut area, now) != now {
                terminal = cleared(area)?;
            }
            self.draw(&mut terminal)?;
            let due = self.sampled + interval;
            if event::poll(due.saturating_duration_since(Instant::now()))? && self.is_done()? {
                return Ok(());
            }
            if terminated.load(Ordering::Relaxed) {
                return Ok(());
            }
            if Instant::now() >= due {
                self.look();
            }
        }
    }

    fn draw(&self, terminal: &mut Terminal<CrosstermBackend<Stdout>>) -> io::Result<()> {
        let colour = Screen::of_stdout().colour;
        let beside = Beside { lines: &self.lines, trouble: self.trouble.as_deref(), colour };
        terminal.draw(|frame| draw(frame.buffer_mut(), &self.model, &self.sample, beside)).map(drop)
    }

    /// Takes in all that has been typed; whether that is the end.
    fn is_done(&mut self) -> io::Result<bool> {
        let mut asks = false;
        loop {
            if let Event::Key(key) = event::read()? {
                match self.model.key(key, &self.sample) {
                    Effect::Quit => return Ok(true),
                    Effect::Ask => asks = true,
                    Effect::Draw => {}
                }
            }
            if !event::poll(Duration::ZERO)? {
                break;
            }
        }
        if asks {
            self.ask_for_log();
        }
        Ok(false)
    }

    /// Looks again. An `init` that does not answer is said to, and what was seen last stays.
    fn look(&mut self) {
        let elapsed = u64::try_from(self.sampled.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.sampled = Instant::now();
        match look(self.init, self.names, Some(&self.sample), elapsed) {
            Ok(sample) => {
                self.sample = sample;
                self.trouble = None;
                self.ask_for_log();
            }
            Err(trouble) => self.trouble = Some(said(trouble)),
        }
    }

    fn ask_for_log(&mut self) {
        let Some(name) = self.model.selected_name(&self.sample) else { return self.lines.clear() };
        self.lines = match self.init.last_lines(name, LINES) {
            Ok(Ok(lines)) => lines,
            Ok(Err(why)) => vec![why],
            Err(trouble) => vec![said(trouble)],
        };
    }
}

fn said(trouble: Trouble) -> String {
    match trouble {
        Trouble::Said(_, message) => message,
        Trouble::Shown(_) | Trouble::Interrupted(..) | Trouble::NobodyReads => String::new(),
    }
}

fn look(init: &Init, names: &[String], before: Option<&Sample>, elapsed: u64) -> Result<Sample, Trouble> {
    let services = init.services_with_strays(names)?;
    Ok(Sample::new(services, &processes::all()?, Memory::read(Path::new("/")), before, elapsed))
}

/// An empty screen of this size. ratatui's own way of clearing it asks the terminal where its cursor is, and not every terminal
/// answers.
fn cleared(area: Rect) -> io::Result<Terminal<CrosstermBackend<Stdout>>> {
    execute!(io::stdout(), Clear(ClearType::All))?;
    let options = TerminalOptions { viewport: Viewport::Fixed(area) };
    Terminal::with_options(CrosstermBackend::new(io::stdout()), options)
}

/// The whole screen.
fn screen() -> Rect {
    let (columns, rows) = terminal::size().unwrap_or(USUAL);
    let or = |size, usual| if size == 0 { usual } else { size };
    Rect::new(0, 0, or(columns, USUAL.0), or(rows, USUAL.1))
}

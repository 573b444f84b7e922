//! What the person chose: the order, the selection, the filter. Keys change it, and nothing else.

use std::cmp::Reverse;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use init_core::status::ServiceStatus;

use super::sample::{Sample, Used};
use crate::render::table::is_of_interest;

/// What the rows are sorted by.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Order {
    /// The order in which services start.
    #[default]
    Start,
    /// The share of a processor, the largest first.
    Cpu,
    /// Memory, the largest first.
    Memory,
    /// Processes, the most first.
    Processes,
    /// The name.
    Name,
}

impl Order {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Order::Start => "start",
            Order::Cpu => "CPU",
            Order::Memory => "memory",
            Order::Processes => "processes",
            Order::Name => "name",
        }
    }

    fn next(self) -> Order {
        match self {
            Order::Start => Order::Cpu,
            Order::Cpu => Order::Memory,
            Order::Memory => Order::Processes,
            Order::Processes => Order::Name,
            Order::Name => Order::Start,
        }
    }
}

/// What fills the screen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum View {
    /// The table of services, and below it the last lines of the selected one.
    #[default]
    Table,
    /// The last lines of the selected service alone.
    Log,
    /// The keys.
    Help,
}

/// What is to be done after a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// To draw again.
    Draw,
    /// To ask for the log of another service, and draw again.
    Ask,
    /// To end.
    Quit,
}

/// The longest filter, in characters.
const LONGEST_FILTER: usize = 64;

/// What the person chose.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// What the rows are sorted by.
    pub order: Order,
    /// What fills the screen.
    pub view: View,
    /// Whether services are shown that are done or were never asked for.
    pub all: bool,
    /// Only services are shown in whose name this stands.
    pub filter: String,
    /// Whether the filter is being typed.
    pub typing: bool,
    /// The name of the selected service; if it is not shown, the first one is selected.
    pub selected: Option<String>,
}

/// How many rows a page is.
const PAGE: usize = 10;

impl Model {
    /// The services to show, in their order.
    pub fn rows<'a>(&self, sample: &'a Sample) -> Vec<&'a (ServiceStatus, Used)> {
        let is_shown = |(service, _): &&(ServiceStatus, Used)| {
            (self.all || !self.filter.is_empty() || is_of_interest(service))
                && service.name.contains(&self.filter)
        };
        let mut rows: Vec<&(ServiceStatus, Used)> = sample.services.iter().filter(is_shown).collect();
        match self.order {
            Order::Start => {}
            Order::Cpu => rows.sort_by_key(|(_, used)| Reverse(used.cpu_permille)),
            Order::Memory => rows.sort_by_key(|(_, used)| Reverse(used.usage.rss_bytes)),
            Order::Processes => rows.sort_by_key(|(_, used)| Reverse(used.usage.processes)),
            Order::Name => rows.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name)),
        }
        rows
    }

    /// The row that is selected; 0 if there are none.
    pub fn selected_row(&self, rows: &[&(ServiceStatus, Used)]) -> usize {
        let is_selected = |row: &&(ServiceStatus, Used)| Some(&row.0.name) == self.selected.as_ref();
        rows.iter().position(is_selected).unwrap_or(0)
    }

    /// The selected service.
    pub fn selected_name<'a>(&self, sample: &'a Sample) -> Option<&'a str> {
        let rows = self.rows(sample);
        rows.get(self.selected_row(&rows)).map(|(service, _)| service.name.as_str())
    }

    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent, sample: &Sample) -> Effect {
        if key.kind == KeyEventKind::Release {
            return Effect::Draw;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_control && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Effect::Quit;
        }
        let before = self.selected_name(sample).map(str::to_owned);
        let effect = if self.typing { self.type_in(key.code) } else { self.command(key.code, sample) };
        let asks = effect == Effect::Draw && self.selected_name(sample) != before.as_deref();
        if asks { Effect::Ask } else { effect }
    }

    fn type_in(&mut self, key: KeyCode) -> Effect {
        match key {
            KeyCode::Char(c) if !c.is_control() && self.filter.chars().count() < LONGEST_FILTER => {
                self.filter.push(c);
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            _ => {}
        }
        Effect::Draw
    }

    fn command(&mut self, key: KeyCode, sample: &Sample) -> Effect {
        match key {
            KeyCode::Char('q') => return Effect::Quit,
            KeyCode::Esc if self.view == View::Table && self.filter.is_empty() => return Effect::Quit,
            KeyCode::Esc if self.view == View::Table => self.filter.clear(),
            KeyCode::Esc => self.view = View::Table,
            KeyCode::Enter | KeyCode::Char('l') => {
                self.view = if self.view == View::Log { View::Table } else { View::Log };
            }
            KeyCode::Char('?' | 'h') => {
                self.view = if self.view == View::Help { View::Table } else { View::Help };
            }
            KeyCode::Up | KeyCode::Char('k') => self.move_by(sample, |row, _| row.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.move_by(sample, |row, _| row + 1),
            KeyCode::PageUp => self.move_by(sample, |row, _| row.saturating_sub(PAGE)),
            KeyCode::PageDown => self.move_by(sample, |row, _| row + PAGE),
            KeyCode::Home | KeyCode::Char('g') => self.move_by(sample, |_, _| 0),
            KeyCode::End | KeyCode::Char('G') => self.move_by(sample, |_, last| last),
            KeyCode::Char('a') => self.all = !self.all,
            KeyCode::Char('/') => {
                self.view = View::Table;
                self.typing = true;
            }
            KeyCode::Char('s') => self.order = self.order.next(),
            KeyCode::Char('c') => self.order = Order::Cpu,
            KeyCode::Char('m') => self.order = Order::Memory,
            KeyCode::Char('p') => self.order = Order::Processes,
            KeyCode::Char('n') => self.order = Order::Name,
            KeyCode::Char('o') => self.order = Order::Start,
            _ => {}
        }
        Effect::Draw
    }

    fn move_by(&mut self, sample: &Sample, to: impl Fn(usize, usize) -> usize) {
        let rows = self.rows(sample);
        let last = rows.len().saturating_sub(1);
        let row = to(self.selected_row(&rows), last).min(last);
        self.selected = rows.get(row).map(|(service, _)| service.name.clone());
    }
}

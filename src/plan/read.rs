//! A small typed reader over a [`Tree`]: every key is taken by name and turned into a value, and what is wrong is
//! noted in the [`Report`] with its place, after which reading goes on. `None` from a reading function means "not
//! there" or "wrong, and said so"; either way the caller uses the default and the plan is refused in the end.
//!
//! (Deserialising with serde would stop at a file's first problem.)

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::expand::expand;
use super::keys::SERVICE_KEYS;
use super::message_id::MessageId;
use super::model::Log;
use super::report::{At, Report};
use super::source::Environment;
use super::suggest::{listed, nearest};
use super::tree::{Entry, Node, Tree, Value};
use super::values;
use crate::id;

/// Something the plan says of the system it will run on; `init check` looks whether it is so.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Claim {
    /// A program that will be run; looked for in these directories (`PATH`) if it has no slash.
    Program {
        /// As in `exec`.
        program: String,
        /// The service's `PATH`.
        path: Option<String>,
    },
    /// A user, by name.
    User(String),
    /// A group, by name.
    Group(String),
}

impl Claim {
    /// The id of the message that it does not hold.
    pub fn id(&self) -> MessageId {
        match self {
            Claim::Program { .. } => id!("D0701"),
            Claim::User(_) => id!("D0702"),
            Claim::Group(_) => id!("D0703"),
        }
    }
}

/// What reading a file needs besides the file.
pub(super) struct Scope<'a> {
    pub report: &'a Report<'a>,
    pub environment: &'a Environment,
    /// `SERVICE`, and in templates `TEMPLATE` and `INSTANCE`: they hide the container's.
    pub own: &'a [(&'static str, &'a str)],
    /// How services log that do not say it themselves.
    pub log: Log,
    /// Where claims are noted, if anybody asked for them.
    pub claims: Option<&'a RefCell<Vec<(At, Claim)>>>,
}

impl<'a> Scope<'a> {
    fn lookup(&self, name: &str) -> Option<&'a str> {
        let own = self.own.iter().find(|(key, _)| *key == name).map(|&(_, value)| value);
        own.or_else(|| self.environment.get(name).map(String::as_str))
    }

    pub fn claim(&self, at: At, claim: impl FnOnce() -> Claim) {
        if let Some(claims) = self.claims {
            claims.borrow_mut().push((at, claim()));
        }
    }

    /// How many claims there are.
    pub fn claimed(&self) -> usize {
        self.claims.map_or(0, |claims| claims.borrow().len())
    }

    /// Says where the programs of the claims from the one of this number on are looked for.
    pub fn search(&self, first: usize, directories: Option<&str>) {
        let Some(claims) = self.claims else { return };
        for (_, claim) in claims.borrow_mut().iter_mut().skip(first) {
            if let Claim::Program { path, .. } = claim {
                *path = directories.map(str::to_owned);
            }
        }
    }
}

/// A table being read.
pub(super) struct Table<'a> {
    pub scope: &'a Scope<'a>,
    /// Where the table stands.
    pub at: At,
    /// What to put before its keys in messages: `restart.`
    prefix: &'static str,
    tree: &'a Tree<'a>,
    seen: Vec<bool>,
    asked: Vec<&'static str>,
}

impl<'a> Table<'a> {
    pub fn new(scope: &'a Scope<'a>, prefix: &'static str, at: At, tree: &'a Tree<'a>) -> Table<'a> {
        // A service has some fifty keys, no other table more than sixteen.
        let asked = Vec::with_capacity(if prefix.is_empty() { 50 } else { 16 });
        Table { scope, at, prefix, tree, seen: vec![false; tree.entries.len()], asked }
    }

    /// The value of a key, if it is there. Every key of the table must be asked for, there or not.
    pub fn take(&mut self, key: &'static str) -> Option<Item<'a>> {
        self.asked.push(key);
        let index = self.tree.entries.iter().position(|entry| entry.key == key)?;
        if let Some(seen) = self.seen.get_mut(index) {
            *seen = true;
        }
        self.tree.entries.get(index).map(|entry| self.item(entry))
    }

    /// Whether a key is there, without taking it.
    pub fn has(&self, key: &str) -> bool {
        self.tree.get(key).is_some()
    }

    /// Everything that was not taken, whatever its key.
    pub fn rest(&mut self) -> Vec<Item<'a>> {
        let rest = self.tree.entries.iter().zip(&mut self.seen).filter(|(_, seen)| !**seen);
        let rest: Vec<&Entry> = rest.map(|(entry, seen)| (entry, *seen = true).0).collect();
        rest.into_iter().map(|entry| self.item(entry)).collect()
    }

    /// Notes a problem with the table as a whole; the message goes on after its name.
    pub fn wrong(&self, id: MessageId, message: &str) {
        let name = self.prefix.trim_end_matches('.');
        self.scope.report.error(self.at, id, format!("[{name}] {message}"));
    }

    /// Notes that something is not there; the table is the file's own.
    pub fn missing(&self, id: MessageId, message: &str) {
        self.scope.report.error(self.at, id, message);
    }

    /// The value of a key, without taking it.
    pub fn peek(&self, key: &str) -> Option<Item<'a>> {
        self.tree.get(key).map(|entry| self.item(entry))
    }

    /// Knows a key that somebody else reads.
    pub fn allow(&mut self, key: &'static str) {
        self.take(key);
    }

    /// Notes that a key of another table stands in this one, and passes over it.
    pub fn misused(&mut self, key: &str, id: MessageId, message: &str) {
        let entries = self.tree.entries.iter().zip(&mut self.seen).find(|(entry, _)| entry.key == key);
        if let Some((entry, seen)) = entries {
            *seen = true;
            self.item(entry).misplaced::<()>(id, message);
        }
    }

    fn item(&self, entry: &'a Entry<'a>) -> Item<'a> {
        Item { scope: self.scope, prefix: self.prefix, key: &entry.key, key_at: entry.at, node: &entry.node }
    }

    /// The end of the table: keys that nobody asked for are unknown.
    pub fn done(mut self) {
        self.finish();
    }

    /// Keys that stand behind a `[table]` are keys of that table, which a person who adds a line at the end of a file
    /// may not think of.
    fn is_key_of_service(&self, key: &str) -> bool {
        !self.prefix.is_empty() && SERVICE_KEYS.contains(&key)
    }

    /// The same for a table that is only borrowed.
    pub fn finish(&mut self) {
        #[cfg(test)]
        known::note(self.prefix, &self.asked);
        for item in self.rest() {
            let cure = match nearest(item.key, self.asked.iter().copied()) {
                _ if self.is_key_of_service(item.key) => {
                    format!(
                        "; `{}` is a key of the service itself: write it above the first [table]",
                        item.key
                    )
                }
                Some(known) => format!("; did you mean `{}{known}`?", self.prefix),
                None if self.asked.len() <= 12 => {
                    format!("; known here: {}", listed(self.asked.iter().copied()))
                }
                None => "; `init schema` shows every key".to_owned(),
            };
            let message = format!("unknown key `{}`{cure}", item.name());
            self.scope.report.error(item.key_at, id!("D0301"), message);
        }
    }
}

/// What the reader knows, for the test that compares it with the schema.
#[cfg(test)]
pub(super) mod known {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        pub static KEYS: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
    }

    pub fn note(prefix: &str, asked: &[&str]) {
        KEYS.with_borrow_mut(|keys| keys.extend(asked.iter().map(|key| format!("{prefix}{key}"))));
    }
}

/// A key's value, or an element of a list.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub scope: &'a Scope<'a>,
    prefix: &'static str,
    pub key: &'a str,
    pub key_at: At,
    pub node: &'a Node<'a>,
}

impl<'a> Item<'a> {
    /// Its key, with the tables it is in.
    pub fn name(&self) -> String {
        format!("{}{}", self.prefix, self.key)
    }

    pub fn at(&self) -> At {
        self.node.at
    }

    /// Notes a problem with the value; the message goes on after the key's name.
    pub fn wrong<T>(&self, id: MessageId, message: impl AsRef<str>) -> Option<T> {
        self.note(id, false, message.as_ref());
        None
    }

    /// Notes that the key should not be there; the message goes on after the key's name.
    pub fn misplaced<T>(&self, id: MessageId, message: impl AsRef<str>) -> Option<T> {
        self.note(id, true, message.as_ref());
        None
    }

    /// One function for all types that callers want a `None` of.
    #[inline(never)]
    fn note(&self, id: MessageId, misplaced: bool, message: &str) {
        let (at, name) = (if misplaced { self.key_at } else { self.at() }, self.name());
        let message = if misplaced { format!("`{name}` {message}") } else { format!("{name}: {message}") };
        self.scope.report.error(at, id, message);
    }

    fn not_a<T>(&self, wanted: &str) -> Option<T> {
        self.wrong(id!("D0401"), format!("must be {wanted}, not {}", self.node.value.kind()))
    }

    /// A string, variables replaced.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        match &self.node.value {
            Value::String(text) => self.expanded(text),
            _ => self.not_a("a string"),
        }
    }

    fn expanded(&self, text: &'a str) -> Option<Cow<'a, str>> {
        match expand(text, &|name| self.scope.lookup(name)) {
            // Neither execve(2) nor any path can carry it.
            Ok(text) if text.contains('\0') => self.wrong(id!("D0402"), "must not hold a NUL character"),
            Ok(text) => match values::fits_a_word(text.len()) {
                Ok(()) => Some(text),
                Err(why) => self.wrong(values::TOO_LONG, why),
            },
            Err(why) => self.wrong(id!("D0404"), why),
        }
    }

    /// A string that `parse` understands; what it does not understand has this id.
    pub fn parsed<T>(&self, id: MessageId, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        parse(&self.text()?).map_or_else(|why| self.wrong(id, why), Some)
    }

    /// One line for people.
    pub fn line(&self) -> Option<Box<str>> {
        self.parsed(id!("D0416"), values::line)
    }

    /// An absolute path.
    pub fn absolute(&self) -> Option<PathBuf> {
        self.parsed(values::NOT_ABSOLUTE, values::absolute)
    }

    /// A regular expression.
    pub fn regex(&self) -> Option<Box<str>> {
        self.parsed(id!("D0418"), values::regex)
    }

    /// The name of a variable.
    pub fn variable(&self) -> Option<Box<str>> {
        self.parsed(values::VARIABLE, values::variable)
    }

    /// A string, kept.
    pub fn string(&self) -> Option<Box<str>> {
        self.text().map(|text| text.into_owned().into_boxed_str())
    }

    /// One of some words.
    pub fn word<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some(&(_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(value);
        }
        let words = listed(words.iter().map(|(word, _)| *word));
        self.wrong(id!("D0405"), format!("must be one of {words}, not `{text}`{}", self.variables()))
    }

    /// Which variables the value comes from, for a message: whoever set one may never have seen this file.
    fn variables(&self) -> String {
        let Value::String(text) = &self.node.value else { return String::new() };
        let name = |rest: &str| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            rest.get(..end).map(|name| format!("${name}"))
        };
        let names: Vec<String> = text.split("${").skip(1).filter_map(name).collect();
        if names.is_empty() { String::new() } else { format!(" (from {})", names.join(", ")) }
    }

    /// True or false; also as a string, so that it may come from a variable.
    pub fn boolean(&self) -> Option<bool> {
        match &self.node.value {
            Value::Boolean(truth) => Some(*truth),
            Value::String(_) => self.word(&[("true", true), ("false", false)]),
            _ => self.not_a("true or false"),
        }
    }

    /// A whole number within bounds; also as a string, so that it may come from a variable.
    pub fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let id = id!("D0406");
        let wanted = || format!("a whole number from {} to {}", range.start(), range.end());
        let (number, shown) = match &self.node.value {
            Value::Integer(number) => (*number, None),
            Value::String(text) => {
                let text = self.expanded(text)?;
                (text.trim().parse().ok(), Some(text))
            }
            _ => return self.not_a(&wanted()),
        };
        match (number, shown) {
            (Some(number), _) if range.contains(&number) => Some(number),
            (Some(number), _) => {
                self.wrong(id, format!("must be {}, not {number}{}", wanted(), self.variables()))
            }
            (None, Some(text)) => {
                self.wrong(id, format!("must be {}, not `{text}`{}", wanted(), self.variables()))
            }
            (None, None) => self.wrong(id, format!("must be {}", wanted())),
        }
    }

    /// Whether it is a whole number in that range. Nothing is said if it is not.
    pub fn fits(&self, range: RangeInclusive<i64>) -> bool {
        let number = match &self.node.value {
            Value::Integer(number) => *number,
            Value::String(text) => self.expanded(text).and_then(|text| text.trim().parse().ok()),
            _ => None,
        };
        number.is_some_and(|number| range.contains(&number))
    }

    /// A whole number that fits its type.
    pub fn number<T: TryFrom<i64>>(&self, range: RangeInclusive<i64>) -> Option<T> {
        self.integer(range).and_then(|number| T::try_from(number).ok())
    }

    /// A number within bounds, in percent.
    pub fn ratio(&self, range: RangeInclusive<f64>) -> Option<u32> {
        let wanted = || format!("a number from {} to {}", range.start(), range.end());
        let number = match &self.node.value {
            Value::Float(number) => *number,
            Value::Integer(number) => number.map_or(f64::NAN, |n| n as f64),
            Value::String(text) => self.expanded(text)?.trim().parse().unwrap_or(f64::NAN),
            _ => return self.not_a(&wanted()),
        };
        if range.contains(&number) {
            Some((number * 100.0).round() as u32)
        } else {
            self.wrong(id!("D0407"), format!("must be {}", wanted()))
        }
    }

    /// A duration, 0 included.
    pub fn duration(&self) -> Option<Duration> {
        match &self.node.value {
            Value::Integer(Some(number)) => {
                self.wrong(id!("D0408"), format!("needs a unit: \"{number}s\" or \"{number}ms\""))
            }
            _ => self.parsed(id!("D0409"), values::duration),
        }
    }

    /// A duration above 0.
    pub fn timeout(&self) -> Option<Duration> {
        let time = self.duration()?;
        if time.is_zero() { self.wrong(values::ZERO, "must be more than 0") } else { Some(time) }
    }

    /// A duration above 0, or `none`: for ever.
    pub fn timeout_or_none(&self) -> Option<Option<Duration>> {
        match &self.node.value {
            Value::String(text) if text == "none" => Some(None),
            Value::String(text) if text.contains('$') && self.expanded(text)? == "none" => Some(None),
            _ => match self.duration()? {
                Duration::ZERO => self.wrong(values::ZERO, "must be more than 0; for ever is \"none\""),
                time => Some(Some(time)),
            },
        }
    }

    /// Bytes, as a number or with a unit.
    pub fn size(&self) -> Option<u64> {
        match &self.node.value {
            Value::Integer(Some(number)) => match u64::try_from(*number) {
                Ok(number) => Some(number),
                Err(_) => self.wrong(id!("D0411"), "must not be negative"),
            },
            _ => self.parsed(id!("D0412"), values::size),
        }
    }

    /// The elements of a list.
    pub fn list(&self) -> Option<Vec<Item<'a>>> {
        match &self.node.value {
            Value::Array(nodes) => Some(nodes.iter().map(|node| Item { node, ..*self }).collect()),
            _ => self.not_a("a list"),
        }
    }

    /// A list, or one element that stands for itself.
    pub fn one_or_list(&self) -> Option<Vec<Item<'a>>> {
        match &self.node.value {
            Value::Array(_) => self.list(),
            _ => Some(vec![*self]),
        }
    }

    /// A list of strings.
    pub fn strings(&self) -> Option<Vec<Box<str>>> {
        Some(self.list()?.iter().filter_map(Item::string).collect())
    }

    /// A program and its arguments.
    pub fn command(&self) -> Option<Vec<Box<str>>> {
        if let Value::String(text) = &self.node.value {
            let words =
                text.split_whitespace().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
            let message = format!("must be a list, for no shell takes it apart: [{words}]");
            return self.wrong(id!("D0413"), message);
        }
        let words = self.strings()?;
        match words.first() {
            None => self.wrong(id!("D0414"), "must name a program"),
            Some(program) if program.is_empty() => self.wrong(id!("D0415"), "the program's name is empty"),
            Some(program) => {
                let program = program.to_string();
                self.scope.claim(self.at(), || Claim::Program { program, path: None });
                Some(words)
            }
        }
    }

    /// A table; `prefix` is its name with a dot behind it.
    pub fn table(&self, prefix: &'static str) -> Option<Table<'a>> {
        match &self.node.value {
            // The key, since a `[header]`'s span may begin elsewhere when its keys are dotted.
            Value::Table(tree) => Some(Table::new(self.scope, prefix, self.key_at, tree)),
            _ => self.not_a("a table"),
        }
    }

    /// Whether it is a table.
    pub fn is_table(&self) -> bool {
        matches!(self.node.value, Value::Table(_))
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        matches!(self.node.value, Value::Array(_))
    }

    /// Whether it is a string.
    pub fn is_string(&self) -> bool {
        matches!(self.node.value, Value::String(_))
    }
}

//! A TOML file as a tree in which every key and value knows where it stands, whichever file it came from.
//!
//! Drop-ins are merged into their definition here, before anything is read: a table into a table, anything else in
//! place of what was there. So each value keeps the place where the person who wrote it will look for it.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::{At, Report};

/// More syntax errors in one file are mostly echoes of the first ones.
const MAX_SYNTAX_ERRORS: usize = 5;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node<'s> {
    pub at: At,
    pub value: Value<'s>,
}

/// A value. Numbers are already numbers; `None` is one too large for its type.
#[derive(Clone, Debug)]
pub(super) enum Value<'s> {
    String(Cow<'s, str>),
    Integer(Option<i64>),
    Float(f64),
    Boolean(bool),
    Datetime,
    Array(Vec<Node<'s>>),
    Table(Tree<'s>),
}

impl Value<'_> {
    /// For messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::String(_) => "a string",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::Datetime => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// A key, its place, and what it holds.
#[derive(Clone, Debug)]
pub(super) struct Entry<'s> {
    pub key: Cow<'s, str>,
    pub at: At,
    pub node: Node<'s>,
}

/// A table.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree<'s> {
    pub entries: Vec<Entry<'s>>,
}

impl<'s> Tree<'s> {
    pub fn get(&self, key: &str) -> Option<&Entry<'s>> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Lays a drop-in over this.
    pub fn merge(&mut self, over: Tree<'s>) {
        for entry in over.entries {
            match self.entries.iter_mut().find(|old| old.key == entry.key) {
                None => self.entries.push(entry),
                Some(old) => old.replace(entry),
            }
        }
    }
}

/// Tables of which one key says what the others mean: who names another kind means another table.
const KINDS: &[(&str, &[&str])] = &[
    ("ready", &["fd", "notify", "tcp", "unix", "http", "exec", "log"]),
    ("health", &["tcp", "unix", "http", "exec"]),
    ("reload", &["signal", "exec"]),
];

impl<'s> Entry<'s> {
    fn replace(&mut self, new: Entry<'s>) {
        let names_a_kind = |tree: &Tree| {
            let kinds = KINDS.iter().find(|(key, _)| *key == new.key).map_or(&[][..], |(_, kinds)| kinds);
            kinds.iter().any(|kind| tree.get(kind).is_some())
        };
        match (&mut self.node.value, &new.node.value) {
            (Value::Table(_), Value::Table(tree)) if names_a_kind(tree) => *self = new,
            (Value::Table(old), Value::Table(_)) => {
                if let Value::Table(tree) = new.node.value {
                    old.merge(tree);
                }
            }
            _ => *self = new,
        }
    }
}

/// Reads a file. The parser bounds how deep tables nest, so walking the tree cannot overflow the stack. With syntax errors, which are reported, there is no tree.
pub(super) fn parse<'s>(file: u32, text: &'s str, report: &Report<'_>) -> Option<Tree<'s>> {
    let (table, errors) = syntax(text);
    for error in errors.iter().take(MAX_SYNTAX_ERRORS) {
        let at = error.span().map_or(0, |span| span.start);
        report.error(At::new(file, at), crate::id!("D0101"), format!("TOML syntax: {}", message(error)));
    }
    table.filter(|_| errors.is_empty()).map(|table| convert_table(file, table.into_inner()))
}

/// A file's table and its errors. The parser goes on after an error only in files of a usual size: a megabyte of
/// rubbish has a million errors, and each takes memory.
fn syntax(text: &str) -> (Option<Spanned<DeTable<'_>>>, Vec<toml::de::Error>) {
    const USUAL_SIZE: usize = 64 * 1024;
    if text.len() <= USUAL_SIZE {
        let (table, errors) = DeTable::parse_recoverable(text);
        return (Some(table), errors);
    }
    match DeTable::parse(text) {
        Ok(table) => (Some(table), Vec::new()),
        Err(error) => (None, vec![error]),
    }
}

/// The parser's words, without an expectation that says nothing.
fn message(error: &toml::de::Error) -> &str {
    error.message().trim_end_matches(", expected nothing")
}

fn convert_table<'s>(file: u32, table: DeTable<'s>) -> Tree<'s> {
    let entries = table.into_iter().map(|(key, value)| Entry {
        at: At::new(file, key.span().start),
        key: key.into_inner(),
        node: convert(file, value),
    });
    Tree { entries: entries.collect() }
}

fn convert<'s>(file: u32, value: Spanned<DeValue<'s>>) -> Node<'s> {
    let at = At::new(file, value.span().start);
    let value = match value.into_inner() {
        DeValue::String(text) => Value::String(text),
        DeValue::Integer(number) => Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Value::Boolean(truth),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(items) => Value::Array(items.into_iter().map(|item| convert(file, item)).collect()),
        DeValue::Table(table) => Value::Table(convert_table(file, table)),
    };
    Node { at, value }
}

//! Reads variables and collects what is wrong with them.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::{Context, Problem};

/// The variables of a container, and what is wrong with those that were read.
pub(super) struct Reader<'a> {
    context: &'a Context,
    wrong: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(context: &'a Context) -> Reader<'a> {
        Reader { context, wrong: Vec::new() }
    }

    /// As it is; `None` where it is not set.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.context.var(name)
    }

    /// By a function that knows the values that make sense. A wrong one is noted, and counts as not set.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        allowed: impl Display,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(name)?;
        let read = parse(value.trim());
        if read.is_none() {
            self.wrong.push(format!("{name} is {value:?}, but must be {allowed}"));
        }
        read
    }

    /// The same of a value that may hold a password: what has an `@` is not told.
    pub(super) fn address<T>(
        &mut self,
        name: &str,
        allowed: impl Display,
        parse: impl FnOnce(&str) -> Option<T>,
    ) {
        let Some(value) = self.value(name) else { return };
        if parse(value.trim()).is_none() {
            let shown = if value.contains('@') { "***" } else { value };
            self.wrong.push(format!("{name} is {shown:?}, but must be {allowed}"));
        }
    }

    pub(super) fn number(&mut self, name: &str, allowed: RangeInclusive<u32>) -> Option<u32> {
        let read = |text: &str| {
            // `parse` would take `+2`; Python's and a shell's readers of the same variable need not.
            let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            digits?.parse().ok().filter(|number| allowed.contains(number))
        };
        self.parsed(name, numbers(&allowed), read)
    }

    pub(super) fn switch(&mut self, name: &str) -> Option<bool> {
        self.parsed(name, "true or false", |text| match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => None,
        })
    }

    /// With a slash at its end.
    pub(super) fn directory(&mut self, name: &str, default: &str) -> String {
        let read = |text: &str| text.starts_with('/').then(|| format!("{}/", text.trim_end_matches('/')));
        self.parsed(name, "a path that begins with /", read).unwrap_or_else(|| default.to_owned())
    }

    /// What was read, if nothing is wrong.
    pub(super) fn end<T>(self, read: T) -> Result<T, Problem> {
        let which = match self.wrong.len() {
            0 => return Ok(read),
            1 => "that variable",
            _ => "those variables",
        };
        Err(Problem::config(
            "S0502",
            self.wrong.join("; "),
            format!("start the container with another value of {which} (`-e NAME=VALUE`), or without"),
        ))
    }
}

fn numbers(allowed: &RangeInclusive<u32>) -> String {
    match *allowed.end() {
        u32::MAX => format!("a whole number from {} on", allowed.start()),
        end => format!("a whole number from {} to {end}", allowed.start()),
    }
}

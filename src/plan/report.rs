//! Where the compiler notes what it finds, and how a place in a file becomes a line and a column.
//!
//! Places are kept as byte offsets while all goes well; only a problem pays for counting lines.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use super::message_id::MessageId;
use super::problem::{Problem, Problems, Severity};
use super::source::Source;
use crate::id;

/// More are counted, not kept: a file of rubbish must not fill PID 1's memory.
const KEPT: usize = 1000;

/// A place in a source: its index among the sources, and a byte offset.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct At {
    pub file: u32,
    pub offset: u32,
}

impl At {
    pub fn new(file: u32, offset: usize) -> At {
        // Sources are at most 1 MiB.
        At { file, offset: u32::try_from(offset).unwrap_or(u32::MAX) }
    }

    /// The file as a whole: it has no line to point to.
    pub fn file(file: u32) -> At {
        At { file, offset: u32::MAX }
    }
}

#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Finding {
    at: At,
    severity: Severity,
    id: MessageId,
    message: String,
}

/// Collects problems. Shared by all readers, hence the cells.
pub(super) struct Report<'s> {
    sources: &'s [Source],
    /// A set, because the instances of a template all repeat its problems.
    found: RefCell<BTreeSet<Finding>>,
    dropped: Cell<usize>,
}

impl<'s> Report<'s> {
    pub fn new(sources: &'s [Source]) -> Report<'s> {
        Report { sources, found: RefCell::default(), dropped: Cell::new(0) }
    }

    pub fn error(&self, at: At, id: MessageId, message: impl Into<String>) {
        self.note(Finding { at, severity: Severity::Error, id, message: message.into() });
    }

    pub fn warning(&self, at: At, id: MessageId, message: impl Into<String>) {
        self.note(Finding { at, severity: Severity::Warning, id, message: message.into() });
    }

    fn note(&self, finding: Finding) {
        let mut found = self.found.borrow_mut();
        if found.len() < KEPT {
            found.insert(finding);
        } else if !found.contains(&finding) {
            self.dropped.set(self.dropped.get() + 1);
        }
    }

    /// Whether anything keeps the plan from being used.
    pub fn any_errors(&self) -> bool {
        self.found.borrow().iter().any(|f| f.severity == Severity::Error)
    }

    /// The file, line and column of a place; 0 and 0 for a file as a whole.
    pub fn locate(&self, at: At) -> (&'s str, usize, usize) {
        let Some(source) = self.sources.get(at.file as usize) else { return ("", 0, 0) };
        let (Ok(text), true) = (&source.text, at.offset != u32::MAX) else { return (&source.shown, 0, 0) };
        let before = text.get(..at.offset as usize).unwrap_or(text);
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let column = String::from_utf8_lossy(before.get(start..).unwrap_or_default()).chars().count() + 1;
        (&source.shown, line, column)
    }

    /// A warning of that place that still has to be worded.
    pub fn blank_warning(&self, at: At, id: MessageId) -> Problem {
        self.problem(Finding { at, severity: Severity::Warning, id, message: String::new() })
    }

    /// A place inside a message: `FILE:LINE`.
    pub fn place(&self, at: At) -> String {
        let (file, line, _) = self.locate(at);
        if line == 0 { file.to_owned() } else { format!("{file}:{line}") }
    }

    /// Everything found.
    pub fn into_problems(self) -> Problems {
        let found = self.found.take();
        let mut list: Vec<Problem> = found.into_iter().map(|finding| self.problem(finding)).collect();
        if let more @ 1.. = self.dropped.get() {
            let text = format!("{more} more problems are not shown; mend these and look again");
            list.push(Problem::of_file("services.d", id!("D0106"), text));
        }
        Problems::new(list)
    }

    fn problem(&self, finding: Finding) -> Problem {
        let (file, line, column) = self.locate(finding.at);
        // A newline of a string in the file must not make two lines of one problem.
        let message = finding.message.replace(|c: char| c.is_control(), " ");
        let Finding { severity, id, .. } = finding;
        Problem { file: file.to_owned(), line, column, severity, id, message }
    }
}

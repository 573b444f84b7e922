//! What can be wrong with `services.d`, said so that a person can mend it.
//!
//! A [`Problem`] is one line: `FILE:LINE:COLUMN: message [ID]`. Lines and columns count from 1, columns in characters.
//! All problems of all files are collected in one run, because a person who mends one file wants to hear of the
//! others now, not at the next boot.

use std::fmt;

use serde::Serialize;

use super::message_id::MessageId;

/// How much a problem matters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The plan cannot be used.
    Error,
    /// The plan can be used, but somebody should look.
    Warning,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Problem {
    /// The file as it was named to `init`.
    pub file: String,
    /// From 1; 0 if it concerns the file as a whole.
    pub line: usize,
    /// In characters, from 1; 0 if it concerns the file as a whole.
    pub column: usize,
    /// How much it matters.
    pub severity: Severity,
    /// What kind of problem it is.
    pub id: MessageId,
    /// One line: what is wrong and the cure.
    pub message: String,
}

impl Problem {
    /// A problem of a file as a whole.
    pub fn of_file(file: impl Into<String>, id: MessageId, message: impl Into<String>) -> Problem {
        let (file, message) = (file.into(), message.into());
        Problem { file, line: 0, column: 0, severity: Severity::Error, id, message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        f.write_str(": ")?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        write!(f, "{} [{}]", self.message, self.id)
    }
}

/// Every problem found in one run, in order of file, line and column.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    /// Sorts them, and drops those said twice (the instances of a template all have its problems).
    pub fn new(mut list: Vec<Problem>) -> Problems {
        list.sort();
        list.dedup();
        Problems { list }
    }

    /// Whether any of them keeps the plan from being used.
    pub fn any_errors(&self) -> bool {
        self.errors() > 0
    }

    /// How many keep the plan from being used.
    pub fn errors(&self) -> usize {
        self.list.iter().filter(|p| p.severity == Severity::Error).count()
    }

    /// How many are only warnings.
    pub fn warnings(&self) -> usize {
        self.list.len() - self.errors()
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// These and those.
    #[must_use]
    pub fn with(mut self, more: impl IntoIterator<Item = Problem>) -> Problems {
        self.list.extend(more);
        Problems::new(self.list)
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl fmt::Display for Problems {
    /// One line each, without a newline after the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(file: &str, severity: Severity) -> Problem {
        Problem { severity, ..Problem::of_file(file, crate::id!("D0000"), "it is wrong") }
    }

    #[test]
    fn problems_are_counted_by_kind_sorted_and_said_once() {
        assert!(Problems::default().is_empty() && !Problems::default().any_errors());
        let (error, warning) = (problem("b", Severity::Error), problem("a", Severity::Warning));
        let problems = Problems::new(vec![error.clone(), warning.clone(), error.clone()]);
        assert_eq!((problems.errors(), problems.warnings(), problems.is_empty()), (1, 1, false));
        let only_warnings = Problems::new(vec![warning.clone()]);
        assert_eq!((only_warnings.any_errors(), only_warnings.warnings()), (false, 1));
        let more = only_warnings.with([problem("c", Severity::Error), warning]);
        assert_eq!((more.errors(), more.warnings()), (1, 1));
        let files: Vec<String> = more.into_iter().map(|problem| problem.file.to_string()).collect();
        assert_eq!(files, ["a", "c"]);
    }
}

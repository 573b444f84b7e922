//! How far services' output was sent, so that another start does not send it again.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::queue::Queue;
use crate::commands::complain;
use crate::exit::{Code, Trouble};
use crate::replace::{Lasting, replace};
use init_plan::id;

/// The file, and what was seen of each service since then.
#[derive(Debug, Default)]
pub struct Position {
    path: Option<PathBuf>,
    /// What was sent at the last start, in milliseconds since 1970. Older lines are left out.
    from: u64,
    services: HashMap<String, Seen>,
    written: u64,
}

/// What was seen of a service. A connection that is made anew begins with lines that came before.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// The time of its newest line.
    last: u64,
    /// How many came at that time.
    count: u64,
    /// How many of these have come again.
    again: u64,
    /// Whether all that came before has come again. From there on every line is new, whatever the clock says.
    is_live: bool,
}

impl Position {
    /// Reads the file. Without one, all that `init` has kept is sent at each start.
    pub fn open(path: Option<&Path>) -> Result<Position, Trouble> {
        let Some(path) = path else { return Ok(Position::default()) };
        let from = match fs::read_to_string(path) {
            Ok(text) => text.trim().parse().unwrap_or_else(|_| {
                complain(&format!("{}: it holds no position, and counts for nothing", path.display()));
                0
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => {
                let message = format!("cannot read {}: {error}", path.display());
                return Err(Trouble::said(Code::Failed, id!("C0505"), message));
            }
        };
        Ok(Position { path: Some(path.to_owned()), from, written: from, ..Position::default() })
    }

    /// Whether a line was not sent yet.
    pub fn is_new(&mut self, service: &str, time_ms: u64) -> bool {
        let from = self.from;
        let seen = self.services.entry(service.to_owned()).or_insert(Seen {
            last: from,
            // However many there were at that time, they were sent.
            count: u64::MAX,
            ..Seen::default()
        });
        if !seen.is_live {
            if time_ms < seen.last {
                return false;
            }
            if time_ms == seen.last && seen.again < seen.count {
                seen.again += 1;
                return false;
            }
            seen.is_live = true;
        }
        if time_ms > seen.last {
            (seen.last, seen.count) = (time_ms, 0);
        }
        if time_ms == seen.last {
            seen.count = seen.count.saturating_add(1);
        }
        true
    }

    /// A connection was made anew: what was seen comes again.
    pub fn begin(&mut self) {
        for seen in self.services.values_mut() {
            (seen.again, seen.is_live) = (0, false);
        }
    }

    /// Writes down what all receivers have taken.
    pub fn write(&mut self, queues: &[&Queue]) {
        let Some(path) = &self.path else { return };
        let sent = queues.iter().map(|queue| queue.last_ms()).min().unwrap_or(0);
        if sent <= self.written {
            return;
        }
        match replace(path, &format!("{sent}\n"), 0o600, Lasting::No) {
            Ok(()) => self.written = sent,
            Err(error) => complain(&format!("cannot write {}: {error}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::Record;
    use super::*;

    #[test]
    fn lines_are_sent_once_however_often_they_come() {
        let mut position = Position { from: 10, ..Position::default() };
        let take = |position: &mut Position, times: &[u64]| {
            times.iter().filter(|&&time| position.is_new("web", time)).copied().collect::<Vec<_>>()
        };
        position.begin();
        assert_eq!(take(&mut position, &[8, 10, 11, 11, 12]), [11, 11, 12]);
        position.begin();
        assert_eq!(take(&mut position, &[8, 10, 11, 11, 12, 12, 13]), [12, 13]);
        assert!(position.is_new("other", 11) && !position.is_new("third", 10));
        // Somebody sets the clock back: what comes is new all the same.
        assert_eq!(take(&mut position, &[5, 6, 6]), [5, 6, 6]);
    }

    #[test]
    fn what_was_sent_is_read_back_and_nonsense_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("position");
        let queue = Queue::default();
        queue.push(Record { service: "web".into(), time_ms: 77, line: String::new() });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(queue.next(9, 99)).len(), 1);
        queue.sent();
        Position::open(Some(&path)).unwrap().write(&[&queue]);
        let mut next = Position::open(Some(&path)).unwrap();
        assert!(!next.is_new("web", 77) && next.is_new("web", 78));
        fs::write(&path, "yesterday").unwrap();
        assert!(Position::open(Some(&path)).unwrap().is_new("web", 1));
        assert!(Position::open(Some(dir.path())).is_err());
    }
}

//! `INIT_LOG=debug`: the steps of `init` itself, as lines of its log.
//!
//! The code says what it does with the macros of `tracing`. As long as no subscriber is set these compare one number and
//! format nothing. The subscriber here only puts lines aside: the event loop takes them and appends them to the output
//! as it does with its other messages, so that nothing here writes or waits.

use std::ffi::OsStr;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use init_plan::id;

/// The environment variable that asks for it.
pub const VARIABLE: &str = "INIT_LOG";

/// Lines that wait to be taken hold so many bytes at most. What comes beyond that is counted.
const MAX_WAITING: usize = 64 * 1024;

/// The lines that were written and not taken yet.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<String>,
    bytes: usize,
    dropped: u64,
}

impl Lines {
    /// Takes the lines, oldest first.
    pub fn take(&self) -> Vec<String> {
        // There is one thread, so nobody else holds it. If somebody did, the lines would come next time.
        let Ok(mut waiting) = self.0.try_lock() else { return Vec::new() };
        let Waiting { mut lines, dropped, .. } = std::mem::take(&mut *waiting);
        if dropped > 0 {
            lines.push(format!("debug: {dropped} lines were dropped"));
        }
        lines
    }

    fn push(&self, line: String) {
        let Ok(mut waiting) = self.0.try_lock() else { return };
        if waiting.bytes + line.len() > MAX_WAITING {
            waiting.dropped += 1;
            return;
        }
        waiting.bytes += line.len();
        waiting.lines.push(line);
    }
}

/// Begins to collect lines if the value of [`VARIABLE`] asks for that; `None` if it does not.
///
/// # Errors
/// One line for a person: the value is none of those that exist.
pub fn start(value: Option<&OsStr>) -> Result<Option<Lines>, String> {
    match value.map(OsStr::as_encoded_bytes) {
        None | Some(b"" | b"off") => return Ok(None),
        Some(b"debug") => {}
        Some(_) => {
            let value = value.unwrap_or_default();
            let message = format!("{VARIABLE}: {value:?} is unknown: write debug or off");
            return Err(id!("I0410").after(&message));
        }
    }
    let lines = Lines::default();
    let set = tracing::subscriber::set_global_default(Collector(lines.clone()));
    set.map(|()| Some(lines)).map_err(|error| format!("{VARIABLE}: {error}"))
}

/// Puts each event aside as a line. There are no spans.
struct Collector(Lines);

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= LevelFilter::DEBUG
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line("debug:".to_owned());
        event.record(&mut line);
        self.0.push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A line as its fields are added.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Counts how often it is formatted.
    struct Counted<'a>(&'a Cell<u32>);

    impl fmt::Display for Counted<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.set(self.0.get() + 1);
            f.write_str("text")
        }
    }

    #[test]
    fn nothing_is_computed_or_formatted_unless_it_is_asked_for() {
        let (computed, formatted) = (Cell::new(0), Cell::new(0));
        let say = || {
            tracing::debug!(number = 7, "{}", {
                computed.set(computed.get() + 1);
                Counted(&formatted)
            });
        };
        say();
        assert_eq!((computed.get(), formatted.get()), (0, 0));
        let lines = Lines::default();
        tracing::subscriber::with_default(Collector(lines.clone()), say);
        assert_eq!((computed.get(), formatted.get()), (1, 1));
        assert_eq!(lines.take(), ["debug: text number=7"]);
    }

    #[test]
    fn lines_that_nobody_takes_are_bounded_and_counted() {
        let lines = Lines::default();
        tracing::subscriber::with_default(Collector(lines.clone()), || {
            for _ in 0..3 {
                tracing::debug!("{}", "x".repeat(MAX_WAITING / 2));
            }
        });
        let taken = lines.take();
        assert_eq!(taken.len(), 2);
        assert_eq!(taken[1], "debug: 2 lines were dropped");
        assert!(lines.take().is_empty());
    }

    #[test]
    fn value_that_does_not_exist_is_named() {
        assert!(start(None).is_ok_and(|lines| lines.is_none()));
        assert!(start(Some(OsStr::new("off"))).is_ok_and(|lines| lines.is_none()));
        let error = start(Some(OsStr::new("loud"))).unwrap_err();
        assert_eq!(error, "INIT_LOG: \"loud\" is unknown: write debug or off [I0410]");
    }
}

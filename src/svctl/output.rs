//! Standard output: what kind of screen it is, and how it is written to in as few pieces as possible.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use super::exit::Trouble;

/// What the output looks like.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Screen {
    /// The number of columns of the terminal. `None` if the output is not a terminal; then nothing is cut.
    pub width: Option<usize>,
    /// Whether to use colours.
    pub colour: bool,
}

impl Screen {
    /// The screen behind this process's standard output.
    pub fn of_stdout() -> Screen {
        if !io::stdout().is_terminal() {
            return Screen::default();
        }
        let width =
            terminal_size::terminal_size_of(io::stdout()).map_or(80, |(width, _)| usize::from(width.0));
        // Terminals that do not know their size say 0.
        let width = if width == 0 { 80 } else { width };
        Screen { width: Some(width), colour: wants_colour(|name| std::env::var_os(name)) }
    }
}

/// Whether a terminal is to be coloured (no-color.org; `TERM=dumb`).
fn wants_colour(env: impl Fn(&str) -> Option<std::ffi::OsString>) -> bool {
    let refused = env("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && env("TERM").is_none_or(|term| term != "dumb")
}

/// Buffered standard output whose errors are not lost.
#[derive(Debug)]
pub struct Out {
    to: BufWriter<StdoutLock<'static>>,
    /// The screen behind it.
    pub screen: Screen,
}

impl Out {
    /// This process's standard output.
    pub fn new() -> Out {
        Out { to: BufWriter::with_capacity(64 * 1024, io::stdout().lock()), screen: Screen::of_stdout() }
    }

    /// Adds text to the output.
    ///
    /// # Errors
    /// If the system does not take the output, or nobody reads it any more.
    pub fn write(&mut self, text: &str) -> Result<(), Trouble> {
        self.to.write_all(text.as_bytes()).map_err(|error| Trouble::writing(&error))
    }

    /// Writes out everything that was added.
    ///
    /// # Errors
    /// If the system does not take the output, or nobody reads it any more.
    pub fn flush(&mut self) -> Result<(), Trouble> {
        self.to.flush().map_err(|error| Trouble::writing(&error))
    }
}

impl Default for Out {
    fn default() -> Out {
        Out::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_and_dumb_terminals_are_respected() {
        let asks = |name: &'static str, value: &'static str| {
            wants_colour(move |asked| (asked == name).then(|| value.into()))
        };
        assert!(asks("TERM", "xterm"));
        assert!(!asks("TERM", "dumb"));
        assert!(!asks("NO_COLOR", "1"));
        assert!(asks("NO_COLOR", ""));
    }
}

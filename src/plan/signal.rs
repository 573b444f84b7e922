//! Signals by name, as people write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A signal by its number on Linux. Written as its name without `SIG`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signal(i32);

/// Every signal that a process can be sent, with its number: signal(7), the column "x86/ARM and most others" (Linux on
/// Alpha, SPARC, MIPS and PARISC has other numbers). The real-time ones are written `RTMIN+N`. A test in `init`
/// compares them with the C library's.
const NAMES: &[(&str, i32)] = &[
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// The first real-time signal that C libraries leave to programs, and the last of all (signal(7), glibc's view).
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

impl Signal {
    #![allow(missing_docs, reason = "the names are signal(7)'s")]
    pub const CHLD: Signal = Signal(17);
    pub const HUP: Signal = Signal(1);
    pub const INT: Signal = Signal(2);
    pub const QUIT: Signal = Signal(3);
    pub const KILL: Signal = Signal(9);
    pub const USR1: Signal = Signal(10);
    pub const USR2: Signal = Signal(12);
    pub const TERM: Signal = Signal(15);
    pub const CONT: Signal = Signal(18);
    pub const STOP: Signal = Signal(19);
    pub const WINCH: Signal = Signal(28);
    pub const PWR: Signal = Signal(30);

    /// The signals that `init` acts on itself.
    pub const ACTED_ON: [Signal; 5] = [Signal::CHLD, Signal::TERM, Signal::INT, Signal::PWR, Signal::HUP];

    /// The signals that `init` receives only to pass them on. All others are lost on it.
    pub const PASSED_ON: [Signal; 4] = [Signal::USR1, Signal::USR2, Signal::QUIT, Signal::WINCH];

    /// The number kill(2) wants.
    pub fn number(self) -> i32 {
        self.0
    }

    /// The signal of that number, if there is one.
    pub fn from_number(number: i32) -> Option<Signal> {
        let known = NAMES.iter().any(|&(_, n)| n == number) || (RTMIN..=RTMAX).contains(&number);
        known.then_some(Signal(number))
    }

    /// Every name there is, for suggestions and completions.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|&(name, _)| name)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|&&(_, n)| n == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "RTMIN+{}", self.0 - RTMIN),
        }
    }
}

impl FromStr for Signal {
    type Err = String;

    /// Takes `TERM`, `SIGTERM`, `term`, `15` and `RTMIN+3`.
    fn from_str(text: &str) -> Result<Signal, String> {
        let upper = text.trim().to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(&(_, number)) = NAMES.iter().find(|&&(known, _)| known == name) {
            return Ok(Signal(number));
        }
        let number = match name.strip_prefix("RTMIN") {
            Some("") => Some(RTMIN),
            Some(rest) => {
                rest.strip_prefix('+').and_then(|n| n.parse::<i32>().ok()).map(|n| RTMIN.saturating_add(n))
            }
            None => name.parse().ok(),
        };
        number.and_then(Signal::from_number).ok_or_else(|| format!("`{text}` is no signal"))
    }
}

impl TryFrom<String> for Signal {
    type Error = String;

    fn try_from(text: String) -> Result<Signal, String> {
        text.parse()
    }
}

impl From<Signal> for String {
    fn from(signal: Signal) -> String {
        signal.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_is_read_back_from_what_it_is_shown_as() {
        for number in 1..=64 {
            if let Some(signal) = Signal::from_number(number) {
                assert_eq!(signal.to_string().parse(), Ok(signal));
                assert_eq!(number.to_string().parse(), Ok(signal));
            }
        }
    }

    #[test]
    fn nonsense_is_no_signal() {
        for text in ["", "TERMINATE", "0", "65", "32", "-9", "RTMIN+31", "RTMIN-1", "SIG"] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
    }
}

//! Signals by name, as people write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A signal's number on this machine. Written as its name without `SIG`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signal(i32);

/// Every signal of signal(7) that a process can be sent; the real-time ones are written `RTMIN+N`.
const NAMES: &[(&str, i32)] = &[
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ILL", libc::SIGILL),
    ("TRAP", libc::SIGTRAP),
    ("ABRT", libc::SIGABRT),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("SEGV", libc::SIGSEGV),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("STKFLT", libc::SIGSTKFLT),
    ("CHLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("PWR", libc::SIGPWR),
    ("SYS", libc::SIGSYS),
];

/// The first real-time signal that C libraries leave to programs, and the last of all (signal(7), glibc's view).
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

impl Signal {
    #![allow(missing_docs, reason = "the names are signal(7)'s")]
    pub const HUP: Signal = Signal(libc::SIGHUP);
    pub const INT: Signal = Signal(libc::SIGINT);
    pub const QUIT: Signal = Signal(libc::SIGQUIT);
    pub const KILL: Signal = Signal(libc::SIGKILL);
    pub const USR1: Signal = Signal(libc::SIGUSR1);
    pub const USR2: Signal = Signal(libc::SIGUSR2);
    pub const TERM: Signal = Signal(libc::SIGTERM);
    pub const CONT: Signal = Signal(libc::SIGCONT);
    pub const STOP: Signal = Signal(libc::SIGSTOP);
    pub const WINCH: Signal = Signal(libc::SIGWINCH);
    pub const PWR: Signal = Signal(libc::SIGPWR);

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

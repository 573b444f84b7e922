//! Tries whether a service answers: `init-probe tcp|unix|http …`.
//!
//! A probe is a program of its own, a child of `init`. So no resolver, TLS or HTTP runs in PID 1, a probe that hangs is
//! killed like any process, and its exit code means the same as that of an `exec` check. It blocks, with a deadline.
//!
//! ```text
//! init-probe tcp HOST:PORT [--timeout TIME] [--retry TIME]
//! init-probe unix PATH     [--timeout TIME] [--retry TIME]
//! init-probe http URL      [--status 200,300-399]… [--header 'NAME: VALUE']… [--expect-header 'NAME: REGEX']…
//!                               [--body REGEX] [--ca-file FILE] [--timeout TIME] [--retry TIME]
//! ```
//! TIME, STATUS, headers, addresses and regular expressions are written as in a service's file.
//! The exit code is 0 if the service answered as expected, 1 if it did not, and 64 for wrong usage. With `--retry` the
//! probe tries until it succeeds, and sleeps for that time in between. It prints why a try failed whenever the reason
//! changes, so the last line is the last reason, even of a probe that was killed.

mod args;
mod connect;
mod http;
#[cfg(test)]
mod read_back;
mod tls;

use std::ffi::OsString;
use std::io::Write;
use std::time::{Duration, Instant};

pub use args::Try;
pub use init_plan::passwd;
use init_plan::probe_command::HEADERS_VARIABLE;

/// The longest reason in characters; the rest is cut off.
const LONGEST_REASON: usize = 400;

/// A probe, as the command line describes it.
#[derive(Debug)]
pub struct Probe {
    /// The kind of probe, and its target.
    pub what: Try,
    /// The time for one try.
    pub timeout: Duration,
    /// The time from the end of a failed try to the next one; `None` if there is only one try.
    pub retry: Option<Duration>,
}

impl Probe {
    /// Reads a command line (without the program's name), and request headers as [`HEADERS_VARIABLE`] has them.
    ///
    /// # Errors
    /// One line that says what is wrong with it.
    pub fn parse(
        args: impl IntoIterator<Item = OsString>,
        headers: Option<OsString>,
    ) -> Result<Probe, String> {
        args::parse(args, headers)
    }

    /// Tries once.
    ///
    /// # Errors
    /// Why the service did not answer as expected, in one line.
    pub fn once(&self) -> Result<(), String> {
        let deadline = Deadline::after(self.timeout);
        let tried = match &self.what {
            Try::Tcp(host, port) => connect::tcp(host, *port, deadline).map(drop),
            Try::Unix(path) => connect::unix(path, deadline).map(drop),
            Try::Http(request) => http::get(request, deadline),
        };
        tried.map_err(|why| one_line(&why))
    }
}

impl Probe {
    /// Judges what a server answered, as [`Probe::once`] does; any answer will do for a probe that is not of HTTP.
    ///
    /// # Errors
    /// Why it is not as expected, in one line.
    pub fn judge(&self, answer: impl std::io::Read) -> Result<(), String> {
        match &self.what {
            Try::Tcp(..) | Try::Unix(_) => Ok(()),
            Try::Http(request) => http::judge(request, answer).map_err(|why| one_line(&why)),
        }
    }
}

/// Runs the program with these arguments (without the program's name) and returns its exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let probe = match Probe::parse(args, std::env::var_os(HEADERS_VARIABLE)) {
        Ok(probe) => probe,
        Err(why) => {
            eprintln!("init-probe: {why}");
            return 64;
        }
    };
    // A probe must not outlive `init`: nobody else reads its answer.
    let parent = nix::unistd::getppid();
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
    let mut said = String::new();
    loop {
        let Err(why) = probe.once() else { return 0 };
        if why != said {
            let _ = writeln!(std::io::stdout(), "{why}");
            said = why;
        }
        match probe.retry {
            Some(pause) if nix::unistd::getppid() == parent => std::thread::sleep(pause),
            _ => return 1,
        }
    }
}

/// A reason may quote what a server sent, so it must have no control characters and a bounded length.
fn one_line(why: &str) -> String {
    why.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_REASON).collect()
}

/// The time at which a try must be over.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    end: Instant,
    whole: Duration,
}

impl Deadline {
    fn after(whole: Duration) -> Deadline {
        let now = Instant::now();
        // A timeout too long for the clock means "for ever"; for a probe, a week is as good.
        let end = now.checked_add(whole).unwrap_or(now + Duration::from_secs(7 * 24 * 3600));
        Deadline { end, whole }
    }

    /// The time that is left. It is never zero, which the kernel would take for "no timeout".
    fn left(self) -> Result<Duration, String> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.passed()) } else { Ok(left.max(Duration::from_micros(100))) }
    }

    fn passed(self) -> String {
        format!("no answer within {} ms", self.whole.as_millis())
    }
}

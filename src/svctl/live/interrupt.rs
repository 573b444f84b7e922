//! SIGINT and SIGTERM, which end a command that waits.
//!
//! While the command waits, a signal wakes it through a pipe, so that it ends in an orderly way. While it works, which
//! may mean that it is blocked in writing to a terminal or a pipe that nobody reads, a signal ends it where it is.
//! A signal that was ignored when the command began stays ignored: a shell starts its background jobs like that.

use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::net::UnixStream as Pipe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use tokio::net::UnixStream;

use crate::exit::{Code, Trouble};

/// What is listened for, and the exit codes that it leads to: 128 and the signal's number, as in a shell.
const SIGNALS: [(i32, Code); 2] = [(SIGINT, Code::Interrupted), (SIGTERM, Code::Terminated)];

/// The signals that end a command, from now on.
#[derive(Debug)]
pub struct Interrupts {
    listened: Vec<Listened>,
    working: Arc<AtomicBool>,
}

/// A signal that is listened for.
#[derive(Debug)]
struct Listened {
    code: Code,
    /// Becomes readable when the signal has come.
    pipe: UnixStream,
    /// Whether the signal has come.
    came: Arc<AtomicBool>,
}

impl Interrupts {
    /// Starts to listen. The runtime must have been entered.
    ///
    /// # Errors
    /// If the system has no descriptor left for a pipe, or refuses the handler.
    pub fn listen() -> io::Result<Interrupts> {
        let (working, ignored) = (Arc::new(AtomicBool::new(true)), ignored_signals());
        let mut listened = Vec::new();
        for (signal, code) in SIGNALS.into_iter().filter(|(signal, _)| !is_in(ignored, *signal)) {
            // Actions run in the order in which they were added: while we work, this one leaves nothing to the next.
            flag::register_conditional_shutdown(signal, i32::from(code as u8), Arc::clone(&working))?;
            let came = Arc::new(AtomicBool::new(false));
            flag::register(signal, Arc::clone(&came))?;
            let (ours, handlers) = Pipe::pair()?;
            ours.set_nonblocking(true)?;
            low_level::pipe::register(signal, handlers)?;
            listened.push(Listened { code, pipe: UnixStream::from_std(ours)?, came });
        }
        Ok(Interrupts { listened, working })
    }

    /// What `wait` comes to, unless a signal comes first.
    ///
    /// # Errors
    /// [`Trouble::Interrupted`] if a signal came.
    pub async fn or<T>(&mut self, wait: impl Future<Output = T>) -> Result<T, Trouble> {
        let mut wait = pin!(wait);
        self.working.store(false, Ordering::SeqCst);
        let result = poll_fn(|context| {
            let came = self.listened.iter().find(|signal| signal.pipe.poll_read_ready(context).is_ready());
            match came {
                Some(signal) => Poll::Ready(Err(Trouble::Interrupted(signal.code, ""))),
                None => wait.as_mut().poll(context).map(Ok),
            }
        });
        let result = result.await;
        self.working.store(true, Ordering::SeqCst);
        // A signal that came after the last look at its pipe, and before this, would be forgotten while we work.
        match self.listened.iter().find(|signal| signal.came.load(Ordering::SeqCst)) {
            Some(signal) => Err(Trouble::Interrupted(signal.code, "")),
            None => result,
        }
    }
}

/// The signals that this process ignores, as a set of bits; see proc_pid_status(5).
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).unwrap_or(0)
}

/// Whether a signal is in such a set. The lowest bit is signal 1.
fn is_in(set: u64, signal: i32) -> bool {
    set >> (signal - 1) & 1 == 1
}

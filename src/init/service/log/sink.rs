//! The container's output, written to without ever waiting for it.
//!
//! Services with `log = "inherit"` share our stdout, and so may processes outside the container: O_NONBLOCK is a
//! property of what they share and must not be set on it. What is done instead depends on what stdout is; see
//! [`super::target`].
//!
//! What cannot be written at once waits in a buffer. Output of services is taken until it holds [`LIMIT`] bytes;
//! then [`Sink::is_full`] says so, the loop stops reading the services' pipes, and it is the service that waits,
//! never PID 1. `init`'s own messages may use [`RESERVE`] bytes more; beyond that they are dropped and counted.
//!
//! When stdout fails (its reader is gone, the disk is full) the buffered bytes are given up and counted, and the
//! next output tries again. Once a write works, the owner is told how much was lost ([`Sink::lost`]).

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::target::Target;
use crate::reexec::bytes;

/// Output of services is taken until so many bytes wait.
pub const LIMIT: usize = 256 * 1024;
/// What `init`'s own messages may add to a full buffer.
pub const RESERVE: usize = 64 * 1024;
/// A buffer larger than this is given back once it is empty and the loop idle.
const KEEP: usize = 4096;

/// A buffer in front of stdout.
#[derive(Debug)]
pub struct Sink {
    target: Target,
    buffer: Vec<u8>,
    /// How much of `buffer` is written already.
    written: usize,
    /// The kernel takes no more at the moment.
    blocked: bool,
    /// The last byte that was written ended a line.
    at_line_start: bool,
    trouble: Option<Trouble>,
    /// Bytes of `init`'s own messages since the last output of a service.
    own: usize,
    /// `init`'s own messages that found no room.
    dropped: u64,
}

/// Output that was given up since the last write that worked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Trouble {
    /// So many bytes of output.
    pub bytes: u64,
    /// Why.
    pub error: Errno,
    /// How much of the buffer only tells of this trouble.
    notice: usize,
}

/// What a [`Sink`] has not written, and what it has to say of that.
#[derive(Debug, Deserialize, Serialize)]
pub struct Waiting {
    /// Bytes to write.
    #[serde(with = "bytes")]
    pub bytes: Vec<u8>,
    /// Whether they begin a line.
    pub at_line_start: bool,
    /// So many bytes were lost before, for this reason (the number of an error); so many of `bytes` tell of it.
    pub lost: Option<(u64, i32, usize)>,
    /// So many of `init`'s own messages.
    pub dropped: u64,
}

impl Sink {
    /// Takes over the writing to `fd`, which other processes may share.
    pub fn new(fd: OwnedFd) -> Sink {
        let target = Target::new(fd);
        let (buffer, at_line_start) = (Vec::new(), true);
        Sink { target, buffer, written: 0, blocked: false, at_line_start, trouble: None, own: 0, dropped: 0 }
    }

    /// For this process's stdout.
    ///
    /// # Errors
    /// When stdout is closed or no descriptor is free.
    pub fn stdout() -> io::Result<Sink> {
        use std::os::fd::AsFd;
        Ok(Sink::new(io::stdout().as_fd().try_clone_to_owned()?))
    }

    /// Bytes that wait.
    #[inline]
    pub fn waiting(&self) -> usize {
        self.buffer.len() - self.written
    }

    /// No output of services is taken; stop reading their pipes.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.waiting() >= LIMIT
    }

    /// Wait for [`Sink::fd`] to become writable, then call [`Sink::flush_some`].
    pub fn wants_write(&self) -> bool {
        self.blocked && self.waiting() > 0
    }

    /// What to wait for. Never a regular file: those do not block, so [`Sink::wants_write`] is never true.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.target.fd()
    }

    /// Where output of services is appended, a piece at a time and while the sink is not full: it grows beyond
    /// [`LIMIT`] by no more than one piece.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.own = 0;
        &mut self.buffer
    }

    /// The length that makes [`Sink::buffer`] full.
    #[inline]
    pub fn enough(&self) -> usize {
        self.written + LIMIT
    }

    /// Appends a message of `init` itself; drops it when even the reserve is used up.
    pub fn push_own(&mut self, message: &[u8]) {
        let own = self.own + message.len();
        if own > RESERVE && self.waiting() + message.len() > LIMIT {
            self.dropped += 1;
            return;
        }
        self.own = own;
        self.buffer.extend_from_slice(message);
    }

    /// How many of `init`'s own messages were dropped, once there is room to say so.
    pub fn take_dropped(&mut self) -> Option<u64> {
        (self.dropped > 0 && !self.is_full()).then(|| std::mem::take(&mut self.dropped))
    }

    /// Output was lost, and what comes next goes to an empty buffer: say so first, by [`Sink::push_notice`].
    pub fn lost(&self) -> Option<Trouble> {
        self.trouble.filter(|trouble| trouble.notice == 0 && self.waiting() == 0)
    }

    /// Puts the notice of lost output before all other output. If stdout still fails it is forgotten.
    pub fn push_notice(&mut self, notice: &[u8]) {
        let before = self.buffer.len();
        if !self.at_line_start {
            self.buffer.push(b'\n');
        }
        self.buffer.extend_from_slice(notice);
        if let Some(trouble) = &mut self.trouble {
            trouble.notice = self.buffer.len() - before;
        }
    }

    /// What another sink is to go on with.
    pub fn into_waiting(mut self) -> Waiting {
        let bytes = self.buffer.split_off(self.written.min(self.buffer.len()));
        let lost = self.trouble.map(|trouble| (trouble.bytes, trouble.error as i32, trouble.notice));
        Waiting { bytes, at_line_start: self.at_line_start, lost, dropped: self.dropped }
    }

    /// Goes on with that. Nothing waits here yet.
    pub fn restore(&mut self, waiting: Waiting) {
        self.buffer = waiting.bytes;
        self.at_line_start = waiting.at_line_start;
        let lost = waiting.lost;
        self.trouble =
            lost.map(|(bytes, error, notice)| Trouble { bytes, error: Errno::from_raw(error), notice });
        self.dropped = waiting.dropped;
    }

    /// Writes what the kernel takes now; never waits.
    pub fn flush_some(&mut self) {
        self.blocked = false;
        while let Some(rest) = self.buffer.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.target.write(rest) {
                Ok(len) => {
                    self.at_line_start = rest.get(..len).is_some_and(|done| done.ends_with(b"\n"));
                    self.written += len;
                    self.trouble = None;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    self.blocked = true;
                    break;
                }
                Err(error) => self.give_up(error),
            }
        }
        self.reuse();
    }

    /// Gives the buffer's memory back; for when the loop has been idle for a while.
    pub fn trim(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
    }

    /// The heap memory in use, in bytes.
    pub fn heap(&self) -> usize {
        self.buffer.capacity()
    }

    fn give_up(&mut self, error: Errno) {
        let (before, notice) = self.trouble.map_or((0, 0), |trouble| (trouble.bytes, trouble.notice));
        let bytes = before + (self.waiting().saturating_sub(notice)) as u64;
        self.trouble = Some(Trouble { bytes, error, notice: 0 });
        self.written = self.buffer.len();
    }

    /// Makes room at the buffer's end; moves what waits only when that is little beside what was written.
    fn reuse(&mut self) {
        if self.written == self.buffer.len() {
            self.buffer.clear();
            self.written = 0;
        } else if self.written >= self.waiting() {
            self.buffer.drain(..self.written);
            self.written = 0;
        }
    }
}

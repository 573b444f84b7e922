//! What the event loop waits for: epoll(7), with tokens that cannot be mistaken for those of something closed.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use serde::{Deserialize, Serialize};

use crate::kernel::fault::{self, Call};
use crate::kernel::kept::Kept;

/// Names one registration, for ever.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Token(u64);

/// What a descriptor is watched for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Interest {
    /// Something to read.
    Read,
    /// Room to write.
    Write,
    /// Either.
    Both,
    /// Nothing for now, but its registration stays.
    Paused,
}

impl Interest {
    fn flags(self) -> EpollFlags {
        match self {
            Interest::Read => EpollFlags::EPOLLIN,
            Interest::Write => EpollFlags::EPOLLOUT,
            Interest::Both => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT,
            Interest::Paused => EpollFlags::empty(),
        }
    }
}

/// Waits for descriptors.
pub struct Poll {
    epoll: Epoll,
    last: u64,
    events: Vec<EpollEvent>,
}

/// How many events are taken at once: enough for a storm, small enough to sit in one page.
const BATCH: usize = 128;

impl Poll {
    /// One that waits for nothing yet.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn new() -> io::Result<Poll> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Poll { epoll, last: 0, events: vec![EpollEvent::empty(); BATCH] })
    }

    /// Its descriptor, which knows all registrations, and the last name that was given.
    pub fn pack(self) -> (Kept, u64) {
        (Kept::new(self.epoll.0), self.last)
    }

    /// The same again.
    pub fn unpack((epoll, last): (Kept, u64)) -> Poll {
        Poll { epoll: Epoll(epoll.own()), last, events: vec![EpollEvent::empty(); BATCH] }
    }

    /// A name for a registration to come.
    pub fn token(&mut self) -> Token {
        self.last += 1;
        Token(self.last)
    }

    /// Watches a descriptor.
    ///
    /// # Errors
    /// `ENOSPC` (the user's limit of watches), `ENOMEM`.
    pub fn add(&mut self, fd: impl AsFd, token: Token, interest: Interest) -> io::Result<()> {
        fault::point(Call::Epoll)?;
        Ok(self.epoll.add(fd, EpollEvent::new(interest.flags(), token.0))?)
    }

    /// Watches it for something else. A descriptor that is not watched is left alone.
    pub fn change(&mut self, fd: impl AsFd, token: Token, interest: Interest) {
        let _ = self.epoll.modify(fd, &mut EpollEvent::new(interest.flags(), token.0));
    }

    /// Stops watching it. Must come before it is closed if a child may hold a copy of it.
    pub fn remove(&mut self, fd: impl AsFd) {
        let _ = self.epoll.delete(fd);
    }

    /// Waits until something happens, at most for `timeout`, and returns what.
    pub fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Token>) {
        ready.clear();
        // EINTR is the only error there is for a valid epoll and buffer.
        let count = self.epoll.wait(&mut self.events, rounded_up(timeout)).unwrap_or_default();
        ready.extend(self.events.iter().take(count).map(|event| Token(event.data())));
    }
}

/// epoll counts whole milliseconds; waking before a deadline would be for nothing.
fn rounded_up(timeout: Option<Duration>) -> EpollTimeout {
    match timeout {
        None => EpollTimeout::NONE,
        Some(timeout) => {
            let millis = timeout.as_nanos().div_ceil(1_000_000);
            EpollTimeout::try_from(i32::try_from(millis).unwrap_or(i32::MAX)).unwrap_or(EpollTimeout::ZERO)
        }
    }
}

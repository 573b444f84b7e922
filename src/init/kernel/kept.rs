//! Descriptors that stay open while another program takes our place: execve(2) closes only those that are close-on-exec.
#![allow(unsafe_code, reason = "each block says why it is sound")]

use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use serde::{Deserialize, Serialize};

use crate::kernel::sys;

/// The number of a descriptor that nobody owns while the program changes. It can be written down.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Kept(RawFd);

impl Kept {
    /// From now on it stays open, also through execve(2), until somebody owns it again.
    pub fn new(fd: impl Into<OwnedFd>) -> Kept {
        let fd: OwnedFd = fd.into();
        // It cannot fail for a descriptor that is open.
        let _ = fcntl(&fd, FcntlArg::F_SETFD(FdFlag::empty()));
        Kept(fd.into_raw_fd())
    }

    /// The number that somebody wrote down.
    pub fn numbered(number: RawFd) -> Kept {
        Kept(number)
    }

    /// Its number.
    pub fn number(self) -> RawFd {
        self.0
    }

    /// Whether it is open, and none of the standard streams.
    pub fn is_open(self) -> bool {
        self.0 > 2 && sys::is_open(self.0)
    }

    /// Takes it over; our children do not get it.
    pub fn own(self) -> OwnedFd {
        // SAFETY: `new` gave up the descriptor of this number, in this program or in the one before, and each is taken over once.
        let fd = unsafe { OwnedFd::from_raw_fd(self.0) };
        let _ = fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
        fd
    }
}

/// Lets sockets that we were given be given to the program that takes our place.
pub fn keep_given(fd: BorrowedFd<'_>) {
    let _ = fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()));
}

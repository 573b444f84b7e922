//! System calls, with a name for each failure. All `unsafe` code of the supervisor is here.

pub mod cgroup;
pub mod children;
pub mod datagram;
pub mod fault;
pub mod handles;
pub mod poll;
pub mod runtime_dir;
pub mod spawn;
pub mod sys;
pub mod users;

use std::os::fd::BorrowedFd;

/// One of our own standard streams.
#[allow(unsafe_code, reason = "see below")]
pub(crate) fn stdio(number: i32) -> BorrowedFd<'static> {
    // SAFETY: `start` made sure that 0, 1 and 2 are open, and nothing closes them while we run.
    unsafe { BorrowedFd::borrow_raw(number) }
}

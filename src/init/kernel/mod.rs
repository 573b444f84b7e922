//! System calls, with a name for each failure. All `unsafe` code of the supervisor is here.

#[cfg(target_feature = "crt-static")]
mod c_library;
pub mod cgroup;
pub mod children;
pub mod datagram;
pub mod fault;
pub mod handles;
pub mod kept;
pub mod poll;
pub mod runtime_dir;
pub mod spawn;
pub mod sys;
pub mod users;

use std::os::fd::BorrowedFd;

/// A descriptor that we were started with: one of our standard streams, or one of the sockets of `LISTEN_FDS`.
#[allow(unsafe_code, reason = "see below")]
pub(crate) fn given(number: i32) -> BorrowedFd<'static> {
    // SAFETY: `start` made sure that 0, 1, 2 and the sockets are open, and nothing closes them while we run.
    unsafe { BorrowedFd::borrow_raw(number) }
}

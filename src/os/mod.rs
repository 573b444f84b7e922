//! Everything that touches the kernel: PID 1 itself.

mod answer;
pub mod cgroup;
pub mod environment;
pub mod fault;
mod handles;
mod hear;
mod init;
mod last;
mod launch;
pub mod log;
pub mod notify;
mod output;
mod poll;
pub mod probe;
mod processes;
mod reap;
mod reload;
pub mod runtime_dir;
mod seat;
mod serve;
mod signals;
pub mod spawn;
mod start;
mod streams;
pub mod sys;
mod terminal;
pub mod users;
mod voice;

pub use init::Options;
pub use start::run;

use std::os::fd::BorrowedFd;

/// One of our own standard streams.
#[allow(unsafe_code, reason = "see below")]
fn stdio(number: i32) -> BorrowedFd<'static> {
    // SAFETY: `start` made sure that 0, 1 and 2 are open, and nothing closes them while we run.
    unsafe { BorrowedFd::borrow_raw(number) }
}

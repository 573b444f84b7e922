//! The pipe between a service and `init`.
//!
//! It is made once and kept for the service's whole life, so that nothing a run wrote just before it ended, or
//! before `init` had time to read it, is lost. Only the end that `init` reads is non-blocking: the two ends are
//! separate descriptions, and a service must find an ordinary blocking stdout.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::kernel::sys;

/// What the pipe of a service that writes much is raised to, in bytes.
const LARGE: i32 = 256 * 1024;

/// A pipe for a service's output: the end to read from, the end to give to its processes.
///
/// # Errors
/// When no descriptor is free.
pub fn log_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = sys::pipe()?;
    fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((read, write))
}

/// Makes the pipe larger. Users other than root have a budget for this; when it is used up the pipe works on as
/// it is.
pub fn enlarge(pipe: impl AsFd) {
    let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(LARGE));
}

//! Makes system calls fail on request, to see that PID 1 survives it. Compiled in with the feature `faults` only.
//!
//! `$PULP_INIT_FAULTS` lists faults, separated by commas: `CALL=ERRNO[@FIRST][xCOUNT]`. From its FIRST call on
//! (counted from 1, which is the default), CALL fails COUNT times (1 by default, `x*`: for ever) with ERRNO:
//! `clone=EAGAIN@3x2,pipe=EMFILE`.

use std::io;

/// A call that can be made to fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Call {
    /// Starting a process.
    Clone,
    /// Having a handle on a process.
    Handle,
    /// Making a pipe.
    Pipe,
    /// Accepting a connection.
    Accept,
    /// Watching a file descriptor.
    Epoll,
    /// Writing to the container's output.
    Write,
    /// Binding a Unix socket.
    Bind,
    /// Reading what the program before left.
    State,
}

impl Call {
    #[cfg(feature = "faults")]
    fn name(self) -> &'static str {
        match self {
            Call::Clone => "clone",
            Call::Handle => "handle",
            Call::Pipe => "pipe",
            Call::Accept => "accept",
            Call::Epoll => "epoll",
            Call::Write => "write",
            Call::Bind => "bind",
            Call::State => "state",
        }
    }
}

/// Fails if that was asked for.
///
/// # Errors
/// The error that was asked for.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn point(_: Call) -> io::Result<()> {
    Ok(())
}

/// Fails if that was asked for.
///
/// # Errors
/// The error that was asked for.
#[cfg(feature = "faults")]
pub fn point(call: Call) -> io::Result<()> {
    active::point(call)
}

#[cfg(feature = "faults")]
mod active {
    use std::io;
    use std::sync::Mutex;

    use super::Call;

    struct Fault {
        call: String,
        errno: i32,
        first: u64,
        count: u64,
        seen: u64,
    }

    static FAULTS: Mutex<Option<Vec<Fault>>> = Mutex::new(None);

    pub fn point(call: Call) -> io::Result<()> {
        let mut faults = FAULTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let faults = faults.get_or_insert_with(read);
        for fault in faults.iter_mut().filter(|fault| fault.call == call.name()) {
            fault.seen += 1;
            if fault.seen >= fault.first && fault.seen - fault.first < fault.count {
                return Err(io::Error::from_raw_os_error(fault.errno));
            }
        }
        Ok(())
    }

    fn read() -> Vec<Fault> {
        let text = std::env::var("PULP_INIT_FAULTS").unwrap_or_default();
        text.split(',').filter_map(parse).collect()
    }

    fn parse(text: &str) -> Option<Fault> {
        let (call, rest) = text.split_once('=')?;
        let (rest, count) = rest.split_once('x').unwrap_or((rest, "1"));
        let (errno, first) = rest.split_once('@').unwrap_or((rest, "1"));
        let errno = match errno {
            "EAGAIN" => libc::EAGAIN,
            "EMFILE" => libc::EMFILE,
            "ENFILE" => libc::ENFILE,
            "ENOMEM" => libc::ENOMEM,
            "ENOSPC" => libc::ENOSPC,
            "EIO" => libc::EIO,
            _ => return None,
        };
        let count = if count == "*" { u64::MAX } else { count.parse().ok()? };
        Some(Fault { call: call.to_owned(), errno, first: first.parse().ok()?, count, seen: 0 })
    }
}

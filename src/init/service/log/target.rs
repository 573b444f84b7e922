//! How to write to a descriptor that others share without waiting, and without making it non-blocking for them.
//!
//! * A regular file never blocks: it is written to directly, so its offset and O_APPEND stay as they are shared.
//! * A socket has a flag for it (MSG_DONTWAIT).
//! * A pipe or a terminal is opened once more through `/proc/self/fd`: that makes a description of our own,
//!   with its own O_NONBLOCK.
//! * Where that is refused (no `/proc`, the pipe belongs to another user), RWF_NOWAIT asks the kernel not to wait
//!   with this one write. Linux before 6.5 does not know it on pipes, nor any on terminals.
//! * There poll(2) is asked first, and no more than PIPE_BUF bytes are written: what poll promises to a pipe.
//!   Another process can still take that room in between; only here could a write wait.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::write;

use crate::kernel::sys;

/// What poll(2) promises of a pipe that is writable: room for so many bytes.
const PIPE_BUF: usize = 4096;
/// Opening `/dev/ptmx` again would make a new terminal instead.
const PTMX: u64 = (5 << 8) | 2;

/// A descriptor and how it is written to.
#[derive(Debug)]
pub struct Target {
    fd: OwnedFd,
    way: Way,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    /// A plain write(2): it does not block, or `fd` is ours alone and has O_NONBLOCK.
    Write,
    Send,
    NoWait,
    PollFirst,
}

impl Target {
    /// Finds out how to write to `fd`.
    pub fn new(fd: OwnedFd) -> Target {
        let Ok(stat) = fstat(&fd) else { return Target { fd, way: Way::NoWait } };
        match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFREG | SFlag::S_IFBLK => Target { fd, way: Way::Write },
            SFlag::S_IFSOCK => Target { fd, way: Way::Send },
            _ => match reopen(&fd, &stat) {
                Some(own) => Target { fd: own, way: Way::Write },
                None => Target { fd, way: Way::NoWait },
            },
        }
    }

    /// For poll(2) and epoll(7).
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Writes some of `bytes`.
    ///
    /// # Errors
    /// `EAGAIN` when that would wait; others as write(2).
    pub fn write(&mut self, bytes: &[u8]) -> nix::Result<usize> {
        match self.way {
            Way::Write => write(&self.fd, bytes),
            Way::Send => send(self.fd.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL),
            Way::NoWait => match sys::write_nowait(self.fd(), bytes) {
                Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL | Errno::ESPIPE | Errno::EPERM) => {
                    self.way = Way::PollFirst;
                    self.write_polled(bytes)
                }
                other => other,
            },
            Way::PollFirst => self.write_polled(bytes),
        }
    }

    fn write_polled(&self, bytes: &[u8]) -> nix::Result<usize> {
        let mut fds = [PollFd::new(self.fd(), PollFlags::POLLOUT)];
        match poll(&mut fds, PollTimeout::ZERO)? {
            0 => Err(Errno::EAGAIN),
            _ => write(&self.fd, bytes.get(..PIPE_BUF).unwrap_or(bytes)),
        }
    }
}

/// A non-blocking description of our own of the same pipe or terminal.
fn reopen(fd: &OwnedFd, stat: &FileStat) -> Option<OwnedFd> {
    if stat.st_rdev == PTMX {
        return None;
    }
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    open(path.as_str(), flags, Mode::empty()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, fcntl};
    use nix::pty::openpty;
    use nix::unistd::{pipe, read};

    /// Writes until that would wait, and says how much that was.
    fn fill(target: &mut Target) -> usize {
        let mut total = 0;
        loop {
            match target.write(&[b'x'; 8192]) {
                Ok(len) => total += len,
                Err(error) => {
                    assert_eq!(error, Errno::EAGAIN);
                    return total;
                }
            }
        }
    }

    #[test]
    fn every_way_to_write_to_a_pipe_stops_when_it_is_full() {
        for way in [Way::Write, Way::NoWait, Way::PollFirst] {
            let (reader, writer) = pipe().unwrap();
            let mut target = Target::new(writer.try_clone().unwrap());
            if way != Way::Write {
                target = Target { fd: writer.try_clone().unwrap(), way };
            }
            assert_eq!(fill(&mut target), 65_536, "{way:?}");
            let flags = OFlag::from_bits_truncate(fcntl(&writer, FcntlArg::F_GETFL).unwrap());
            assert!(!flags.contains(OFlag::O_NONBLOCK), "{way:?}");
            read(&reader, &mut [0; 4096]).unwrap();
            assert_eq!(fill(&mut target), 4096, "{way:?}");
        }
    }

    #[test]
    fn terminal_is_written_to_without_waiting_and_without_changing_it() {
        let pty = openpty(None, None).unwrap();
        let mut target = Target::new(pty.slave.try_clone().unwrap());
        assert_eq!(target.way, Way::Write);
        assert!(fill(&mut target) > 0);
        let flags = OFlag::from_bits_truncate(fcntl(&pty.slave, FcntlArg::F_GETFL).unwrap());
        assert!(!flags.contains(OFlag::O_NONBLOCK));
    }

    #[test]
    fn other_side_of_a_terminal_is_not_opened_again() {
        let pty = openpty(None, None).unwrap();
        let target = Target::new(pty.master.try_clone().unwrap());
        assert_eq!(target.way, Way::NoWait);
    }
}

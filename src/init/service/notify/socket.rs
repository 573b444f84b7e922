//! The socket a run of a service reports to.

use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, setsockopt, socket, sockopt};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::geteuid;

use crate::kernel::datagram::{self, Sender};
use crate::kernel::kept::Kept;

use super::message::{LARGEST_MESSAGE, Notification, parse};

/// The longest path of a socket (unix(7)), without the NUL behind it.
const LONGEST_PATH: usize = 107;

/// A socket for one run of one service. Its path goes away with it.
#[derive(Debug)]
pub struct NotifySocket {
    socket: OwnedFd,
    path: Bound,
}

/// The path of a socket, which goes away with this.
#[derive(Debug)]
struct Bound(PathBuf);

impl NotifySocket {
    /// Binds `RUNTIME/notify/NAME.RUN`, which only `owner` (the service's uid) and root may write to.
    ///
    /// Where we may not give files away (`init` without root) the socket stays ours, like the service itself.
    /// A name too long for a socket's path is shortened.
    ///
    /// # Errors
    /// One line that names the path and the cure.
    pub fn bind(runtime: &Path, name: &str, run: u64, owner: Option<u32>) -> Result<NotifySocket, String> {
        let directory = runtime.join("notify");
        let path = directory.join(file_name(&directory, name, run));
        let bound = make(&directory, &path, owner);
        let socket = bound.map_err(|error| {
            format!(
                "cannot make notify socket {}: {error}; set INIT_RUNTIME_DIR to a writable directory",
                path.display()
            )
        })?;
        Ok(NotifySocket { socket, path: Bound(path) })
    }

    /// Its descriptor and its path, which stays.
    pub fn pack(self) -> (Kept, PathBuf) {
        let NotifySocket { socket, mut path } = self;
        let kept = std::mem::take(&mut path.0);
        // What is left has no path, so its end removes nothing.
        (Kept::new(socket), kept)
    }

    /// The same again.
    pub fn unpack(socket: Kept, path: PathBuf) -> NotifySocket {
        NotifySocket { socket: socket.own(), path: Bound(path) }
    }

    /// What the service is told as `NOTIFY_SOCKET`.
    pub fn path(&self) -> &Path {
        &self.path.0
    }

    /// The next message that waits; `None` if none does.
    ///
    /// Descriptors sent with it are closed unseen, which is also all that `BARRIER=1` asks for.
    ///
    /// # Errors
    /// Why a message was dropped; more may wait behind it.
    pub fn recv(&self) -> Option<Result<(Notification, Sender), String>> {
        let length = match datagram::next_length(self.socket.as_fd()) {
            Ok(length) => length?,
            Err(error) => return Some(Err(format!("cannot read from {}: {error}", self.path.0.display()))),
        };
        if length > LARGEST_MESSAGE {
            let _ = datagram::receive(self.socket.as_fd(), &mut []);
            return Some(Err(format!(
                "message of {length} bytes dropped: at most {LARGEST_MESSAGE} are read"
            )));
        }
        let mut buffer = vec![0; length];
        match datagram::receive(self.socket.as_fd(), &mut buffer) {
            Ok(Some(sender)) => Some(Ok((parse(&buffer), sender))),
            Ok(None) => Some(Err("message without a sender dropped".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => Some(Err(format!("cannot read from {}: {error}", self.path.0.display()))),
        }
    }
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// `NAME.RUN`, or if that is too long a part of the name and a hash of all of it.
fn file_name(directory: &Path, name: &str, run: u64) -> String {
    let whole = format!("{name}.{run}");
    let room = LONGEST_PATH.saturating_sub(directory.as_os_str().len() + 1);
    if whole.len() <= room {
        return whole;
    }
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let end = format!("~{:016x}.{run}", hasher.finish());
    let part: String = name.chars().take(room.saturating_sub(end.len())).collect();
    part + &end
}

fn make(directory: &Path, path: &Path, owner: Option<u32>) -> io::Result<OwnedFd> {
    match DirBuilder::new().mode(0o755).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Of an earlier `init` that was killed: run numbers begin anew.
    let _ = fs::remove_file(path);
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    setsockopt(&socket, sockopt::PassCred, &true)?;
    // The mode of the socket before bind is the mode its path is born with: at no time may others write to it.
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    if let Some(uid) = owner.filter(|&uid| uid != geteuid().as_raw()) {
        give(path, uid)?;
    }
    Ok(socket)
}

fn give(path: &Path, uid: u32) -> io::Result<()> {
    let given = chown(path, Some(uid), None);
    match given {
        Err(_) if !geteuid().is_root() => Ok(()),
        Err(error) => {
            let _ = fs::remove_file(path);
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

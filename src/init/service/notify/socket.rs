//! The socket a run of a service reports to.

#![allow(
    unsafe_code,
    reason = "recvmsg(2) with a control buffer too small for descriptors has no safe wrapper"
)]

use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, setsockopt, socket, sockopt};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::geteuid;

use super::message::{LARGEST_MESSAGE, Notification, parse};

/// The longest path of a socket (unix(7)), without the NUL behind it.
const LONGEST_PATH: usize = 107;

/// Who sent a message, as the kernel says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sender {
    /// In our pid namespace; 0 if it is in another that we cannot see into. It may have ended since.
    pub pid: i32,
    /// In our user namespace.
    pub uid: u32,
}

/// A socket for one run of one service. Its path goes away with it.
#[derive(Debug)]
pub struct NotifySocket {
    socket: OwnedFd,
    path: PathBuf,
}

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
        Ok(NotifySocket { socket, path })
    }

    /// What the service is told as `NOTIFY_SOCKET`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next message that waits; `None` if none does.
    ///
    /// Descriptors sent with it are closed unseen, which is also all that `BARRIER=1` asks for.
    ///
    /// # Errors
    /// Why a message was dropped; more may wait behind it.
    pub fn recv(&self) -> Option<Result<(Notification, Sender), String>> {
        let length = match waiting(self.socket.as_raw_fd()) {
            Ok(length) => length?,
            Err(error) => return Some(Err(format!("cannot read from {}: {error}", self.path.display()))),
        };
        if length > LARGEST_MESSAGE {
            let _ = receive(self.socket.as_raw_fd(), &mut []);
            return Some(Err(format!(
                "message of {length} bytes dropped: at most {LARGEST_MESSAGE} are read"
            )));
        }
        let mut buffer = vec![0; length];
        match receive(self.socket.as_raw_fd(), &mut buffer) {
            Ok(Some(sender)) => Some(Ok((parse(&buffer), sender))),
            Ok(None) => Some(Err("message without a sender dropped".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => Some(Err(format!("cannot read from {}: {error}", self.path.display()))),
        }
    }
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
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

/// The length of the next datagram, which stays where it is; `None` if there is none.
fn waiting(socket: RawFd) -> io::Result<Option<usize>> {
    let flags = libc::MSG_PEEK | libc::MSG_TRUNC | libc::MSG_DONTWAIT;
    // SAFETY: a buffer of length 0 is never written to.
    let length = unsafe { libc::recv(socket, std::ptr::null_mut(), 0, flags) };
    match usize::try_from(length) {
        Ok(length) => Ok(Some(length)),
        Err(_) => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            error => Err(error),
        },
    }
}

/// Room for the sender's credentials and nothing else. The kernel puts them first and then finds no room for
/// descriptors, so those never enter our table, not even for a moment, nor do they fail when the table is full.
#[repr(C)]
union Control {
    _header: libc::cmsghdr,
    bytes: [MaybeUninit<u8>; CONTROL],
}

// SAFETY: CMSG_SPACE only computes.
const CONTROL: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::ucred>() as u32) } as usize;

/// Takes the next datagram and says who sent it.
fn receive(socket: RawFd, buffer: &mut [u8]) -> io::Result<Option<Sender>> {
    let mut control = Control { bytes: [MaybeUninit::uninit(); CONTROL] };
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeroes is a valid msghdr.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = CONTROL as _;
    // SAFETY: the header points to live buffers of the lengths it says.
    if unsafe { libc::recvmsg(socket, &raw mut message, libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut sender = None;
    // SAFETY: the kernel has filled the header, and the control buffer it points to is alive.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return null or a whole header within the buffer.
    while let Some(head) = unsafe { header.as_ref() } {
        // SAFETY: the data of `head` lie within the control buffer, as the kernel wrote them.
        sender = unsafe { take_control(head) }.or(sender);
        // SAFETY: as for CMSG_FIRSTHDR.
        header = unsafe { libc::CMSG_NXTHDR(&raw const message, head) };
    }
    Ok(sender)
}

/// # Safety
/// `head` must be a control message that the kernel wrote, with its data behind it.
unsafe fn take_control(head: &libc::cmsghdr) -> Option<Sender> {
    // SAFETY: CMSG_DATA only computes, from a valid header.
    let data = unsafe { libc::CMSG_DATA(head) };
    // SAFETY: CMSG_LEN only computes.
    let length = head.cmsg_len.saturating_sub(unsafe { libc::CMSG_LEN(0) } as usize);
    match (head.cmsg_level, head.cmsg_type) {
        (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if length >= size_of::<libc::ucred>() => {
            // SAFETY: that many bytes of a ucred are there, at any alignment.
            let credentials: libc::ucred = unsafe { data.cast::<libc::ucred>().read_unaligned() };
            Some(Sender { pid: credentials.pid, uid: credentials.uid })
        }
        (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
            // There is no room for these as long as the credentials come first; if they ever do not, close them.
            for index in 0..length / size_of::<RawFd>() {
                // SAFETY: `index` is within the data, and the kernel has just given us these descriptors.
                drop(unsafe { OwnedFd::from_raw_fd(data.cast::<RawFd>().add(index).read_unaligned()) });
            }
            None
        }
        _ => None,
    }
}

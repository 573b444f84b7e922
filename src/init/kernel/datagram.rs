//! Datagrams with the credentials of who sent them (unix(7), SCM_CREDENTIALS), and without the descriptors that may come
//! with them: recvmsg(2) with a control buffer too small for descriptors has no safe wrapper.
#![allow(unsafe_code, reason = "each block says why it is sound")]

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Who sent a message, as the kernel says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sender {
    /// In our pid namespace; 0 if it is in another that we cannot see into. It may have ended since.
    pub pid: i32,
    /// In our user namespace.
    pub uid: u32,
}

/// The length of the next datagram in bytes, which stays in the queue; `None` if there is none.
///
/// # Errors
/// What recv(2) says, except `EAGAIN`.
pub fn next_length(socket: BorrowedFd<'_>) -> io::Result<Option<usize>> {
    let flags = libc::MSG_PEEK | libc::MSG_TRUNC | libc::MSG_DONTWAIT;
    // SAFETY: a buffer of length 0 is never written to.
    let length = unsafe { libc::recv(socket.as_raw_fd(), std::ptr::null_mut(), 0, flags) };
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

/// Takes the next datagram and says who sent it; `None` if the kernel did not say. What `buffer` has no room for is lost.
/// Descriptors that came with it are closed.
///
/// # Errors
/// What recvmsg(2) says; `EAGAIN` if there is none.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Sender>> {
    let mut control = Control { bytes: [MaybeUninit::uninit(); CONTROL] };
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeroes is a valid msghdr.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = CONTROL as _;
    // SAFETY: the header points to live buffers of the lengths it says.
    if unsafe {
        libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT)
    } < 0
    {
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

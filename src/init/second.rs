//! A second `init` in a container would start every service a second time, so it does not start at all.
//!
//! Whoever answers at a control socket is the proof, and not a lock: a lock on a file can be taken by everybody who can open
//! it, and a file says nothing about whoever wrote it. A socket is believed only if root, our own user or the user of
//! process 1 made it, and only if the listener is a process of our own pid namespace. PID 1 is the first process of its
//! namespace, so it never asks, and nobody can keep a container from booting.

use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket, sockopt::PeerCredentials,
};
use nix::unistd::geteuid;

use init_control::path;

/// Why this `init` must not start: the line to say. `None`: it may.
pub fn refusal() -> Option<String> {
    if std::process::id() == 1 {
        return None;
    }
    let first = std::fs::metadata("/proc/1").map_or(0, |process| process.uid());
    let trusted = [0, geteuid().as_raw(), first];
    let mut sockets = places(first).into_iter().map(|place| place.join(path::SOCKET));
    let who = sockets.find_map(|socket| listener(&socket, &trusted))?;
    Some(format!(
        "another init ({who}) runs here and starts the services; use svctl to look at them and to control them, \
         `svctl list` first (to run a second one on purpose, give it a ${} of its own)",
        path::VARIABLE
    ))
}

/// Where its socket may be. Who names a place means to be apart from all others.
fn places(first: u32) -> Vec<PathBuf> {
    let chosen = std::env::var_os(path::VARIABLE).map(PathBuf::from).filter(|path| path.is_absolute());
    match chosen {
        Some(chosen) => vec![chosen],
        None => path::candidates(None, geteuid().as_raw()).into_iter().chain(path::own(first)).collect(),
    }
}

/// Who listens at this path, in words, if it is somebody who counts.
fn listener(path: &Path, trusted: &[u32]) -> Option<String> {
    let found = std::fs::symlink_metadata(path).ok()?;
    if !found.file_type().is_socket() || !trusted.contains(&found.uid()) {
        return None;
    }
    let stream =
        socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None);
    let stream = stream.ok()?;
    match connect(stream.as_raw_fd(), &UnixAddr::new(path).ok()?) {
        Ok(()) => {}
        // Somebody listens who has more to do than can wait in the queue.
        Err(Errno::EAGAIN) => return Some("busy".to_owned()),
        Err(_) => return None,
    }
    let peer = getsockopt(&stream, PeerCredentials).ok()?;
    // 0: it is in a namespace that we cannot see into, so in another container.
    (peer.pid() != 0 && trusted.contains(&peer.uid())).then(|| format!("process {}", peer.pid()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn listener_that_is_trusted_and_alive_counts_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control");
        let me = geteuid().as_raw();
        assert_eq!(listener(&path, &[me]), None);
        let alive = UnixListener::bind(&path).unwrap();
        assert_eq!(listener(&path, &[me]), Some(format!("process {}", std::process::id())));
        assert_eq!(listener(&path, &[me + 1]), None);
        drop(alive);
        assert_eq!(listener(&path, &[me]), None, "nobody listens there any more");
        let link = dir.path().join("link");
        let _alive = UnixListener::bind(dir.path().join("other")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("other"), &link).unwrap();
        assert_eq!(listener(&link, &[me]), None, "a link is no socket");
    }

    #[test]
    fn listener_whose_queue_is_full_counts_and_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control");
        let _listener = UnixListener::bind(&path).unwrap();
        let mut waiting = Vec::new();
        // The kernel's bound on the queue (net.core.somaxconn) is 4096 at most by default.
        while let Ok(stream) = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_NONBLOCK, None) {
            if connect(stream.as_raw_fd(), &UnixAddr::new(&path).unwrap()).is_err() {
                break;
            }
            waiting.push(stream);
        }
        assert_eq!(listener(&path, &[geteuid().as_raw()]).as_deref(), Some("busy"));
    }
}

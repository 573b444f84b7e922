//! What we say to whoever runs the container.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The container manager's end (`podman run --sdnotify=container`, a systemd unit), if it wants to be told.
#[derive(Clone, Debug)]
pub struct ContainerManager(OsString);

impl ContainerManager {
    /// The address in this process's `NOTIFY_SOCKET`; `None` if there is none.
    pub fn from_environment() -> Option<ContainerManager> {
        std::env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()).map(ContainerManager)
    }

    /// A path, or the name of an abstract socket after an `@`.
    pub fn at(address: &OsStr) -> ContainerManager {
        ContainerManager(address.to_owned())
    }

    /// Says something like `READY=1` or `STATUS=…`, without waiting.
    ///
    /// # Errors
    /// One line: nobody listens, or its queue is full. Nothing depends on it being heard.
    pub fn send(&self, text: &str) -> Result<(), String> {
        let sent = self.try_send(text);
        sent.map_err(|error| format!("cannot tell the container manager at {}: {error}", self.0.display()))
    }

    fn try_send(&self, text: &str) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to_addr(text.as_bytes(), &self.address()?)?;
        Ok(())
    }

    fn address(&self) -> io::Result<SocketAddr> {
        match self.0.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            [b'/', ..] => SocketAddr::from_pathname(&self.0),
            _ => Err(io::Error::other("NOTIFY_SOCKET must be an absolute path, or `@` and a name")),
        }
    }
}

/// Says something to the container manager, if there is one; see [`ContainerManager::send`].
///
/// # Errors
/// As [`ContainerManager::send`].
pub fn notify_manager(text: &str) -> Result<(), String> {
    ContainerManager::from_environment().map_or(Ok(()), |manager| manager.send(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 100];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn manager_hears_us_at_a_path_and_at_an_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let socket = UnixDatagram::bind(&path).unwrap();
        ContainerManager::at(path.as_os_str()).send("READY=1").unwrap();
        assert_eq!(heard(&socket), "READY=1");
        let name = format!("pulp-init-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        ContainerManager::at(OsStr::new(&format!("@{name}"))).send("STATUS=x").unwrap();
        assert_eq!(heard(&socket), "STATUS=x");
    }

    #[test]
    fn absent_manager_is_an_error_and_a_deaf_one_blocks_nobody() {
        for nobody in ["/nonexistent/s", "relative", "vsock:2:1", ""] {
            let error = ContainerManager::at(OsStr::new(nobody)).send("READY=1").unwrap_err();
            assert!(error.starts_with("cannot tell the container manager at"), "{error}");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let _deaf = UnixDatagram::bind(&path).unwrap();
        let manager = ContainerManager::at(path.as_os_str());
        assert!((0..100_000).any(|_| manager.send("STATUS=x").is_err()));
    }
}

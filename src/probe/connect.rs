//! Connections with a deadline.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt};
use nix::sys::time::TimeVal;

use super::Deadline;

/// Connects to the first address of a host that accepts.
pub fn tcp(host: &str, port: u16, deadline: Deadline) -> Result<TcpStream, String> {
    let addresses = resolve(host, port, deadline)?;
    let mut why = format!("{host} has no address");
    for (tried, address) in addresses.iter().enumerate() {
        // An address that drops packets must not use up the time of the addresses after it.
        let share = deadline.left()? / u32::try_from(addresses.len() - tried).unwrap_or(1);
        match TcpStream::connect_timeout(address, share) {
            Ok(stream) if !is_to_itself(&stream) => return Ok(stream),
            Ok(stream) => {
                reset(&stream);
                why = format!("{address}: nobody listens");
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                why = format!("{address}: {}", deadline.passed());
            }
            Err(error) => why = format!("{address}: {error}"),
        }
    }
    Err(why)
}

/// Finds the addresses of a host. `localhost` needs no /etc/hosts, which an image may lack. Other names go to the
/// resolver, in a thread, because the resolver takes no deadline.
fn resolve(host: &str, port: u16, deadline: Deadline) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]);
    }
    let (tell, answer) = mpsc::channel();
    let name = host.to_owned();
    let asking = std::thread::Builder::new().spawn(move || {
        let _ = tell.send((name.as_str(), port).to_socket_addrs().map(|found| found.collect()));
    });
    asking.map_err(|error| format!("cannot ask for the address of {host}: {error}"))?;
    match answer.recv_timeout(deadline.left()?) {
        Ok(found) => found.map_err(|error: io::Error| format!("cannot find {host}: {error}")),
        Err(_) => Err(format!("cannot find {host}: {}", deadline.passed())),
    }
}

/// Whether a connection is to itself. That happens if nobody listens at a local port, and the kernel happens to choose
/// that same port for our end.
fn is_to_itself(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}

/// Closes a connection with a reset. Otherwise its port would stay in use for a minute, and the service could not bind
/// it.
fn reset(stream: &TcpStream) {
    let _ = setsockopt(stream, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 });
}

/// Connects to a Unix stream socket.
pub fn unix(path: &Path, deadline: Deadline) -> Result<UnixStream, String> {
    let wrong = |error: nix::errno::Errno| match error {
        nix::errno::Errno::EAGAIN => format!("{}: {}", path.display(), deadline.passed()),
        other => format!("{}: {}", path.display(), io::Error::from(other)),
    };
    let address = UnixAddr::new(path).map_err(wrong)?;
    let socket =
        socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).map_err(wrong)?;
    // The kernel bounds connect(2) by the timeout for sending; it waits only while the server's queue is full.
    let left = deadline.left()?;
    let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
    let timeout = TimeVal::new(seconds, left.subsec_micros().into());
    setsockopt(&socket, sockopt::SendTimeout, &timeout).map_err(wrong)?;
    connect(socket.as_raw_fd(), &address).map_err(wrong)?;
    Ok(socket.into())
}

/// Either kind of connection.
#[derive(Debug)]
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection on which no read or write lasts beyond the deadline.
#[derive(Debug)]
pub struct Bounded {
    pub socket: Socket,
    pub deadline: Deadline,
}

impl Bounded {
    fn timed_out(&self) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, self.deadline.passed())
    }

    /// Runs one operation; the kernel reports a timeout as EAGAIN.
    fn bounded<T>(
        &mut self,
        operation: impl FnOnce(&mut Socket, std::time::Duration) -> io::Result<T>,
    ) -> io::Result<T> {
        let left = self.deadline.left().map_err(|_| self.timed_out())?;
        match operation(&mut self.socket, left) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(self.timed_out()),
            other => other,
        }
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bounded(|socket, left| match socket {
            Socket::Tcp(stream) => stream.set_read_timeout(Some(left)).and_then(|()| stream.read(buffer)),
            Socket::Unix(stream) => stream.set_read_timeout(Some(left)).and_then(|()| stream.read(buffer)),
        })
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bounded(|socket, left| match socket {
            Socket::Tcp(stream) => stream.set_write_timeout(Some(left)).and_then(|()| stream.write(bytes)),
            Socket::Unix(stream) => stream.set_write_timeout(Some(left)).and_then(|()| stream.write(bytes)),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Syslog as RFC 5424 has it: a datagram a line (RFC 5426), or a stream with the length before each (RFC 6587).

use std::fmt::{self, Write as _};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use init_control::time::rfc3339;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket, UnixDatagram};

use super::destination::Outcome;
use super::queue::Record;

/// Facility `daemon` (3), severity `informational` (6): a service's output says nothing of how bad it is.
const PRIORITY: u8 = 3 * 8 + 6;
/// A datagram is cut after so many bytes: RFC 5424 wants receivers to take 2,048, and most take so many.
const LONGEST: usize = 8192;
/// The longest name of a program in bytes.
const NAME: usize = 48;
/// So long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the server is reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Transport {
    /// By datagrams, to `HOST:PORT`.
    Udp(String),
    /// By a stream, to `HOST:PORT`.
    Tcp(String),
    /// By a socket of this machine.
    Unix(PathBuf),
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Transport::Udp(address) => write!(f, "syslog+udp://{address}"),
            Transport::Tcp(address) => write!(f, "syslog+tcp://{address}"),
            Transport::Unix(path) => write!(f, "syslog+unix:{}", path.display()),
        }
    }
}

enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Unix(UnixDatagram),
}

/// Sends to a syslog server.
pub struct Syslog {
    transport: Transport,
    host: String,
    link: Option<Link>,
}

impl Syslog {
    /// Connects when there is something to send.
    pub fn new(transport: Transport) -> Syslog {
        Syslog { transport, host: host(), link: None }
    }

    /// Sends records.
    pub async fn send(&mut self, records: &[Record]) -> Outcome {
        match tokio::time::timeout(PATIENCE, self.try_send(records)).await {
            Ok(Ok(())) => Outcome::Sent,
            Ok(Err(error)) => {
                self.link = None;
                Outcome::Later(format!("cannot send: {error}"))
            }
            Err(_) => {
                self.link = None;
                Outcome::Later(format!("it takes nothing within {} s", PATIENCE.as_secs()))
            }
        }
    }

    async fn try_send(&mut self, records: &[Record]) -> io::Result<()> {
        let link = match &mut self.link {
            Some(link) => link,
            none => none.insert(connect(&self.transport).await?),
        };
        let messages = records.iter().map(|record| message(record, &self.host));
        match link {
            Link::Udp(socket) => {
                for message in messages {
                    // Whoever does not listen at this moment is told of by an error of the next datagram.
                    socket.send(cut(&message)).await?;
                }
            }
            Link::Unix(socket) => {
                for message in messages {
                    socket.send(cut(&message)).await?;
                }
            }
            Link::Tcp(stream) => {
                let mut all = Vec::new();
                for message in messages {
                    all.extend_from_slice(format!("{} ", message.len()).as_bytes());
                    all.extend_from_slice(message.as_bytes());
                }
                // A server that has gone says so by the end of its side, before it refuses ours.
                let mut nothing = [0];
                match stream.try_read(&mut nothing) {
                    Ok(0) => return Err(io::ErrorKind::ConnectionReset.into()),
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                    _ => {}
                }
                stream.write_all(&all).await?;
            }
        }
        Ok(())
    }
}

async fn connect(transport: &Transport) -> io::Result<Link> {
    Ok(match transport {
        Transport::Udp(address) => {
            let found = tokio::net::lookup_host(address).await?.next();
            let found = found.ok_or_else(|| io::Error::other("there is no such host"))?;
            let any = if found.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any).await?;
            socket.connect(found).await?;
            Link::Udp(socket)
        }
        Transport::Tcp(address) => Link::Tcp(TcpStream::connect(address).await?),
        Transport::Unix(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            Link::Unix(socket)
        }
    })
}

fn cut(message: &str) -> &[u8] {
    let end = (0..=LONGEST.min(message.len())).rev().find(|&end| message.is_char_boundary(end)).unwrap_or(0);
    message.as_bytes().get(..end).unwrap_or_default()
}

/// `<PRI>1 TIME HOST NAME - - - TEXT`.
fn message(record: &Record, host: &str) -> String {
    let mut text = String::with_capacity(record.line.len() + 96);
    let name: String = record.service.chars().filter(char::is_ascii_graphic).take(NAME).collect();
    let time = rfc3339(record.time_ms);
    let _ = write!(text, "<{PRIORITY}>1 {time} {host} {name} - - - ");
    // A receiver that has lines for records would take the rest for another one.
    text.extend(record.line.chars().map(|c| if matches!(c, '\n' | '\r' | '\0') { ' ' } else { c }));
    text
}

/// The name of this machine, as RFC 5424 allows it.
pub fn host() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
    let name: String = name.chars().filter(char::is_ascii_graphic).take(255).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_as_the_standard_has_it_whatever_the_line_is() {
        let record = Record { service: "pulp-worker@1".into(), time_ms: 1, line: "a\r\nb\0 ü".into() };
        assert_eq!(
            message(&record, "host"),
            "<30>1 1970-01-01T00:00:00.001Z host pulp-worker@1 - - - a  b  ü"
        );
        let long = Record { service: "x".repeat(100), time_ms: 0, line: "ü".repeat(10_000) };
        let message = message(&long, "host");
        assert!(cut(&message).len() <= LONGEST && std::str::from_utf8(cut(&message)).is_ok());
        assert!(message.contains(&format!(" {} - ", "x".repeat(NAME))));
    }
}

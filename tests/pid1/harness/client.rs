//! The test's own line to `init`'s control socket, beside `svctl`.

use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use init_control::wire::{self, Event, Request, Response};
use init_core::status::Phase;

use super::PATIENCE;

/// Sends a request and returns the connection to read answers from; `None` if nobody listens (yet).
pub(super) fn ask(socket: &Path, request: &Request) -> Option<BufReader<UnixStream>> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&wire::encode(request).unwrap()).ok()?;
    Some(BufReader::new(stream))
}

/// Whether the other side still holds it.
pub(super) fn is_open(stream: &BufReader<UnixStream>) -> bool {
    use nix::sys::socket::{MsgFlags, recv};
    let fd = std::os::fd::AsRawFd::as_raw_fd(stream.get_ref());
    match recv(fd, &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) {
        Ok(0) => false,
        Ok(_) | Err(nix::errno::Errno::EAGAIN) => true,
        Err(_) => false,
    }
}

/// Every answer up to the end of the connection.
pub(super) fn answers(socket: &Path, request: &Request) -> Option<Vec<Response>> {
    let mut stream = ask(socket, request)?;
    let mut all = Vec::new();
    while let Ok(Some(response)) = wire::read(&mut stream) {
        all.push(response);
    }
    (!all.is_empty()).then_some(all)
}

/// Every change of a service's state since this was made.
pub struct Events(pub(super) BufReader<UnixStream>);

impl Events {
    /// The next one; `None` once `init` is gone.
    pub fn next(&mut self) -> Option<Event> {
        match wire::read(&mut self.0) {
            Ok(Some(Response::Event(event))) => Some(event),
            Ok(Some(other)) => panic!("not an event: {other:?}"),
            Ok(None) => None,
            Err(error) => panic!("no event: {error}"),
        }
    }

    /// The next one of this service.
    pub fn of(&mut self, service: &str) -> Event {
        loop {
            let event = self.next().unwrap_or_else(|| panic!("init is gone, and {service} did nothing more"));
            if event.service == service {
                return event;
            }
        }
    }

    /// Waits until this service reaches this state.
    pub fn reach(&mut self, service: &str, phase: Phase) -> Event {
        loop {
            let event = self.of(service);
            if event.to == phase {
                return event;
            }
        }
    }

    /// This service's next states must be these.
    pub fn pass(&mut self, service: &str, phases: &[Phase]) {
        let seen: Vec<Phase> = phases.iter().map(|_| self.of(service).to).collect();
        assert_eq!(seen, phases, "states of {service}");
    }
}

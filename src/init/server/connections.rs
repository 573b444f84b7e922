//! The control server: `svctl`'s other side.
//!
//! Each client is a connection with a bounded buffer in each direction. A client that asks for a stream and reads
//! slowly loses lines and events, and is told how many; it never makes PID 1 wait or grow.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::event_loop::Init;
use crate::kernel::fault::{self, Call};
use crate::kernel::poll::{Interest, Token};
use crate::kernel::sys;
use crate::server::clients::{Client, MAX_CLIENTS, Mode, failure};
use init_control::wire::{self, FailureKind, Request, Response};

/// How long the server rests when it cannot accept: without a rest the loop would spin.
const ACCEPT_REST: Duration = Duration::from_millis(500);

impl Init {
    /// Something happened on the control socket or a connection.
    pub(crate) fn handle_socket(&mut self, token: Token) {
        if self.server.as_ref().is_some_and(|server| server.token == token) {
            return self.accept();
        }
        let request = self.client(token).map(|client| {
            if !client.read_input() {
                return Err(());
            }
            let Mode::Asking = client.mode else { return Ok(None) };
            Ok(take_request(&mut client.input))
        });
        match request {
            None => {}
            Some(Err(())) => self.hang_up(token),
            Some(Ok(None)) => self.flush_client(token),
            Some(Ok(Some(Ok(request)))) => {
                self.handle_request(token, request);
                self.flush_client(token);
            }
            Some(Ok(Some(Err(message)))) => {
                self.reply(token, &failure(FailureKind::BadRequest, message));
                self.flush_client(token);
            }
        }
    }

    pub(crate) fn client(&mut self, token: Token) -> Option<&mut Client> {
        self.server.as_mut()?.clients.get_mut(&token)
    }

    fn accept(&mut self) {
        let Some(server) = &mut self.server else { return };
        loop {
            let stream = match fault::point(Call::Accept).and_then(|()| server.listener.accept()) {
                Ok((stream, _)) => stream,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if matches!(e.raw_os_error(), Some(libc::EINTR | libc::ECONNABORTED)) => continue,
                Err(error) => {
                    self.poll.change(&server.listener, server.token, Interest::Paused);
                    server.resting_until = Some(sys::now().plus(ACCEPT_REST));
                    return self.log(&format!("cannot accept a control connection: {error}; trying again"));
                }
            };
            let may_act = may_act(&stream);
            if server.clients.len() >= MAX_CLIENTS {
                // Nobody to make room: the newcomer has to come again.
                let Some(client_to_evict) = server.client_to_evict(may_act) else { continue };
                server.clients.remove(&client_to_evict);
            }
            let token = self.poll.token();
            let ready =
                stream.set_nonblocking(true).is_ok() && self.poll.add(&stream, token, Interest::Read).is_ok();
            if ready {
                let client = Client {
                    stream,
                    may_act,
                    input: Vec::new(),
                    output: Vec::new(),
                    mode: Mode::Asking,
                    dropped: 0,
                    closing: false,
                };
                server.clients.insert(token, client);
            }
        }
    }

    pub(crate) fn hang_up(&mut self, token: Token) {
        if let Some(server) = &mut self.server
            && let Some(client) = server.clients.remove(&token)
        {
            self.poll.remove(&client.stream);
        }
    }

    pub(crate) fn reply(&mut self, token: Token, response: &Response) {
        if let Some(client) = self.client(token) {
            client.finish(response);
        }
    }

    pub(crate) fn flush_client(&mut self, token: Token) {
        let Some(server) = &mut self.server else { return };
        let Some(client) = server.clients.get_mut(&token) else { return };
        if !client.flush() {
            return self.hang_up(token);
        }
        let interest = if client.output.is_empty() { Interest::Read } else { Interest::Both };
        self.poll.change(&client.stream, token, interest);
    }
}

/// Root and our own user may act, everybody may look.
fn may_act(stream: &UnixStream) -> bool {
    let uid = getsockopt(stream, PeerCredentials).map(|credentials| credentials.uid());
    uid.is_ok_and(|uid| uid == 0 || uid == nix::unistd::geteuid().as_raw())
}

/// The request, once it is there whole.
fn take_request(input: &mut Vec<u8>) -> Option<Result<Request, String>> {
    let Some(end) = memchr::memchr(b'\n', input) else {
        return (input.len() > wire::MAX_MESSAGE).then(|| Err("the request is too long".to_owned()));
    };
    let line: Vec<u8> = input.drain(..=end).collect();
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    Some(wire::decode(line).map_err(|error| format!("cannot understand the request: {error}")))
}

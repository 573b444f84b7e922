//! Connections to the control socket: accepting, reading requests, writing answers, hanging up.
//!
//! Each step is a bounded piece of work. What is left over wakes the loop again after everybody else had their turn.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::event_loop::Init;
use crate::kernel::fault::{self, Call};
use crate::kernel::poll::{Interest, Token};
use crate::kernel::sys;
use crate::server::clients::{Client, Input, failure};
use init_control::wire::{FailureKind, Response};
use init_plan::id;

/// How long the server rests when it cannot accept: without a rest the loop would spin.
const ACCEPT_REST: Duration = Duration::from_millis(500);
/// Connections accepted in one turn of the loop.
const MAX_ACCEPTED: usize = 16;

impl Init {
    /// Something happened on a control socket or a connection.
    pub(crate) fn handle_socket(&mut self, token: Token) {
        if self.server.as_ref().is_some_and(|server| server.listeners.iter().any(|(own, _)| *own == token)) {
            return self.accept_some(token);
        }
        let Some(client) = self.client(token) else { return };
        let may_act = client.may_act;
        let input = client.read_input();
        self.others_spoke |= !may_act;
        match input {
            Input::Over => return self.hang_up(token),
            Input::Nothing => {}
            Input::Request(Ok(request)) => self.handle_request(token, request),
            Input::Request(Err(message)) => {
                self.reply(token, &failure(FailureKind::BadRequest, id!("I0212"), message))
            }
        }
        self.flush_client(token);
        self.limit_memory();
    }

    /// The client of this name, if it is still connected.
    pub(crate) fn client(&mut self, token: Token) -> Option<&mut Client> {
        self.server.as_mut()?.clients.get_mut(&token)
    }

    fn accept_some(&mut self, token: Token) {
        for _ in 0..MAX_ACCEPTED {
            let Some(server) = &self.server else { return };
            let Some((_, listener)) = server.listeners.iter().find(|(own, _)| *own == token) else { return };
            match fault::point(Call::Accept).and_then(|()| listener.accept()) {
                Ok((stream, _)) => self.admit(stream),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if matches!(e.raw_os_error(), Some(libc::EINTR | libc::ECONNABORTED)) => {}
                Err(error) => return self.rest(&error),
            }
        }
    }

    /// Keeps a new connection, unless its user has too many.
    fn admit(&mut self, stream: UnixStream) {
        let Ok(peer) = getsockopt(&stream, PeerCredentials) else { return };
        let (uid, gid, pid) = (peer.uid(), peer.gid(), peer.pid());
        // Root and our own user may act, everybody may look.
        let may_act = uid == 0 || uid == nix::unistd::geteuid().as_raw();
        let Some(server) = &mut self.server else { return };
        self.others_spoke |= !may_act;
        if !server.make_room(uid, may_act) {
            return;
        }
        let token = self.poll.token();
        if stream.set_nonblocking(true).is_ok() && self.poll.add(&stream, token, Interest::Read).is_ok() {
            server.clients.insert(token, Client::new(stream, (uid, gid, pid), may_act));
        }
    }

    fn rest(&mut self, error: &io::Error) {
        let Some(server) = &mut self.server else { return };
        for (token, listener) in &server.listeners {
            self.poll.change(listener, *token, Interest::Paused);
        }
        server.resting_until = Some(sys::now().plus(ACCEPT_REST));
        let message = format!("cannot accept a control connection: {error}; trying again");
        self.log(&id!("I0420").after(&message));
    }

    /// Ends a connection.
    pub(crate) fn hang_up(&mut self, token: Token) {
        if let Some(server) = &mut self.server
            && let Some(client) = server.clients.remove(&token)
        {
            self.poll.remove(&client.stream);
        }
    }

    /// Hangs up on clients that may only look until those hold no more memory than they may.
    pub(crate) fn limit_memory(&mut self) {
        while let Some(token) = self.server.as_ref().and_then(|server| server.over_memory()) {
            self.hang_up(token);
        }
    }

    /// Sends a client its last message.
    pub(crate) fn reply(&mut self, token: Token, response: &Response) {
        if let Some(client) = self.client(token) {
            client.finish(response);
        }
    }

    /// Writes what a client takes now.
    pub(crate) fn flush_client(&mut self, token: Token) {
        let Some(server) = &mut self.server else { return };
        let Some(client) = server.clients.get_mut(&token) else { return };
        if !client.flush() {
            return self.hang_up(token);
        }
        let idle = client.output.is_empty() && !client.behind;
        self.poll.change(&client.stream, token, if idle { Interest::Read } else { Interest::Both });
    }
}

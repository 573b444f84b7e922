//! Who is connected to the control socket, and what each client waits for.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use crate::kernel::poll::{Interest, Token};
use init_control::wire::{self, Failure, FailureKind, Response};
use init_core::Time;
use init_plan::Id;

/// Clients at one time. One more, and the oldest that has not asked for anything yet has to go.
pub(crate) const MAX_CLIENTS: usize = 64;
/// No more is written for a client that does not read.
const MAX_PENDING: usize = 2 * wire::MAX_MESSAGE;
/// Streams stop at this much, so that answers still fit.
pub(crate) const MAX_STREAMED: usize = 256 * 1024;
/// The control socket and who is connected.
pub struct Server {
    pub(crate) listener: UnixListener,
    pub(crate) token: Token,
    pub(crate) clients: BTreeMap<Token, Client>,
    pub(crate) resting_until: Option<Time>,
}

pub(crate) struct Client {
    pub(crate) stream: UnixStream,
    pub(crate) may_act: bool,
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) mode: Mode,
    /// Messages that it was too slow for, to be told.
    pub(crate) dropped: u64,
    /// It has its answer; the connection ends once that is written.
    pub(crate) closing: bool,
}

/// What a client is waiting for.
pub(crate) enum Mode {
    /// Its request.
    Asking,
    /// A state of these services. `gone`: the plan has lost one of them.
    Waiting { goal: WaitGoal, ids: Vec<Id>, deadline: Option<Time>, gone: bool },
    /// Events.
    Watching,
    /// Lines of these services from these places on.
    Following(Vec<(Id, u64)>),
    /// Nothing: it has had its answer.
    Answered,
}

/// What a waiting client wants to see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WaitGoal {
    /// These ready, by themselves or by its own request.
    Ready { asked: bool },
    /// These down.
    Down,
    /// The boot complete.
    Booted,
}

impl Server {
    /// Listens on a socket that is bound already.
    ///
    /// # Errors
    /// If it cannot be watched.
    pub fn new(listener: UnixListener, poll: &mut crate::kernel::poll::Poll) -> io::Result<Server> {
        listener.set_nonblocking(true)?;
        let token = poll.token();
        poll.add(&listener, token, Interest::Read)?;
        Ok(Server { listener, token, clients: BTreeMap::new(), resting_until: None })
    }

    /// When the server wants to act by itself.
    pub fn deadline(&self) -> Option<Time> {
        let waits = self.clients.values().filter_map(|client| match client.mode {
            Mode::Waiting { deadline, .. } => deadline,
            Mode::Asking | Mode::Watching | Mode::Following(_) | Mode::Answered => None,
        });
        waits.chain(self.resting_until).min()
    }

    /// Who has to go for one more: whoever has not asked for anything yet, the oldest first; and for one that may act,
    /// anybody who may only look, so that watching can keep nobody from acting.
    pub(crate) fn client_to_evict(&self, for_one_that_may_act: bool) -> Option<Token> {
        let oldest =
            |of: &dyn Fn(&Client) -> bool| self.clients.iter().find(|(_, c)| of(c)).map(|(&token, _)| token);
        let idle = |client: &Client| matches!(client.mode, Mode::Asking);
        oldest(&|client| idle(client) && !client.may_act)
            .or_else(|| oldest(&|client| for_one_that_may_act && !client.may_act))
            .or_else(|| oldest(&|client| for_one_that_may_act && idle(client)))
    }

    /// Whether anybody wants to be told of changes.
    pub fn has_watchers(&self) -> bool {
        self.clients.values().any(|c| matches!(c.mode, Mode::Watching | Mode::Waiting { .. }))
    }

    /// Whether anybody follows logs.
    pub fn has_followers(&self) -> bool {
        self.clients.values().any(|c| matches!(c.mode, Mode::Following(_)))
    }

    /// Ids have a new meaning.
    pub fn renumber(&mut self, new: &[Option<Id>]) {
        let map = |id: &Id| new.get(id.index()).copied().flatten();
        for client in self.clients.values_mut() {
            match &mut client.mode {
                Mode::Waiting { ids, gone, .. } => {
                    *gone |= ids.iter().any(|id| map(id).is_none());
                    *ids = ids.iter().filter_map(map).collect();
                }
                Mode::Following(cursors) => {
                    *cursors = cursors.iter().filter_map(|(id, at)| Some((map(id)?, *at))).collect();
                }
                Mode::Asking | Mode::Watching | Mode::Answered => {}
            }
        }
    }
}

impl Client {
    pub(crate) fn send(&mut self, response: &Response) {
        let streamed = matches!(response, Response::Event(_) | Response::Log { .. });
        let room = if streamed { MAX_STREAMED } else { MAX_PENDING };
        if self.output.len() >= room {
            self.dropped += 1;
            return;
        }
        if self.dropped > 0 {
            let count = std::mem::take(&mut self.dropped);
            self.push(&Response::Dropped { count });
        }
        self.push(response);
    }

    /// A line of a log: what does not fit now stays in the ring, so that nothing is dropped here.
    pub(crate) fn push_line(&mut self, line: &Response) {
        if self.dropped > 0 {
            let count = std::mem::take(&mut self.dropped);
            self.push(&Response::Dropped { count });
        }
        self.push(line);
    }

    pub(crate) fn push(&mut self, response: &Response) {
        let bytes = wire::encode(response).or_else(|_| {
            let message = "the answer is too long: ask for fewer services at once".to_owned();
            wire::encode(&Response::Error(Failure { kind: FailureKind::BadRequest, message }))
        });
        self.output.extend(bytes.unwrap_or_default());
    }

    pub(crate) fn finish(&mut self, response: &Response) {
        self.send(response);
        self.mode = Mode::Answered;
        self.closing = true;
    }

    /// Writes what can be written; `false`: the connection is over.
    pub(crate) fn flush(&mut self) -> bool {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(0) => return false,
                Ok(written) => drop(self.output.drain(..written)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return true,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        if self.output.capacity() > MAX_STREAMED {
            self.output = Vec::new();
        }
        !self.closing
    }

    /// Reads what is there; `false`: the connection is over.
    pub(crate) fn read_input(&mut self) -> bool {
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return false,
                Ok(count) => self.input.extend(chunk.get(..count).unwrap_or(&[])),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return true,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
            if self.input.len() > wire::MAX_MESSAGE {
                return true;
            }
        }
    }
}

/// Bytes of a log as JSON can hold them.
pub(crate) fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

/// A failure as an answer.
pub(crate) fn failure(kind: FailureKind, message: impl Into<String>) -> Response {
    Response::Error(Failure { kind, message: message.into() })
}

pub(crate) fn done(message: impl Into<String>) -> Response {
    Response::Done { message: message.into() }
}

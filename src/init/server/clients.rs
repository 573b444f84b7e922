//! Who is connected to the control socket, what each client waits for, and how much of PID 1's memory it may fill.
//!
//! Any user may connect. Root and `init`'s own user may act, and their buffers are bounded only so that a mistake does no
//! harm. All other users together get [`MAX_OTHERS`] connections and [`OTHERS_MEMORY`] bytes.

mod packed;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};

use serde::{Deserialize, Serialize};

use crate::kernel::poll::{Interest, Token};
use crate::kernel::sys;
use init_control::wire::{self, Failure, FailureKind, Request, Response};
use init_core::Time;
use init_plan::{Id, MessageId, id};

pub use packed::Packed;

/// Connections of root and of `init`'s own user, at one time.
const MAX_ACTING: usize = 64;
/// Connections of all other users together. They take no place of those who may act.
const MAX_OTHERS: usize = 32;
/// Connections of one of those users.
const MAX_PER_USER: usize = 16;
/// The longest request of a client that may only look, in bytes. One that may act may send [`wire::MAX_MESSAGE`].
const MAX_REQUEST: usize = 16 * 1024;
/// The buffers of all clients that may only look, in bytes. Beyond that the one that holds the most is hung up on.
const OTHERS_MEMORY: usize = 512 * 1024;
/// Events and lines of logs are written into a client's buffer up to this size, in bytes: for one that may act …
const MAX_STREAMED: usize = 256 * 1024;
/// … and for one that may only look.
const MAX_STREAMED_OTHERS: usize = 16 * 1024;
/// How much is read from a connection at a time, in bytes. What is left wakes the loop again.
const READ_SIZE: usize = 1024;
/// An empty buffer of more than so many bytes is given back.
const KEEP: usize = 4096;

/// The control sockets and who is connected.
pub struct Server {
    pub(crate) listeners: Vec<(Token, UnixListener)>,
    pub(crate) clients: BTreeMap<Token, Client>,
    pub(crate) resting_until: Option<Time>,
}

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: UnixStream,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Its process when it connected; 0 if it is in another container.
    pub(crate) pid: i32,
    pub(crate) may_act: bool,
    input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) mode: Mode,
    /// Messages that it was too slow for. It is told the number.
    pub(crate) dropped: u64,
    /// There are lines for it that its output had no room for.
    pub(crate) behind: bool,
    /// It has its answer; the connection ends once that is written.
    pub(crate) closing: bool,
}

/// What a client is waiting for.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Mode {
    /// It has not sent its whole request yet.
    Asking,
    /// It waits for a state of these services. `gone`: the plan has lost one of them.
    Waiting(Wait),
    /// It is sent every event.
    Watching,
    /// It is sent lines of logs.
    Reading { cursors: Vec<Cursor>, follow: bool },
    /// It has had its answer.
    Answered,
}

/// What a client waits for.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Wait {
    /// The state.
    pub(crate) goal: WaitGoal,
    /// Of these services.
    pub(crate) ids: Vec<Id>,
    /// When it gives up.
    pub(crate) deadline: Option<Time>,
    /// When to look again although nothing changes.
    pub(crate) look_again: Option<Time>,
    /// Whether services that do not say when they are ready have to prove that they stay.
    pub(crate) trial: bool,
    /// The plan has lost one of the services.
    pub(crate) gone: bool,
    /// What to say beside the result.
    pub(crate) note: String,
}

impl Wait {
    /// For ever, until somebody sets a deadline.
    pub(crate) fn new(goal: WaitGoal, ids: Vec<Id>) -> Wait {
        Wait { goal, ids, deadline: None, look_again: None, trial: false, gone: false, note: String::new() }
    }
}

/// How far a client has read the log of a service.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Cursor {
    pub(crate) id: Id,
    /// The number of the next line.
    pub(crate) next: u64,
    /// The number of the first line that it did not ask for; `None`: it follows the log.
    pub(crate) end: Option<u64>,
}

/// What a waiting client wants to see.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum WaitGoal {
    /// All services ready. `asked`: the client itself asked for their start.
    Ready { asked: bool },
    /// All services down.
    Down,
    /// The reload commands of all services ended.
    Reloaded,
    /// The boot complete.
    Booted,
    /// The plan applied, or the one of before back.
    Applied,
}

/// What came from a client.
pub(crate) enum Input {
    /// Nothing that is complete.
    Nothing,
    /// Its request, or why it is none.
    Request(Result<Request, String>),
    /// The end of the connection, or something that it may not send.
    Over,
}

impl Server {
    /// Listens on sockets that are bound already.
    ///
    /// # Errors
    /// If one cannot be watched.
    pub fn new(sockets: Vec<UnixListener>, poll: &mut crate::kernel::poll::Poll) -> io::Result<Server> {
        let mut listeners = Vec::new();
        for listener in sockets {
            listener.set_nonblocking(true)?;
            let token = poll.token();
            poll.add(&listener, token, Interest::Read)?;
            listeners.push((token, listener));
        }
        Ok(Server { listeners, clients: BTreeMap::new(), resting_until: None })
    }

    /// When the server wants to act by itself.
    pub fn deadline(&self) -> Option<Time> {
        let waits = self.clients.values().filter_map(|client| match client.mode {
            Mode::Waiting(ref wait) => wait.deadline.into_iter().chain(wait.look_again).min(),
            Mode::Asking | Mode::Watching | Mode::Reading { .. } | Mode::Answered => None,
        });
        waits.chain(self.resting_until).min()
    }

    /// Makes room for one more client; `false` if there is none, and the newcomer has to come again.
    ///
    /// Where there are too many, the oldest one that has not asked for anything has to go: one of those that may act for
    /// one that may act, otherwise one of the same user, or, where all users together have too many, one of any of them.
    pub(crate) fn make_room(&mut self, uid: u32, may_act: bool) -> bool {
        let same_user = |client: &Client| !client.may_act && client.uid == uid;
        let same_right = |client: &Client| client.may_act == may_act;
        let is_over = |limit: usize, of: &dyn Fn(&Client) -> bool| {
            self.clients.values().filter(|client| of(client)).count() >= limit
        };
        let competitors: &dyn Fn(&Client) -> bool = if !may_act && is_over(MAX_PER_USER, &same_user) {
            &same_user
        } else if is_over(if may_act { MAX_ACTING } else { MAX_OTHERS }, &same_right) {
            &same_right
        } else {
            return true;
        };
        let mut idle = self.clients.iter().filter(|(_, c)| competitors(c) && matches!(c.mode, Mode::Asking));
        let Some(oldest) = idle.next().map(|(&token, _)| token) else { return false };
        self.clients.remove(&oldest);
        true
    }

    /// The client to hang up on because those who may only look hold too much memory together.
    pub(crate) fn over_memory(&self) -> Option<Token> {
        let others = || self.clients.iter().filter(|(_, client)| !client.may_act);
        let total: usize = others().map(|(_, client)| client.memory()).sum();
        let largest = others().max_by_key(|(_, client)| client.memory()).map(|(&token, _)| token);
        largest.filter(|_| total > OTHERS_MEMORY)
    }

    /// Whether anybody wants to be told of changes.
    pub fn has_watchers(&self) -> bool {
        self.clients.values().any(|c| matches!(c.mode, Mode::Watching | Mode::Waiting(_)))
    }

    /// Whether anybody reads logs.
    pub fn has_readers(&self) -> bool {
        self.clients.values().any(|c| matches!(c.mode, Mode::Reading { .. }))
    }

    /// Services were renumbered: `new` has the new number of each, or `None` if it is gone.
    pub fn renumber(&mut self, new: &[Option<Id>]) {
        let map = |id: &Id| new.get(id.index()).copied().flatten();
        for client in self.clients.values_mut() {
            match &mut client.mode {
                Mode::Waiting(wait) => {
                    wait.gone |= wait.ids.iter().any(|id| map(id).is_none());
                    wait.ids = wait.ids.iter().filter_map(map).collect();
                }
                Mode::Reading { cursors, .. } => {
                    *cursors =
                        cursors.iter().filter_map(|at| Some(Cursor { id: map(&at.id)?, ..*at })).collect();
                }
                Mode::Asking | Mode::Watching | Mode::Answered => {}
            }
        }
    }
}

impl Client {
    /// Somebody who has just connected.
    pub(crate) fn new(stream: UnixStream, (uid, gid, pid): (u32, u32, i32), may_act: bool) -> Client {
        Client {
            stream,
            uid,
            gid,
            pid,
            may_act,
            input: Vec::new(),
            output: Vec::new(),
            mode: Mode::Asking,
            dropped: 0,
            behind: false,
            closing: false,
        }
    }

    /// Whether its process was of this group when it connected.
    pub(crate) fn is_member(&self, group: u32) -> bool {
        self.gid == group || sys::peer_groups(self.stream.as_fd()).is_ok_and(|groups| groups.contains(&group))
    }

    /// The bytes of its buffers.
    fn memory(&self) -> usize {
        self.input.capacity() + self.output.capacity()
    }

    /// The size up to which its output takes more of a stream.
    pub(crate) fn most_streamed(&self) -> usize {
        if self.may_act { MAX_STREAMED } else { MAX_STREAMED_OTHERS }
    }

    /// Whether its output has no room for more of a stream.
    pub(crate) fn is_full(&self) -> bool {
        self.output.len() >= self.most_streamed()
    }

    /// Sends an event, encoded already; counts it as dropped if the client reads too slowly.
    pub(crate) fn send_event(&mut self, event: &[u8]) {
        if self.is_full() {
            self.dropped += 1;
            return;
        }
        self.tell_dropped();
        self.output.extend_from_slice(event);
    }

    /// Sends a line of a log. The caller sees to it that there is room: what does not fit now stays in the ring.
    pub(crate) fn send_line(&mut self, line: &Response) {
        self.tell_dropped();
        self.send(line);
    }

    fn tell_dropped(&mut self) {
        if self.dropped > 0 {
            let count = std::mem::take(&mut self.dropped);
            self.send(&Response::Dropped { count });
        }
    }

    /// Sends a message, whatever waits already.
    pub(crate) fn send(&mut self, response: &Response) {
        self.output.extend(encode(response));
    }

    /// Sends the last message.
    pub(crate) fn finish(&mut self, response: &Response) {
        self.tell_dropped();
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
        if self.output.capacity() > KEEP {
            self.output = Vec::new();
        }
        !self.closing
    }

    /// Reads once. A client sends one request and nothing else: whoever sends more is hung up on.
    pub(crate) fn read_input(&mut self) -> Input {
        let mut chunk = [0; READ_SIZE];
        let read = match self.stream.read(&mut chunk) {
            Ok(0) => return Input::Over,
            Ok(count) => chunk.get(..count).unwrap_or(&[]),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Input::Nothing;
            }
            Err(_) => return Input::Over,
        };
        if !matches!(self.mode, Mode::Asking) {
            return Input::Over;
        }
        self.take_request(read).map_or(Input::Nothing, Input::Request)
    }

    /// The request, once it is there whole.
    fn take_request(&mut self, read: &[u8]) -> Option<Result<Request, String>> {
        let limit = if self.may_act { wire::MAX_MESSAGE } else { MAX_REQUEST };
        let end = memchr::memchr(b'\n', read);
        self.input.extend_from_slice(read.get(..end.unwrap_or(read.len())).unwrap_or(read));
        if self.input.len() > limit {
            self.input = Vec::new();
            return Some(Err("the request is too long".to_owned()));
        }
        end?;
        let line = std::mem::take(&mut self.input);
        Some(wire::decode(&line).map_err(|error| format!("cannot understand the request: {error}")))
    }
}

/// A message as it goes over the socket. One that is too long becomes an error that says so.
pub(crate) fn encode(response: &Response) -> Vec<u8> {
    let bytes = wire::encode(response).or_else(|_| {
        let message = "the answer is too long: ask for fewer services at once".to_owned();
        wire::encode(&failure(FailureKind::BadRequest, id!("I0213"), message))
    });
    bytes.unwrap_or_default()
}

/// Bytes of a log as JSON can hold them.
pub(crate) fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

/// A failure as an answer.
pub(crate) fn failure(kind: FailureKind, id: MessageId, message: impl Into<String>) -> Response {
    Response::Error(Failure { kind, id: Some(id), message: message.into() })
}

/// The answer to who wants what no longer makes sense.
pub(crate) fn shutting_down() -> Response {
    failure(FailureKind::ShuttingDown, id!("I0201"), "init is shutting down")
}

/// The answer to who wants a plan that is wrong. Its problems have ids already.
pub(crate) fn bad_plan(problems: String) -> Response {
    Response::Error(Failure { kind: FailureKind::BadPlan, id: None, message: problems })
}

/// A success as an answer.
pub(crate) fn done(message: impl Into<String>) -> Response {
    Response::Done { message: message.into() }
}

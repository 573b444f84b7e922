//! The control server: `svctl`'s other side.
//!
//! Each client is a connection with a bounded buffer in each direction. A client that asks for a stream and reads
//! slowly loses lines and events, and is told how many; it never makes PID 1 wait or grow.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use super::fault::{self, Call};
use super::init::Init;
use super::poll::{Interest, Token};
use super::{log, sys};
use crate::control::wire::{self, Failure, FailureKind, Request, Response, Until, Verb};
use crate::core::status::{Phase, Stage};
use crate::core::{Change, Event, Time};
use crate::plan::{Id, Kind};

/// Clients at one time. One more, and the oldest that has not asked for anything yet has to go.
const MAX_CLIENTS: usize = 64;
/// No more is written for a client that does not read.
const MAX_PENDING: usize = 2 * wire::MAX_MESSAGE;
/// Streams stop at this much, so that answers still fit.
const MAX_STREAMED: usize = 256 * 1024;
/// How long the server rests when it cannot accept: without a rest the loop would spin.
const ACCEPT_REST: Duration = Duration::from_millis(500);

/// The control socket and who is connected.
pub struct Server {
    listener: UnixListener,
    token: Token,
    clients: BTreeMap<Token, Client>,
    resting_until: Option<Time>,
}

struct Client {
    stream: UnixStream,
    may_act: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    mode: Mode,
    /// Messages that it was too slow for, to be told.
    dropped: u64,
    /// It has its answer; the connection ends once that is written.
    closing: bool,
}

/// What a client is waiting for.
enum Mode {
    /// Its request.
    Asking,
    /// A state of these services.
    Waiting { wish: Wish, ids: Vec<Id>, deadline: Option<Time> },
    /// Events.
    Watching,
    /// Lines of these services from these places on.
    Following(Vec<(Id, u64)>),
    /// Nothing: it has had its answer.
    Answered,
}

/// What a waiting client wants to see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wish {
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
    pub fn new(listener: UnixListener, poll: &mut super::poll::Poll) -> io::Result<Server> {
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
                Mode::Waiting { ids, .. } => *ids = ids.iter().filter_map(map).collect(),
                Mode::Following(cursors) => {
                    *cursors = cursors.iter().filter_map(|(id, at)| Some((map(id)?, *at))).collect();
                }
                Mode::Asking | Mode::Watching | Mode::Answered => {}
            }
        }
    }
}

impl Client {
    fn send(&mut self, response: &Response) {
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
    fn push_line(&mut self, line: &Response) {
        if self.dropped > 0 {
            let count = std::mem::take(&mut self.dropped);
            self.push(&Response::Dropped { count });
        }
        self.push(line);
    }

    fn push(&mut self, response: &Response) {
        let bytes = wire::encode(response).or_else(|_| {
            let message = "the answer is too long: ask for fewer services at once".to_owned();
            wire::encode(&Response::Error(Failure { kind: FailureKind::BadRequest, message }))
        });
        self.output.extend(bytes.unwrap_or_default());
    }

    fn answer(&mut self, response: &Response) {
        self.send(response);
        self.mode = Mode::Answered;
        self.closing = true;
    }

    /// Writes what can be written; `false`: the connection is over.
    fn flush(&mut self) -> bool {
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
    fn fill(&mut self) -> bool {
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
fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

/// A failure as an answer.
fn failure(kind: FailureKind, message: impl Into<String>) -> Response {
    Response::Error(Failure { kind, message: message.into() })
}

fn done(message: impl Into<String>) -> Response {
    Response::Done { message: message.into() }
}

impl Init {
    /// Something happened on the control socket or a connection.
    pub(super) fn serve(&mut self, token: Token) {
        if self.server.as_ref().is_some_and(|server| server.token == token) {
            return self.accept();
        }
        let request = self.client(token).map(|client| {
            if !client.fill() {
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
                self.answer(token, request);
                self.flush_client(token);
            }
            Some(Ok(Some(Err(message)))) => {
                self.reply(token, &failure(FailureKind::BadRequest, message));
                self.flush_client(token);
            }
        }
    }

    fn client(&mut self, token: Token) -> Option<&mut Client> {
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
                    return self.say(&format!("cannot accept a control connection: {error}; trying again"));
                }
            };
            if server.clients.len() >= MAX_CLIENTS {
                let idle =
                    server.clients.iter().find(|(_, c)| matches!(c.mode, Mode::Asking)).map(|(&t, _)| t);
                // Everybody is being served: the newcomer has to come again.
                let Some(idle) = idle else { continue };
                server.clients.remove(&idle);
            }
            let token = self.poll.token();
            let ready =
                stream.set_nonblocking(true).is_ok() && self.poll.add(&stream, token, Interest::Read).is_ok();
            if ready {
                let may_act = may_act(&stream);
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

    fn hang_up(&mut self, token: Token) {
        if let Some(server) = &mut self.server
            && let Some(client) = server.clients.remove(&token)
        {
            self.poll.remove(&client.stream);
        }
    }

    fn reply(&mut self, token: Token, response: &Response) {
        if let Some(client) = self.client(token) {
            client.answer(response);
        }
    }

    fn flush_client(&mut self, token: Token) {
        let Some(server) = &mut self.server else { return };
        let Some(client) = server.clients.get_mut(&token) else { return };
        if !client.flush() {
            return self.hang_up(token);
        }
        let interest = if client.output.is_empty() { Interest::Read } else { Interest::Both };
        self.poll.change(&client.stream, token, interest);
    }

    /// Carries out a request, or starts to.
    fn answer(&mut self, token: Token, request: Request) {
        let may_act = self.client(token).is_some_and(|client| client.may_act);
        let acts = matches!(
            request,
            Request::Change { .. }
                | Request::Signal { .. }
                | Request::Reload { .. }
                | Request::Shutdown { .. }
        );
        if acts && !may_act {
            let cure =
                "only root and the user init runs as may do this: use `podman exec` or `docker exec` as root";
            return self.reply(token, &failure(FailureKind::Denied, cure));
        }
        match request {
            Request::List { names } => self.answer_list(token, &names),
            Request::Change { verb, names, wait, timeout_ms } => {
                self.answer_change(token, verb, &names, wait, timeout_ms)
            }
            Request::Signal { names, signal } => self.answer_signal(token, &names, signal),
            Request::Reload { names } if names.is_empty() => self.answer_reload_plan(token),
            Request::Reload { names } => self.answer_reload(token, &names),
            Request::Wait { names, until, timeout_ms } => self.answer_wait(token, &names, until, timeout_ms),
            Request::Logs { names, lines, follow } => self.answer_logs(token, &names, lines, follow),
            Request::Events => self.set_mode(token, Mode::Watching),
            Request::Health => self.answer_health(token),
            Request::Shutdown { code } => {
                self.feed(Event::Shutdown(code));
                self.reply(token, &done("shutting down"));
            }
        }
    }

    fn set_mode(&mut self, token: Token, mode: Mode) {
        if let Some(client) = self.client(token) {
            client.mode = mode;
        }
    }

    /// The services of these names, bundles resolved; answers the client itself if one is unknown.
    fn resolve(&mut self, token: Token, names: &[String]) -> Option<Vec<Id>> {
        let mut ids = Vec::new();
        for name in names {
            let found = self.supervisor.plan().lookup(name);
            match found.filter(|found| found.iter().any(|&id| !self.supervisor.is_forgotten(id))) {
                Some(found) => ids.extend(found),
                None => {
                    let suggestion = self.supervisor.plan().suggest(name);
                    let hint = suggestion.map(|s| format!("; did you mean `{s}`?")).unwrap_or_default();
                    let message = format!("there is no service `{name}`{hint}");
                    self.reply(token, &failure(FailureKind::UnknownName, message));
                    return None;
                }
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Some(ids)
    }

    fn resolve_some(&mut self, token: Token, names: &[String]) -> Option<Vec<Id>> {
        if names.is_empty() {
            self.reply(token, &failure(FailureKind::BadRequest, "name at least one service"));
            return None;
        }
        self.resolve(token, names)
    }

    fn resolve_or_all(&mut self, token: Token, names: &[String]) -> Option<Vec<Id>> {
        if names.is_empty() { Some(self.all_ids()) } else { self.resolve(token, names) }
    }

    pub(super) fn all_ids(&self) -> Vec<Id> {
        let all =
            (0..self.supervisor.plan().services.len()).filter_map(|index| u32::try_from(index).ok()).map(Id);
        all.filter(|&id| !self.supervisor.is_forgotten(id)).collect()
    }

    fn answer_list(&mut self, token: Token, names: &[String]) {
        let Some(ids) = self.resolve_or_all(token, names) else { return };
        let now = sys::now();
        let services = ids.iter().map(|&id| self.supervisor.status(id, now)).collect();
        let response = Response::Services { services, stage: self.supervisor.stage() };
        if let Some(client) = self.client(token) {
            client.send(&response);
            client.answer(&done(""));
        }
    }

    fn answer_change(
        &mut self,
        token: Token,
        verb: Verb,
        names: &[String],
        wait: bool,
        timeout_ms: Option<u64>,
    ) {
        let Some(ids) = self.resolve_some(token, names) else { return };
        if self.supervisor.stage() == Stage::Stopping && verb != Verb::Stop {
            return self.reply(token, &failure(FailureKind::ShuttingDown, "init is shutting down"));
        }
        let wish = if verb == Verb::Stop { Wish::Down } else { Wish::Ready { asked: true } };
        let deadline = timeout_ms.map(|ms| sys::now().plus(Duration::from_millis(ms)));
        if wait {
            self.set_mode(token, Mode::Waiting { wish, ids: ids.clone(), deadline });
        }
        for id in ids {
            self.feed(match verb {
                Verb::Start => Event::Start(id),
                Verb::Stop => Event::Stop(id),
                Verb::Restart => Event::Restart(id),
            });
        }
        if wait { self.look_at_waiting() } else { self.reply(token, &done("")) }
    }

    fn answer_signal(&mut self, token: Token, names: &[String], signal: crate::plan::Signal) {
        let Some(ids) = self.resolve_some(token, names) else { return };
        let mut sent = 0;
        for id in ids {
            if let Some(pid) = self.supervisor.main_pid(id) {
                sent += u32::from(sys::kill(pid, signal.number()).is_ok());
            }
        }
        if sent == 0 {
            return self.reply(token, &failure(FailureKind::Failed, "none of them is running"));
        }
        self.reply(token, &done(""));
    }

    fn answer_reload_plan(&mut self, token: Token) {
        let answer = match self.reload_plan() {
            Ok(message) => done(message),
            Err(problems) => failure(FailureKind::BadPlan, problems),
        };
        self.reply(token, &answer);
    }

    fn answer_reload(&mut self, token: Token, names: &[String]) {
        let Some(ids) = self.resolve_some(token, names) else { return };
        for &id in &ids {
            let Some(service) = self.supervisor.plan().services.get(id.index()) else { continue };
            let message = if service.reload.is_none() {
                format!(
                    "{} does not say how to reload: give it a [reload] section, or restart it",
                    service.name
                )
            } else if self.supervisor.phase(id) != Phase::Up {
                format!("{} is not up", service.name)
            } else {
                continue;
            };
            return self.reply(token, &failure(FailureKind::Failed, message));
        }
        for id in ids {
            self.feed(Event::Reload(id));
        }
        self.reply(token, &done(""));
    }

    fn answer_wait(&mut self, token: Token, names: &[String], until: Until, timeout_ms: Option<u64>) {
        let Some(ids) = self.resolve(token, names) else { return };
        let wish = match until {
            Until::Ready if names.is_empty() => Wish::Booted,
            Until::Ready => Wish::Ready { asked: false },
            Until::Down => Wish::Down,
        };
        let ids = if names.is_empty() { self.all_ids() } else { ids };
        let deadline = timeout_ms.map(|ms| sys::now().plus(Duration::from_millis(ms)));
        self.set_mode(token, Mode::Waiting { wish, ids, deadline });
        self.look_at_waiting();
    }

    fn answer_health(&mut self, token: Token) {
        let stage = self.supervisor.stage();
        let problems = self.supervisor.problems(sys::now());
        let healthy = stage == Stage::Running && problems.is_empty();
        if let Some(client) = self.client(token) {
            client.send(&Response::Health { healthy, stage, problems });
            client.answer(&done(""));
        }
    }

    fn answer_logs(&mut self, token: Token, names: &[String], lines: Option<usize>, follow: bool) {
        let Some(ids) = self.resolve_or_all(token, names) else { return };
        let mut all = Vec::new();
        let mut cursors = Vec::new();
        for id in ids {
            let Some(seat) = self.seats.get(id.index()) else { continue };
            let service = self.supervisor.plan().services.get(id.index()).map(|s| s.name.to_string());
            let Some(service) = service else { continue };
            let kept = self.logs.tail(seat.log, lines.unwrap_or(usize::MAX)).into_iter().flatten();
            all.extend(kept.map(|record| (record.time_ms, service.clone(), text(&record.line))));
            cursors.push((id, self.logs.next_seq(seat.log)));
        }
        // Each service's lines are in order already; a stable sort keeps them so.
        all.sort_by_key(|(time, ..)| *time);
        let skip = lines.map_or(0, |lines| all.len().saturating_sub(lines));
        let Some(client) = self.client(token) else { return };
        for (time_ms, service, line) in all.into_iter().skip(skip) {
            // What is kept is bounded, so it is sent whole, however slowly it is read.
            client.push(&Response::Log { service, time_ms, line });
        }
        if follow {
            client.mode = Mode::Following(cursors);
        } else {
            client.answer(&done(""));
        }
    }

    // ---- streams ----

    /// Tells those who want to know that a service changed.
    pub(super) fn publish(&mut self, change: &Change) {
        let Some(server) = &mut self.server else { return };
        let Some(service) = self.supervisor.plan().services.get(change.id.index()) else { return };
        let event = Response::Event(wire::Event {
            service: service.name.to_string(),
            time_ms: log::now_ms(),
            from: change.from,
            to: change.to,
            pid: change.pid,
            exit: change.exit,
            note: change.why.clone(),
        });
        for client in server.clients.values_mut() {
            if matches!(client.mode, Mode::Watching | Mode::Waiting { .. }) {
                client.send(&event);
            }
        }
    }

    /// Answers those whose wait is over, one way or the other.
    pub(super) fn look_at_waiting(&mut self) {
        let now = sys::now();
        let Some(server) = &self.server else { return };
        let verdicts: Vec<(Token, Response)> = server
            .clients
            .iter()
            .filter_map(|(&token, client)| match &client.mode {
                Mode::Waiting { wish, ids, deadline } => {
                    Some((token, self.verdict(*wish, ids, *deadline, now)?))
                }
                Mode::Asking | Mode::Watching | Mode::Following(_) | Mode::Answered => None,
            })
            .collect();
        for (token, response) in verdicts {
            self.reply(token, &response);
        }
    }

    fn verdict(&self, wish: Wish, ids: &[Id], deadline: Option<Time>, now: Time) -> Option<Response> {
        let supervisor = &self.supervisor;
        let over = match wish {
            Wish::Ready { .. } => ids.iter().all(|&id| supervisor.is_ready(id)),
            Wish::Down => ids.iter().all(|&id| supervisor.is_down(id)),
            Wish::Booted => supervisor.stage() == Stage::Running,
        };
        let failed: Vec<String> = match wish {
            Wish::Down => Vec::new(),
            Wish::Ready { asked } => {
                ids.iter().filter(|&&id| self.is_lost(id, asked)).map(|&id| self.line(id)).collect()
            }
            Wish::Booted if over => {
                ids.iter().filter(|&&id| supervisor.has_failed(id)).map(|&id| self.line(id)).collect()
            }
            Wish::Booted => Vec::new(),
        };
        if !failed.is_empty() {
            return Some(failure(FailureKind::Failed, failed.join("\n")));
        }
        if over {
            return Some(done(""));
        }
        if supervisor.stage() == Stage::Stopping && wish != Wish::Down {
            return Some(failure(FailureKind::ShuttingDown, "init is shutting down"));
        }
        if deadline.is_some_and(|at| at <= now) {
            let waiting = ids.iter().filter(|&&id| match wish {
                Wish::Down => !supervisor.is_down(id),
                Wish::Ready { .. } | Wish::Booted => supervisor.is_wanted(id) && !supervisor.is_ready(id),
            });
            let lines: Vec<String> = waiting.map(|&id| self.line(id)).collect();
            return Some(failure(FailureKind::TimedOut, lines.join("\n")));
        }
        None
    }

    /// Whether waiting for its readiness is in vain: it failed for good, or ended well though it was to stay. Who
    /// asked for its start also wants to hear of the first failure, though it will be tried again.
    fn is_lost(&self, id: Id, asked: bool) -> bool {
        let kind = self.supervisor.plan().services.get(id.index()).map(|service| service.kind);
        match self.supervisor.phase(id) {
            Phase::Failed => true,
            Phase::Backoff => asked,
            Phase::Done => kind == Some(Kind::Longrun),
            Phase::Down => !self.supervisor.is_wanted(id) && asked,
            _ => false,
        }
    }

    fn line(&self, id: Id) -> String {
        let status = self.supervisor.status(id, sys::now());
        let note = status.note.map(|note| format!(": {note}")).unwrap_or_default();
        format!("{} is {}{note}", status.name, status.state.as_str())
    }

    /// Sends followers what has come.
    pub(super) fn stream_logs(&mut self) {
        let Some(server) = &mut self.server else { return };
        for client in server.clients.values_mut() {
            let Mode::Following(cursors) = &mut client.mode else { continue };
            let mut cursors = std::mem::take(cursors);
            for (id, next) in &mut cursors {
                let Some(seat) = self.seats.get(id.index()) else { continue };
                let Some(service) = self.supervisor.plan().services.get(id.index()) else { continue };
                // A full buffer leaves the rest in the ring, to be sent later if it is still there then.
                if client.output.len() >= MAX_STREAMED {
                    continue;
                }
                let Some((lost, fresh)) = self.logs.lines_since(seat.log, *next) else { continue };
                client.dropped += lost;
                *next += lost;
                for record in fresh {
                    let (service, time_ms, line) =
                        (service.name.to_string(), record.time_ms, text(&record.line));
                    *next = record.seq + 1;
                    client.push_line(&Response::Log { service, time_ms, line });
                    if client.output.len() >= MAX_STREAMED {
                        break;
                    }
                }
            }
            client.mode = Mode::Following(cursors);
        }
    }

    /// Writes what is pending for everybody, and does what time asks for.
    pub(super) fn tend_clients(&mut self, now: Time) {
        let Some(server) = &mut self.server else { return };
        if server.resting_until.is_some_and(|at| at <= now) {
            server.resting_until = None;
            self.poll.change(&server.listener, server.token, Interest::Read);
        }
        if server.has_followers() {
            self.stream_logs();
        }
        if self.server.as_ref().and_then(Server::deadline).is_some_and(|at| at <= now) {
            self.look_at_waiting();
        }
        let Some(server) = &self.server else { return };
        let pending: Vec<Token> = server
            .clients
            .iter()
            .filter(|(_, client)| client.closing || !client.output.is_empty())
            .map(|(&token, _)| token)
            .collect();
        for token in pending {
            self.flush_client(token);
        }
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

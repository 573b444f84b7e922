//! The logs: from the services' pipes to the container's output.
//!
//! ```text
//! pipe --read--> chunk --lines--> ring of the service     (svctl logs)
//!                            \--> format --> sink --write--> stdout
//! ```
//!
//! One thread, no waiting: the loop calls [`Logs::read`] when a pipe has something, [`Logs::flush`] before it
//! waits again, and stops watching the pipes while [`Logs::is_full`]. Each call does a bounded piece of work, so
//! that one noisy service does not starve the others. The buffers for reading and writing are shared by all
//! services; a service that is quiet has nothing but its name, its mode and a place for half a line.

pub mod format;
pub mod lines;
mod output;
mod packed;
pub mod pipe;
pub mod ring;
pub mod sink;
mod stream;
mod target;

use std::os::fd::BorrowedFd;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use regex::bytes::Regex;
use serde::{Deserialize, Serialize};

use format::Format;
use init_plan::id;
use init_plan::model::Log;
use output::{Output, Pass};
pub use packed::Packed;
pub use pipe::log_pipe;
use ring::{Records, Ring};
use sink::Sink;
use stream::Stream;

/// The most that is read at once, in bytes, of a pipe as it was made.
const CHUNK: usize = 64 * 1024;
/// The same of a pipe that was made larger. Each read wakes a writer that waits for room, which costs more than the
/// reading: the more room it then finds, the better. This, what it becomes and the ring fit into a core's own cache.
const LARGE_CHUNK: usize = 256 * 1024;
/// After so many reads in a row of [`MUCH`], a service's pipe is made larger.
const NOISY: u8 = 8;
/// So many bytes. Not all that fit: a pipe counts in pages, and is full with pages that are not.
const MUCH: usize = CHUNK / 2;
/// So many pipes are made larger at most: beyond a user's share the kernel would make new pipes smaller.
const MAX_ENLARGED: u8 = 16;

/// A service's place in [`Logs`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct LogId(u32);

/// What came of reading a pipe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reading {
    /// Nothing is left for now.
    Empty,
    /// There may be more.
    More,
    /// Nothing was read, as the output is full.
    Full,
    /// All write ends are closed.
    Closed,
}

/// The logs of all services.
#[derive(Debug)]
pub struct Logs {
    streams: Vec<Option<Stream>>,
    out: Output,
    ring_limit: usize,
    /// What pipes are read into; allocated on the first read.
    chunk: Vec<u8>,
    /// What was read but found the sink full.
    held: Option<(LogId, Vec<u8>)>,
    watches: Vec<(LogId, Regex)>,
    matches: Vec<LogId>,
    /// Bytes read since [`Logs::take_count`].
    count: usize,
    enlarged: u8,
}

impl Logs {
    /// Logs that go to `sink`. `own`: how `init`'s own messages are written (JSON, or else with a prefix).
    /// `colour`: the output is a terminal and wants colours. `ring_limit`: bytes kept of each service.
    pub fn new(sink: Sink, own: Log, colour: bool, ring_limit: usize) -> Logs {
        let out = Output::new(sink, Format::new(colour), own == Log::Json);
        let (streams, chunk, watches, matches) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Logs { streams, out, ring_limit, chunk, held: None, watches, matches, count: 0, enlarged: 0 }
    }

    /// A place for the output of one service, for as long as `init` knows it.
    pub fn register(&mut self, name: &str, mode: Log) -> LogId {
        if mode == Log::Prefix {
            self.out.format.widen(name);
        }
        let stream = Some(Stream::new(name, mode));
        match self.streams.iter().position(Option::is_none) {
            Some(free) => {
                if let Some(place) = self.streams.get_mut(free) {
                    *place = stream;
                }
                LogId(u32::try_from(free).unwrap_or(u32::MAX))
            }
            None => {
                self.streams.push(stream);
                LogId(u32::try_from(self.streams.len() - 1).unwrap_or(u32::MAX))
            }
        }
    }

    /// Forgets a service and what was kept of it; its place is given to the next one registered.
    pub fn forget(&mut self, id: LogId) {
        self.watches.retain(|(watched, _)| *watched != id);
        self.matches.retain(|matched| *matched != id);
        self.held.take_if(|(held, _)| *held == id);
        if let Some(place) = self.streams.get_mut(id.0 as usize) {
            *place = None;
        }
    }

    /// Looks for `pattern` in each line of a service until one matches; see [`Logs::take_matches`].
    pub fn watch(&mut self, id: LogId, pattern: Regex) {
        self.unwatch(id);
        self.watches.push((id, pattern));
    }

    /// Stops looking.
    pub fn unwatch(&mut self, id: LogId) {
        self.watches.retain(|(watched, _)| *watched != id);
    }

    /// The services of which a line matched since the last call.
    pub fn take_matches(&mut self) -> Vec<LogId> {
        std::mem::take(&mut self.matches)
    }

    /// Reads once from a service's pipe, and passes on what came.
    pub fn read(&mut self, id: LogId, pipe: BorrowedFd<'_>) -> Reading {
        let Some(stream) = self.stream(id) else { return Reading::Empty };
        let (writes, size) = (stream.writes(), if stream.was_noisy() { LARGE_CHUNK } else { CHUNK });
        if writes && !self.has_room() {
            return Reading::Full;
        }
        let mut chunk = std::mem::take(&mut self.chunk);
        if chunk.len() < size {
            chunk.resize(size, 0);
        }
        let reading = match nix::unistd::read(pipe, chunk.get_mut(..size).unwrap_or_default()) {
            Ok(0) => {
                self.emptied(id);
                Reading::Closed
            }
            Ok(len) => {
                self.count = self.count.saturating_add(len);
                self.enlarge_if_noisy(id, pipe, len);
                self.take(id, chunk.get(..len).unwrap_or_default());
                Reading::More
            }
            Err(Errno::EINTR) => Reading::More,
            Err(_) => {
                self.emptied(id);
                Reading::Empty
            }
        };
        self.chunk = chunk;
        reading
    }

    /// How many bytes were read since the last call.
    pub fn take_count(&mut self) -> usize {
        std::mem::take(&mut self.count)
    }

    /// A run of the service is over: passes on what is left in its pipe, and the line it did not end. Where the
    /// output is full this is not done yet and the answer is false: call it again once [`Logs::is_full`] is over.
    /// Nothing is lost in the meantime.
    pub fn finish_run(&mut self, id: LogId, pipe: BorrowedFd<'_>) -> bool {
        if let Some(stream) = self.stream(id) {
            stream.finishing = true;
        }
        // A pipe holds at most 1 MiB: what comes beyond that is of a process that outlives the run.
        for _ in 0..(1 << 20) / CHUNK {
            match self.read(id, pipe) {
                Reading::More => {}
                Reading::Full => return false,
                Reading::Empty | Reading::Closed => return true,
            }
        }
        self.emptied(id);
        true
    }

    /// A message of `init` itself; it never waits for the services' output.
    pub fn own(&mut self, message: &str) {
        self.out.own(message);
    }

    /// Writes what the output takes now. Call it after reading, and when the output becomes writable.
    pub fn flush(&mut self) {
        self.out.sink.flush_some();
        while !self.out.sink.is_full() {
            let Some((id, rest)) = self.held.take() else { break };
            self.take(id, &rest);
            self.out.sink.flush_some();
        }
        if let Some(count) = self.out.sink.take_dropped() {
            let message = format!("{count} messages of init were dropped: the output is too slow");
            self.out.own(&id!("I0415").after(&message));
            self.out.sink.flush_some();
        }
    }

    /// Stop watching the services' pipes until this is over: the output takes no more. The services then wait.
    pub fn is_full(&self) -> bool {
        self.held.is_some() || self.out.sink.is_full()
    }

    /// Whether to wait for [`Logs::fd`] to become writable.
    pub fn wants_write(&self) -> bool {
        self.out.sink.wants_write()
    }

    /// The output, for epoll; only while [`Logs::wants_write`].
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.out.sink.fd()
    }

    /// The lines of a service from number `seq` on, and how many from there on are no longer kept.
    pub fn lines_since(&self, id: LogId, seq: u64) -> Option<(u64, Records<'_>)> {
        Some(self.ring(id)?.since(seq))
    }

    /// The last lines of a service.
    pub fn tail(&self, id: LogId, lines: usize) -> Option<Records<'_>> {
        Some(self.ring(id)?.tail(lines))
    }

    /// The number of the oldest line of a service that is kept.
    pub fn first_seq(&self, id: LogId) -> u64 {
        self.ring(id).map_or(0, Ring::first)
    }

    /// The number that the next line of a service will get.
    pub fn next_seq(&self, id: LogId) -> u64 {
        self.ring(id).map_or(0, Ring::next)
    }

    /// Reads the pipes empty and writes everything, waiting for the output if need be, until `deadline`. This is
    /// the only call that waits: it is for the end, when no service is left. Says whether all was written.
    pub fn final_flush(&mut self, pipes: &[(LogId, BorrowedFd<'_>)], deadline: Instant) -> bool {
        loop {
            let mut done = true;
            for (id, pipe) in pipes {
                done &= self.finish_run(*id, *pipe);
            }
            self.flush();
            if !self.wants_write() && done {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            if self.wants_write() {
                let mut fds = [PollFd::new(self.fd(), PollFlags::POLLOUT)];
                let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
                let _ = poll(&mut fds, timeout);
            }
        }
    }

    /// Gives the shared buffers back. Call it when nothing was logged for a second or so.
    pub fn trim(&mut self) {
        self.chunk = Vec::new();
        self.out.sink.trim();
    }

    /// The heap memory in use, in bytes, and how much of it the rings are.
    pub fn heap(&self) -> (usize, usize) {
        let streams = self.streams.iter().flatten();
        let (lines, rings) = streams.fold((0, 0), |(lines, rings), stream| {
            (lines + stream.lines.heap(), rings + stream.ring.as_ref().map_or(0, |ring| ring.heap()))
        });
        let held = self.held.as_ref().map_or(0, |(_, rest)| rest.capacity());
        let fixed = self.streams.capacity() * size_of::<Option<Stream>>();
        (fixed + lines + rings + held + self.chunk.capacity() + self.out.sink.heap(), rings)
    }

    fn stream(&mut self, id: LogId) -> Option<&mut Stream> {
        self.streams.get_mut(id.0 as usize)?.as_mut()
    }

    fn ring(&self, id: LogId) -> Option<&Ring> {
        self.streams.get(id.0 as usize)?.as_ref()?.ring.as_deref()
    }

    /// The pipe is empty: what a run that is over left without a newline is a line.
    fn emptied(&mut self, id: LogId) {
        if self.stream(id).is_some_and(|stream| std::mem::take(&mut stream.finishing)) {
            self.process(id, &[], true);
        }
    }

    /// Whether the output takes more, if need be after writing some of it.
    fn has_room(&mut self) -> bool {
        if self.is_full() {
            self.flush();
        }
        !self.is_full()
    }

    /// A large pipe saves a service that writes much from waiting for us, and us from being woken.
    fn enlarge_if_noisy(&mut self, id: LogId, pipe: BorrowedFd<'_>, len: usize) {
        let noisy = self.stream(id).is_some_and(|stream| stream.is_noisy(len >= MUCH));
        if noisy && self.enlarged < MAX_ENLARGED {
            self.enlarged += 1;
            pipe::enlarge(pipe);
        }
    }

    /// Passes on a chunk; keeps the rest of it where the output is full.
    fn take(&mut self, id: LogId, chunk: &[u8]) {
        let left = self.process(id, chunk, false);
        if !left.is_empty() {
            self.held = Some((id, left.to_vec()));
        }
    }

    /// Splits, keeps and formats a chunk, and with `finish` the last line; returns what found the output full.
    fn process<'c>(&mut self, id: LogId, chunk: &'c [u8], finish: bool) -> &'c [u8] {
        let Some(stream) = self.streams.get_mut(id.0 as usize).and_then(Option::as_mut) else { return &[] };
        let time_ms = now_ms();
        let head = self.out.head(stream, time_ms);
        let watch = self.watches.iter().position(|(watched, _)| *watched == id);
        let pattern = watch.and_then(|at| self.watches.get(at)).map(|(_, pattern)| pattern);
        let mut pass = Pass { out: &mut self.out, head, pattern, matched: false };
        let left = stream.feed(chunk, finish, time_ms, self.ring_limit, &mut pass);
        if pass.matched {
            self.matches.push(id);
            self.unwatch(id);
        }
        left
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

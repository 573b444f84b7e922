//! The client's end of the control socket.
//!
//! Anybody can make a directory in `/tmp` and listen there, so a client talks only to a socket that belongs to root
//! or to its own user, and checks the listener itself (`SO_PEERCRED`) once it is connected: what stood at a path a
//! moment ago proves nothing.

use std::fmt;
use std::io::{self, BufReader, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use super::path;
use super::wire::{self, Request, Response};

/// Room for the answer to `svctl list` at about a hundred services, so that it takes few reads.
const BUFFER: usize = 64 * 1024;

/// Why `init` cannot be reached.
#[derive(Debug)]
pub enum Unreachable {
    /// No socket in any of these directories.
    Absent {
        /// Where it was looked for.
        looked_in: Vec<PathBuf>,
        /// The user whose `init` seems to run here, if it is another one.
        init_of: Option<u32>,
    },
    /// A socket that nobody listens at any more.
    Stale(PathBuf),
    /// The user may not connect.
    Denied(PathBuf),
    /// The socket belongs to neither root nor the user.
    Foreign(PathBuf, u32),
    /// Anything else that went wrong at this path.
    Broken(PathBuf, io::Error),
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreachable::Absent { looked_in, init_of } => absent(f, looked_in, *init_of),
            Unreachable::Stale(path) => {
                write!(f, "init is not running here: nobody listens at {}", path.display())
            }
            Unreachable::Denied(path) => write!(
                f,
                "cannot connect to {}: permission denied; run svctl as root or as the user init runs as",
                path.display()
            ),
            Unreachable::Foreign(path, uid) => write!(
                f,
                "cannot trust {}: it belongs to uid {uid}, which is neither root nor you; run svctl as that user",
                path.display()
            ),
            Unreachable::Broken(path, error) => write!(f, "cannot connect to {}: {error}", path.display()),
        }
    }
}

fn absent(f: &mut fmt::Formatter<'_>, looked_in: &[PathBuf], init_of: Option<u32>) -> fmt::Result {
    if let Some(uid) = init_of {
        return write!(f, "init runs here as uid {uid}: run svctl as that user");
    }
    let places: Vec<String> = looked_in.iter().map(|path| path.display().to_string()).collect();
    write!(
        f,
        "init is not running here (looked in {}; set ${} if it is elsewhere)",
        places.join(", "),
        path::VARIABLE
    )
}

impl Unreachable {
    /// How much a reason tells a person: of several, the one with the largest weight is reported.
    fn weight(&self) -> u8 {
        match self {
            Unreachable::Absent { .. } => 0,
            Unreachable::Stale(_) => 1,
            Unreachable::Foreign(..) => 2,
            Unreachable::Broken(..) => 3,
            Unreachable::Denied(_) => 4,
        }
    }
}

/// A connection to `init`, good for one request.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
}

impl Client {
    /// Connects to the first socket in these runtime directories at which somebody trustworthy listens.
    ///
    /// # Errors
    /// The most telling of the reasons why none of them would do.
    pub fn connect(directories: &[PathBuf], uid: u32) -> Result<Client, Unreachable> {
        let mut reason: Option<Unreachable> = None;
        for directory in directories {
            // Whoever may not use it, or finds an `init` that has none, uses the other one, which says what is wrong.
            if let Ok(Some(stream)) = traced_attempt(&directory.join(path::PRIVATE_SOCKET), uid) {
                return Ok(Client { stream });
            }
            let found = traced_attempt(&directory.join(path::SOCKET), uid);
            match found {
                Ok(Some(stream)) => return Ok(Client { stream }),
                Ok(None) => {}
                Err(new) if reason.as_ref().is_some_and(|old| old.weight() >= new.weight()) => {}
                Err(new) => reason = Some(new),
            }
        }
        Err(reason.unwrap_or_else(|| Unreachable::Absent {
            looked_in: directories.to_vec(),
            init_of: other_user(uid),
        }))
    }

    /// The connection itself, for a client that waits for more than `init`.
    pub fn into_stream(self) -> UnixStream {
        self.stream
    }

    /// Sends the request. `patience` bounds each silence of `init` while it is answering; `None`: for ever.
    ///
    /// # Errors
    /// If the request is longer than a message may be, or `init` does not take it.
    pub fn ask(mut self, request: &Request, patience: Option<Duration>) -> io::Result<Answers> {
        let message = wire::encode(request)?;
        tracing::debug!(?request, bytes = message.len(), "asks");
        self.stream.set_read_timeout(patience)?;
        self.stream.set_write_timeout(patience)?;
        match self.stream.write_all(&message) {
            // It may have hung up after saying why: that is there to be read.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            done => done?,
        }
        Ok(Answers { stream: BufReader::with_capacity(BUFFER, self.stream), ended: false })
    }
}

/// An attempt that a person who debugs is told of.
fn traced_attempt(path: &Path, uid: u32) -> Result<Option<UnixStream>, Unreachable> {
    let found = attempt(path, uid);
    tracing::debug!(path = %path.display(), result = outcome(&found), "tries a socket");
    found
}

/// What a person who debugs is told of an attempt.
fn outcome(found: &Result<Option<UnixStream>, Unreachable>) -> String {
    match found {
        Ok(Some(_)) => "connected".to_owned(),
        Ok(None) => "there is none".to_owned(),
        Err(why) => why.to_string(),
    }
}

/// A connection through the socket at this path; `None` if there is no such path.
fn attempt(path: &Path, uid: u32) -> Result<Option<UnixStream>, Unreachable> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(refusal(path, error)),
    };
    if !found.file_type().is_socket() {
        return Err(Unreachable::Broken(path.to_owned(), io::Error::other("it is not a socket")));
    }
    trust(path, found.uid(), uid)?;
    let stream = UnixStream::connect(path).map_err(|error| refusal(path, error))?;
    let peer = getsockopt(&stream, PeerCredentials).map_err(|error| refusal(path, error.into()))?;
    trust(path, peer.uid(), uid)?;
    Ok(Some(stream))
}

fn trust(path: &Path, owner: u32, uid: u32) -> Result<(), Unreachable> {
    if owner == 0 || owner == uid { Ok(()) } else { Err(Unreachable::Foreign(path.to_owned(), owner)) }
}

fn refusal(path: &Path, error: io::Error) -> Unreachable {
    match error.kind() {
        ErrorKind::PermissionDenied => Unreachable::Denied(path.to_owned()),
        ErrorKind::ConnectionRefused | ErrorKind::NotFound => Unreachable::Stale(path.to_owned()),
        _ => Unreachable::Broken(path.to_owned(), error),
    }
}

/// The user of process 1, if it is another one who has a control socket.
fn other_user(uid: u32) -> Option<u32> {
    let first = std::fs::metadata("/proc/1").ok()?.uid();
    // Only the directory: it may be closed to us, so that what is in it cannot be seen.
    let has_socket = path::own(first).iter().any(|directory| directory.exists());
    (first != uid && has_socket).then_some(first)
}

/// What `init` answers, one response at a time, up to and including [`Response::Done`] or [`Response::Error`].
#[derive(Debug)]
pub struct Answers {
    stream: BufReader<UnixStream>,
    ended: bool,
}

impl Answers {
    /// Whether the next response has already arrived, so that asking for it does not wait.
    pub fn is_next_here(&self) -> bool {
        self.ended || memchr::memchr(b'\n', self.stream.buffer()).is_some()
    }

    fn receive(&mut self) -> io::Result<Response> {
        let answer = wire::read_response(&mut self.stream)?.ok_or_else(wire::hung_up)?;
        tracing::debug!(kind = answer.kind(), "is answered");
        Ok(answer)
    }
}

impl Iterator for Answers {
    type Item = io::Result<Response>;

    fn next(&mut self) -> Option<io::Result<Response>> {
        if self.ended {
            return None;
        }
        let answer = self.receive();
        self.ended = answer.as_ref().map_or(true, Response::is_last);
        Some(answer)
    }
}

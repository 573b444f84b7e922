//! The messages between `svctl` and `init`: JSON, one message a line, over a Unix stream socket.
//!
//! A client sends one [`Request`] and reads [`Response`]s until the connection closes. Every request ends with
//! [`Response::Done`] or [`Response::Error`], unless the client hangs up first.

use std::io::{self, BufRead};

use serde::{Deserialize, Serialize};

use init_core::status::{Exit, FirstStartStatus, Phase, ServiceStatus, Stage};
use init_plan::{MessageId, Service, Signal};

/// The longest message of either side, in bytes, its newline included. Nothing longer is sent or accepted.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// What a client asks of `init`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// The status of the named services, or of all: one [`Response::Services`].
    List {
        /// Names of services and bundles; empty for all services.
        #[serde(default)]
        names: Vec<String>,
    },
    /// The names of all services and bundles: one [`Response::Names`].
    Names,
    /// Start, stop or restart services and bundles. With `wait`, [`Response::Event`]s are sent until it is done.
    Change {
        /// The change.
        verb: Verb,
        /// Names of services and bundles. None, to start: everything that starts at boot.
        names: Vec<String>,
        /// Whether to answer only when the services have reached their new state, or have failed.
        wait: bool,
        /// After this many milliseconds the wait is given up, but not the change.
        #[serde(default)]
        timeout_ms: Option<u64>,
    },
    /// Send a signal to the main process of services.
    Signal {
        /// Names of services and bundles, at least one.
        names: Vec<String>,
        /// The signal.
        signal: Signal,
    },
    /// Make services reload their configuration, or, without names, put the plan on disk in force: what it changes about a
    /// service applies from the service's next start on.
    Reload {
        /// Names of services and bundles; empty for the plan.
        #[serde(default)]
        names: Vec<String>,
    },
    /// What the plan on disk would change, if it were in force: one [`Response::Names`], in which `+` stands before new
    /// services, `-` before those that would go, and `~` before those that would run otherwise.
    Diff,
    /// Put the plan on disk in force, with another number of instances of a template until the next boot.
    Scale {
        /// The name of the template.
        template: String,
        /// The number; a negative one stands for that of its definition.
        instances: i32,
    },
    /// Another version of the program takes the place of the running one, at its path; everything else goes on.
    Reexec {
        /// The path of the program, as the kernel knows it of the running `init`.
        program: String,
        /// The kinds of states that it reads, as it says itself.
        reads: Vec<u32>,
    },
    /// The definitions of services as they are in force: a [`Response::Definition`] for each.
    Definitions {
        /// Names of services and bundles, at least one.
        names: Vec<String>,
    },
    /// The last changes of state: [`Response::Event`]s, oldest first.
    History,
    /// Answer when services have reached a state.
    Wait {
        /// Names of services and bundles; empty for the whole boot.
        #[serde(default)]
        names: Vec<String>,
        /// The state to wait for.
        until: Until,
        /// After this many milliseconds the wait is given up.
        #[serde(default)]
        timeout_ms: Option<u64>,
    },
    /// The output of services: [`Response::Log`]s, oldest first.
    Logs {
        /// Names of services and bundles; empty for all services.
        #[serde(default)]
        names: Vec<String>,
        /// The largest number of kept lines to send; `None` sends all of them.
        #[serde(default)]
        lines: Option<usize>,
        /// Whether to go on and send lines as they come.
        #[serde(default)]
        follow: bool,
    },
    /// [`Response::Event`]s from now on.
    Events,
    /// Whether all is well: one [`Response::Health`].
    Health,
    /// How services came up the first time: [`Response::Boot`]s.
    Boot,
    /// Shut the container down.
    Shutdown {
        /// The exit code of `init`.
        #[serde(default)]
        code: Option<i32>,
    },
}

/// A change a client can ask for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Start services, and all that they require and want.
    Start,
    /// Stop services, after all that requires them.
    Stop,
    /// Stop and start these services alone; what requires them stays up.
    Restart,
    /// Let nothing happen to these services by itself from now on: no checks, no restarts.
    Hold,
    /// End that.
    Release,
    /// Put the plan on disk in force and restart what it changes; it takes no names. If that is not ready within the
    /// timeout, or fails, the plan of before comes back.
    Apply,
}

impl Verb {
    /// Its word on a command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Restart => "restart",
            Verb::Hold => "hold",
            Verb::Release => "release",
            Verb::Apply => "apply",
        }
    }
}

/// A state that can be waited for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// Ready (longrun), complete (oneshot) or skipped.
    Ready,
    /// No process of the service is left.
    Down,
}

/// What `init` answers.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Response {
    /// Services, in the order in which they start.
    Services {
        /// A status for each service.
        services: Vec<ServiceStatus>,
        /// How far the boot is.
        stage: Stage,
    },
    /// Everything that a request may name.
    Names {
        /// Services in the order in which they start, then bundles.
        names: Vec<String>,
    },
    /// A service changed state.
    Event(Event),
    /// A line of a service's output.
    Log {
        /// The name of the service.
        service: String,
        /// Milliseconds since 1970.
        time_ms: u64,
        /// The line without its newline; bytes that are not UTF-8 are replaced.
        line: String,
    },
    /// Lines or events were dropped because this client reads too slowly.
    Dropped {
        /// The number of lines or events dropped.
        count: u64,
    },
    /// Whether all is well.
    Health {
        /// Booted, not shutting down, and no service is failed, in backoff, or unhealthy.
        healthy: bool,
        /// How far the boot is.
        stage: Stage,
        /// A line for each problem: `NAME: why`.
        problems: Vec<String>,
    },
    /// How services came up the first time, in the order in which they start; more than fit in several of these.
    Boot {
        /// The first start of each service that was ever wanted.
        services: Vec<FirstStartStatus>,
        /// Milliseconds from the beginning of `init` until now.
        now_ms: u64,
        /// The same until the boot was complete, if it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        complete_ms: Option<u64>,
    },
    /// A definition, as it is in force.
    Definition {
        /// What it says. Ids of other services mean nothing outside.
        service: Box<Service>,
    },
    /// The request was carried out.
    Done {
        /// A message for the person; may be empty.
        #[serde(default)]
        message: String,
    },
    /// The request was not carried out.
    Error(Failure),
}

impl Response {
    /// Whether nothing comes after it.
    pub fn is_last(&self) -> bool {
        matches!(self, Response::Done { .. } | Response::Error(_))
    }

    /// Its kind, as `is` has it on the wire.
    pub fn kind(&self) -> &'static str {
        match self {
            Response::Services { .. } => "services",
            Response::Names { .. } => "names",
            Response::Event(_) => "event",
            Response::Log { .. } => "log",
            Response::Dropped { .. } => "dropped",
            Response::Health { .. } => "health",
            Response::Boot { .. } => "boot",
            Response::Definition { .. } => "definition",
            Response::Done { .. } => "done",
            Response::Error(_) => "error",
        }
    }
}

/// Why a request was not carried out.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Failure {
    /// The kind of failure, for programs.
    pub kind: FailureKind,
    /// What is shown with the message; `None` if each of its lines has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<MessageId>,
    /// A message for people, of one line or more, with the cure.
    pub message: String,
}

/// The kinds of failure a client can tell apart.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The request cannot be understood: it is not JSON, too long, or names nothing.
    BadRequest,
    /// There is no service or bundle of that name.
    UnknownName,
    /// The client's user may only read.
    Denied,
    /// The wait took too long; the change itself goes on.
    TimedOut,
    /// A service failed on the way.
    Failed,
    /// `init` is shutting down.
    ShuttingDown,
    /// The plan on disk is wrong; the running one was kept.
    BadPlan,
}

/// A service changed state, or, where both states are the same, its main process.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Event {
    /// The name of the service.
    pub service: String,
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// The state before.
    pub from: Phase,
    /// The state now.
    pub to: Phase,
    /// The PID of its main process, if it has one now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// How its process ended, if it just did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// Why it changed, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A message as it goes over the socket: its JSON and a newline.
///
/// # Errors
/// `InvalidData` if it would be longer than [`MAX_MESSAGE`].
pub fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(message).map_err(io::Error::other)?;
    bytes.push(b'\n');
    if bytes.len() > MAX_MESSAGE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "message too long"));
    }
    Ok(bytes)
}

/// The next message, or `None` at the end of the stream.
///
/// # Errors
/// What reading says; `InvalidData` if a message is longer than [`MAX_MESSAGE`] or is none.
pub fn read<T: for<'a> Deserialize<'a>>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    read_line(from)?.map(|line| decode(&line)).transpose()
}

/// The next response, as [`read`] gives it, but sooner for a long list of services.
///
/// # Errors
/// Those of [`read`].
pub fn read_response(from: &mut impl BufRead) -> io::Result<Option<Response>> {
    read_line(from)?.map(|line| decode_response(&line)).transpose()
}

/// The JSON of the next message, or `None` at the end of the stream.
fn read_line(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut bounded = io::Read::take(from, MAX_MESSAGE as u64);
    if bounded.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    match line.pop() {
        Some(b'\n') => Ok(Some(line)),
        _ => Err(cut_off()),
    }
}

/// A message that is longer than [`MAX_MESSAGE`], or whose newline never came.
pub fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "message too long or cut off")
}

/// The connection ended before an answer did.
pub fn hung_up() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up before it was done")
}

/// [`Response::Services`], its tag left out.
#[derive(Deserialize)]
struct Listing {
    services: Vec<ServiceStatus>,
    stage: Stage,
}

/// One response from its JSON. To find out which kind it is, serde copies a message into a tree of values first; a list of services,
/// the one long message there is, says what it is at its beginning, and goes straight into its type.
///
/// # Errors
/// `InvalidData` if it is none.
pub fn decode_response(line: &[u8]) -> io::Result<Response> {
    if !line.starts_with(br#"{"is":"services","#) {
        return decode(line);
    }
    let Listing { services, stage } = decode(line)?;
    Ok(Response::Services { services, stage })
}

/// One message from its JSON.
///
/// # Errors
/// `InvalidData` if it is none.
pub fn decode<T: for<'a> Deserialize<'a>>(line: &[u8]) -> io::Result<T> {
    serde_json::from_slice(line).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

#[cfg(test)]
mod tests;

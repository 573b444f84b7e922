//! How a command ends: its exit code, and what is said to the person.

use std::io;
use std::process::ExitCode;

use init_control::client::Unreachable;
use init_control::wire::{Failure, FailureKind};

/// The exit codes of `svctl`. They are promised to scripts and never change their meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Code {
    /// Done.
    Done = 0,
    /// It was tried and failed: a service failed, or not all is well.
    Failed = 1,
    /// It took too long.
    TimedOut = 3,
    /// There is no service or bundle of that name.
    UnknownName = 4,
    /// The user may not do that.
    Denied = 5,
    /// The command line makes no sense (EX_USAGE).
    Usage = 64,
    /// There is no `init` to talk to, or it makes no sense (EX_UNAVAILABLE).
    Unreachable = 69,
    /// SIGINT ended it while it waited (128 + 2).
    Interrupted = 130,
    /// SIGTERM ended it while it waited (128 + 15).
    Terminated = 143,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> ExitCode {
        ExitCode::from(code as u8)
    }
}

impl From<FailureKind> for Code {
    fn from(kind: FailureKind) -> Code {
        match kind {
            FailureKind::BadRequest => Code::Usage,
            FailureKind::UnknownName => Code::UnknownName,
            FailureKind::Denied => Code::Denied,
            FailureKind::TimedOut => Code::TimedOut,
            FailureKind::Failed | FailureKind::ShuttingDown | FailureKind::BadPlan => Code::Failed,
        }
    }
}

/// Why a command did not end well.
#[derive(Debug, Eq, PartialEq)]
pub enum Trouble {
    /// Something to tell the person.
    Said(Code, String),
    /// Everything was said on standard output already.
    Shown(Code),
    /// A signal ended the command while it waited. The text is for the person, and may be empty.
    Interrupted(Code, &'static str),
    /// Nobody reads the output any more (`svctl logs | head`): no reason to say anything.
    NobodyReads,
}

impl Trouble {
    /// A failure with something to tell.
    pub fn said(code: Code, message: impl Into<String>) -> Trouble {
        Trouble::Said(code, message.into())
    }

    /// From an error of writing to standard output.
    pub fn writing(error: &io::Error) -> Trouble {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Trouble::NobodyReads,
            _ => Trouble::said(Code::Failed, format!("cannot write the output: {error}")),
        }
    }

    /// From an error of the connection to `init`.
    pub fn connection(error: &io::Error) -> Trouble {
        let message = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "init does not answer".to_owned(),
            io::ErrorKind::InvalidData => {
                format!("cannot understand init: {error}; is svctl of the same version?")
            }
            _ => format!("cannot talk to init: {error}"),
        };
        Trouble::said(Code::Unreachable, message)
    }

    /// The exit code it ends with.
    pub fn code(&self) -> Code {
        match self {
            Trouble::Said(code, _) | Trouble::Shown(code) | Trouble::Interrupted(code, _) => *code,
            Trouble::NobodyReads => Code::Done,
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Said(failure.kind.into(), failure.message)
    }
}

impl From<Unreachable> for Trouble {
    fn from(reason: Unreachable) -> Trouble {
        let code = match reason {
            Unreachable::Denied(_) | Unreachable::Foreign(..) => Code::Denied,
            Unreachable::Absent { .. } | Unreachable::Stale(_) | Unreachable::Broken(..) => Code::Unreachable,
        };
        Trouble::said(code, reason.to_string())
    }
}

//! How a command ends: its exit code, and what it tells the person.

use std::io;
use std::process::ExitCode;

use init_control::client::Unreachable;
use init_control::wire::{Failure, FailureKind};

/// The exit codes of `svctl`. They are promised to scripts and never change their meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Code {
    /// Success.
    Done = 0,
    /// The request failed: a service failed, or is not well.
    Failed = 1,
    /// The request took longer than the time given for it.
    TimedOut = 3,
    /// There is no service or bundle of that name.
    UnknownName = 4,
    /// The user has no permission.
    Denied = 5,
    /// The command line is wrong (EX_USAGE in sysexits.h).
    Usage = 64,
    /// There is no `init` to talk to, or its answer cannot be understood (EX_UNAVAILABLE in sysexits.h).
    Unreachable = 69,
    /// SIGINT ended the command while it waited (128 + 2).
    Interrupted = 130,
    /// SIGTERM ended the command while it waited (128 + 15).
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

/// Why a command did not succeed.
#[derive(Debug, Eq, PartialEq)]
pub enum Trouble {
    /// An exit code, and a message for the person.
    Said(Code, String),
    /// An exit code alone: standard output has told everything.
    Shown(Code),
    /// A signal ended the command while it waited. The text is for the person, and may be empty.
    Interrupted(Code, &'static str),
    /// Nobody reads the output any more (`svctl logs | head`). That is no failure, and needs no message.
    NobodyReads,
}

impl Trouble {
    /// A failure with this exit code and this message.
    pub fn said(code: Code, message: impl Into<String>) -> Trouble {
        Trouble::Said(code, message.into())
    }

    /// What an error in writing to standard output means.
    pub fn writing(error: &io::Error) -> Trouble {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Trouble::NobodyReads,
            _ => Trouble::said(Code::Failed, format!("cannot write the output: {error}")),
        }
    }

    /// What an error of the connection to `init` means.
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

    /// The exit code of the command.
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

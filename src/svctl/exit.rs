//! How a command ends: its exit code, and what it tells the person.

use std::io;
use std::process::ExitCode;

use init_control::client::Unreachable;
use init_control::wire::{Failure, FailureKind};
use init_plan::{MessageId, id};

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
    /// An exit code, and a message for the person, with its id.
    Said(Code, String),
    /// An exit code alone: standard output has told everything.
    Shown(Code),
    /// A signal ended the command while it waited. The text is for the person, and may be empty.
    Interrupted(Code, &'static str),
    /// Nobody reads the output any more (`svctl logs | head`). That is no failure, and needs no message.
    NobodyReads,
}

impl Trouble {
    /// A failure with this exit code and this message, whose id is shown with it.
    pub fn said(code: Code, id: MessageId, message: impl AsRef<str>) -> Trouble {
        Trouble::Said(code, id.after(message.as_ref()))
    }

    /// What an error in writing to standard output means.
    pub fn writing(error: &io::Error) -> Trouble {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Trouble::NobodyReads,
            _ => Trouble::said(Code::Failed, id!("C0101"), format!("cannot write the output: {error}")),
        }
    }

    /// What an error of the connection to `init` means.
    pub fn connection(error: &io::Error) -> Trouble {
        let (id, message) = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                (id!("C0102"), "init does not answer".to_owned())
            }
            io::ErrorKind::InvalidData => {
                (id!("C0103"), format!("cannot understand init: {error}; is svctl of the same version?"))
            }
            _ => (id!("C0104"), format!("cannot talk to init: {error}")),
        };
        Trouble::said(Code::Unreachable, id, message)
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
        let message = failure.id.map(|id| id.after(&failure.message)).unwrap_or(failure.message);
        Trouble::Said(failure.kind.into(), message)
    }
}

impl From<Unreachable> for Trouble {
    fn from(reason: Unreachable) -> Trouble {
        let (code, id) = match reason {
            Unreachable::Absent { .. } => (Code::Unreachable, id!("C0105")),
            Unreachable::Stale(_) => (Code::Unreachable, id!("C0106")),
            Unreachable::Denied(_) => (Code::Denied, id!("C0107")),
            Unreachable::Foreign(..) => (Code::Denied, id!("C0108")),
            Unreachable::Broken(..) => (Code::Unreachable, id!("C0109")),
        };
        Trouble::said(code, id, reason.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_init_that_is_silent_or_makes_no_sense_is_told_apart_by_ids() {
        for (kind, id) in [
            (io::ErrorKind::WouldBlock, "C0102"),
            (io::ErrorKind::TimedOut, "C0102"),
            (io::ErrorKind::InvalidData, "C0103"),
            (io::ErrorKind::UnexpectedEof, "C0104"),
        ] {
            let Trouble::Said(Code::Unreachable, message) = Trouble::connection(&kind.into()) else {
                unreachable!("{kind}");
            };
            assert!(message.ends_with(&format!("[{id}]")), "{message}");
        }
    }

    #[test]
    fn a_failure_is_shown_with_its_id_if_its_lines_have_none() {
        let failure = |id| Failure { kind: FailureKind::Failed, id, message: "first\nlast".to_owned() };
        let shown = |id| Trouble::from(failure(id));
        assert_eq!(shown(Some(id!("I0210"))), Trouble::Said(Code::Failed, "first [I0210]\nlast".to_owned()));
        assert_eq!(shown(None), Trouble::Said(Code::Failed, "first\nlast".to_owned()));
    }
}

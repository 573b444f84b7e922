//! What a step reports when it cannot do its work.

use std::fmt;
use std::path::Path;

/// Exit code of a step that the configuration keeps from working (EX_CONFIG, sysexits.h).
pub const EX_CONFIG: u8 = 78;
/// Exit code of a step that failed for another reason: a later try may succeed.
pub const FAILED: u8 = 1;

/// What is wrong, and what would cure it; shown as two lines. Neither may hold a secret.
///
/// Each kind of problem has an id, `S` and four digits, which never gets another meaning: docs/messages.md has them all, and `svctl explain`
/// shows what is said there. A test holds that each is used in one place of the code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    id: &'static str,
    what: String,
    cure: String,
    code: u8,
}

impl Problem {
    /// Something failed that the same configuration may survive next time: no space, no connection.
    pub fn new(id: &'static str, what: impl Into<String>, cure: impl Into<String>) -> Problem {
        Problem { id, what: what.into(), cure: cure.into(), code: FAILED }
    }

    /// The user has to change something before it can work.
    pub fn config(id: &'static str, what: impl Into<String>, cure: impl Into<String>) -> Problem {
        Problem { id, what: what.into(), cure: cure.into(), code: EX_CONFIG }
    }

    /// With an exit code that somebody relies on.
    pub fn coded(id: &'static str, code: u8, what: impl Into<String>, cure: impl Into<String>) -> Problem {
        Problem { id, what: what.into(), cure: cure.into(), code }
    }

    /// No problem at all, but a "no": everything was said already.
    pub fn quiet() -> Problem {
        Problem::new("", "", "")
    }

    /// Whether there is nothing to say.
    pub fn is_quiet(&self) -> bool {
        self.what.is_empty()
    }

    /// A file operation failed. The cure follows from the kind of error.
    pub fn io(doing: &str, path: &Path, error: &std::io::Error) -> Problem {
        use std::io::ErrorKind as Kind;
        let (id, cure) = match error.kind() {
            Kind::StorageFull | Kind::QuotaExceeded => {
                ("S9001", "free some space on that volume and start the container again")
            }
            Kind::ReadOnlyFilesystem => ("S9002", "mount that volume without `:ro`"),
            Kind::PermissionDenied => (
                "S9003",
                "let the container's root write there: check the volume's owner and mode, leave the container the \
                 capability CHOWN, and on SELinux mount the volume with `:Z`",
            ),
            Kind::NotFound => {
                ("S9004", "check that the volume is mounted and that nothing was deleted from it")
            }
            _ => ("S9005", "check the volume and the kernel's log (`dmesg`), then start the container again"),
        };
        Problem::new(id, format!("cannot {doing} {}: {error}", path.display()), cure)
    }

    /// What is wrong.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What would cure it.
    pub fn cure(&self) -> &str {
        &self.cure
    }

    /// The exit code it ends the step with.
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]\n  to fix it: {}", self.what, self.id, self.cure)
    }
}

impl std::error::Error for Problem {}

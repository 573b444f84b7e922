//! Why root did not do something on a volume.

use std::fmt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::FileStat;

use crate::Problem;

/// What could not be done, and where.
#[derive(Debug)]
pub struct Failure {
    /// The file or directory.
    pub path: PathBuf,
    /// What was in the way.
    pub reason: Reason,
}

/// What was in the way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// The kernel refused.
    Kernel(Errno),
    /// Something else is there than what root would work on.
    Found(Kind),
}

/// What may be found on a volume, as far as it matters to root.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A named pipe: whoever opens one waits for its other end.
    Fifo,
    /// A Unix socket.
    Socket,
    /// A device.
    Device,
    /// A regular file, or a link, with another name somewhere else: what is done to it is done there, too.
    HardLinked,
    /// Something that was put in the place of what root had made or seen a moment before.
    Swapped,
    /// A file that is larger than anything that root reads.
    TooLarge,
    /// A directory so deep that no program made it for a purpose.
    TooDeep,
    /// A directory on which something else is mounted.
    Mounted,
    /// A file whose name says its checksum, and that has another one.
    Damaged,
}

impl Kind {
    /// From what stat(2) says. More than one name does not count here.
    pub fn of(is: &FileStat) -> Kind {
        match is.st_mode & libc::S_IFMT {
            libc::S_IFREG => Kind::File,
            libc::S_IFDIR => Kind::Directory,
            libc::S_IFLNK => Kind::Link,
            libc::S_IFIFO => Kind::Fifo,
            libc::S_IFSOCK => Kind::Socket,
            _ => Kind::Device,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::File => "is a file",
            Kind::Directory => "is a directory",
            Kind::Link => "is a symbolic link, which root does not follow on a volume that others write to",
            Kind::Fifo => "is a named pipe",
            Kind::Socket => "is a socket",
            Kind::Device => "is a device",
            Kind::HardLinked => "is a file with a second name, which may be anywhere",
            Kind::Swapped => "was replaced by something else at the same moment",
            Kind::TooLarge => "is too large",
            Kind::TooDeep => "is nested too deeply",
            Kind::Mounted => "is another file system",
            Kind::Damaged => "does not have the checksum that its name says",
        })
    }
}

impl Failure {
    /// The kernel refused something at this path.
    pub fn kernel(path: impl Into<PathBuf>, errno: Errno) -> Failure {
        Failure { path: path.into(), reason: Reason::Kernel(errno) }
    }

    /// This was found at this path.
    pub fn found(path: impl Into<PathBuf>, kind: Kind) -> Failure {
        Failure { path: path.into(), reason: Reason::Found(kind) }
    }

    /// From an operation of the standard library.
    pub fn io(path: &Path, error: &std::io::Error) -> Failure {
        Failure::kernel(path, Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
    }

    /// What the kernel said, if it was the kernel.
    pub fn errno(&self) -> Option<Errno> {
        match self.reason {
            Reason::Kernel(errno) => Some(errno),
            Reason::Found(_) => None,
        }
    }

    /// Whether there is nothing at that path.
    pub fn is_missing(&self) -> bool {
        self.errno() == Some(Errno::ENOENT)
    }

    /// As a step reports it. `doing` is what failed, such as "make the directory".
    pub fn problem(&self, doing: &str) -> Problem {
        match self.reason {
            Reason::Kernel(errno) => Problem::io(doing, &self.path, &errno.into()),
            Reason::Found(kind) => {
                let path = self.path.display();
                Problem::config(
                    "S0401",
                    format!("cannot {doing}: {path} {kind}"),
                    format!(
                        "see who put it there, then remove or rename {path} and start the container again"
                    ),
                )
            }
        }
    }
}

//! Files of any size in a directory that is held open: read, filled, linked.

use std::ffi::OsStr;
use std::fs::File;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, ResolveFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, fstat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::directory::{CREATE, Directory, LOOK, change, code, temporary};
use super::failure::{Failure, Kind};
use crate::context::Owner;

impl Directory {
    /// A regular file, open for reading, and what it is; nothing if there is none of this name.
    pub fn file(&self, name: &OsStr) -> Result<Option<(File, FileStat)>, Failure> {
        let file = match self.open(name, LOOK, ResolveFlag::empty()) {
            Err(Errno::ENOENT) => return Ok(None),
            other => File::from(other.map_err(|errno| self.not_opened(name, errno))?),
        };
        let is = fstat(&file).map_err(|errno| self.kernel(name, errno))?;
        match Kind::of(&is) {
            Kind::File => Ok(Some((file, is))),
            other => Err(self.found(name, other)),
        }
    }

    /// Makes a file with this owner and mode, and gives it its name, in the place of what has it, once `fill` says that
    /// it is good. Until then it has another one. `told` makes what `fill` fails with of what the kernel refuses. Whether it
    /// lasts is up to [`Directory::sync_file_system`].
    pub fn fill<E>(
        &self,
        name: &OsStr,
        owner: Option<Owner>,
        mode: u32,
        told: impl Fn(Failure) -> E,
        fill: impl FnOnce(&mut File) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let failed = |errno| told(self.kernel(name, errno));
        let new = temporary(name).map_err(failed)?;
        let attempt = || -> Result<bool, E> {
            let made =
                openat(self, new.as_os_str(), CREATE, Mode::S_IRUSR | Mode::S_IWUSR).map_err(failed)?;
            let mut file = File::from(made);
            if !fill(&mut file)? {
                return Ok(false);
            }
            change(&file, owner, mode).map_err(failed)?;
            renameat(self, new.as_os_str(), self, name).map_err(failed)?;
            Ok(true)
        };
        let outcome = attempt();
        if !matches!(outcome, Ok(true)) {
            let _ = unlinkat(self, new.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
        outcome
    }

    /// Gives a file of another directory a second name here, the same one. Says `false` where that cannot be: the name is
    /// taken, it is another file system, or one without such links.
    pub fn link(&self, name: &OsStr, from: &Directory) -> Result<bool, Failure> {
        match linkat(from, name, self, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(
                Errno::EEXIST
                | Errno::EXDEV
                | Errno::EPERM
                | Errno::EMLINK
                | Errno::EOPNOTSUPP
                | Errno::ENOENT,
            ) => Ok(false),
            Err(errno) => Err(self.kernel(name, errno)),
        }
    }

    /// Gives an entry another name in this directory, that of another one or a new one.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> Result<(), Failure> {
        renameat(self, from, self, to).map_err(|errno| self.kernel(from, errno))?;
        self.sync()
    }
}

/// What the standard library says of a file that has been opened, as a [`Failure`] at its path.
pub(super) fn failed(directory: &Directory, name: &OsStr, error: &std::io::Error) -> Failure {
    directory.kernel(name, code(error))
}

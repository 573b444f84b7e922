//! A directory with all that is in it: given to another user, or removed.
//!
//! A walk stays on the file system of its top and follows no link, so nobody can lead it out of the volume.

use std::ffi::OsStr;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::unistd::fchownat;

use super::directory::{Directory, Given};
use super::failure::{Failure, Kind, Reason};
use crate::context::Owner;

/// After how many entries we say that we are still at it.
pub const TOLD_EVERY: u64 = 100_000;
/// How deep a walk goes. Each level holds a descriptor and a bit of the stack.
const MOST_LEVELS: usize = 256;

/// What a walk has seen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// Entries that belong to the new owner now.
    pub given: u64,
    /// Entries that were left alone: named pipes, sockets, devices, and files with a second name.
    pub left: u64,
}

/// Gives a directory and its content, as far as it is on the same file system. Tells the number of entries given so
/// far, every so many.
///
/// The directory itself changes hands last, after all the rest is on disk: as long as it has the wrong owner, its
/// content is not known to have the right one, and a walk that was cut short is made again.
pub fn give_all(top: &Directory, to: Owner, every: u64, tell: &mut dyn FnMut(u64)) -> Result<Seen, Failure> {
    let device = top.stat()?.st_dev;
    let mut walk = Walk { to, device, seen: Seen::default(), every, tell };
    walk.content(top, 0)?;
    top.sync_file_system()?;
    give(top, to)?;
    Ok(walk.seen)
}

/// Gives a directory, and nothing that is in it.
pub fn give(directory: &Directory, to: Owner) -> Result<(), Failure> {
    let (uid, gid) = to.ids();
    fchownat(directory, "", Some(uid), Some(gid), AtFlags::AT_EMPTY_PATH)
        .map_err(|errno| Failure::kernel(directory.path(), errno))
}

/// Removes a name, whatever it is, if it is there. A mount inside is an error.
pub fn remove(above: &Directory, name: &OsStr) -> Result<(), Failure> {
    remove_from(above, name, 0)?;
    above.sync()
}

fn remove_from(above: &Directory, name: &OsStr, level: usize) -> Result<(), Failure> {
    match above.unlink(name) {
        Err(Failure { reason: Reason::Kernel(Errno::EISDIR), .. }) => {}
        other => return other,
    }
    let directory = above.inner(name)?;
    deeper(&directory, level)?;
    directory.each(&mut |inside| remove_from(&directory, inside, level + 1))?;
    above.remove_empty(name)
}

pub(super) fn deeper(directory: &Directory, level: usize) -> Result<(), Failure> {
    if level < MOST_LEVELS { Ok(()) } else { Err(Failure::found(directory.path(), Kind::TooDeep)) }
}

struct Walk<'a> {
    to: Owner,
    device: nix::libc::dev_t,
    seen: Seen,
    every: u64,
    tell: &'a mut dyn FnMut(u64),
}

impl Walk<'_> {
    fn content(&mut self, directory: &Directory, level: usize) -> Result<(), Failure> {
        deeper(directory, level)?;
        directory.each(&mut |name| match self.entry(directory, name, level) {
            // It was deleted under our hands.
            Err(failure) if failure.is_missing() => Ok(()),
            other => other,
        })
    }

    fn entry(&mut self, directory: &Directory, name: &OsStr, level: usize) -> Result<(), Failure> {
        match directory.inner(name) {
            Ok(inner) => return self.directory(&inner, level),
            // Something is mounted there: not this volume's.
            Err(Failure { reason: Reason::Kernel(Errno::EXDEV), .. }) => return Ok(()),
            Err(Failure { reason: Reason::Found(kind), .. }) if kind != Kind::Swapped => {}
            Err(failure) => return Err(failure),
        }
        match directory.give(name, self.to)? {
            Given::Now | Given::Already => self.count(),
            Given::No(_) => self.seen.left += 1,
        }
        Ok(())
    }

    fn directory(&mut self, inner: &Directory, level: usize) -> Result<(), Failure> {
        if inner.stat()?.st_dev != self.device {
            return Ok(());
        }
        self.content(inner, level + 1)?;
        give(inner, self.to)?;
        self.count();
        Ok(())
    }

    fn count(&mut self) {
        self.seen.given += 1;
        if self.seen.given.is_multiple_of(self.every) {
            (self.tell)(self.seen.given);
        }
    }
}

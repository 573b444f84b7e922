//! A directory that is held open, and what root does in it.
//!
//! Everything here works on an entry of a directory by that directory's descriptor and the entry's own name, never by a
//! path. A name is opened first, without following a link; then the open file itself is examined and changed. So what
//! is examined is what is changed, whatever the directory's owner puts in its place meanwhile.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat, renameat};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{AccessFlags, UnlinkatFlags, eaccess, fchown, fchownat, geteuid, unlinkat};

use super::failure::{Failure, Kind};
use crate::context::Owner;
use crate::random;

/// Files that are not whole yet end so.
pub const TEMPORARY: &str = ".pulp-init-new";

/// To go through a directory needs no right but to search it.
const ENTER: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
/// To list a directory or change its mode.
const LIST: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
/// A file of unknown kind: a named pipe does not make us wait, a terminal does not become ours.
pub(super) const LOOK: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_NOCTTY)
    .union(OFlag::O_CLOEXEC);
pub(super) const CREATE: OFlag = OFlag::O_WRONLY
    .union(OFlag::O_CREAT)
    .union(OFlag::O_EXCL)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// A directory.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    /// For messages alone.
    path: PathBuf,
    /// Nobody but root, or whoever we run as, can put something else at its path.
    fixed: bool,
}

impl Directory {
    /// The root of the file system.
    pub fn root() -> Result<Directory, Failure> {
        let fd = nix::fcntl::open("/", ENTER, Mode::empty()).map_err(|errno| Failure::kernel("/", errno))?;
        Ok(Directory { fd, path: PathBuf::from("/"), fixed: true })
    }

    /// Where it is, or was when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stat(2) says of the directory itself.
    pub fn stat(&self) -> Result<FileStat, Failure> {
        fstat(&self.fd).map_err(|errno| Failure::kernel(&self.path, errno))
    }

    /// Whether we can write in it and go through it. Asked by its descriptor: what is at its path may be another by now.
    pub fn may_be_written(&self) -> Result<(), Errno> {
        let opened = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        eaccess(opened.as_str(), AccessFlags::W_OK | AccessFlags::X_OK)
    }

    /// A directory in this one. A link is not followed.
    pub fn child(&self, name: &OsStr) -> Result<Directory, Failure> {
        let fd =
            self.open(name, ENTER, ResolveFlag::empty()).map_err(|errno| self.not_opened(name, errno))?;
        let is = fstat(&fd).map_err(|errno| self.kernel(name, errno))?;
        Ok(Directory { fd, path: self.path.join(name), fixed: self.holds(&is)? })
    }

    /// Where a link in this directory leads to, if it may be followed: nobody but root can have made it, or we are not
    /// root and have no rights to lose.
    pub fn followed(&self, name: &OsStr) -> Result<Option<PathBuf>, Failure> {
        let is = self.look(name)?;
        let ours = trusted(is.st_uid) && is.st_nlink == 1 && self.holds(&is)?;
        if Kind::of(&is) != Kind::Link || (!ours && geteuid().is_root()) {
            return Ok(None);
        }
        let target = readlinkat(&self.fd, name).map_err(|errno| self.kernel(name, errno))?;
        Ok(Some(PathBuf::from(target)))
    }

    /// What a name stands for in this directory, links not followed; nothing if there is nothing.
    pub fn kind(&self, name: &OsStr) -> Result<Option<Kind>, Failure> {
        match self.look(name) {
            Ok(is) => Ok(Some(Kind::of(&is))),
            Err(failure) if failure.is_missing() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// A directory in this one, made with this owner and mode if it is missing. One that is there is left as it is. Says
    /// whether it was made.
    pub fn make(&self, name: &OsStr, owner: Option<Owner>, mode: u32) -> Result<(Directory, bool), Failure> {
        match mkdirat(&self.fd, name, Mode::S_IRWXU) {
            Err(Errno::EEXIST) => return Ok((self.child(name)?, false)),
            other => other.map_err(|errno| self.kernel(name, errno))?,
        }
        let made = self.child(name)?;
        let is = made.stat()?;
        // Some file systems decide themselves who owns what; a directory of somebody else is not ours to give away.
        if is.st_uid == geteuid().as_raw() {
            // Whoever owns the parent may have put another directory of ours in its place, one that holds something.
            if !made.list()?.is_empty() {
                return Err(Failure::found(made.path, Kind::Swapped));
            }
            made.set(owner, mode)?;
        }
        self.sync()?;
        Ok((made, true))
    }

    /// Gives the directory itself this owner and mode. Says whether it had others.
    pub fn set(&self, owner: Option<Owner>, mode: u32) -> Result<bool, Failure> {
        let opened = self.opened()?;
        change(&opened, owner, mode).map_err(|errno| Failure::kernel(&self.path, errno))
    }

    /// Gives a file or directory in this one its owner and mode. Says whether it had others.
    pub fn own(&self, name: &OsStr, owner: Option<Owner>, mode: u32) -> Result<bool, Failure> {
        let file =
            self.open(name, LOOK, ResolveFlag::empty()).map_err(|errno| self.not_opened(name, errno))?;
        let is = fstat(&file).map_err(|errno| self.kernel(name, errno))?;
        match Kind::of(&is) {
            Kind::Directory => {}
            Kind::File if is.st_nlink < 2 || self.holds(&is)? => {}
            Kind::File => return Err(self.found(name, Kind::HardLinked)),
            other => return Err(self.found(name, other)),
        }
        change(&file, owner, mode).map_err(|errno| self.kernel(name, errno))
    }

    /// Writes a file with this owner and mode, replacing what is there: after a power cut there is the old file or the
    /// new one (rename(2), fsync(2)).
    pub fn write(
        &self,
        name: &OsStr,
        content: &[u8],
        owner: Option<Owner>,
        mode: u32,
    ) -> Result<(), Failure> {
        let new = temporary(name).map_err(|errno| self.kernel(name, errno))?;
        let attempt = || -> Result<(), Errno> {
            let made = openat(&self.fd, new.as_os_str(), CREATE, Mode::S_IRUSR | Mode::S_IWUSR)?;
            let mut file = File::from(made);
            file.write_all(content).map_err(|error| code(&error))?;
            change(&file, owner, mode)?;
            file.sync_all().map_err(|error| code(&error))?;
            renameat(&self.fd, new.as_os_str(), &self.fd, name)
        };
        attempt().map_err(|errno| {
            let _ = unlinkat(&self.fd, new.as_os_str(), UnlinkatFlags::NoRemoveDir);
            self.kernel(name, errno)
        })?;
        self.sync()
    }

    /// A regular file of at most `most` bytes; nothing if there is none.
    pub fn read(&self, name: &OsStr, most: u64) -> Result<Option<Vec<u8>>, Failure> {
        let file = match self.open(name, LOOK, ResolveFlag::empty()) {
            Err(Errno::ENOENT) => return Ok(None),
            other => other.map_err(|errno| self.not_opened(name, errno))?,
        };
        read_regular(File::from(file), most)
            .map(Some)
            .map_err(|reason| Failure { path: self.path.join(name), reason })
    }

    /// Calls this with each name in the directory, until it fails.
    pub fn each(&self, visit: &mut dyn FnMut(&OsStr) -> Result<(), Failure>) -> Result<(), Failure> {
        let failed = |errno| Failure::kernel(&self.path, errno);
        let mut entries = Dir::from_fd(self.opened()?).map_err(failed)?;
        for entry in entries.iter() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                visit(OsStr::from_bytes(name.to_bytes()))?;
            }
        }
        Ok(())
    }

    /// The names in this directory.
    pub fn list(&self) -> Result<Vec<OsString>, Failure> {
        let mut names = Vec::new();
        self.each(&mut |name| {
            names.push(name.to_owned());
            Ok(())
        })?;
        Ok(names)
    }

    /// Removes a name that is no directory, if it is there.
    pub fn unlink(&self, name: &OsStr) -> Result<(), Failure> {
        match unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::ENOENT) => Ok(()),
            other => other.map_err(|errno| self.kernel(name, errno)),
        }
    }

    /// Removes an empty directory.
    pub fn remove_empty(&self, name: &OsStr) -> Result<(), Failure> {
        unlinkat(&self.fd, name, UnlinkatFlags::RemoveDir).map_err(|errno| self.kernel(name, errno))
    }

    /// Writes all of the file system that the directory is on to the disk.
    pub fn sync_file_system(&self) -> Result<(), Failure> {
        nix::unistd::syncfs(&self.opened()?).map_err(|errno| Failure::kernel(&self.path, errno))
    }

    /// Makes what was done to the entries durable.
    pub fn sync(&self) -> Result<(), Failure> {
        nix::unistd::fsync(&self.opened()?).map_err(|errno| Failure::kernel(&self.path, errno))
    }

    /// What stat(2) says of an entry, links not followed.
    pub fn look(&self, name: &OsStr) -> Result<FileStat, Failure> {
        fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(|errno| self.kernel(name, errno))
    }

    /// Whether nobody but root, or whoever we run as, can put something else in the place of this entry.
    pub fn holds(&self, entry: &FileStat) -> Result<bool, Failure> {
        let is = self.stat()?;
        let others_write = is.st_mode & (libc::S_IWGRP | libc::S_IWOTH) != 0;
        // In a sticky directory an entry is moved by its owner and the directory's alone.
        let sticky = is.st_mode & libc::S_ISVTX != 0 && trusted(entry.st_uid);
        Ok(self.fixed && trusted(is.st_uid) && (!others_write || sticky))
    }

    /// Opens an entry: a directory that is on this file system, or nothing.
    pub(super) fn inner(&self, name: &OsStr) -> Result<Directory, Failure> {
        let fd = self
            .open(name, LIST, ResolveFlag::RESOLVE_NO_XDEV)
            .map_err(|errno| self.not_opened(name, errno))?;
        Ok(Directory { fd, path: self.path.join(name), fixed: false })
    }

    /// Gives an entry that is no directory to another user, by a descriptor that says which file it is.
    pub(super) fn give(&self, name: &OsStr, to: Owner) -> Result<Given, Failure> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let entry = self.open(name, flags, ResolveFlag::empty()).map_err(|errno| self.kernel(name, errno))?;
        let is = fstat(&entry).map_err(|errno| self.kernel(name, errno))?;
        match Kind::of(&is) {
            _ if (is.st_uid, is.st_gid) == (to.uid, to.gid) => return Ok(Given::Already),
            Kind::File | Kind::Link if is.st_nlink == 1 => {}
            Kind::File | Kind::Link => return Ok(Given::No(Kind::HardLinked)),
            other => return Ok(Given::No(other)),
        }
        let (uid, gid) = to.ids();
        fchownat(&entry, "", Some(uid), Some(gid), AtFlags::AT_EMPTY_PATH)
            .map(|()| Given::Now)
            .map_err(|errno| self.kernel(name, errno))
    }

    /// The directory itself, open for reading: what a lock is taken on (flock(2)).
    pub fn handle(&self) -> Result<OwnedFd, Failure> {
        self.opened()
    }

    /// The same directory, for reading. One opened by [`Directory::child`] can only be gone through.
    fn opened(&self) -> Result<OwnedFd, Failure> {
        openat(&self.fd, ".", LIST, Mode::empty()).map_err(|errno| Failure::kernel(&self.path, errno))
    }

    /// Opens an entry. openat2(2) came with Linux 5.6, and profiles of seccomp from before that refuse it: then the flag
    /// O_NOFOLLOW is as good for a single name, and only a mount on the same device is not noticed.
    pub(super) fn open(&self, name: &OsStr, flags: OFlag, more: ResolveFlag) -> Result<OwnedFd, Errno> {
        if name.is_empty() || name == "." || name == ".." || name.as_bytes().contains(&b'/') {
            return Err(Errno::EINVAL);
        }
        let resolve = ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        match openat2(&self.fd, name, OpenHow::new().flags(flags).resolve(resolve | more)) {
            Err(Errno::ENOSYS | Errno::EPERM) => openat(&self.fd, name, flags, Mode::empty()),
            other => other,
        }
    }

    /// Why a name could not be opened: the kernel's codes for a link differ by the flags.
    pub(super) fn not_opened(&self, name: &OsStr, errno: Errno) -> Failure {
        if !matches!(errno, Errno::ELOOP | Errno::ENOTDIR | Errno::ENXIO | Errno::EMLINK) {
            return self.kernel(name, errno);
        }
        match self.look(name).map(|is| Kind::of(&is)) {
            // It is what we wanted by now.
            Ok(Kind::Directory) => self.found(name, Kind::Swapped),
            Ok(kind) => self.found(name, kind),
            Err(failure) => failure,
        }
    }

    pub(super) fn kernel(&self, name: &OsStr, errno: Errno) -> Failure {
        Failure::kernel(self.path.join(name), errno)
    }

    pub(super) fn found(&self, name: &OsStr, kind: Kind) -> Failure {
        Failure::found(self.path.join(name), kind)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What became of an entry that was to be given away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Given {
    Now,
    Already,
    No(Kind),
}

/// Root, and whoever we run as: what they do needs no guard.
fn trusted(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

/// Owner and mode of an open file. The mode comes last: a change of the owner takes bits from it.
pub(super) fn change(file: &impl AsFd, owner: Option<Owner>, mode: u32) -> Result<bool, Errno> {
    let is = fstat(file)?;
    let wrong_owner = owner.filter(|owner| (is.st_uid, is.st_gid) != (owner.uid, owner.gid));
    if let Some(owner) = wrong_owner {
        let (uid, gid) = owner.ids();
        fchown(file, Some(uid), Some(gid))?;
    }
    let wrong_mode = is.st_mode & 0o7777 != mode;
    if wrong_mode || wrong_owner.is_some() {
        fchmod(file, Mode::from_bits_truncate(mode))?;
    }
    Ok(wrong_mode || wrong_owner.is_some())
}

/// What an open file holds, if it is a regular one.
pub(super) fn read_regular(file: File, most: u64) -> Result<Vec<u8>, super::failure::Reason> {
    use super::failure::Reason;
    let is = fstat(&file).map_err(Reason::Kernel)?;
    let kind = Kind::of(&is);
    if kind != Kind::File {
        return Err(Reason::Found(kind));
    }
    let mut content = Vec::new();
    file.take(most.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(|error| Reason::Kernel(code(&error)))?;
    if content.len() as u64 > most { Err(Reason::Found(Kind::TooLarge)) } else { Ok(content) }
}

/// A name that nobody knows in advance, beside the file that is to be replaced.
pub(super) fn temporary(name: &OsStr) -> Result<OsString, Errno> {
    let random = random::bytes::<8>().map_err(|_| Errno::EAGAIN)?;
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{:016x}{TEMPORARY}", u64::from_ne_bytes(random)));
    Ok(temporary)
}

pub(super) fn code(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

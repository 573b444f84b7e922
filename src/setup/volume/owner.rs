//! Giving a directory, with all that is in it, to another user.
//!
//! The directory itself changes hands last, after all the rest is on disk: as long as it has the wrong owner, its
//! content is not known to have the right one, and a walk that was cut short is made again.
//!
//! The walk is root's, in directories that others may write to. So it goes from descriptor to descriptor and follows
//! no link: nobody can lead it out of the volume.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::unistd::{fchown, fchownat, syncfs};

use crate::context::Owner;

/// After how many entries we say that we are still at it.
pub const TOLD_EVERY: u64 = 100_000;

/// What could not be given away, and why.
#[derive(Debug)]
pub struct Failure {
    /// The file or directory.
    pub path: PathBuf,
    /// What the kernel said.
    pub errno: Errno,
}

const DIRECTORY: OFlag =
    OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_RDONLY).union(OFlag::O_CLOEXEC);

/// Gives a directory and its content, as far as it is on the same file system. Tells the number of entries seen so
/// far, every so many, and returns how many there were.
pub fn give_all(top: &Path, to: Owner, every: u64, tell: &mut dyn FnMut(u64)) -> Result<u64, Failure> {
    let at_top = |errno| Failure { path: top.to_owned(), errno };
    let fd = open(top, DIRECTORY, Mode::empty()).map_err(at_top)?;
    let device = fstat(&fd).map_err(at_top)?.st_dev;
    let mut walk = Walk { to, device, seen: 0, every, tell };
    walk.content(&fd).map_err(|inside| inside.below(top))?;
    syncfs(&fd).map_err(at_top)?;
    let (uid, gid) = to.ids();
    fchown(&fd, Some(uid), Some(gid)).map_err(at_top)?;
    Ok(walk.seen)
}

struct Walk<'a> {
    to: Owner,
    device: libc::dev_t,
    seen: u64,
    every: u64,
    tell: &'a mut dyn FnMut(u64),
}

impl Walk<'_> {
    fn content(&mut self, directory: &OwnedFd) -> Result<(), Failure> {
        // Reading moves the descriptor's position, and reading borrows it: hence a second one for the reading.
        let reading = directory.try_clone().map_err(|error| Failure::here(Errno::from_raw(code(&error))))?;
        let mut entries = Dir::from_fd(reading).map_err(Failure::here)?;
        for entry in entries.iter() {
            let entry = entry.map_err(Failure::here)?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            match self.entry(directory, name) {
                // It was deleted under our hands.
                Err(Failure { errno: Errno::ENOENT, .. }) => {}
                other => {
                    other.map_err(|inside| inside.below(Path::new(OsStr::from_bytes(name.to_bytes()))))?
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, directory: &OwnedFd, name: &CStr) -> Result<(), Failure> {
        let is = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(Failure::here)?;
        if is.st_dev != self.device {
            return Ok(()); // something is mounted there: not this volume's
        }
        if is.st_mode & libc::S_IFMT == libc::S_IFDIR {
            self.content(&openat(directory, name, DIRECTORY, Mode::empty()).map_err(Failure::here)?)?;
        }
        self.give(directory, name, &is).map_err(Failure::here)?;
        self.seen += 1;
        if self.seen.is_multiple_of(self.every) {
            (self.tell)(self.seen);
        }
        Ok(())
    }

    fn give(&self, directory: impl AsFd, name: &CStr, is: &FileStat) -> Result<(), Errno> {
        if (is.st_uid, is.st_gid) == (self.to.uid, self.to.gid) {
            return Ok(());
        }
        let (uid, gid) = self.to.ids();
        fchownat(directory, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)
    }
}

impl Failure {
    fn here(errno: Errno) -> Failure {
        Failure { path: PathBuf::new(), errno }
    }

    fn below(self, above: &Path) -> Failure {
        let path = if self.path.as_os_str().is_empty() { above.to_owned() } else { above.join(&self.path) };
        Failure { path, ..self }
    }
}

fn code(error: &std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, lchown, symlink};

    use super::*;

    const PULP: Owner = Owner { uid: 700, gid: 700 };

    fn owner(path: impl AsRef<Path>) -> (u32, u32) {
        let is = fs::symlink_metadata(path).unwrap();
        (is.uid(), is.gid())
    }

    #[test]
    fn all_that_is_inside_changes_hands_but_nothing_that_links_lead_to() {
        if !needs::root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (top, outside) = (dir.path().join("top"), dir.path().join("outside"));
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "").unwrap();
        fs::write(top.join("a/b/file"), "").unwrap();
        symlink(&outside, top.join("link")).unwrap();
        lchown(top.join("a/b/file"), Some(26), Some(26)).unwrap();
        let mut told = Vec::new();
        assert_eq!(give_all(&top, PULP, 2, &mut |seen| told.push(seen)).unwrap(), 4);
        for path in ["", "a", "a/b", "a/b/file", "link"] {
            assert_eq!(owner(top.join(path)), (700, 700), "{path}");
        }
        assert_eq!(owner(&outside), (0, 0));
        assert_eq!(owner(outside.join("file")), (0, 0));
        assert_eq!(told, [2, 4]);
    }

    #[test]
    fn a_walk_cut_short_leaves_the_top_with_its_old_owner() {
        if !needs::root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let top = dir.path();
        let cut = std::panic::catch_unwind(|| give_all(top, PULP, 2, &mut |_| panic!("as if killed")));
        assert!(cut.is_err());
        assert_eq!(owner(top), (0, 0));
        let given = |name: &&str| owner(top.join(name)) == (700, 700);
        assert_eq!(["a", "b", "c"].iter().filter(|name| given(name)).count(), 2);
        give_all(top, PULP, TOLD_EVERY, &mut |_| {}).unwrap();
        assert!(["", "a", "b", "c"].iter().all(given));
    }

    #[test]
    fn what_is_mounted_inside_is_left_alone() {
        use nix::mount::{MntFlags, MsFlags, mount, umount2};
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let nothing = None::<&str>;
        if mount(Some("tmpfs"), &inner, Some("tmpfs"), MsFlags::empty(), nothing).is_err() {
            return; // not allowed here
        }
        fs::write(inner.join("file"), "").unwrap();
        let given = give_all(dir.path(), PULP, TOLD_EVERY, &mut |_| {});
        let owners = (owner(&inner), owner(inner.join("file")));
        umount2(&inner, MntFlags::MNT_DETACH).unwrap();
        assert_eq!(given.unwrap(), 0);
        assert_eq!(owners, ((0, 0), (0, 0)));
    }

    #[test]
    fn a_link_in_place_of_the_top_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/etc", dir.path().join("link")).unwrap();
        let failure = give_all(&dir.path().join("link"), PULP, TOLD_EVERY, &mut |_| {}).unwrap_err();
        assert_eq!(failure.path, dir.path().join("link"));
    }
}

//! A tree of files, copied to another directory: backups and what is restored from them.
//!
//! Whoever owns the tree may change it meanwhile. A copy is whole or not there, no link is followed, nothing is taken from
//! another file system, and a file with a second name only if it is its owner's.
//!
//! Pulp names the files of content by their checksums. What such a name says is checked while the file is read: a copy with
//! such a name is right.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::sys::stat::FileStat;
use ring::digest::{Context as Digest, SHA256};

use super::directory::{Directory, TEMPORARY};
use super::failure::{Failure, Kind, Reason};
use super::file::failed;
use super::tree::deeper;
use crate::context::Owner;

/// How much is read at once.
const PIECE: usize = 1 << 18;
/// How often to say how far a copy is.
const SAY_EVERY: Duration = Duration::from_secs(15);
/// So many of those that are left out are named.
const NAMED: usize = 1000;

/// How a tree is copied, and how far it is.
pub struct Copying<'a> {
    /// Whose the copies are; without it, whosever the originals are.
    pub to: Option<Owner>,
    /// Whether we may give files to others.
    pub may_chown: bool,
    /// Whose files are taken even if they have a second name.
    pub from: Option<u32>,
    /// Paths in the tree that are left out.
    pub without: &'a [&'a str],
    /// Whether what is there already is trusted: it has the size and the time of the original. Else a file that is named by
    /// its checksum is read.
    pub trusting: bool,
    /// How far it is.
    pub copied: Copied,
    /// Told now and then how far it is.
    pub tell: &'a dyn Fn(&Copied),
    /// When it was told last.
    told: Instant,
}

/// What a copy has done.
#[derive(Debug, Default)]
pub struct Copied {
    /// Files that were copied.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that got a second name: an earlier copy has them.
    pub linked: u64,
    /// Files that were there.
    pub there: u64,
    /// The first that were left out, and why.
    pub left: Vec<(PathBuf, Kind)>,
    /// How many were left out.
    pub left_out: u64,
}

/// Directories of the same path in the trees.
struct Level<'a> {
    from: &'a Directory,
    to: &'a Directory,
    earlier: &'a [Directory],
    path: &'a Path,
    depth: usize,
}

impl<'a> Copying<'a> {
    /// As the originals are, all of it.
    pub fn new(may_chown: bool, tell: &'a dyn Fn(&Copied)) -> Copying<'a> {
        Copying {
            to: None,
            may_chown,
            from: None,
            without: &[],
            trusting: true,
            copied: Copied::default(),
            tell,
            told: Instant::now(),
        }
    }

    /// Copies what is in a directory. What one of the earlier copies has is not copied again, where a link will do.
    pub fn tree(&mut self, from: &Directory, to: &Directory, earlier: &[Directory]) -> Result<(), Failure> {
        self.content(&Level { from, to, earlier, path: Path::new(""), depth: 0 })
    }

    fn content(&mut self, level: &Level<'_>) -> Result<(), Failure> {
        deeper(level.from, level.depth)?;
        // Of a copy that was killed.
        level.to.each(&mut |name| if is_temporary(name) { level.to.unlink(name) } else { Ok(()) })?;
        level.from.each(&mut |name| {
            let path = level.path.join(name);
            if is_temporary(name) || self.without.iter().any(|out| Path::new(out) == path) {
                return Ok(());
            }
            match self.entry(level, name, &path) {
                // It was deleted under our hands.
                Err(failure) if failure.is_missing() && level.from.kind(name)?.is_none() => Ok(()),
                other => other,
            }
        })
    }

    fn entry(&mut self, level: &Level<'_>, name: &OsStr, path: &Path) -> Result<(), Failure> {
        match level.from.inner(name) {
            Ok(inner) => self.directory(level, &inner, name, path),
            Err(Failure { reason: Reason::Kernel(Errno::EXDEV), .. }) => {
                self.leave(path, Kind::Mounted);
                Ok(())
            }
            Err(Failure { reason: Reason::Found(Kind::File), .. }) => self.file(level, name, path),
            Err(Failure { reason: Reason::Found(kind), .. }) => {
                self.leave(path, kind);
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    fn directory(
        &mut self,
        level: &Level<'_>,
        inner: &Directory,
        name: &OsStr,
        path: &Path,
    ) -> Result<(), Failure> {
        let is = inner.stat()?;
        let (made, _) = level.to.make(name, self.owner(&is), is.st_mode & 0o777 | 0o700)?;
        let earlier: Vec<Directory> =
            level.earlier.iter().filter_map(|above| above.child(name).ok()).collect();
        self.content(&Level { from: inner, to: &made, earlier: &earlier, path, depth: level.depth + 1 })
    }

    fn file(&mut self, level: &Level<'_>, name: &OsStr, path: &Path) -> Result<(), Failure> {
        let Some((mut file, is)) = level.from.file(name)? else { return Ok(()) };
        if is.st_nlink > 1 && self.from.is_some_and(|owner| owner != is.st_uid) {
            self.leave(path, Kind::HardLinked);
            return Ok(());
        }
        let checksum = checksum_in(path);
        if self.is_there(level.to, name, &is, checksum.as_deref())? {
            self.copied.there += 1;
            return Ok(());
        }
        for above in level.earlier {
            if above.look(name).is_ok_and(|earlier| same(&earlier, &is)) && level.to.link(name, above)? {
                self.copied.linked += 1;
                return Ok(());
            }
        }
        let (owner, mode) = (self.owner(&is), is.st_mode & 0o777);
        let mut bytes = 0;
        let good = level.to.fill(name, owner, mode, std::convert::identity, |copy| {
            let (read, digest) =
                through(&mut file, |piece| copy.write_all(piece)).map_err(|(reading, error)| {
                    failed(if reading { level.from } else { level.to }, name, &error)
                })?;
            bytes = read;
            copy.set_modified(modified(&is)).map_err(|error| failed(level.to, name, &error))?;
            Ok(checksum.as_deref().is_none_or(|wanted| wanted == digest))
        })?;
        if !good {
            self.leave(path, Kind::Damaged);
            return Ok(());
        }
        self.copied.files += 1;
        self.copied.bytes += bytes;
        if self.told.elapsed() >= SAY_EVERY {
            self.told = Instant::now();
            (self.tell)(&self.copied);
        }
        Ok(())
    }

    fn is_there(
        &self,
        to: &Directory,
        name: &OsStr,
        is: &FileStat,
        checksum: Option<&str>,
    ) -> Result<bool, Failure> {
        let Some(wanted) = checksum.filter(|_| !self.trusting) else {
            return Ok(to.look(name).is_ok_and(|there| same(&there, is)));
        };
        let Ok(Some((mut file, there))) = to.file(name) else { return Ok(false) };
        if there.st_size != is.st_size {
            return Ok(false);
        }
        let (_, digest) = through(&mut file, |_| Ok(())).map_err(|(_, error)| failed(to, name, &error))?;
        Ok(digest == wanted)
    }

    fn owner(&self, is: &FileStat) -> Option<Owner> {
        let own = Owner { uid: is.st_uid, gid: is.st_gid };
        self.may_chown.then_some(self.to.unwrap_or(own))
    }

    fn leave(&mut self, path: &Path, why: Kind) {
        self.copied.left_out += 1;
        if self.copied.left.len() < NAMED {
            self.copied.left.push((path.to_owned(), why));
        }
    }
}

/// Hands on what is in a file, in pieces. Returns how many bytes it has, and its SHA-256; or an error, and whether it is one
/// of reading.
fn through(
    file: &mut File,
    mut each: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<(u64, String), (bool, std::io::Error)> {
    let (mut digest, mut piece, mut bytes) = (Digest::new(&SHA256), vec![0; PIECE], 0);
    loop {
        let read = match file.read(&mut piece) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other.map_err(|error| (true, error))?,
        };
        let read = piece.get(..read).unwrap_or_default();
        if read.is_empty() {
            break;
        }
        digest.update(read);
        each(read).map_err(|error| (false, error))?;
        bytes += read.len() as u64;
    }
    let hex = digest.finish().as_ref().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    Ok((bytes, hex))
}

/// The SHA-256 that a path of Pulp's says: `artifact/`, a directory for each domain where there are domains, and the
/// digits, the first two of them as a directory (pulpcore/app/models/storage.py: `get_artifact_path`).
pub fn checksum_in(path: &Path) -> Option<String> {
    let words: Vec<&str> = path.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    let (first, rest) = match words.as_slice() {
        ["artifact", first, rest] | ["artifact", _, first, rest] => (*first, *rest),
        _ => return None,
    };
    let is = first.len() == 2 && rest.len() == 62;
    let digits = format!("{first}{rest}");
    (is && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)))
        .then_some(digits)
}

/// Whether one is a copy of the other, as far as that can be told without reading it.
fn same(one: &FileStat, other: &FileStat) -> bool {
    let of = |is: &FileStat| (Kind::of(is), is.st_size, is.st_mtime, is.st_mtime_nsec);
    Kind::of(one) == Kind::File && of(one) == of(other)
}

fn modified(is: &FileStat) -> SystemTime {
    let seconds = Duration::new(is.st_mtime.unsigned_abs(), u32::try_from(is.st_mtime_nsec).unwrap_or(0));
    // No file of Pulp's is older than 1970.
    if is.st_mtime < 0 { SystemTime::UNIX_EPOCH } else { SystemTime::UNIX_EPOCH + seconds }
}

fn is_temporary(name: &OsStr) -> bool {
    name.to_string_lossy().ends_with(TEMPORARY)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::super::path;
    use super::*;

    /// "hello" by its SHA-256.
    const HELLO: &str = "artifact/2c/f24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    struct Trees {
        dir: tempfile::TempDir,
    }

    impl Trees {
        fn new(files: &[(&str, &str)]) -> Trees {
            let trees = Trees { dir: tempfile::tempdir().unwrap() };
            for tree in ["from", "to"] {
                fs::create_dir(trees.at(tree)).unwrap();
            }
            for (path, content) in files {
                trees.write(&format!("from/{path}"), content);
            }
            trees
        }

        fn at(&self, path: &str) -> PathBuf {
            self.dir.path().join(path)
        }

        fn write(&self, path: &str, content: &str) {
            fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
            fs::write(self.at(path), content).unwrap();
        }

        fn read(&self, path: &str) -> Option<String> {
            fs::read_to_string(self.at(path)).ok()
        }

        fn copy(&self, earlier: &[&str], change: impl FnOnce(&mut Copying<'_>)) -> Copied {
            self.copy_to("to", earlier, change)
        }

        fn copy_to(&self, to: &str, earlier: &[&str], change: impl FnOnce(&mut Copying<'_>)) -> Copied {
            let open = |name: &str| path::open(&self.at(name)).unwrap();
            let mut copying = Copying::new(false, &|_| {});
            change(&mut copying);
            let earlier: Vec<Directory> = earlier.iter().map(|name| open(name)).collect();
            copying.tree(&open("from"), &open(to), &earlier).unwrap();
            copying.copied
        }
    }

    #[test]
    fn a_tree_is_copied_with_modes_and_times_and_without_what_is_left_out() {
        let trees = Trees::new(&[("a/b", "1"), ("tmp/x", "2"), ("c", "3"), (HELLO, "hello")]);
        fs::set_permissions(trees.at("from/a/b"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink("/etc/shadow", trees.at("from/link")).unwrap();
        trees.write("to/a/.b.0123.pulp-init-new", "half");
        let copied = trees.copy(&[], |copying| copying.without = &["tmp"]);
        assert_eq!((copied.files, copied.bytes, copied.left_out), (3, 7, 1));
        assert_eq!(copied.left, [(PathBuf::from("link"), Kind::Link)]);
        assert_eq!(trees.read("to/a/b").as_deref(), Some("1"));
        assert_eq!(trees.read(&format!("to/{HELLO}")).as_deref(), Some("hello"));
        assert_eq!(trees.read("to/tmp/x"), None);
        assert_eq!(fs::read_dir(trees.at("to/a")).unwrap().count(), 1);
        let (from, to) =
            (fs::metadata(trees.at("from/a/b")).unwrap(), fs::metadata(trees.at("to/a/b")).unwrap());
        assert_eq!(to.mode() & 0o777, 0o640);
        assert_eq!(from.modified().unwrap(), to.modified().unwrap());
    }

    #[test]
    fn what_was_copied_is_not_copied_again_and_an_earlier_copy_is_linked() {
        let trees = Trees::new(&[("a", "1"), ("d/b", "2")]);
        trees.copy(&[], |_| {});
        let again = trees.copy(&[], |_| {});
        assert_eq!((again.files, again.there), (0, 2));
        trees.write("from/a", "other");
        fs::create_dir(trees.at("next")).unwrap();
        let next = trees.copy_to("next", &["to"], |_| {});
        assert_eq!((next.files, next.linked), (1, 1));
        assert_eq!(trees.read("next/a").as_deref(), Some("other"));
        assert_eq!(trees.read("to/a").as_deref(), Some("1"));
        let inode = |path| fs::metadata(trees.at(path)).unwrap().ino();
        assert_eq!(inode("next/d/b"), inode("to/d/b"));
    }

    #[test]
    fn a_file_without_the_checksum_of_its_name_is_left_out_and_one_that_is_there_is_replaced() {
        let trees = Trees::new(&[(HELLO, "hexxo")]);
        let copied = trees.copy(&[], |_| {});
        assert_eq!(
            (copied.files, copied.left.as_slice()),
            (0, [(PathBuf::from(HELLO), Kind::Damaged)].as_slice())
        );
        assert_eq!(trees.read(&format!("to/{HELLO}")), None);
        trees.write(&format!("from/{HELLO}"), "hello");
        trees.write(&format!("to/{HELLO}"), "hexxo");
        let restored = trees.copy(&[], |copying| copying.trusting = false);
        assert_eq!((restored.files, restored.there), (1, 0));
        let again = trees.copy(&[], |copying| copying.trusting = false);
        assert_eq!((again.files, again.there), (0, 1));
        assert_eq!(trees.read(&format!("to/{HELLO}")).as_deref(), Some("hello"));
    }

    #[test]
    fn a_file_of_somebody_else_with_a_second_name_is_left_out() {
        let trees = Trees::new(&[("a", "secret")]);
        fs::hard_link(trees.at("from/a"), trees.at("b")).unwrap();
        let own = fs::metadata(trees.at("b")).unwrap().uid();
        let copied = trees.copy(&[], |copying| copying.from = Some(own + 1));
        assert_eq!(copied.left, [(PathBuf::from("a"), Kind::HardLinked)]);
        assert_eq!(trees.copy(&[], |copying| copying.from = Some(own)).files, 1);
    }

    #[test]
    fn checksums_are_read_off_paths_with_and_without_a_domain() {
        let digits = HELLO.replace("artifact/", "").replace('/', "");
        assert_eq!(checksum_in(Path::new(HELLO)), Some(digits.clone()));
        let domain = HELLO.replace("artifact/", "artifact/01a21a66-d8e4-7c1d-bdd2-b2633dec5b5b/");
        assert_eq!(checksum_in(Path::new(&domain)), Some(digits));
        for other in ["artifact/2c", "x/2c/f2", "artifact/2c/F24d", "artifact/a/b/c/d"] {
            assert_eq!(checksum_in(Path::new(other)), None, "{other}");
        }
    }
}

//! The directory of backups: one at a time is made there, and old ones are removed.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;

use super::{FORMAT, MOST, RECORD, Record};
use crate::context::ROOT;
use crate::volume::{Directory, Failure, path, tree};
use crate::{Context, Problem};

/// After how long to look at the clock again.
const AGAIN: Duration = Duration::from_millis(100);

/// The directory, and the right to change it.
pub struct Shelf<'a> {
    context: &'a Context,
    directory: Directory,
    /// Gone when we are.
    _alone: Option<Flock<OwnedFd>>,
}

impl<'a> Shelf<'a> {
    /// Opens it, or makes it.
    pub fn open(context: &'a Context, at: &Path) -> Result<Shelf<'a>, Problem> {
        let owner = context.accounts.may_chown.then_some(ROOT);
        let directory = path::open_or_make(at, owner, 0o700).map_err(|failure| failure.problem("open"))?;
        let handle = directory.handle().map_err(|failure| failure.problem("open"))?;
        let alone = match Flock::lock(handle, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Some(lock),
            Err((_, Errno::EWOULDBLOCK)) => {
                return Err(Problem::new(
                    "S2616",
                    format!("another backup is being made in {}", at.display()),
                    "wait until it is done, or name another directory",
                ));
            }
            // Some file systems know no locks.
            Err(_) => None,
        };
        Ok(Shelf { context, directory, _alone: alone })
    }

    /// The first name that `now` says and no whole backup has: of small ones there may be several in a second.
    pub fn free_name(&self, now: impl Fn() -> Result<String, Problem>) -> Result<String, Problem> {
        loop {
            let name = now()?;
            let (whole, _) = self.all().map_err(|failure| failure.problem("list"))?;
            if whole.iter().all(|there| there != name.as_str()) {
                return Ok(name);
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// The directory of a new backup. One that was not finished goes on under this name.
    pub fn begin(&self, name: &str) -> Result<Directory, Problem> {
        let (_, mut unfinished) = self.all().map_err(|failure| failure.problem("list"))?;
        let begin = || -> Result<Directory, Failure> {
            if let Some(latest) = unfinished.pop()
                && latest != name
            {
                self.directory.rename(&latest, OsStr::new(name))?;
            }
            for older in unfinished {
                tree::remove(&self.directory, &older)?;
            }
            let owner = self.context.accounts.may_chown.then_some(ROOT);
            let (made, _) = self.directory.make(OsStr::new(name), owner, 0o700)?;
            // One who could write it would decide what root restores.
            made.set(owner, 0o700)?;
            Ok(made)
        };
        begin().map_err(|failure| failure.problem("make"))
    }

    /// The newest whole backup, if there is any.
    pub fn newest(&self) -> Result<Option<Directory>, Problem> {
        newest(&self.directory)
    }

    /// Removes all whole backups but this many of the newest ones.
    pub fn keep(&self, most: usize) -> Result<(), Problem> {
        let (mut whole, _) = self.all().map_err(|failure| failure.problem("list"))?;
        whole.truncate(whole.len().saturating_sub(most));
        for old in whole {
            let remove = || -> Result<(), Failure> {
                // What is half removed is not to be taken for a backup.
                self.directory.child(&old)?.unlink(OsStr::new(RECORD))?;
                tree::remove(&self.directory, &old)
            };
            remove().map_err(|failure| failure.problem("remove"))?;
            self.context.say(&format!("{}: removed", self.directory.path().join(&old).display()));
        }
        Ok(())
    }

    /// The names of whole backups and of others, each in the order of their times.
    fn all(&self) -> Result<(Vec<OsString>, Vec<OsString>), Failure> {
        all(&self.directory)
    }
}

/// The newest whole backup in a directory of backups.
pub fn newest(directory: &Directory) -> Result<Option<Directory>, Problem> {
    let find = || -> Result<Option<Directory>, Failure> {
        let (whole, _) = all(directory)?;
        whole.last().map(|name| directory.child(name)).transpose()
    };
    find().map_err(|failure| failure.problem("open"))
}

fn all(directory: &Directory) -> Result<(Vec<OsString>, Vec<OsString>), Failure> {
    let mut names = directory.list()?;
    names.retain(|name| is_ours(&name.to_string_lossy()));
    names.sort();
    let mut whole = Vec::new();
    let mut others = Vec::new();
    for name in names {
        let has = directory.child(&name).and_then(|one| Ok((is_roots(&one)?, one.kind(OsStr::new(RECORD))?)));
        match has {
            Ok((true, Some(_))) => whole.push(name),
            Ok((true, None)) => others.push(name),
            // What somebody else has called so.
            Ok((false, _)) | Err(_) => {}
        }
    }
    Ok((whole, others))
}

/// Whether nobody but root, or whoever we run as, can have put into a directory what is in it.
pub fn is_roots(directory: &Directory) -> Result<bool, Failure> {
    let is = directory.stat()?;
    Ok([0, geteuid().as_raw()].contains(&is.st_uid) && is.st_mode & 0o022 == 0)
}

/// `2026-11-27T13.30.00Z`.
fn is_ours(name: &str) -> bool {
    let shape: String = name.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00.00.00Z"
}

/// What is known of a backup; nothing if it is not whole.
pub fn record(backup: &Directory) -> Result<Option<Record>, Problem> {
    let text = backup.read(OsStr::new(RECORD), MOST).map_err(|failure| failure.problem("read"))?;
    let Some(text) = text else { return Ok(None) };
    let path = backup.path().join(RECORD);
    let record: Record = serde_json::from_slice(&text).map_err(|error| {
        Problem::config(
            "S2617",
            format!("{}: {error}", path.display()),
            "the file is damaged: take another backup; nothing was changed",
        )
    })?;
    if record.format != FORMAT {
        return Err(Problem::config(
            "S2618",
            format!(
                "{}: a backup of format {}, and this image knows {FORMAT}",
                path.display(),
                record.format
            ),
            "use the image that made it, or a newer one; nothing was changed",
        ));
    }
    Ok(Some(record))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Backups {
        dir: tempfile::TempDir,
        context: Context,
    }

    impl Backups {
        fn new(whole: &[&str], unfinished: &[&str]) -> Backups {
            let dir = tempfile::tempdir().unwrap();
            let context = Context::for_test(dir.path(), []);
            for name in whole.iter().chain(unfinished) {
                fs::create_dir(dir.path().join(name)).unwrap();
                fs::write(dir.path().join(name).join("inside"), name).unwrap();
            }
            for name in whole {
                fs::write(
                    dir.path().join(name).join(RECORD),
                    r#"{"format": 1, "begun": "x", "artifacts": 0}"#,
                )
                .unwrap();
            }
            Backups { dir, context }
        }

        fn open(&self) -> Shelf<'_> {
            Shelf::open(&self.context, self.dir.path()).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let names = fs::read_dir(self.dir.path()).unwrap();
            let mut names: Vec<String> =
                names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    const DAYS: [&str; 4] =
        ["2026-11-01T00.00.00Z", "2026-11-02T00.00.00Z", "2026-11-03T00.00.00Z", "2026-11-04T00.00.00Z"];

    #[test]
    fn a_backup_that_was_killed_goes_on_under_the_new_time_and_older_ones_of_its_kind_go() {
        let backups = Backups::new(&[DAYS[1]], &[DAYS[0], DAYS[2]]);
        let shelf = backups.open();
        let made = shelf.begin(DAYS[3]).unwrap();
        assert_eq!(fs::read_to_string(made.path().join("inside")).unwrap(), DAYS[2]);
        assert_eq!(backups.names(), [DAYS[1], DAYS[3]]);
        assert!(shelf.newest().unwrap().unwrap().path().ends_with(DAYS[1]));
        let names = std::cell::RefCell::new(vec![DAYS[0], DAYS[1]]);
        assert_eq!(shelf.free_name(|| Ok(names.borrow_mut().pop().unwrap().to_owned())).unwrap(), DAYS[0]);
    }

    #[test]
    fn only_the_newest_are_kept_and_nothing_else_is_removed() {
        let backups = Backups::new(&DAYS, &[]);
        fs::create_dir(backups.dir.path().join("mine")).unwrap();
        backups.open().keep(2).unwrap();
        assert_eq!(backups.names(), [DAYS[2], DAYS[3], "mine"]);
        backups.open().keep(5).unwrap();
        assert_eq!(backups.names().len(), 3);
    }

    #[test]
    fn a_directory_that_others_can_write_is_no_backup() {
        use std::os::unix::fs::PermissionsExt;
        let backups = Backups::new(&[DAYS[0], DAYS[1]], &[]);
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(backups.dir.path().join(DAYS[1]), open).unwrap();
        assert!(backups.open().newest().unwrap().unwrap().path().ends_with(DAYS[0]));
    }

    #[test]
    fn two_backups_at_once_are_refused() {
        let backups = Backups::new(&[], &[]);
        let first = backups.open();
        let problem = Shelf::open(&backups.context, backups.dir.path()).err().unwrap();
        assert!(problem.what().contains("another backup is being made"), "{problem}");
        drop(first);
        backups.open();
    }

    #[test]
    fn a_record_of_another_format_is_refused() {
        let backups = Backups::new(&[DAYS[0]], &[]);
        let newest = newest(&path::open(backups.dir.path()).unwrap()).unwrap().unwrap();
        assert_eq!(record(&newest).unwrap().unwrap().begun, "x");
        fs::write(newest.path().join(RECORD), r#"{"format": 2, "begun": "x", "artifacts": 0}"#).unwrap();
        assert!(record(&newest).unwrap_err().what().contains("format 2"));
    }
}

//! Files and directories by their paths, as the steps name them: whole or not there, and never through a link that
//! somebody else than root can have made.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc;

use super::directory::{TEMPORARY, read_regular};
use super::failure::Failure;
use super::path;
use crate::context::Owner;
use crate::{Context, Problem};

/// No file that a step reads is larger. The largest is the image's own, of an empty database.
const MOST: u64 = 64 << 20;

/// Writes a file with this owner and mode, replacing what is there, atomically and durably. Intermediate directories
/// must exist. The owner is left alone where we may not change it.
pub fn write(context: &Context, path: &Path, content: &[u8], owner: Owner, mode: u32) -> Result<(), Problem> {
    let attempt = || {
        let (directory, name) = path::parent(path)?;
        directory.write(name, content, if_allowed(context, owner), mode)
    };
    attempt().map_err(|failure: Failure| failure.problem("write"))
}

/// The whole file, or nothing if there is none. Links are followed: what is read so is the administrator's, such as a
/// key that Kubernetes mounts. What is no regular file is refused, so that a named pipe does not hold up the boot.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| Problem::io("read", path, &error))?,
    };
    let content = read_regular(file, MOST).map_err(|reason| Failure { path: path.to_owned(), reason });
    content.map(Some).map_err(|failure| failure.problem("read"))
}

/// Makes a directory, and those above it, if they are missing. One that is there is left as it is.
pub fn directory(context: &Context, path: &Path, owner: Owner, mode: u32) -> Result<(), Problem> {
    path::open_or_make(path, if_allowed(context, owner), mode)
        .map(drop)
        .map_err(|failure| failure.problem("make the directory"))
}

/// Gives a file or directory, not what a link points to, this owner and mode if it has others. Says whether it had.
pub fn own(context: &Context, path: &Path, owner: Owner, mode: u32) -> Result<bool, Problem> {
    let attempt = || {
        let (directory, name) = path::parent(path)?;
        directory.own(name, if_allowed(context, owner), mode)
    };
    attempt().map_err(|failure: Failure| failure.problem("set the owner and mode of"))
}

/// Removes what a power cut has left of files that were being written in this directory. Only at boot, when nobody
/// writes there.
pub fn remove_unfinished(path: &Path) -> Result<(), Problem> {
    let attempt = || {
        let directory = path::open(path)?;
        for name in directory.list()? {
            if name.to_string_lossy().ends_with(TEMPORARY) {
                directory.unlink(&name)?;
            }
        }
        Ok(())
    };
    attempt().map_err(|failure: Failure| failure.problem("clean up"))
}

/// Makes what was done to a directory's entries durable. For those who work as the directory's owner.
pub fn sync_directory_of(path: &Path) -> std::io::Result<()> {
    let directory = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

fn if_allowed(context: &Context, owner: Owner) -> Option<Owner> {
    context.accounts.may_chown.then_some(owner)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn what_is_written_has_its_mode_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        let path = context.path("/secret");
        fs::write(context.path(format!("/.secret.12ab{TEMPORARY}")), "half").unwrap(); // a power cut's
        remove_unfinished(dir.path()).unwrap();
        write(&context, &path, b"one", context.accounts.pulp, 0o640).unwrap();
        write(&context, &path, b"two", context.accounts.pulp, 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn two_writers_at_once_leave_one_whole_file() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        let path = context.path("/file");
        let texts = ["a".repeat(100_000), "b".repeat(100_000)];
        std::thread::scope(|scope| {
            for text in &texts {
                scope.spawn(|| {
                    for _ in 0..5 {
                        write(&context, &path, text.as_bytes(), context.accounts.pulp, 0o600).unwrap();
                    }
                });
            }
        });
        assert!(texts.contains(&fs::read_to_string(&path).unwrap()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_says_where_and_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        let path = context.path("/missing/file");
        let problem = write(&context, &path, b"x", context.accounts.pulp, 0o600).unwrap_err();
        assert!(problem.what().contains("/missing"), "{problem}");
        assert!(!problem.cure().is_empty());
    }

    #[test]
    fn a_missing_file_reads_as_nothing_and_a_named_pipe_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(&dir.path().join("x")).unwrap(), None);
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let problem = read(&pipe).unwrap_err();
        assert!(problem.what().contains("is a named pipe"), "{problem}");
    }
}

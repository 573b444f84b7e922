//! Files that are whole or not there.
//!
//! [`write()`] makes a temporary file beside the target, syncs it, renames it over the target and syncs the directory:
//! after a power cut there is the old file or the new one (rename(2), fsync(2)).

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::context::Owner;
use crate::{Context, Problem};

/// Temporary files of ours end so; those that a power cut left are overwritten by the next try.
const TEMPORARY: &str = ".pulp-init-new";

/// Writes a file with this owner and mode, replacing what is there, atomically and durably. Intermediate directories
/// must exist. The owner is left alone where we may not change it.
pub fn write(context: &Context, path: &Path, content: &[u8], owner: Owner, mode: u32) -> Result<(), Problem> {
    let new = temporary(path);
    let attempt = || {
        // Whatever an earlier try left may have another owner, or be a link to somewhere else.
        remove_if_there(&new)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(content)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        if context.accounts.may_chown {
            fchown(&file, Some(owner.uid), Some(owner.gid))?;
        }
        file.sync_all()?;
        fs::rename(&new, path)?;
        sync_directory_of(path)
    };
    attempt().map_err(|error| {
        let _ = fs::remove_file(&new);
        Problem::io("write", path, &error)
    })
}

/// The whole file, or nothing if there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    let mut content = Vec::new();
    match File::open(path).and_then(|mut file| file.read_to_end(&mut content)) {
        Ok(_) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Problem::io("read", path, &error)),
    }
}

/// Makes a directory, and those above it, if they are missing. One that is there is left as it is.
pub fn directory(context: &Context, path: &Path, owner: Owner, mode: u32) -> Result<(), Problem> {
    if path.is_dir() {
        return Ok(());
    }
    let attempt = || {
        if let Some(above) = path.parent() {
            fs::create_dir_all(above)?;
        }
        match DirBuilder::new().mode(mode).create(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let made = File::open(path)?;
        made.set_permissions(Permissions::from_mode(mode))?; // the umask may have taken bits
        if context.accounts.may_chown {
            fchown(&made, Some(owner.uid), Some(owner.gid))?;
        }
        sync_directory_of(path)
    };
    attempt().map_err(|error| Problem::io("make the directory", path, &error))
}

/// Gives a file or directory, not what a link points to, this owner and mode if it has others. Says whether it had.
pub fn own(context: &Context, path: &Path, owner: Owner, mode: u32) -> Result<bool, Problem> {
    let attempt = || {
        let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(path)?;
        let is = file.metadata()?;
        let wrong_owner = context.accounts.may_chown && (is.uid() != owner.uid || is.gid() != owner.gid);
        let wrong_mode = is.mode() & 0o7777 != mode;
        if wrong_owner {
            fchown(&file, Some(owner.uid), Some(owner.gid))?;
        }
        if wrong_mode {
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        Ok(wrong_owner || wrong_mode)
    };
    attempt().map_err(|error: std::io::Error| Problem::io("set the owner and mode of", path, &error))
}

/// Makes what was done to a directory's entries durable.
pub fn sync_directory_of(path: &Path) -> std::io::Result<()> {
    let directory = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_has_its_mode_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        let path = context.path("/secret");
        fs::write(temporary(&path), "half").unwrap(); // a power cut's
        write(&context, &path, b"one", context.accounts.pulp, 0o640).unwrap();
        write(&context, &path, b"two", context.accounts.pulp, 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_says_where_and_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        let path = context.path("/missing/file");
        let problem = write(&context, &path, b"x", context.accounts.pulp, 0o600).unwrap_err();
        assert!(problem.what().contains("/missing/file"), "{problem}");
        assert!(!problem.cure().is_empty());
    }

    #[test]
    fn a_missing_file_reads_as_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(&dir.path().join("x")).unwrap(), None);
    }
}

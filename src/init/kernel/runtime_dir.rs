//! Where `init` keeps its sockets.
//!
//! The first of a few candidates in which a Unix socket can be made: `/run` may be read-only, full, or another user's.
//! The candidates in `/tmp` and `/dev/shm` stand where everybody may write, so a directory there is taken only if it is
//! a real one and ours: no symbolic link, and nobody else's. Clients walk the same list.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use init_control::path::{VARIABLE, candidates};

/// A runtime directory that works.
#[derive(Debug, Eq, PartialEq)]
pub struct RuntimeDir {
    /// Absolute; exists, mode 0755, ours.
    pub path: PathBuf,
    /// One line if a better candidate could not be used.
    pub warning: Option<String>,
}

/// Makes the first candidate that works, for this process's user and environment.
///
/// # Errors
/// One line with the reason each candidate failed for, and the cure.
pub fn choose() -> Result<RuntimeDir, String> {
    let chosen: Option<OsString> = std::env::var_os(VARIABLE);
    choose_from(&candidates(chosen, geteuid().as_raw()))
}

/// Makes the first of these that works.
///
/// # Errors
/// As [`choose`].
pub fn choose_from(candidates: &[PathBuf]) -> Result<RuntimeDir, String> {
    let mut failed = Vec::new();
    for path in candidates {
        match prepare(path) {
            Ok(()) => return Ok(RuntimeDir { path: path.clone(), warning: warning(&failed, path) }),
            Err(error) => failed.push((path, error)),
        }
    }
    Err(format!(
        "cannot make a runtime directory: {}; mount a tmpfs on /run, or set {VARIABLE} to a writable directory",
        reasons(&failed)
    ))
}

/// That `/run` is not for an unprivileged user is no news.
fn warning(failed: &[(&PathBuf, io::Error)], used: &Path) -> Option<String> {
    let expected = |(path, error): &&(&PathBuf, io::Error)| {
        !(error.kind() == io::ErrorKind::PermissionDenied && !geteuid().is_root() && path.starts_with("/run"))
    };
    failed.iter().find(expected)?;
    Some(format!("cannot use {}: sockets are in {} instead", reasons(failed), used.display()))
}

fn reasons(failed: &[(&PathBuf, io::Error)]) -> String {
    failed.iter().map(|(path, error)| format!("{} ({error})", path.display())).collect::<Vec<_>>().join(", ")
}

fn prepare(path: &Path) -> io::Result<()> {
    if !path.is_absolute() {
        return Err(io::Error::other("it is not an absolute path"));
    }
    make(path)?;
    let directory = open(path)?;
    let metadata = directory.metadata()?;
    if metadata.uid() != geteuid().as_raw() {
        return Err(io::Error::other(format!("it belongs to user {}", metadata.uid())));
    }
    if metadata.mode() & 0o7777 != 0o755 {
        directory.set_permissions(Permissions::from_mode(0o755))?;
    }
    try_socket(path)
}

fn make(path: &Path) -> io::Result<()> {
    // A missing /run is made (an image from scratch has none); a missing /tmp would need more than the usual mode.
    let shared = path.starts_with("/tmp") || path.starts_with("/dev/shm");
    let made = DirBuilder::new().mode(0o755).recursive(!shared).create(path);
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Fails on a symbolic link.
fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| {
        if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
            return io::Error::other("it is a symbolic link");
        }
        error
    })
}

/// The only proof that a socket can be made: some file systems cannot hold one, and a full one has no inode left.
fn try_socket(directory: &Path) -> io::Result<()> {
    let path = directory.join(format!(".try-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    let tried = UnixListener::bind(&path).map(drop);
    let _ = fs::remove_file(&path);
    tried
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn choose_in(dir: &Path, names: &[&str]) -> Result<RuntimeDir, String> {
        choose_from(&names.iter().map(|name| dir.join(name)).collect::<Vec<_>>())
    }

    #[test]
    fn directory_is_made_with_mode_755_and_left_empty() {
        let dir = tempfile::tempdir().unwrap();
        let chosen = choose_in(dir.path(), &["a"]).unwrap();
        assert_eq!(chosen, RuntimeDir { path: dir.path().join("a"), warning: None });
        assert_eq!(fs::metadata(&chosen.path).unwrap().mode() & 0o7777, 0o755);
        assert_eq!(fs::read_dir(&chosen.path).unwrap().count(), 0);
    }

    #[test]
    fn directory_of_an_earlier_run_is_taken_again_and_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        choose_in(dir.path(), &["a"]).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o755);
    }

    #[test]
    fn symbolic_link_and_file_and_relative_path_lead_to_the_next_with_one_warning() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("real")).unwrap();
        symlink(dir.path().join("real"), dir.path().join("link")).unwrap();
        symlink("/nonexistent", dir.path().join("dangling")).unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        for unusable in ["link", "dangling", "file"] {
            let chosen = choose_in(dir.path(), &[unusable, "good"]).unwrap();
            assert_eq!(chosen.path, dir.path().join("good"));
            let warning = chosen.warning.unwrap();
            assert!(
                warning.starts_with("cannot use ") && warning.contains(unusable) && !warning.contains('\n')
            );
        }
        assert_eq!(
            choose_from(&["x".into(), dir.path().join("good")]).unwrap().path,
            dir.path().join("good")
        );
        assert_eq!(fs::read_dir(dir.path().join("real")).unwrap().count(), 0);
    }

    #[test]
    fn directory_of_another_user_is_refused() {
        if !needs::root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::create_dir(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        assert!(choose_in(dir.path(), &["a"]).unwrap_err().contains("belongs to user 12345"));
    }

    #[test]
    fn path_too_long_for_a_socket_leads_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(choose_in(dir.path(), &[&"x".repeat(120), "b"]).unwrap().path, dir.path().join("b"));
    }

    #[test]
    fn no_candidate_at_all_is_an_error_with_the_cure() {
        let error = choose_from(&["/proc/nothing".into()]).unwrap_err();
        assert!(error.contains("/proc/nothing (") && error.contains(VARIABLE), "{error}");
    }
}

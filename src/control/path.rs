//! Where the control socket is.
//!
//! `init` takes the first of these directories that it can use; a client looks in the same ones in the same order.
//! A container may have a read-only root, no `/run` of its own or no root user at all, hence more than one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The environment variable that names a runtime directory to try before all others.
pub const VARIABLE: &str = "INIT_RUNTIME_DIR";

/// The control socket's name in the runtime directory.
pub const SOCKET: &str = "control";

/// The name of the second control socket, at which only root and `init`'s own user may connect: they do not queue behind
/// everybody else who does.
pub const PRIVATE_SOCKET: &str = "private";

/// Where `svctl set` writes, below the runtime directory: definitions that `init` reads after all others, until the next boot.
pub fn set_directory(runtime: &Path) -> PathBuf {
    runtime.join("set")
}

/// The runtime directories to try, best first, for a process of this user.
///
/// `chosen` is the value of [`VARIABLE`]; empty counts as not set. A relative path is left out: `init` and its
/// clients have different working directories.
pub fn candidates(chosen: Option<OsString>, uid: u32) -> Vec<PathBuf> {
    let chosen = chosen.map(PathBuf::from).filter(|path| path.is_absolute());
    let mut directories: Vec<PathBuf> = chosen.into_iter().collect();
    directories.push(PathBuf::from("/run/pulp-init"));
    directories.extend(own(uid));
    directories
}

/// The directories that belong to one user alone.
pub fn own(uid: u32) -> [PathBuf; 2] {
    [PathBuf::from(format!("/dev/shm/pulp-init-{uid}")), PathBuf::from(format!("/tmp/pulp-init-{uid}"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(chosen: Option<&str>) -> Vec<String> {
        let found = candidates(chosen.map(OsString::from), 7);
        found.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn the_chosen_directory_comes_first() {
        let usual = ["/run/pulp-init", "/dev/shm/pulp-init-7", "/tmp/pulp-init-7"];
        assert_eq!(shown(None), usual);
        assert_eq!(shown(Some("/x")).first().map(String::as_str), Some("/x"));
        assert_eq!(shown(Some("/x")).get(1..), Some(&usual.map(String::from)[..]));
    }

    #[test]
    fn an_empty_or_relative_choice_counts_as_none() {
        assert_eq!(shown(Some("")), shown(None));
        assert_eq!(shown(Some("run")), shown(None));
    }
}

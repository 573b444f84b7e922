//! What Pulp's programs get into their environment besides the container's own variables.

use crate::Context;
use crate::steps::variables::Variables;
use crate::volume::path;

/// The home of the user pulp.
const HOME: &str = "/var/lib/pulp";

/// Whom gunicorn believes that a request came by HTTPS. By default that is this machine alone.
pub const PROXIES: &str = "FORWARDED_ALLOW_IPS";

/// Options of gunicorn. Its processes touch a file each second to say that they live: not on a volume, which may be a server's
/// on a network.
const GUNICORN: &str = "GUNICORN_CMD_ARGS";

/// Where Pulp's processes have temporary files. Not in Pulp's working directory: what lies there Pulp moves to its storage by
/// name, also a file of the registry that has no name any more.
pub const TEMPORARY: &str = "/var/lib/pulp/.tmp";

/// The variables to add, with their values.
pub fn added(context: &Context, variables: &Variables) -> Vec<(String, String)> {
    let temporary = temporary(context);
    let gunicorn = temporary.filter(|&directory| directory == TEMPORARY && context.var(GUNICORN).is_none());
    let gunicorn = gunicorn.map(|_| (GUNICORN.to_owned(), "--worker-tmp-dir /dev/shm".to_owned()));
    let temporary = temporary.map(|directory| ("TMPDIR".to_owned(), directory.to_owned()));
    let proxies = context.var(PROXIES).map(|proxies| (PROXIES.to_owned(), proxies.to_owned()));
    variables.for_pulp().into_iter().chain(temporary).chain(gunicorn).chain(proxies).collect()
}

/// The home of a process of Pulp's. What the container has may be root's, or no more than `/`, which a runtime sets for
/// a user that the image does not know.
pub fn home(context: &Context) -> &str {
    context.var("HOME").filter(|home| !["/", "/root"].contains(home)).unwrap_or(HOME)
}

/// A directory for temporary files: on Pulp's volume, where uploads end anyway. The registry and maven write them to the
/// usual place for such files, which is the container's own layer, or memory, and may be smaller than one layer of an image.
/// Where that cannot be written, the usual place stays, or in a container that is read-only shared memory.
fn temporary(context: &Context) -> Option<&'static str> {
    if context.var("TMPDIR").is_some() {
        return None;
    }
    let writable = |place: &str| {
        path::open(&context.path(place)).is_ok_and(|directory| directory.may_be_written().is_ok())
    };
    let usual = ["/tmp", "/var/tmp"].into_iter().any(writable);
    [TEMPORARY].into_iter().chain((!usual).then_some("/dev/shm")).find(|place| writable(place))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn temporary_files_are_on_the_volume_or_where_the_user_says() {
        let dir = tempfile::tempdir().unwrap();
        let make = |path: &str| std::fs::create_dir_all(dir.path().join(path)).unwrap();
        let found = |env: &[(&str, &str)]| temporary(&Context::for_test(dir.path(), env.iter().copied()));
        assert_eq!(found(&[]), None);
        make("dev/shm");
        assert_eq!(found(&[]), Some("/dev/shm"));
        make("tmp");
        assert_eq!(found(&[]), None);
        make("var/lib/pulp/.tmp");
        assert_eq!(found(&[]), Some(TEMPORARY));
        assert_eq!(found(&[("TMPDIR", "/x")]), None);
    }

    #[test]
    fn the_home_of_pulps_processes_is_never_roots() {
        let home_of =
            |env: &[(&str, &str)]| home(&Context::for_test(Path::new("/"), env.iter().copied())).to_owned();
        for (given, expected) in [("/root", HOME), ("/", HOME), ("", HOME), ("/tmp", "/tmp")] {
            assert_eq!(home_of(&[("HOME", given)]), expected, "{given}");
        }
        assert_eq!(home_of(&[]), HOME);
    }
}

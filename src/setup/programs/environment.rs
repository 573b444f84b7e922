//! What Pulp's programs get into their environment besides the container's own variables.

use std::path::Path;

use crate::Context;
use crate::steps::variables::Variables;

/// The home of the user pulp.
const HOME: &str = "/var/lib/pulp";

/// Whom gunicorn believes that a request came by HTTPS. By default that is this machine alone.
pub const PROXIES: &str = "FORWARDED_ALLOW_IPS";

/// The variables to add, with their values.
pub fn added(context: &Context, variables: &Variables) -> Vec<(String, String)> {
    let temporary = temporary(context).map(|directory| ("TMPDIR".to_owned(), directory.to_owned()));
    let proxies = context.var(PROXIES).map(|proxies| (PROXIES.to_owned(), proxies.to_owned()));
    variables.for_pulp().into_iter().chain(temporary).chain(proxies).collect()
}

/// The home of a process of Pulp's. What the container has may be root's, or no more than `/`, which a runtime sets for
/// a user that the image does not know.
pub fn home(context: &Context) -> &str {
    context.var("HOME").filter(|home| !["/", "/root"].contains(home)).unwrap_or(HOME)
}

/// A directory for temporary files, where the usual one cannot be used: in a container that is read-only,
/// shared memory is still there.
fn temporary(context: &Context) -> Option<&'static str> {
    let writable = |path: &Path| nix::unistd::access(path, nix::unistd::AccessFlags::W_OK).is_ok();
    let usual =
        context.var("TMPDIR").is_some() || ["/tmp", "/var/tmp"].iter().any(|dir| writable(Path::new(dir)));
    (!usual && writable(Path::new("/dev/shm"))).then_some("/dev/shm")
}

#[cfg(test)]
mod tests {
    use super::*;

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

//! What Pulp's programs get into their environment besides the container's own variables.

use std::path::Path;

use crate::Context;
use crate::steps::variables::Variables;

/// The variables to add, with their values.
pub fn added(context: &Context, variables: &Variables) -> Vec<(String, String)> {
    let temporary = temporary(context).map(|directory| ("TMPDIR".to_owned(), directory.to_owned()));
    variables.for_pulp().into_iter().chain(temporary).collect()
}

/// A directory for temporary files, where the usual one cannot be used: in a container that is read-only,
/// shared memory is still there.
fn temporary(context: &Context) -> Option<&'static str> {
    let writable = |path: &Path| nix::unistd::access(path, nix::unistd::AccessFlags::W_OK).is_ok();
    let usual =
        context.var("TMPDIR").is_some() || ["/tmp", "/var/tmp"].iter().any(|dir| writable(Path::new(dir)));
    (!usual && writable(Path::new("/dev/shm"))).then_some("/dev/shm")
}

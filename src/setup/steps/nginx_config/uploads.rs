//! Where nginx keeps uploads until they are whole: on the volume that Pulp moves them to anyway, since a container's
//! own layer or memory may be too small.
//!
//! nginx begins as root, and gives the directories of such files to its user by their paths. On Pulp's volume somebody
//! else could make a link of a path, and nginx would give away what it leads to. So `pulp-setup` opens the directories
//! without following links and hands them to nginx as open descriptors: the configuration names `/proc/self/fd/100`,
//! which is that directory and nothing else, wherever it is moved and whatever takes its place. nginx and its processes
//! inherit the descriptors, and they stay open when nginx reads its configuration anew.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::unistd::geteuid;

use super::{RUN, USER};
use crate::Context;
use crate::ask::users;
use crate::context::{Owner, ROOT};
use crate::volume::{Directory, Failure, Reason, path, tree};

/// Pulp's directory for temporary files.
const PULPS: &str = "/var/lib/pulp/tmp";
/// What is nginx's there.
const INSIDE: &str = "nginx";
/// From here on descriptors are free in whatever starts nginx.
const FIRST: i32 = 100;

/// The directories of what does not fit into memory, as the configuration names them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Temporary {
    /// Of clients' uploads.
    pub body: PathBuf,
    /// Of answers that a client is slow to take.
    pub proxy: PathBuf,
}

impl Temporary {
    /// Two directories that nginx makes itself, in one where nobody else can write.
    pub fn within(directory: &Path) -> Temporary {
        Temporary { body: directory.join("body"), proxy: directory.join("proxy") }
    }
}

/// Those of the nginx beside Pulp, opened for this process and for what it starts; or in memory, if the volume is of no
/// use for that. The configuration's descriptors have the same numbers in each process that calls this once.
pub fn beside_pulp(context: &Context) -> Temporary {
    let pulps = context.path(PULPS);
    let pulp = context.accounts.may_chown.then_some(context.accounts.pulp);
    let held =
        path::open_or_make(&pulps, pulp, 0o755).and_then(|pulps| hold(&pulps, OsStr::new(INSIDE), context));
    held.unwrap_or_else(|failure| {
        let why = failure.problem("use the directory");
        context.say(&format!("nginx keeps uploads in memory, not on the volume: {}", why.what()));
        Temporary::within(&context.path(RUN))
    })
}

/// The same in a directory where others may write, for an nginx of its own.
pub fn below(context: &Context, directory: &Path) -> Result<Temporary, Failure> {
    let (above, name) = path::parent(directory)?;
    hold(&above, name, context)
}

/// Directories of the same numbers for a configuration that is only tried: not on the volume, where others could stand in
/// the way. nginx makes them its user's; a reload has not the right to change what is not root's.
///
/// # Errors
/// What the kernel says.
pub fn to_try(context: &Context) -> Result<Temporary, Failure> {
    let place = context.path(RUN).join("try");
    let (above, name) = path::parent(&place)?;
    hold_for(None, &above, name, context)
}

fn hold(above: &Directory, name: &OsStr, context: &Context) -> Result<Temporary, Failure> {
    hold_for(context.accounts.may_chown.then(webserver).flatten(), above, name, context)
}

fn hold_for(
    user: Option<Owner>,
    above: &Directory,
    name: &OsStr,
    context: &Context,
) -> Result<Temporary, Failure> {
    let root = context.accounts.may_chown.then_some(ROOT);
    let ours = made(above, name, root, 0o755)?;
    let open = |name: &str| {
        let directory = made(&ours, OsStr::new(name), user, 0o700)?;
        if user.is_some() {
            directory.set(user, 0o700)?;
        }
        inherited(&directory)
    };
    Ok(Temporary { body: open("body")?, proxy: open("proxy")? })
}

/// A directory, made if it is missing. What else is there is of no use to anybody and goes.
fn made(above: &Directory, name: &OsStr, owner: Option<Owner>, mode: u32) -> Result<Directory, Failure> {
    match above.make(name, owner, mode) {
        Err(Failure { reason: Reason::Found(_), .. }) => {
            tree::remove(above, name)?;
            above.make(name, owner, mode).map(|(directory, _)| directory)
        }
        other => other.map(|(directory, _)| directory),
    }
}

/// As whom nginx's processes run, where it begins as root.
fn webserver() -> Option<Owner> {
    users::named(USER).filter(|_| geteuid().is_root())
}

/// Keeps a directory open for as long as this process, and what it becomes, lives.
fn inherited(directory: &Directory) -> Result<PathBuf, Failure> {
    let number = fcntl(directory.as_fd(), FcntlArg::F_DUPFD(FIRST))
        .map_err(|errno| Failure::kernel(directory.path(), errno))?;
    Ok(PathBuf::from(format!("/proc/self/fd/{number}")))
}

//! `volumes`: the directories that the services need, with owners who can use them.
//!
//! What is missing is made. A volume that was filled under other user numbers (another image, a restored backup, a
//! folder of the host) gets the right ones, but its content is only walked when its top directory has the wrong owner:
//! at every other boot that costs one stat(2), however many terabytes there are.

mod nested;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;

use crate::ask::command::Tool;
use crate::ask::users;
use crate::context::{Owner, ROOT};
use crate::programs::environment::TEMPORARY;
use crate::volume::{Directory, Failure, Kind, Reason, files, path, tree};
use crate::{Context, Problem};

/// A directory on a volume.
struct Place {
    path: &'static str,
    owner: Owner,
    content: Content,
    needs: Needs,
}

/// What becomes of the content of a directory that has the wrong owner.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Content {
    /// All of it is the same user's.
    Given,
    /// It has other owners by right.
    Left,
}

/// What its owner needs of a directory.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Needs {
    /// To write there.
    Writing,
    /// To write there, and to own it: PostgreSQL and ssh-like programs refuse what others own.
    Owning,
    /// To read there: people mount their scripts read-only.
    Reading,
}

/// Makes and hands over what the services need.
pub fn run(context: &Context, _args: &[String]) -> Result<(), Problem> {
    let accounts = context.accounts;
    for (path, owner, mode) in [
        ("/run/pulp", ROOT, 0o755),
        ("/run/pulp/imports", accounts.pulp, 0o700),
        // The content app's socket, for nginx.
        ("/run/pulp/content", accounts.pulp, 0o755),
        // As Debian and upstream have it: sockets in it get the group postgres.
        ("/run/postgresql", accounts.postgres, 0o2775),
        ("/run/redis", redis(context), 0o755),
    ] {
        ours(context, &context.path(path), owner, mode)?;
    }
    nested::prepare(context)?;
    // Left as it is if it is there: a folder of the host has its own owners. The steps that write there say it if
    // they cannot.
    let certs = context.path("/etc/pulp/certs");
    files::directory(context, &certs, ROOT, 0o755)?;
    let _ = files::remove_unfinished(&certs); // it may be mounted read-only
    for place in places(accounts.pulp, accounts.postgres) {
        hand_over(context, &place)?;
    }
    database(context)
}

/// An empty volume, as Kubernetes mounts it, has no directories, and Pulp's processes begin by entering one. Where they
/// cannot be made, the settings may name others.
pub fn for_one_process(context: &Context) {
    for path in ["/var/lib/pulp/tmp", TEMPORARY, "/var/lib/pulp/media"] {
        let _ = files::directory(context, &context.path(path), context.accounts.pulp, 0o755);
    }
}

fn places(pulp: Owner, postgres: Owner) -> [Place; 10] {
    use Content::{Given, Left};
    use Needs::{Reading, Writing};
    let pulps = |path, content, needs| Place { path, owner: pulp, content, needs };
    [
        pulps("/var/lib/pulp", Left, Writing),
        pulps("/var/lib/pulp/media", Given, Writing),
        pulps("/var/lib/pulp/tmp", Given, Writing),
        pulps(TEMPORARY, Left, Writing),
        pulps("/var/lib/pulp/scripts", Given, Reading),
        pulps("/var/lib/pulp/assets", Given, Writing),
        pulps("/var/lib/pulp/.local", Left, Writing),
        pulps("/var/lib/pulp/.local/share", Left, Writing),
        // Layers of images: their files have the owners that the images say.
        pulps("/var/lib/pulp/.local/share/containers", Left, Writing),
        Place { path: "/var/lib/pgsql", owner: postgres, content: Left, needs: Writing },
    ]
}

/// Redis is run by its own user where the image has one.
fn redis(context: &Context) -> Owner {
    users::named("redis").filter(|_| context.accounts.may_chown).unwrap_or(context.accounts.pulp)
}

/// A directory that lives as long as the container, and is nobody's but ours.
fn ours(context: &Context, path: &Path, owner: Owner, mode: u32) -> Result<(), Problem> {
    files::directory(context, path, owner, mode)?;
    if context.accounts.may_chown {
        files::own(context, path, owner, mode)?;
    }
    can_be_written(&path::open(path).map_err(|failure| failure.problem("look at"))?)
}

/// Makes a directory, gives it to its owner if it is another's, and sees that it is of use. Returns it, unless a link is
/// on the way, which root does not follow.
fn hand_over(context: &Context, place: &Place) -> Result<Option<Directory>, Problem> {
    let path = context.path(place.path);
    let owner = context.accounts.may_chown.then_some(place.owner);
    let directory = match path::open_or_make(&path, owner, 0o755) {
        Err(Failure { reason: Reason::Found(Kind::Link), .. }) => {
            return linked(context, place, &path).map(|()| None);
        }
        other => other.map_err(|failure| failure.problem("make the directory"))?,
    };
    let is = directory.stat().map_err(|failure| failure.problem("look at"))?;
    if context.accounts.may_chown && is.st_uid != place.owner.uid {
        let from = Owner { uid: is.st_uid, gid: is.st_gid };
        if let Err(failure) = give(context, place, &directory, from) {
            refused(context, place, &path, &failure)?;
            return Ok(Some(directory));
        }
    }
    match place.needs {
        Needs::Reading => {}
        Needs::Writing | Needs::Owning => can_be_written(&directory)?,
    }
    Ok(Some(directory))
}

/// A link that the volume's owner can have made, here or above. Root does not follow it. Where it leads to a directory
/// of use to the owner, it may be the administrator's, who has moved a part of the volume: then it stays as it is, and
/// what is missing there the owner makes.
fn linked(context: &Context, place: &Place, path: &Path) -> Result<(), Problem> {
    let made =
        Tool::new(context, "mkdir").args(["-p", "--"]).arg(path).user(context, place.owner).output()?;
    let needed = if place.needs == Needs::Reading { "-r" } else { "-w" };
    if made.status.success()
        && may(context, place.owner, "-d", path)?
        && may(context, place.owner, needed, path)?
    {
        context.say(&format!(
            "{}: there is a link on the way; what it leads to is left as it is",
            path.display()
        ));
        return Ok(());
    }
    Err(Problem::config(
        "S0701",
        format!(
            "{}: it is a symbolic link, or one is on the way, and {} has no use of what it leads to",
            path.display(),
            place.owner.shown()
        ),
        format!(
            "remove the link; if it was to move a part of the volume, mount that at {} instead",
            path.display()
        ),
    ))
}

fn give(context: &Context, place: &Place, directory: &Directory, from: Owner) -> Result<(), Failure> {
    let (shown, to) = (directory.path().display(), place.owner);
    context.say(&format!("{shown} belongs to {} and is given to {}", from.shown(), to.shown()));
    if place.content == Content::Left {
        return tree::give(directory, to);
    }
    let mut tell = |seen| context.say(&format!("{shown}: {seen} files and directories so far"));
    let seen = tree::give_all(directory, to, tree::TOLD_EVERY, &mut tell)?;
    context.say(&format!("{shown}: done, {} files and directories", seen.given));
    if seen.left > 0 {
        context.say(&format!(
            "{shown}: {} entries keep their owners: files with a second name, named pipes, sockets and devices",
            seen.left
        ));
    }
    Ok(())
}

/// It could not be given away. That is no harm where its owner-to-be gets along with it: on some file systems (CIFS,
/// NFS) the server alone decides who owns what and who may write.
fn refused(context: &Context, place: &Place, path: &Path, failure: &Failure) -> Result<(), Problem> {
    let Some(errno) = failure.errno() else { return Err(failure.problem("change the owner of")) };
    let needed = if place.needs == Needs::Reading { "-r" } else { "-w" };
    let denied =
        matches!(errno, Errno::EPERM | Errno::EACCES | Errno::EINVAL | Errno::EOPNOTSUPP | Errno::EROFS);
    if denied && place.needs != Needs::Owning && may(context, place.owner, needed, path)? {
        let (shown, to) = (path.display(), place.owner.shown());
        context.say(&format!("{shown} cannot be given to {to} ({}), but is of use to it", errno));
        return Ok(());
    }
    let error = std::io::Error::from(errno);
    if error.kind() != ErrorKind::PermissionDenied && errno != Errno::EINVAL {
        return Err(Problem::io("change the owner of", &failure.path, &error));
    }
    let Owner { uid, gid } = place.owner;
    Err(Problem::config(
        "S0702",
        format!("cannot give {} to {}: {error}", failure.path.display(), place.owner.shown()),
        format!(
            "on the host, `chown -R {uid}:{gid}` the folder that is mounted at {} (with rootless podman: \
             `podman unshare chown …`)",
            path.display()
        ),
    ))
}

/// PostgreSQL refuses a data directory that another user owns, or that others may enter.
fn database(context: &Context) -> Result<(), Problem> {
    const DATA: &str = "/var/lib/pgsql/data";
    let (path, owner) = (context.path(DATA), context.accounts.postgres);
    if path::open(&path).is_err_and(|failure| failure.is_missing()) {
        return Ok(()); // `postgres` makes it
    }
    let place = Place { path: DATA, owner, content: Content::Given, needs: Needs::Owning };
    let Some(directory) = hand_over(context, &place)? else {
        // Behind a link it is for the step `postgres`, which is PostgreSQL's user by then.
        let is = fs::metadata(&path).map_err(|error| Problem::io("look at", &path, &error))?;
        return owned(&path, is.uid(), owner);
    };
    let is = directory.stat().map_err(|failure| failure.problem("look at"))?;
    owned(&path, is.st_uid, owner)?;
    // A group that may read is somebody's decision (`initdb --allow-group-access`), and fine with PostgreSQL.
    if ![0o700, 0o750].contains(&(is.st_mode & 0o7777)) {
        directory.set(None, 0o700).map_err(|failure| failure.problem("set the mode of"))?;
    }
    Ok(())
}

fn owned(path: &Path, uid: u32, owner: Owner) -> Result<(), Problem> {
    if uid == owner.uid {
        return Ok(());
    }
    Err(Problem::config(
        "S0703",
        format!("{} belongs to user {uid}, and PostgreSQL is run by user {}", path.display(), owner.uid),
        format!("on the host, `chown -R {}:{}` the folder that is mounted there", owner.uid, owner.gid),
    ))
}

/// Whether a user may read (`-r`) or write (`-w`) something: asked of the kernel as that user, which knows of access
/// lists and file systems what modes do not show.
pub(super) fn may(context: &Context, user: Owner, what: &str, path: &Path) -> Result<bool, Problem> {
    Ok(Tool::new(context, "test").arg(what).arg(path).user(context, user).output()?.status.success())
}

/// Whether we can write there at all. Even root cannot where the volume is mounted read-only.
fn can_be_written(directory: &Directory) -> Result<(), Problem> {
    directory
        .may_be_written()
        .map_err(|errno| Problem::io("write to", directory.path(), &std::io::Error::from(errno)))
}

#[cfg(test)]
mod tests;

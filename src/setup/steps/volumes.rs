//! `volumes`: the directories that the services need, with owners who can use them.
//!
//! What is missing is made. A volume that was filled under other user numbers (another image, a restored backup, a
//! folder of the host) gets the right ones, but its content is only walked when its top directory has the wrong owner:
//! at every other boot that costs one stat(2), however many terabytes there are.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{AccessFlags, eaccess};

use crate::ask::command::Tool;
use crate::ask::users;
use crate::context::{Owner, ROOT};
use crate::volume::{files, owner};
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
        // As Debian and upstream have it: sockets in it get the group postgres.
        ("/run/postgresql", accounts.postgres, 0o2775),
        ("/run/redis", redis(context), 0o755),
    ] {
        ours(context, &context.path(path), owner, mode)?;
    }
    // Left as it is if it is there: a folder of the host has its own owners. The steps that write there say it if
    // they cannot.
    files::directory(context, &context.path("/etc/pulp/certs"), ROOT, 0o755)?;
    for place in places(accounts.pulp, accounts.postgres) {
        hand_over(context, &place)?;
    }
    database(context)
}

/// An empty volume, as Kubernetes mounts it, has no directories, and Pulp's processes begin by entering one. Where they
/// cannot be made, the settings may name others.
pub fn for_one_process(context: &Context) {
    for path in ["/var/lib/pulp/tmp", "/var/lib/pulp/media"] {
        let _ = files::directory(context, &context.path(path), context.accounts.pulp, 0o755);
    }
}

fn places(pulp: Owner, postgres: Owner) -> [Place; 9] {
    use Content::{Given, Left};
    use Needs::{Reading, Writing};
    let pulps = |path, content, needs| Place { path, owner: pulp, content, needs };
    [
        pulps("/var/lib/pulp", Left, Writing),
        pulps("/var/lib/pulp/media", Given, Writing),
        pulps("/var/lib/pulp/tmp", Given, Writing),
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
    can_be_written(path)
}

/// Makes a directory, gives it to its owner if it is another's, and sees that it is of use.
fn hand_over(context: &Context, place: &Place) -> Result<(), Problem> {
    let path = context.path(place.path);
    files::directory(context, &path, place.owner, 0o755)?;
    let is = fs::symlink_metadata(&path).map_err(|error| Problem::io("look at", &path, &error))?;
    // Whoever made a link of it has what it leads to in his care; and links are for others to make.
    if context.accounts.may_chown && is.is_dir() && is.uid() != place.owner.uid {
        let from = Owner { uid: is.uid(), gid: is.gid() };
        if let Err(failure) = give(context, place, &path, from) {
            return refused(context, place, &path, &failure);
        }
    }
    match place.needs {
        Needs::Reading => Ok(()),
        Needs::Writing | Needs::Owning => can_be_written(&path),
    }
}

fn give(context: &Context, place: &Place, path: &Path, from: Owner) -> Result<(), owner::Failure> {
    let (shown, to) = (path.display(), place.owner);
    context.say(&format!("{shown} belongs to {} and is given to {}", from.shown(), to.shown()));
    if place.content == Content::Left {
        let (uid, gid) = to.ids();
        // By its name, not through a link that took its place since.
        let flag = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
        return nix::unistd::fchownat(nix::fcntl::AT_FDCWD, path, Some(uid), Some(gid), flag)
            .map_err(|errno| owner::Failure { path: path.to_owned(), errno });
    }
    let mut tell = |seen| context.say(&format!("{shown}: {seen} files and directories so far"));
    let seen = owner::give_all(path, to, owner::TOLD_EVERY, &mut tell)?;
    context.say(&format!("{shown}: done, {seen} files and directories"));
    Ok(())
}

/// It could not be given away. That is no harm where its owner-to-be gets along with it: on some file systems (CIFS,
/// NFS) the server alone decides who owns what and who may write.
fn refused(context: &Context, place: &Place, path: &Path, failure: &owner::Failure) -> Result<(), Problem> {
    let needed = if place.needs == Needs::Reading { "-r" } else { "-w" };
    let denied = matches!(
        failure.errno,
        Errno::EPERM | Errno::EACCES | Errno::EINVAL | Errno::EOPNOTSUPP | Errno::EROFS
    );
    if denied && place.needs != Needs::Owning && may(context, place.owner, needed, path)? {
        let (shown, to) = (path.display(), place.owner.shown());
        context.say(&format!("{shown} cannot be given to {to} ({}), but is of use to it", failure.errno));
        return Ok(());
    }
    let error = std::io::Error::from(failure.errno);
    if error.kind() != ErrorKind::PermissionDenied && failure.errno != Errno::EINVAL {
        return Err(Problem::io("change the owner of", &failure.path, &error));
    }
    let Owner { uid, gid } = place.owner;
    Err(Problem::config(
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
    if !path.is_dir() {
        return Ok(()); // `postgres` makes it
    }
    hand_over(context, &Place { path: DATA, owner, content: Content::Given, needs: Needs::Owning })?;
    let is = fs::metadata(&path).map_err(|error| Problem::io("look at", &path, &error))?;
    if is.uid() != owner.uid {
        return Err(Problem::config(
            format!(
                "{} belongs to user {}, and PostgreSQL is run by user {}",
                path.display(),
                is.uid(),
                owner.uid
            ),
            format!("on the host, `chown -R {}:{}` the folder that is mounted there", owner.uid, owner.gid),
        ));
    }
    // A group that may read is somebody's decision (`initdb --allow-group-access`), and fine with PostgreSQL.
    if ![0o700, 0o750].contains(&(is.mode() & 0o7777)) {
        fs::set_permissions(&path, Permissions::from_mode(0o700))
            .map_err(|error| Problem::io("set the mode of", &path, &error))?;
    }
    Ok(())
}

/// Whether a user may read (`-r`) or write (`-w`) something: asked of the kernel as that user, which knows of access
/// lists and file systems what modes do not show.
pub(super) fn may(context: &Context, user: Owner, what: &str, path: &Path) -> Result<bool, Problem> {
    Ok(Tool::new(context, "test").arg(what).arg(path).user(context, user).output()?.status.success())
}

/// Whether we can write there at all. Even root cannot where the volume is mounted read-only.
fn can_be_written(path: &Path) -> Result<(), Problem> {
    eaccess(path, AccessFlags::W_OK | AccessFlags::X_OK)
        .map_err(|errno| Problem::io("write to", path, &std::io::Error::from(errno)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, lchown, symlink};

    use super::*;

    const PULP: Owner = Owner { uid: 700, gid: 700 };
    const POSTGRES: Owner = Owner { uid: 26, gid: 26 };

    /// As root of a container. Nothing for those who are not root.
    fn as_root() -> Option<(tempfile::TempDir, Context)> {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let mut context = Context::for_test(dir.path(), []);
        context.accounts.pulp = PULP;
        context.accounts.postgres = POSTGRES;
        context.accounts.may_chown = true;
        needs::root().then_some((dir, context))
    }

    fn uid(context: &Context, path: &str) -> u32 {
        fs::symlink_metadata(context.path(path)).unwrap().uid()
    }

    fn mode(context: &Context, path: &str) -> u32 {
        fs::metadata(context.path(path)).unwrap().mode() & 0o7777
    }

    #[test]
    fn what_is_missing_is_made_with_its_owner_and_mode() {
        let Some((_dir, context)) = as_root() else { return };
        run(&context, &[]).unwrap();
        for path in ["", "/media", "/tmp", "/scripts", "/assets", "/.local/share/containers", "/.local/share"]
        {
            assert_eq!(uid(&context, &format!("/var/lib/pulp{path}")), 700, "{path}");
        }
        assert_eq!((uid(&context, "/run/postgresql"), mode(&context, "/run/postgresql")), (26, 0o2775));
        assert_eq!((uid(&context, "/run/pulp"), mode(&context, "/run/pulp")), (0, 0o755));
        assert_eq!(uid(&context, "/var/lib/pgsql"), 26);
        assert_eq!((uid(&context, "/etc/pulp/certs"), mode(&context, "/etc/pulp/certs")), (0, 0o755));
        run(&context, &[]).unwrap();
    }

    #[test]
    fn content_is_walked_only_when_the_top_has_the_wrong_owner() {
        let Some((_dir, context)) = as_root() else { return };
        run(&context, &[]).unwrap();
        let file = context.path("/var/lib/pulp/media/file");
        fs::write(&file, "").unwrap();
        run(&context, &[]).unwrap();
        assert_eq!(uid(&context, "/var/lib/pulp/media/file"), 0);
        chown(context.path("/var/lib/pulp/media"), Some(1234), None).unwrap();
        run(&context, &[]).unwrap();
        assert_eq!(uid(&context, "/var/lib/pulp/media/file"), 700);
        assert_eq!(uid(&context, "/var/lib/pulp/media"), 700);
    }

    #[test]
    fn image_layers_keep_their_owners() {
        let Some((_dir, context)) = as_root() else { return };
        let layers = context.path("/var/lib/pulp/.local/share/containers");
        fs::create_dir_all(layers.join("layer")).unwrap();
        chown(layers.join("layer"), Some(10_001), Some(10_001)).unwrap();
        run(&context, &[]).unwrap();
        assert_eq!(uid(&context, "/var/lib/pulp/.local/share/containers"), 700);
        assert_eq!(uid(&context, "/var/lib/pulp/.local/share/containers/layer"), 10_001);
    }

    #[test]
    fn a_data_directory_of_another_owner_and_mode_becomes_postgresqls() {
        let Some((_dir, context)) = as_root() else { return };
        let data = context.path("/var/lib/pgsql/data");
        fs::create_dir_all(data.join("base")).unwrap();
        fs::set_permissions(&data, Permissions::from_mode(0o777)).unwrap();
        run(&context, &[]).unwrap();
        assert_eq!(uid(&context, "/var/lib/pgsql/data/base"), 26);
        assert_eq!(
            (uid(&context, "/var/lib/pgsql/data"), mode(&context, "/var/lib/pgsql/data")),
            (26, 0o700)
        );
        fs::set_permissions(&data, Permissions::from_mode(0o750)).unwrap();
        run(&context, &[]).unwrap();
        assert_eq!(mode(&context, "/var/lib/pgsql/data"), 0o750);
    }

    #[test]
    fn a_link_to_somewhere_else_is_never_handed_over() {
        let Some((dir, context)) = as_root() else { return };
        let elsewhere = dir.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::create_dir_all(context.path("/var/lib/pulp")).unwrap();
        symlink(&elsewhere, context.path("/var/lib/pulp/media")).unwrap();
        lchown(context.path("/var/lib/pulp/media"), Some(1234), None).unwrap();
        run(&context, &[]).unwrap();
        assert_eq!(fs::metadata(&elsewhere).unwrap().uid(), 0);
    }

    #[test]
    fn a_read_only_volume_is_a_problem_that_says_so() {
        use nix::mount::{MntFlags, MsFlags, mount, umount2};
        let Some((_dir, context)) = as_root() else { return };
        run(&context, &[]).unwrap();
        let volume = context.path("/var/lib/pulp");
        let nothing = None::<&str>;
        if mount(Some("tmpfs"), &volume, Some("tmpfs"), MsFlags::MS_RDONLY, nothing).is_err() {
            return; // not allowed here
        }
        let outcome = run(&context, &[]);
        umount2(&volume, MntFlags::MNT_DETACH).unwrap();
        let problem = outcome.unwrap_err();
        assert!(problem.cure().contains("`:ro`"), "{problem}");
    }

    #[test]
    fn scripts_may_be_mounted_read_only() {
        use nix::mount::{MntFlags, MsFlags, mount, umount2};
        let Some((_dir, context)) = as_root() else { return };
        run(&context, &[]).unwrap();
        let scripts = context.path("/var/lib/pulp/scripts");
        let nothing = None::<&str>;
        if mount(Some("tmpfs"), &scripts, Some("tmpfs"), MsFlags::MS_RDONLY, nothing).is_err() {
            return; // not allowed here
        }
        let outcome = run(&context, &[]);
        umount2(&scripts, MntFlags::MNT_DETACH).unwrap();
        outcome.unwrap();
    }

    #[test]
    fn one_user_for_everything_is_enough_if_it_may_write() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        run(&context, &[]).unwrap();
        run(&context, &[]).unwrap();
        assert!(context.path("/var/lib/pulp/media").is_dir());
    }

    #[test]
    fn a_file_in_place_of_a_directory_is_a_problem() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        fs::create_dir_all(context.path("/var/lib")).unwrap();
        fs::write(context.path("/var/lib/pulp"), "").unwrap();
        assert!(run(&context, &[]).unwrap_err().what().contains("/var/lib/pulp"));
    }
}

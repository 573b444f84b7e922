//! What Pulp's user has to read in the folder of settings, which a strict umask may have closed to it.
//!
//! Such a folder and its files are root's alone. Root then lets Pulp's group in, and nobody else. What belongs to another
//! user or group is somebody's decision, and is only named.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::volumes::may;
use crate::context::{Owner, ROOT};
use crate::volume::files;
use crate::{Context, Problem};

/// The folder of settings.
const SETTINGS: &str = "/etc/pulp";

/// Sees that Pulp can read a file, and enter the folders that it is in.
pub fn by_pulp(context: &Context, path: &Path) -> Result<(), Problem> {
    let pulp = context.accounts.pulp;
    if may(context, pulp, "-r", path)? {
        return Ok(());
    }
    for closed in ours(context, path) {
        open(context, &closed);
    }
    if may(context, pulp, "-r", path)? {
        return Ok(());
    }
    Err(closed(context, path))
}

/// The folder of settings, what is in it on the way to this path, and that itself.
fn ours(context: &Context, path: &Path) -> Vec<PathBuf> {
    let top = context.path(SETTINGS);
    let mut ours: Vec<PathBuf> =
        path.ancestors().take_while(|above| above.starts_with(&top)).map(Path::to_owned).collect();
    ours.reverse();
    ours
}

/// Lets Pulp's group in where only root is. Where that cannot be, who reads the file says so.
fn open(context: &Context, path: &Path) {
    let pulp = context.accounts.pulp;
    let Ok(is) = fs::symlink_metadata(path) else { return };
    let bits = if is.is_dir() { 0o050 } else { 0o040 };
    if !context.accounts.may_chown || !only_roots(&is, pulp) || is.mode() & (bits >> 3) == bits >> 3 {
        return;
    }
    let owner = Owner { uid: ROOT.uid, gid: pulp.gid };
    if files::own(context, path, owner, (is.mode() & 0o7777) | bits).is_ok_and(|changed| changed) {
        context.say(&format!(
            "{}: it was closed to the user {}, whose group may read it now",
            path.display(),
            pulp.shown()
        ));
    }
}

fn only_roots(is: &Metadata, pulp: Owner) -> bool {
    (is.is_dir() || is.is_file()) && is.uid() == ROOT.uid && [ROOT.gid, pulp.gid].contains(&is.gid())
}

/// Names the first folder that Pulp cannot enter, or the file.
fn closed(context: &Context, path: &Path) -> Problem {
    let pulp = context.accounts.pulp;
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    let folder = above.into_iter().find(|folder| !may(context, pulp, "-x", folder).unwrap_or(true));
    let (shown, gid) = (path.display(), pulp.gid);
    match folder.map(Path::display) {
        Some(folder) => Problem::config(
            "S0901",
            format!("{shown}: the user {} cannot read it, because it may not enter {folder}", pulp.shown()),
            format!(
                "on the host, `chgrp {gid}` and `chmod g+rx` what is mounted at {folder}, or `chmod o+x` it"
            ),
        ),
        None => Problem::config(
            "S0902",
            format!("{shown}: the user {} cannot read it", pulp.shown()),
            format!(
                "on the host, `chgrp {gid}` and `chmod g+r` what is mounted at {shown}, or `chmod o+r` it"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;

    /// A folder of settings as a umask of 077 leaves it, with a file in a folder in it.
    fn strict() -> Option<(tempfile::TempDir, Context, PathBuf)> {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let mut context = Context::for_test(dir.path(), []);
        context.accounts.pulp = Owner { uid: 700, gid: 700 };
        context.accounts.may_chown = true;
        let file = context.path("/etc/pulp/certs/file");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "x").unwrap();
        for (path, mode) in
            [("/etc/pulp/certs/file", 0o600), ("/etc/pulp/certs", 0o700), ("/etc/pulp", 0o700)]
        {
            fs::set_permissions(context.path(path), Permissions::from_mode(mode)).unwrap();
        }
        needs::root().then_some((dir, context, file))
    }

    #[test]
    fn what_a_strict_umask_closed_is_opened_to_pulps_group_and_to_nobody_else() {
        let Some((_dir, context, file)) = strict() else { return };
        by_pulp(&context, &file).unwrap();
        for (path, mode) in
            [("/etc/pulp", 0o750), ("/etc/pulp/certs", 0o750), ("/etc/pulp/certs/file", 0o640)]
        {
            let is = fs::metadata(context.path(path)).unwrap();
            assert_eq!((is.uid(), is.gid(), is.mode() & 0o7777), (0, 700, mode), "{path}");
        }
        assert!(!may(&context, Owner { uid: 33, gid: 33 }, "-x", &context.path("/etc/pulp")).unwrap());
    }

    #[test]
    fn a_folder_of_somebody_else_is_left_alone_and_named() {
        let Some((_dir, context, file)) = strict() else { return };
        chown(context.path("/etc/pulp/certs"), Some(1234), Some(1234)).unwrap();
        let problem = by_pulp(&context, &file).unwrap_err();
        assert!(
            problem.what().contains("may not enter") && problem.what().ends_with("/etc/pulp/certs"),
            "{problem}"
        );
        assert!(problem.cure().contains("chgrp 700"), "{problem}");
        let is = fs::metadata(context.path("/etc/pulp/certs")).unwrap();
        assert_eq!((is.uid(), is.gid(), is.mode() & 0o7777), (1234, 1234, 0o700));
    }

    #[test]
    fn a_link_leads_nobody_to_the_rights_of_its_target() {
        let Some((dir, context, file)) = strict() else { return };
        let secret = dir.path().join("secret");
        fs::write(&secret, "x").unwrap();
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink(&secret, &file).unwrap();
        assert!(by_pulp(&context, &file).unwrap_err().what().contains("cannot read it"));
        assert_eq!(fs::metadata(&secret).unwrap().mode() & 0o7777, 0o600);
    }
}

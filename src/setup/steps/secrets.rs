//! `secrets`: what the containers of one Pulp share, made once, on volumes of theirs.
//!
//! In one container the boot makes the keys. Where each process has a container of its own, one of them runs this, as
//! root, before the others: directories and their owners, the keys, and two passwords that only files know: the
//! database's, and the first one of `admin`.

use std::path::Path;

use super::keys::{self, for_pulp};
use super::{settings, volumes};
use crate::random;
use crate::volume::files;
use crate::{Context, Problem};

/// Where the passwords are. PostgreSQL's container sees this directory, and no key of Pulp's.
const DIRECTORY: &str = "/run/pulp-secrets";
/// The password of Pulp's role.
const DATABASE: &str = "database_password";
/// The first password of `admin`.
const ADMIN: &str = "admin_password";

/// The step.
pub fn run(context: &Context, _args: &[String]) -> Result<(), Problem> {
    let directory = context.path(DIRECTORY);
    files::directory(context, &directory, for_pulp(context), 0o750)?;
    if context.accounts.may_chown {
        files::own(context, &directory, for_pulp(context), 0o750)?;
    }
    // The settings read the database's password, so it comes first.
    for name in [DATABASE, ADMIN] {
        password(context, &directory.join(name))?;
    }
    volumes::run(context, &[])?;
    settings::run(context, &[])?;
    keys::run(context, &[])
}

/// One that is there stays, whoever put it there; that Pulp can read it is seen to.
fn password(context: &Context, path: &Path) -> Result<(), Problem> {
    if files::read(path)?.is_some_and(|text| !text.trim_ascii().is_empty()) {
        return files::own(context, path, for_pulp(context), 0o640).map(drop);
    }
    context.say(&format!("{}: made", path.display()));
    files::write(context, path, random::text::<24>()?.as_bytes(), for_pulp(context), 0o640)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_password_is_made_once_is_for_pulp_alone_and_differs_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        let (one, other) = (context.path("/one"), context.path("/other"));
        password(&context, &one).unwrap();
        password(&context, &other).unwrap();
        let made = fs::read_to_string(&one).unwrap();
        assert!(made.trim().len() == 32 && made != fs::read_to_string(&other).unwrap());
        fs::set_permissions(&one, fs::Permissions::from_mode(0o644)).unwrap();
        password(&context, &one).unwrap();
        assert_eq!(fs::read_to_string(&one).unwrap(), made);
        assert_eq!(fs::metadata(&one).unwrap().permissions().mode() & 0o7777, 0o640);
    }
}

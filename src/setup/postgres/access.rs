//! Who may connect: never `trust`.
//!
//! The files are made anew at each boot in `/run/pulp`, and PostgreSQL is started with them. Those in the data
//! directory are left alone: upstream's image made them with `trust`, which lets every process be superuser.

use std::collections::BTreeSet;
use std::path::Path;

use crate::ask::users;
use crate::context::Owner;
use crate::pulp_settings::PulpSettings;
use crate::volume::files;
use crate::{Context, Problem};

/// `hba_file` of the running server.
pub const HBA: &str = "/run/pulp/pg_hba.conf";
/// `ident_file` of the running server.
pub const IDENT: &str = "/run/pulp/pg_ident.conf";
/// The user's own `pg_hba.conf`, which is used instead of ours.
pub const USERS_HBA: &str = "/etc/pulp/pg_hba.conf";

/// Writes both files.
pub fn write(context: &Context, settings: &PulpSettings) -> Result<(), Problem> {
    let role = quoted(&settings.database.user)?;
    let hba = match files::read(&context.path(USERS_HBA))? {
        Some(users) => {
            context.say(&format!("who may connect to PostgreSQL is in {USERS_HBA}"));
            users
        }
        None => hba(&role).into_bytes(),
    };
    // PostgreSQL only reads them.
    let owner = Owner { uid: 0, gid: context.accounts.postgres.gid };
    files::write(context, &context.path(HBA), &hba, owner, 0o640)?;
    let ident = ident(&role, &system_user(context.accounts.postgres)?, &system_user(context.accounts.pulp)?);
    files::write(context, &context.path(IDENT), ident.as_bytes(), owner, 0o640)
}

/// For an upgrade: the superuser alone, over a socket alone. In a directory of PostgreSQL's own user, which is who we
/// are by then.
pub fn write_for_upgrade(context: &Context, directory: &Path) -> Result<(String, String), Problem> {
    let owner = context.accounts.postgres;
    let (hba, ident) = (directory.join("pg_hba.conf"), directory.join("pg_ident.conf"));
    files::write(context, &hba, b"local all all peer map=upgrade\n", owner, 0o640)?;
    let map = format!("upgrade {} postgres\n", system_user(owner)?);
    files::write(context, &ident, map.as_bytes(), owner, 0o640)?;
    Ok((hba.to_string_lossy().into_owned(), ident.to_string_lossy().into_owned()))
}

fn hba(role: &str) -> String {
    format!(
        "# Made at each boot. To have your own, put it at {USERS_HBA}.\n\
         local all postgres peer map=pulp\n\
         local all {role} peer map=pulp\n\
         local all all peer\n\
         host all all 127.0.0.1/32 scram-sha-256\n\
         host all all ::1/128 scram-sha-256\n"
    )
}

fn ident(role: &str, postgres: &str, pulp: &str) -> String {
    // A set: where one user runs everything, these are fewer lines.
    let lines: BTreeSet<String> =
        [("root", "postgres"), ("root", role), (postgres, "postgres"), (pulp, role)]
            .map(|(user, role)| format!("pulp {user} {role}\n"))
            .into();
    format!("# Made at each boot: which user of the system may be which role.\n{}", String::from_iter(lines))
}

/// The name that PostgreSQL will find for a process of this user.
fn system_user(owner: Owner) -> Result<String, Problem> {
    match users::user_name(owner.uid) {
        Some(name) => quoted(&name),
        None => Err(Problem::config(
            "S1501",
            format!("no user has the number {}, but PostgreSQL needs its name", owner.uid),
            "add one to /etc/passwd of the image",
        )),
    }
}

/// As one word of these files; quoted, `all` is a role and no keyword.
fn quoted(name: &str) -> Result<String, Problem> {
    if name.is_empty() || name.chars().any(|c| c.is_control() || c == '"') {
        return Err(Problem::config(
            "S1502",
            format!("`{}` cannot be a database user here", name.escape_debug()),
            "choose another USER in DATABASES in /etc/pulp/settings.py",
        ));
    }
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let keyword = ["all", "sameuser", "samerole", "samegroup", "replication"].contains(&name);
    Ok(if plain && !keyword { name.to_owned() } else { format!("\"{name}\"") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_never_trusts_and_lets_pulp_be_its_own_role_alone() {
        assert!(!hba("pulp").contains("trust"));
        let map = ident("pulp", "postgres", "pulp");
        assert!(map.contains("pulp pulp pulp\n") && map.contains("pulp postgres postgres\n"), "{map}");
        assert!(!map.contains("pulp pulp postgres\n"), "{map}");
    }

    #[test]
    fn a_role_named_like_a_keyword_is_quoted_and_one_with_a_line_feed_refused() {
        assert_eq!(quoted("all").unwrap(), "\"all\"");
        assert_eq!(quoted("my role").unwrap(), "\"my role\"");
        assert!(quoted("x\nhost all all all trust").unwrap_err().cure().contains("DATABASES"));
    }
}

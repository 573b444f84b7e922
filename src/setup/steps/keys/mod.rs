//! `keys`: the secrets that Pulp cannot do without, made once and then kept for ever.
//!
//! What is there is never replaced: fields of the database can only be read with the key that wrote them. So a key
//! that is damaged stops the boot. The one exception is a file without a byte in it where nothing can have been
//! encrypted yet: a boot of upstream's image that was killed leaves such files.

pub mod proof;
mod token;

use std::ffi::{OsStr, OsString};
use std::path::Path;

pub(super) use token::public_of;

use super::readable;
use super::variables;
use super::volumes::may;
use crate::context::{Owner, ROOT};
use crate::pulp_settings::PulpSettings;
use crate::random;
use crate::volume::{Failure, Kind, Reason, files, path};
use crate::{Context, Problem};

/// Where the keys are that are ours to make and to look after.
const OURS: &str = "/etc/pulp/certs";
/// The key of encrypted fields, if the settings name no other.
const DATABASE_KEY: &str = "/etc/pulp/certs/database_fields.symmetric.key";
/// What Django signs sessions with, if the settings have none.
const SECRET_KEY: &str = "/etc/pulp/certs/secret_key";
/// Where the embedded PostgreSQL has its data, and `postgres` what it upgraded from.
const DATABASES: &str = "/var/lib/pgsql";

/// Goes on without the key of a database that is there.
const LOST_VARIABLE: &str = "PULP_ALLOW_LOST_KEY";

/// Makes the keys that are missing, and examines the others.
pub fn run(context: &Context, _args: &[String]) -> Result<(), Problem> {
    let settings = PulpSettings::load(context)?;
    database_key(context, &settings)?;
    token::pair(context, &settings)?;
    secret_key(context)
}

fn database_key(context: &Context, settings: &PulpSettings) -> Result<(), Problem> {
    let path = context.path(&settings.db_encryption_key);
    let to_make = settings.db_encryption_key == DATABASE_KEY;
    match files::read(&path)? {
        None if to_make => {
            if has_database(context) {
                lost(context, &path)?;
            }
            make_database_key(context, &path)
        }
        None => Err(Problem::config(
            "S1101",
            format!("{}: DB_ENCRYPTION_KEY names this file, but it is missing", path.display()),
            format!(
                "put the key there, or remove DB_ENCRYPTION_KEY from the settings: then {DATABASE_KEY} is made"
            ),
        )),
        Some(content) if content.is_empty() && to_make && nothing_encrypted_yet(context, settings) => {
            make_database_key(context, &path)
        }
        Some(content) => {
            examine_database_key(&path, &content)?;
            look_after(context, &path, for_pulp(context), 0o640)?;
            readable::by_pulp(context, &path)
        }
    }
}

/// There is a database, so there was a key. (At a first boot this step comes before the one that makes the database.)
fn lost(context: &Context, path: &Path) -> Result<(), Problem> {
    let what =
        format!("{}: missing, but there is a database, whose secrets were encrypted with it", path.display());
    if may_be_lost(context) {
        context.say(&format!("{what}; a new one is made because of {LOST_VARIABLE}"));
        return Ok(());
    }
    Err(Problem::config(
        "S1102",
        what,
        format!(
            "mount the folder at /etc/pulp that belongs to this database, or restore the key from a backup; nothing was \
             changed ({LOST_VARIABLE}=true makes a new one: then the secrets of all remotes have to be entered again)"
        ),
    ))
}

/// Whether the user has said that the key is lost for good.
fn may_be_lost(context: &Context) -> bool {
    variables::is_on(context, LOST_VARIABLE)
}

fn make_database_key(context: &Context, path: &Path) -> Result<(), Problem> {
    context.say(&format!("{}: made; keep a copy of it with your backups of the database", path.display()));
    let key = random::text::<32>()?;
    files::write(context, path, key.as_bytes(), for_pulp(context), 0o640)?;
    readable::by_pulp(context, path)
}

/// Pulp reads a key a line: the first encrypts, all decrypt. There are two while a key is being changed.
fn examine_database_key(path: &Path, content: &[u8]) -> Result<(), Problem> {
    let mut keys = keys_in(content).peekable();
    if keys.peek().is_some() && keys.all(is_fernet_key) {
        return Ok(());
    }
    Err(Problem::config(
        "S1103",
        format!(
            "{} is damaged: it must hold 32 bytes in base64 on each line, and nothing else",
            path.display()
        ),
        "restore it from a backup: without it, secrets in the database cannot be read. Only if you have no database \
         yet, delete it, and a new one is made",
    ))
}

/// The keys of a file, as pulpcore tells them apart (`_fernet` in pulpcore/app/models/fields.py): neither empty lines nor
/// comments are any.
fn keys_in(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = content.split(|&byte| byte == b'\n').filter(|line| !line.starts_with(b"#"));
    lines.map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

/// Whether Python's `Fernet` takes it: both alphabets, white space skipped. 43 digits of 6 bits and padding are 32 bytes.
fn is_fernet_key(text: &[u8]) -> bool {
    let key: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let Some((b'=', digits)) = key.split_last() else { return false };
    digits.len() == 43 && digits.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte))
}

fn nothing_encrypted_yet(context: &Context, settings: &PulpSettings) -> bool {
    settings.external_postgresql.is_none() && !has_database(context)
}

/// Whether there is any database of the embedded PostgreSQL: the one in use, or one from which it is being upgraded.
fn has_database(context: &Context) -> bool {
    let home = context.path(DATABASES);
    let holds_one = |name: &OsString| -> Result<bool, Failure> {
        Ok(path::open(&home.join(name))?.kind(OsStr::new("PG_VERSION"))?.is_some())
    };
    match path::open(&home).and_then(|opened| opened.list()) {
        Ok(names) => names.iter().any(|name| match holds_one(name) {
            Ok(holds) => holds,
            Err(Failure { reason: Reason::Found(kind), .. }) => kind == Kind::Link,
            Err(failure) => !failure.is_missing(),
        }),
        // What we may not look into may hold one.
        Err(failure) => !failure.is_missing(),
    }
}

fn secret_key(context: &Context) -> Result<(), Problem> {
    let path = context.path(SECRET_KEY);
    let owner = for_pulp(context);
    if files::read(&path)?.is_some_and(|key| !key.trim_ascii().is_empty()) {
        return look_after(context, &path, owner, 0o640);
    }
    files::write(context, &path, random::text::<48>()?.as_bytes(), owner, 0o640)
}

/// Root's, for Pulp to read.
pub(crate) fn for_pulp(context: &Context) -> Owner {
    Owner { uid: ROOT.uid, gid: context.accounts.pulp.gid }
}

/// Gives a key its owner and mode if it is in our directory. Where the volume does not let us, as one that is mounted
/// read-only, it is enough that Pulp can read it.
pub(super) fn look_after(context: &Context, path: &Path, owner: Owner, mode: u32) -> Result<(), Problem> {
    if !path.starts_with(context.path(OURS)) {
        return Ok(());
    }
    match files::own(context, path, owner, mode) {
        Ok(_) => Ok(()),
        Err(problem) if may(context, context.accounts.pulp, "-r", path)? => {
            context.say(&format!("{}; it is used as it is", problem.what()));
            Ok(())
        }
        Err(problem) => Err(problem),
    }
}

#[cfg(test)]
pub(super) mod tests;

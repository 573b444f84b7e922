//! `pulp-setup restore`: what a backup has, put back while nothing of Pulp runs.
//!
//! It may be killed at any moment and called again. Files come first: content that nobody refers to harms nobody. While the
//! database is replaced, in one transaction, the file of its keys holds both keys, the backup's and the one that is there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::{
    DUMP, MEDIA, RECORD, Record, SETTINGS, SETTINGS_FROM, STORAGE, STORAGE_FROM, database, harm,
    place_of_database, shelf,
};
use crate::ask::psql::Psql;
use crate::context::Owner;
use crate::postgres::place::shown;
use crate::pulp_settings::PulpSettings;
use crate::steps::keys::for_pulp;
use crate::steps::migrations::manager;
use crate::volume::copy::{Copied, Copying};
use crate::volume::{Directory, Failure, files, path};
use crate::{Context, Problem};

/// Of the settings, what belongs to the content: whoever has tokens and sessions of the backup goes on using them. All else
/// is of this installation, and is restored only where it is missing.
const KEYS: [&str; 3] = ["certs/secret_key", "certs/token_private_key.pem", "certs/token_public_key.pem"];
/// What a person writes.
const SETTINGS_PY: &str = "settings.py";
const USAGE: &str = "call `pulp-setup restore DIRECTORY`, with a backup or the directory that backups are in";

/// The step.
pub fn run(context: &Context, args: &[String]) -> Result<(), Problem> {
    let [directory] = args else {
        return Err(Problem::config("S2610", "`restore` needs to know which backup", USAGE));
    };
    let (backup, record) = find(Path::new(directory))?;
    let settings = PulpSettings::load(context)?;
    let psql = Psql::pulp(context, &settings.database)?;
    nobody_else(&psql)?;
    context.say(&format!(
        "restoring {}, of {}, with {} files of content",
        backup.path().display(),
        record.begun,
        record.artifacts
    ));
    // Settings of another database would lead Pulp away from the one that is restored here.
    let other = Some(&record.database).filter(|was| !was.is_empty() && **was != place_of_database(&settings));
    if let Some(was) = other {
        context.say(&format!(
            "{SETTINGS_PY} of the backup is not restored, because the database was {was}: take over what else you need of {}",
            backup.path().join(SETTINGS).join(SETTINGS_PY).display()
        ));
    }
    let restoring = Restoring { context, backup: &backup, spared: other.map(|_| Path::new(SETTINGS_PY)) };
    restoring.tree(MEDIA, &context.path(&settings.media_root), Some(context.accounts.pulp))?;
    restoring.tree(STORAGE, &context.path(STORAGE_FROM), Some(context.accounts.pulp))?;
    let key = restoring.settings(&settings)?;
    nobody_else(&psql)?;
    let dump = backup.file(OsStr::new(DUMP)).map_err(|failure| failure.problem("read"))?;
    let Some((dump, _)) = dump else {
        return Err(Problem::config(
            "S2611",
            format!("{} has no {DUMP}", backup.path().display()),
            "take another backup; the database is as it was",
        ));
    };
    forget_cache(context);
    database::restore(context, &settings, dump)?;
    if let Some(key) = key {
        restoring.write(&context.path(&settings.db_encryption_key), &key)?;
    }
    context.say("restored; restart this container, and all others of this Pulp with redis: they still know what was before");
    harm(&record)
}

/// A whole backup: this directory, or the newest in it.
fn find(directory: &Path) -> Result<(Directory, Record), Problem> {
    let opened = path::open(directory).map_err(|failure| failure.problem("open"))?;
    if let Some(record) = shelf::record(&opened)? {
        // Its settings become root's, and its database Pulp's.
        if !shelf::is_roots(&opened).map_err(|failure| failure.problem("look at"))? {
            return Err(Problem::config(
                "S2612",
                format!("{}: others than root can write this backup", directory.display()),
                "make sure that it is yours, then `chown -R root` and `chmod 700` it; nothing was changed",
            ));
        }
        return Ok((opened, record));
    }
    if let Some(newest) = shelf::newest(&opened)?
        && let Some(record) = shelf::record(&newest)?
    {
        return Ok((newest, record));
    }
    Err(Problem::config(
        "S2613",
        format!("there is no whole backup in {}: none has a {RECORD}", directory.display()),
        "name the directory that `pulp-setup backup` was told; nothing was changed",
    ))
}

/// What runs would go on with what it knows, and hold up the database.
fn nobody_else(psql: &Psql<'_>) -> Result<(), Problem> {
    match database::others(psql)? {
        0 => Ok(()),
        count => Err(Problem::new(
            "S2614",
            format!("Pulp's database is in use, by {count} connections; nothing was restored to it"),
            "stop what uses it, by `svctl stop pulp-api pulp-content pulp-worker` or by stopping the containers of these, \
             then call it again",
        )),
    }
}

/// What redis remembers of the content of before, which an external redis would go on serving. Pulp itself knows its keys.
const FORGET: &str = "
from django.conf import settings
from pulpcore.app.models import Distribution
if settings.CACHE_ENABLED:
    from pulpcore.app.redis_connection import get_redis_connection
    get_redis_connection().ping()
    for distribution in Distribution.objects.iterator():
        distribution.invalidate_cache()
";

/// Empties the cache of content while nobody fills it. That it cannot is no reason not to restore.
fn forget_cache(context: &Context) {
    let output = manager(context).args(["shell", "-c", FORGET]).output();
    let why = match output {
        Ok(output) if output.status.success() => return,
        Ok(output) => output.last_words(),
        Err(problem) => problem.what().to_owned(),
    };
    context.say(&format!(
        "the cache of content cannot be emptied ({why}): if redis runs elsewhere, restart it, or it serves what was before"
    ));
}

struct Restoring<'a> {
    context: &'a Context,
    backup: &'a Directory,
    /// A file of settings that is not restored.
    spared: Option<&'static Path>,
}

impl Restoring<'_> {
    fn tree(&self, name: &str, to: &Path, owner: Option<Owner>) -> Result<(), Problem> {
        let said = |copied: &Copied| {
            self.context.say(&format!(
                "{name}: {} files restored so far, {}",
                copied.files,
                shown(copied.bytes)
            ));
        };
        let copy = || -> Result<Copied, Failure> {
            let from = self.backup.child(OsStr::new(name))?;
            let given = owner.filter(|_| self.context.accounts.may_chown);
            let to = path::open_or_make(to, given, 0o755)?;
            let mut copying = Copying::new(self.context.accounts.may_chown, &said);
            copying.to = owner;
            copying.trusting = false;
            copying.tree(&from, &to, &[])?;
            Ok(copying.copied)
        };
        let copied = copy().map_err(|failure| failure.problem("restore"))?;
        self.context.say(&format!(
            "{name}: {} files restored, {}; {} were there",
            copied.files,
            shown(copied.bytes),
            copied.there
        ));
        if let Some((path, why)) = copied.left.first() {
            return Err(Problem::new(
                "S2615",
                format!(
                    "{} of {} files cannot be restored: {} {why}",
                    copied.left_out,
                    self.backup.path().join(name).display(),
                    path.display()
                ),
                "the backup is damaged: take another one; the database is as it was",
            ));
        }
        Ok(())
    }

    /// Settings that are missing, keys, and of the key of the database both. Returns the backup's, to be alone in the end.
    fn settings(&self, settings: &PulpSettings) -> Result<Option<Vec<u8>>, Problem> {
        let key = Path::new(&settings.db_encryption_key);
        self.missing(&PathBuf::new(), key)?;
        for name in KEYS {
            if let Some(text) = self.kept(name)? {
                let path = self.context.path(SETTINGS_FROM).join(name);
                if files::read(&path)?.as_deref() != Some(&text) {
                    self.write(&path, &text)?;
                }
            }
        }
        let name = key.strip_prefix(SETTINGS_FROM).ok().and_then(Path::to_str);
        let Some(theirs) = name.map(|name| self.kept(name)).transpose()?.flatten() else {
            self.context.say(&format!(
                "{} is not in the backup: it has to be the key of the database that is restored",
                key.display()
            ));
            return Ok(None);
        };
        let path = self.context.path(key);
        match files::read(&path)? {
            Some(ours) if ours == theirs => return Ok(None),
            None => self.write(&path, &theirs)?,
            Some(ours) => self.write(&path, &both(&theirs, &ours))?,
        }
        Ok(Some(theirs))
    }

    /// Restores what is missing of a directory of the settings, but for the key of the database.
    fn missing(&self, inside: &Path, key: &Path) -> Result<(), Problem> {
        let from = self.backup.path().join(SETTINGS).join(inside);
        let from = path::open(&from).map_err(|failure| failure.problem("read"))?;
        let to = self.context.path(SETTINGS_FROM).join(inside);
        for name in from.list().map_err(|failure| failure.problem("read"))? {
            let (path, target) = (inside.join(&name), to.join(&name));
            if Some(path.as_path()) == self.spared {
                continue;
            }
            if from.child(&name).is_ok() {
                files::directory(self.context, &target, crate::context::ROOT, 0o755)?;
                self.missing(&path, key)?;
                continue;
            }
            if target.symlink_metadata().is_ok() {
                let same =
                    files::read(&target).is_ok_and(|there| there == self.kept_at(&path).ok().flatten());
                let by_itself = KEYS.iter().any(|key| Path::new(key) == path)
                    || Path::new(SETTINGS_FROM).join(&path) == key;
                if !same && !by_itself {
                    self.context
                        .say(&format!("{}: differs from the backup, and stays as it is", target.display()));
                }
                continue;
            }
            let is = from.look(&name).map_err(|failure| failure.problem("read"))?;
            if let Some(text) = self.kept_at(&path)? {
                let owner = Owner { uid: is.st_uid, gid: is.st_gid };
                files::write(self.context, &target, &text, owner, is.st_mode & 0o777)?;
            }
        }
        Ok(())
    }

    fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, Problem> {
        self.kept_at(Path::new(name))
    }

    fn kept_at(&self, inside: &Path) -> Result<Option<Vec<u8>>, Problem> {
        files::read(&self.backup.path().join(SETTINGS).join(inside))
    }

    /// A key of Pulp's.
    fn write(&self, path: &Path, text: &[u8]) -> Result<(), Problem> {
        files::write(self.context, path, text, for_pulp(self.context), 0o640)
    }
}

/// Keys that decrypt what either of two files of keys does; what is encrypted from now on is so by the first.
fn both(theirs: &[u8], ours: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = Vec::new();
    for line in theirs.split(|&byte| byte == b'\n').chain(ours.split(|&byte| byte == b'\n')) {
        if !line.is_empty() && !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.iter().flat_map(|line| [*line, b"\n"]).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn at(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn settings_are_restored_where_they_are_missing_and_keys_in_any_case() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(&dir.path().join("root"), []);
        let key = "certs/database_fields.symmetric.key";
        for (name, content) in [
            ("settings.py", "theirs"),
            ("nginx.d/x.conf", "theirs"),
            ("certs/secret_key", "theirs"),
            (key, "theirs\n"),
        ] {
            at(dir.path(), &format!("backup/settings/{name}"), content);
        }
        for (name, content) in [("settings.py", "ours"), ("certs/secret_key", "ours"), (key, "ours\n")] {
            at(&context.path(SETTINGS_FROM), name, content);
        }
        let backup = path::open(&dir.path().join("backup")).unwrap();
        let settings =
            PulpSettings { db_encryption_key: format!("{SETTINGS_FROM}/{key}"), ..PulpSettings::default() };
        let restoring = Restoring { context: &context, backup: &backup, spared: None };
        let last = restoring.settings(&settings).unwrap();
        let read = |name: &str| fs::read_to_string(context.path(SETTINGS_FROM).join(name)).unwrap();
        assert_eq!(read("settings.py"), "ours");
        assert_eq!(read("nginx.d/x.conf"), "theirs");
        assert_eq!(read("certs/secret_key"), "theirs");
        assert_eq!(read(key), "theirs\nours\n");
        assert_eq!(last.as_deref(), Some("theirs\n".as_bytes()));
        // Killed there, and called again.
        assert_eq!(restoring.settings(&settings).unwrap(), last);
        assert_eq!(read(key), "theirs\nours\n");
    }

    #[test]
    fn settings_that_are_spared_are_not_restored_and_all_others_are() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(&dir.path().join("root"), []);
        for name in ["settings.py", "conf.d/settings.py"] {
            at(dir.path(), &format!("backup/settings/{name}"), "theirs");
        }
        let backup = path::open(&dir.path().join("backup")).unwrap();
        let restoring =
            Restoring { context: &context, backup: &backup, spared: Some(Path::new(SETTINGS_PY)) };
        restoring.missing(&PathBuf::new(), Path::new("/key")).unwrap();
        assert!(!context.path(SETTINGS_FROM).join("settings.py").exists());
        assert!(context.path(SETTINGS_FROM).join("conf.d/settings.py").exists());
    }

    #[test]
    fn a_directory_without_a_whole_backup_is_refused_and_the_newest_one_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let day = "2026-11-27T00.00.00Z";
        fs::create_dir(dir.path().join(day)).unwrap();
        assert!(find(dir.path()).unwrap_err().what().contains("no whole backup"));
        at(dir.path(), &format!("{day}/{RECORD}"), r#"{"format": 1, "begun": "then", "artifacts": 7}"#);
        for named in [dir.path().to_owned(), dir.path().join(day)] {
            assert_eq!(find(&named).unwrap().1.artifacts, 7);
        }
    }
}

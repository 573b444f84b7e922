//! `pulp-setup backup` and `pulp-setup restore`: a copy of all that matters, made while Pulp serves.
//!
//! A backup is a directory named by its time:
//!
//! | in it | what |
//! |---|---|
//! | `settings` | `/etc/pulp`, with its keys |
//! | `storage` | `/var/lib/pulp` without what follows, temporary files and container storage |
//! | `media` | `MEDIA_ROOT`: the content. What an earlier backup beside it has is linked, not copied |
//! | `database.dump` | Pulp's database, as `pg_dump` writes it |
//! | `backup.json` | the [`Record`], written last: without it a backup is not whole |
//!
//! Content is copied before the database is dumped and once more after that. Pulp never changes a file of content: it
//! makes one before there is a row for it, and removes one after its row. So the second time brings all files that the
//! dump knows, and what was removed meanwhile is there from the first time.
//!
//! All of it is root's: who can write a backup decides what root restores. Root reads Pulp's volume by the rules of
//! [`crate::volume`].

mod database;
mod restore;
mod shelf;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use restore::run as restore;
use shelf::Shelf;

use crate::ask::command::Tool;
use crate::postgres::place::shown;
use crate::pulp_settings::{Database, PulpSettings};
use crate::volume::copy::{Copied, Copying};
use crate::volume::{Directory, Failure, Kind, files, path, tree};
use crate::{Context, Problem};

const SETTINGS: &str = "settings";
const STORAGE: &str = "storage";
const MEDIA: &str = "media";
const DUMP: &str = "database.dump";
const RECORD: &str = "backup.json";
/// What the two trees are copies of; the third is `MEDIA_ROOT`.
const SETTINGS_FROM: &str = "/etc/pulp";
const STORAGE_FROM: &str = "/var/lib/pulp";
/// What of the storage is in no backup: uploads and work of tasks that go on, static files of the image, and layers of
/// images that are being built.
const WITHOUT: [&str; 4] = ["tmp", ".tmp", "assets", ".local/share/containers"];
/// The layout above.
const FORMAT: u32 = 1;
/// Content that is made and removed again while a backup is made may be missing from it. So often it is tried again.
const TRIES: u32 = 3;
/// So many missing files are named in the record, which has to be read at once.
const NOTED: usize = 1000;
/// So many files are named in a message.
const NAMED: usize = 3;
/// No record is larger.
const MOST: u64 = 1 << 20;

/// What is known of a backup.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Record {
    /// The layout of the directory.
    format: u32,
    /// When it was begun, in UTC.
    begun: String,
    /// The releases of Pulp's packages.
    #[serde(default)]
    releases: Vec<String>,
    /// Where the database was; empty in backups that do not know.
    #[serde(default)]
    database: String,
    /// How many files of content the database knows.
    artifacts: u64,
    /// How many of them are damaged or missing in Pulp, and so not in the backup.
    #[serde(default)]
    lacking: u64,
    /// The first that are damaged.
    #[serde(default)]
    damaged: Vec<PathBuf>,
    /// The first that Pulp's database knows and its storage lacks.
    #[serde(default)]
    missing: Vec<PathBuf>,
}

/// What `pulp-setup backup` is told.
#[derive(Debug, Eq, PartialEq)]
struct Wanted {
    directory: PathBuf,
    keep: Option<usize>,
}

const USAGE: &str =
    "call `pulp-setup backup DIRECTORY`, or `pulp-setup backup --keep NUMBER DIRECTORY` to remove older ones";

impl Wanted {
    fn parse(args: &[String]) -> Result<Wanted, Problem> {
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        let (directory, keep) = match words.as_slice() {
            [directory] if !directory.starts_with('-') => (directory, None),
            ["--keep", keep, directory] | [directory, "--keep", keep] => (directory, Some(keep)),
            _ => return Err(Problem::config("S2604", "`backup` needs to know where to", USAGE)),
        };
        let keep = match keep.map(|keep| keep.parse()) {
            None => None,
            Some(Ok(keep)) if keep > 0 => Some(keep),
            Some(_) => {
                return Err(Problem::config("S2605", "`--keep` needs a number of backups, 1 or more", USAGE));
            }
        };
        Ok(Wanted { directory: PathBuf::from(directory), keep })
    }
}

/// Makes a backup in a directory of backups.
pub fn run(context: &Context, args: &[String]) -> Result<(), Problem> {
    let wanted = Wanted::parse(args)?;
    let settings = PulpSettings::load(context)?;
    let sources = [SETTINGS_FROM, STORAGE_FROM, settings.media_root.as_str()];
    outside(context, &wanted.directory, &sources)?;
    let shelf = Shelf::open(context, &wanted.directory)?;
    let name = shelf.free_name(|| now(context))?;
    let made =
        Made { context, settings: &settings, directory: shelf.begin(&name)?, earlier: shelf.newest()? };
    made.small_trees()?;
    let record = made.content_and_database(&name)?;
    made.directory.sync_file_system().map_err(|failure| failure.problem("write"))?;
    let text = serde_json::to_vec_pretty(&record).map_err(|error| {
        Problem::new(
            "S2606",
            format!("cannot write {RECORD}: {error}"),
            "rename the file that it names, then call it again",
        )
    })?;
    made.directory
        .write(OsStr::new(RECORD), &text, None, 0o600)
        .map_err(|failure| failure.problem("write"))?;
    context.say(&format!(
        "{}: done, with {} files of content",
        made.directory.path().display(),
        record.artifacts.saturating_sub(record.lacking)
    ));
    if let Some(keep) = wanted.keep {
        shelf.keep(keep)?;
    }
    harm(&record)
}

/// Where Pulp's database is, for a person.
fn place_of_database(settings: &PulpSettings) -> String {
    let Database { host, port, name, .. } = &settings.database;
    if settings.external_postgresql.is_none() {
        return "the container's own".to_owned();
    }
    let port = if port.is_empty() { "" } else { &format!(":{port}") };
    format!("{host}{port}/{name}")
}

/// A backup that is being made.
struct Made<'a> {
    context: &'a Context,
    settings: &'a PulpSettings,
    directory: Directory,
    earlier: Option<Directory>,
}

impl Made<'_> {
    /// Settings and storage: small, so what is left of a try before goes.
    fn small_trees(&self) -> Result<(), Problem> {
        for (name, from) in [(SETTINGS, SETTINGS_FROM), (STORAGE, STORAGE_FROM)] {
            tree::remove(&self.directory, OsStr::new(name)).map_err(|failure| failure.problem("remove"))?;
            let from = self.context.path(from);
            let mut without: Vec<&str> = WITHOUT.to_vec();
            if let Ok(media) = Path::new(&self.settings.media_root).strip_prefix(STORAGE_FROM) {
                without.extend(media.to_str());
            }
            let copied = self.tree(name, &from, &without)?;
            self.tell_of_left(&from, &copied);
        }
        let key = &self.settings.db_encryption_key;
        if !Path::new(key).starts_with(SETTINGS_FROM) {
            self.context.say(&format!("{key} is not in the backup: keep a copy of it yourself"));
        }
        Ok(())
    }

    /// Links, sockets and the like. What is damaged is in the record.
    fn tell_of_left(&self, from: &Path, copied: &Copied) {
        for (path, why) in &copied.left {
            if *why != Kind::Damaged && !path.ends_with("lost+found") {
                self.context.say(&format!("{} {why}: it is not in the backup", from.join(path).display()));
            }
        }
    }

    fn content_and_database(&self, begun: &str) -> Result<Record, Problem> {
        let media = self.context.path(&self.settings.media_root);
        let before = self.tree(MEDIA, &media, &[])?;
        self.tell_of_left(&media, &before);
        let mut tries = 0;
        loop {
            tries += 1;
            let dump = OsStr::new(DUMP);
            self.directory.fill(
                dump,
                None,
                0o600,
                |failure| failure.problem("write"),
                |file| database::dump(self.context, self.settings, file).map(|()| true),
            )?;
            let after = self.tree(MEDIA, &media, &[])?;
            let mut record = Record { format: FORMAT, begun: begun.to_owned(), ..Record::default() };
            record.releases = releases(self.context)?;
            record.database = place_of_database(self.settings);
            let damaged = after.left.iter().filter(|(_, why)| *why == Kind::Damaged);
            record.damaged = damaged.map(|(path, _)| path.clone()).collect();
            let missing = self.examine(&mut record)?;
            record.lacking = record.damaged.len() as u64 + missing;
            // Where content is in S3 or the like, none of it is here.
            let elsewhere = missing == record.artifacts && missing > 0;
            if elsewhere {
                self.context.say(&format!(
                    "none of {} files of content is in {}: if they are in an object storage, back that up by its own means",
                    record.artifacts,
                    media.display()
                ));
                record.missing.clear();
                record.lacking = 0;
                return Ok(record);
            }
            if record.missing.is_empty() || tries == TRIES {
                let (files, bytes) = (before.files + after.files, before.bytes + after.bytes);
                self.context.say(&format!(
                    "content: {files} files copied ({}), {} linked to the backup before",
                    shown(bytes),
                    before.linked + after.linked
                ));
                return Ok(record);
            }
        }
    }

    /// Counts the files that the dump knows, and those that are not in the backup without being damaged.
    fn examine(&self, record: &mut Record) -> Result<u64, Problem> {
        let media = self.directory.path().join(MEDIA);
        let dump = self.directory.file(OsStr::new(DUMP)).map_err(|failure| failure.problem("read"))?;
        let Some((dump, _)) = dump else { return Ok(0) };
        let mut missing = 0;
        let damaged: std::collections::HashSet<PathBuf> = record.damaged.iter().cloned().collect();
        database::artifacts(self.context, self.settings, dump, &mut |file| {
            record.artifacts += 1;
            let file = Path::new(file);
            if !damaged.contains(file) && !media.join(file).is_file() {
                missing += 1;
                if record.missing.len() < NOTED {
                    record.missing.push(file.to_owned());
                }
            }
        })?;
        Ok(missing)
    }

    fn tree(&self, name: &str, from: &Path, without: &[&str]) -> Result<Copied, Problem> {
        let said = |copied: &Copied| {
            self.context.say(&format!(
                "{name}: {} files copied so far, {}",
                copied.files,
                shown(copied.bytes)
            ));
        };
        let copy = || -> Result<Copied, Failure> {
            let from = path::open(from)?;
            let (to, _) = self.directory.make(OsStr::new(name), None, 0o700)?;
            let earlier: Vec<Directory> =
                self.earlier.iter().filter_map(|earlier| earlier.child(OsStr::new(name)).ok()).collect();
            let mut copying = Copying::new(self.context.accounts.may_chown, &said);
            copying.from = Some(self.context.accounts.pulp.uid);
            copying.without = without;
            copying.tree(&from, &to, &earlier)?;
            Ok(copying.copied)
        };
        match copy() {
            Err(failure) if failure.is_missing() && !from.exists() => Ok(Copied::default()),
            other => other.map_err(|failure| failure.problem("copy")),
        }
    }
}

/// What a backup lacks of what it should have.
fn harm(record: &Record) -> Result<(), Problem> {
    let all: Vec<&PathBuf> = record.damaged.iter().chain(&record.missing).collect();
    if record.lacking == 0 {
        return Ok(());
    }
    let names: Vec<String> = all.iter().take(NAMED).map(|path| path.display().to_string()).collect();
    Err(Problem::new(
        "S2607",
        format!(
            "{} files of content are damaged or missing in Pulp, and so not in the backup, which is whole otherwise: {}{}",
            record.lacking,
            names.join(", "),
            if record.lacking > NAMED as u64 { " and others: see backup.json" } else { "" }
        ),
        "let Pulp fetch them again (`pulp repository version repair`, or POST …/api/v3/repair/), then make another backup",
    ))
}

/// A backup in what is backed up would be in the next one.
fn outside(context: &Context, directory: &Path, sources: &[&str]) -> Result<(), Problem> {
    if !directory.is_absolute() {
        return Err(Problem::config("S2608", format!("{} is no absolute path", directory.display()), USAGE));
    }
    // As far as it is there.
    let there = directory.ancestors().find_map(|above| std::fs::canonicalize(above).ok());
    let inside = |source: &&&str| {
        let source = context.path(source);
        directory.starts_with(&source) || there.as_ref().is_some_and(|there| there.starts_with(&source))
    };
    let Some(source) = sources.iter().find(inside) else { return Ok(()) };
    Err(Problem::config(
        "S2609",
        format!("{} is in {source}, which is what is to be backed up", directory.display()),
        "mount a volume of its own for backups, such as `--volume /srv/backup:/backup`, and name that",
    ))
}

fn releases(context: &Context) -> Result<Vec<String>, Problem> {
    let list = files::read(&context.path(crate::steps::database::prepared::RELEASES))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&list).lines().map(str::to_owned).collect())
}

/// The name of a backup that is made now: its time in UTC, without the sign that separates what podman mounts.
fn now(context: &Context) -> Result<String, Problem> {
    let said = Tool::new(context, "date").args(["-u", "+%Y-%m-%dT%H.%M.%SZ"]);
    said.run("ask for the time", "see why `date` does not work in this image")
        .map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn a_backup_is_told_where_to_and_how_many_to_keep() {
        let wanted = |text| Wanted::parse(&words(text));
        let directory = PathBuf::from("/b");
        assert_eq!(wanted("/b").unwrap(), Wanted { directory: directory.clone(), keep: None });
        for text in ["--keep 3 /b", "/b --keep 3"] {
            assert_eq!(wanted(text).unwrap(), Wanted { directory: directory.clone(), keep: Some(3) });
        }
        for text in ["", "--help", "/a /b", "--keep 0 /b", "--keep x /b"] {
            assert!(wanted(text).unwrap_err().cure().contains("pulp-setup backup"), "{text}");
        }
    }

    #[test]
    fn a_backup_within_what_is_backed_up_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        std::fs::create_dir_all(context.path("/var/lib/pulp")).unwrap();
        std::os::unix::fs::symlink(context.path("/var/lib/pulp"), context.path("/link")).unwrap();
        let sources = ["/etc/pulp", "/var/lib/pulp"];
        for inside in ["/etc/pulp/x", "/var/lib/pulp", "/link/x"] {
            let problem = outside(&context, &context.path(inside), &sources).unwrap_err();
            assert!(problem.what().contains("backed up"), "{problem}");
        }
        outside(&context, &context.path("/var/lib/pulp2/x"), &sources).unwrap();
        assert!(outside(&context, Path::new("backup"), &sources).unwrap_err().what().contains("absolute"));
    }

    #[test]
    fn what_a_backup_lacks_is_told_with_names() {
        assert!(harm(&Record::default()).is_ok());
        let missing = (0..5).map(|n| PathBuf::from(format!("artifact/{n}"))).collect();
        let problem = harm(&Record { missing, lacking: 5, ..Record::default() }).unwrap_err();
        assert!(problem.what().starts_with("5 files"), "{problem}");
        assert!(
            problem.what().contains("artifact/2 and others") && problem.cure().contains("repair"),
            "{problem}"
        );
    }
}

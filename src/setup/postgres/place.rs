//! The directories of a cluster that is made, replaced or kept, and the moves between them: see the module above.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::volume::files;
use crate::{Context, Problem};

/// Where the database lives.
pub const HOME: &str = "/var/lib/pgsql";
/// The directory in it that the server works in.
pub const DATA: &str = "data";
const NEW: &str = "data.new";
const READY: &str = "data.ready";
const INSTALL: &str = "data.install";
const SCRATCH: &str = "upgrade.tmp";
/// What the name of a kept cluster begins with, before its release.
pub const OLD: &str = "data_old.";
/// What it ends with while it is being moved.
pub const PARTIAL: &str = ".partial";
/// The entry without which a directory is no cluster: moved in last, and out first.
pub const VERSION: &str = "PG_VERSION";

/// The directories.
#[derive(Clone, Debug)]
pub struct Place {
    /// `/var/lib/pgsql`.
    pub home: PathBuf,
    /// `/var/lib/pgsql/data`.
    pub data: PathBuf,
    /// Where the work directories are: on the same volume as `data`, or nothing could be moved between them.
    pub shelf: PathBuf,
}

impl Place {
    /// Those of this container.
    pub fn of(context: &Context) -> Place {
        let home = context.path(HOME);
        let data = home.join(DATA);
        let shelf = if is_volume(&data) { data.clone() } else { home.clone() };
        Place { home, data, shelf }
    }

    /// The cluster that is being made.
    pub fn new_cluster(&self) -> PathBuf {
        self.shelf.join(NEW)
    }

    /// Where the programs work that make it, and what they write by the way.
    pub fn scratch(&self) -> PathBuf {
        self.shelf.join(SCRATCH)
    }

    /// Makes empty directories for a new cluster and for the work on it.
    pub fn begin(&self, context: &Context) -> Result<(), Problem> {
        self.clear()?;
        for path in [self.scratch(), self.new_cluster()] {
            files::directory(context, &path, context.accounts.postgres, 0o700)?;
        }
        Ok(())
    }

    /// Removes what an earlier try left unfinished.
    pub fn clear(&self) -> Result<(), Problem> {
        for path in [self.new_cluster(), self.scratch()] {
            remove(&path)?;
        }
        Ok(())
    }

    /// The new cluster is whole and on the disk: from here on there is no way back, and none is needed.
    pub fn ready(&self) -> Result<(), Problem> {
        rename(&self.new_cluster(), &self.shelf.join(READY))
    }

    /// Puts a cluster that is ready into `data`, from wherever an earlier boot was interrupted.
    pub fn finish(&self, context: &Context) -> Result<(), Problem> {
        let (ready, install) = (self.shelf.join(READY), self.shelf.join(INSTALL));
        if ready.is_dir() {
            self.shelve(context)?;
            rename(&ready, &install)?;
        }
        if install.is_dir() {
            files::directory(context, &self.data, context.accounts.postgres, 0o700)?;
            let mut names = names(&install)?;
            names.sort_by_key(|name| name == VERSION);
            for name in names {
                rename(&install.join(&name), &self.data.join(&name))?;
            }
            remove(&install)?;
        }
        remove(&self.scratch())
    }

    /// Moves the old cluster out of `data`, all of it or what an earlier boot left there.
    fn shelve(&self, context: &Context) -> Result<(), Problem> {
        let mut names = self.own_entries()?;
        names.sort_by_key(|name| name != VERSION);
        let mut partial = self.partial()?;
        if partial.is_none() && !names.is_empty() {
            let major = files::read(&self.data.join(VERSION))?.unwrap_or_default();
            let major = String::from_utf8_lossy(&major).trim().replace('/', "");
            let path = self.shelf.join(format!("{OLD}{major}{PARTIAL}"));
            files::directory(context, &path, context.accounts.postgres, 0o700)?;
            partial = Some(path);
        }
        let Some(partial) = partial else { return Ok(()) };
        for name in names {
            rename(&self.data.join(&name), &partial.join(&name))?;
        }
        let whole = free_name(&partial);
        rename(&partial, &whole)?;
        context.say(&format!("the old database is kept in {}", whole.display()));
        Ok(())
    }

    fn partial(&self) -> Result<Option<PathBuf>, Problem> {
        let ours = |name: &String| name.starts_with(OLD) && name.ends_with(PARTIAL);
        Ok(names(&self.shelf)?.into_iter().find(ours).map(|name| self.shelf.join(name)))
    }

    /// What is in `data` and belongs to a cluster.
    pub fn own_entries(&self) -> Result<Vec<String>, Problem> {
        let mut names = names(&self.data)?;
        names.retain(|name| !is_work(name));
        Ok(names)
    }
}

/// Entries of `data` that are not the cluster's: ours, and what every new ext4 has.
pub fn is_work(name: &str) -> bool {
    [NEW, READY, INSTALL, SCRATCH, "lost+found"].contains(&name) || name.starts_with(OLD)
}

/// Whether something else is mounted at this path, or it is a link to elsewhere.
fn is_volume(data: &Path) -> bool {
    let Ok(is) = fs::symlink_metadata(data) else { return false };
    let above = data.parent().and_then(|above| fs::metadata(above).ok());
    // Two mounts of one file system have the same device number, so the kernel's list has to be asked, too.
    is.is_symlink() || above.is_some_and(|above| above.dev() != is.dev()) || is_mounted(data)
}

fn is_mounted(path: &Path) -> bool {
    let Ok(path) = fs::canonicalize(path) else { return false };
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    // proc_pid_mountinfo(5): the fifth field is the mount point, with \040 for a space.
    String::from_utf8_lossy(&mounts)
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .any(|at| Path::new(&at.replace("\\040", " ")) == path)
}

fn free_name(partial: &Path) -> PathBuf {
    let base = partial.with_extension("");
    let numbered = |n: u32| PathBuf::from(format!("{}-{n}", base.display()));
    std::iter::once(base.clone()).chain((2..).map(numbered)).find(|path| !path.exists()).unwrap_or(base)
}

/// The names in a directory; none if it is missing.
pub fn names(directory: &Path) -> Result<Vec<String>, Problem> {
    let list = || -> std::io::Result<Vec<String>> {
        fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    match list() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(|error| Problem::io("list", directory, &error)),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), Problem> {
    let attempt = || {
        fs::rename(from, to)?;
        files::sync_directory_of(to)?;
        if from.parent() == to.parent() { Ok(()) } else { files::sync_directory_of(from) }
    };
    attempt().map_err(|error| Problem::io(&format!("move to {}:", to.display()), from, &error))
}

/// A file, or a directory with all that is in it.
pub fn remove(path: &Path) -> Result<(), Problem> {
    let removed = match fs::symlink_metadata(path) {
        Ok(is) if is.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Problem::io("remove", path, &error)),
        Ok(()) => files::sync_directory_of(path).map_err(|error| Problem::io("remove", path, &error)),
    }
}

/// What a directory takes up on the disk. What cannot be read does not count.
pub fn size_of(path: &Path) -> u64 {
    let Ok(is) = fs::symlink_metadata(path) else { return 0 };
    let inner = if is.is_dir() { fs::read_dir(path).ok() } else { None };
    is.blocks() * 512 + inner.into_iter().flatten().flatten().map(|entry| size_of(&entry.path())).sum::<u64>()
}

/// A size for people.
pub fn shown(bytes: u64) -> String {
    let megabytes = bytes.div_ceil(1 << 20);
    if megabytes < 10 * 1024 { format!("{megabytes} MB") } else { format!("{} GB", megabytes.div_ceil(1024)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A volume with files: a name and what is in it.
    fn volume(inside: bool, files: &[(&str, &str)]) -> (tempfile::TempDir, Context, Place) {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        let mut place = Place::of(&context);
        fs::create_dir_all(&place.data).unwrap();
        if inside {
            place.shelf = place.data.clone();
        }
        for (name, content) in files {
            // `@` stands for the shelf.
            let path = match name.strip_prefix('@') {
                Some(name) => place.shelf.join(name),
                None => place.data.join(name),
            };
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        (dir, context, place)
    }

    /// Every state in which a kill can leave the replacement of a cluster of 13 by one of 17.
    const STATES: &[&[(&str, &str)]] = &[
        &[
            ("PG_VERSION", "13"),
            ("a", "old"),
            ("b", "old"),
            ("@data.ready/PG_VERSION", "17"),
            ("@data.ready/a", "new"),
        ],
        &[
            ("a", "old"),
            ("b", "old"),
            ("@data_old.13.partial/PG_VERSION", "13"),
            ("@data.ready/PG_VERSION", "17"),
            ("@data.ready/a", "new"),
        ],
        &[
            ("b", "old"),
            ("@data_old.13.partial/PG_VERSION", "13"),
            ("@data_old.13.partial/a", "old"),
            ("@data.ready/PG_VERSION", "17"),
            ("@data.ready/a", "new"),
        ],
        &[
            ("@data_old.13.partial/PG_VERSION", "13"),
            ("@data_old.13.partial/a", "old"),
            ("@data_old.13.partial/b", "old"),
            ("@data.ready/PG_VERSION", "17"),
            ("@data.ready/a", "new"),
        ],
        &[
            ("@data_old.13/PG_VERSION", "13"),
            ("@data_old.13/a", "old"),
            ("@data_old.13/b", "old"),
            ("@data.ready/PG_VERSION", "17"),
            ("@data.ready/a", "new"),
        ],
        &[
            ("@data_old.13/PG_VERSION", "13"),
            ("@data_old.13/a", "old"),
            ("@data_old.13/b", "old"),
            ("a", "new"),
            ("@data.install/PG_VERSION", "17"),
        ],
        &[
            ("@data_old.13/PG_VERSION", "13"),
            ("@data_old.13/a", "old"),
            ("@data_old.13/b", "old"),
            ("a", "new"),
            ("PG_VERSION", "17"),
            ("@data.install/", ""),
        ],
    ];

    #[test]
    fn a_replacement_that_was_killed_anywhere_is_finished_at_the_next_boot() {
        for inside in [false, true] {
            for state in STATES {
                let (files, directories): (Vec<_>, Vec<_>) =
                    state.iter().partition(|(name, _)| !name.ends_with('/'));
                let (_dir, context, place) = volume(inside, &files);
                for (name, _) in directories {
                    fs::create_dir_all(place.shelf.join(name.trim_start_matches('@'))).unwrap();
                }
                place.finish(&context).unwrap();
                let read = |path: PathBuf| fs::read_to_string(path).unwrap();
                assert_eq!(read(place.data.join("PG_VERSION")), "17", "{state:?}");
                assert_eq!(read(place.data.join("a")), "new");
                let old = place.shelf.join("data_old.13");
                assert_eq!((read(old.join("PG_VERSION")), read(old.join("a"))), ("13".into(), "old".into()));
                assert_eq!(read(old.join("b")), "old");
                let mut own = place.own_entries().unwrap();
                own.sort();
                assert_eq!(own, ["PG_VERSION", "a"]);
                assert!(!place.shelf.join(READY).exists() && !place.shelf.join(INSTALL).exists());
            }
        }
    }

    #[test]
    fn an_old_cluster_is_never_overwritten_by_an_older_one() {
        let (_dir, context, place) = volume(
            false,
            &[("PG_VERSION", "13"), ("@data_old.13/PG_VERSION", "first"), ("@data.ready/PG_VERSION", "17")],
        );
        place.finish(&context).unwrap();
        assert_eq!(fs::read_to_string(place.shelf.join("data_old.13/PG_VERSION")).unwrap(), "first");
        assert_eq!(fs::read_to_string(place.shelf.join("data_old.13-2/PG_VERSION")).unwrap(), "13");
    }

    #[test]
    fn a_link_at_data_is_worked_in_rather_than_beside() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        let home = context.path(HOME);
        fs::create_dir_all(&home).unwrap();
        assert_eq!(Place::of(&context).shelf, home);
        std::os::unix::fs::symlink("/tmp", home.join("data")).unwrap();
        assert_eq!(Place::of(&context).shelf, home.join("data"));
        assert!(is_mounted(Path::new("/proc")));
    }
}

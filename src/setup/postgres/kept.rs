//! Clusters that are kept beside the one in use: those that upgrades of ours replaced, and those that other images left.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::PROVEN;
use super::place::{DATA, HOME, OLD, PARTIAL, Place, VERSION, is_work, names, remove, shown, size_of};
use crate::ask::command::Tool;
use crate::volume::{Failure, Kind, path};
use crate::{Context, Problem};

impl Place {
    /// Old clusters that upgrades of ours have left.
    pub fn old_clusters(&self) -> Result<Vec<PathBuf>, Problem> {
        let mut names = names(&self.shelf)?;
        names.retain(|name| is_ours(name));
        names.sort();
        Ok(names.into_iter().map(|name| self.shelf.join(name)).collect())
    }

    /// Clusters that others have left beside `data`: upstream's image calls them `data_old`, and adds the time if there
    /// is one already.
    pub fn foreign_clusters(&self) -> Result<Vec<PathBuf>, Problem> {
        let mut names = names(&self.home)?;
        names.retain(|name| {
            name != "data" && !is_work(name) && self.home.join(name).join(VERSION).is_file()
                || name.starts_with("data_old") && !is_ours(name) && !name.ends_with(PARTIAL)
        });
        names.sort();
        Ok(names.into_iter().map(|name| self.home.join(name)).collect())
    }
}

/// Whether an upgrade of ours has left it: `data_old.13`, `data_old.13-2`.
fn is_ours(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix(OLD).is_some_and(|rest| match rest.split_once('-') {
        Some((major, count)) => number(major) && number(count),
        None => number(rest),
    })
}

/// Says each boot which old clusters take up space.
pub fn tell_of_old(context: &Context, place: &Place) -> Result<(), Problem> {
    for old in place.old_clusters()? {
        let (path, size) = (old.display(), shown(size_of(&old)));
        context.say(&if old.join(PROVEN).exists() {
            format!("the database from before the upgrade is still in {path} ({size}); to delete it: pulp-setup postgres --discard-old")
        } else {
            format!("the database from before the upgrade is in {path} ({size}) until the new one has proven itself")
        });
    }
    for foreign in place.foreign_clusters()? {
        context.say(&format!(
            "{} ({}) was left by another image and is not used: it is yours to keep or delete",
            foreign.display(),
            shown(size_of(&foreign))
        ));
    }
    Ok(())
}

/// The new cluster has run Pulp: the old ones may go when the user says so.
pub fn prove(context: &Context) -> Result<(), Problem> {
    let home = context.path(HOME);
    // They are in one or the other (see `Place`). Root goes there as to all that others own.
    for shelf in [home.clone(), home.join(DATA)] {
        for old in unproven(&shelf).map_err(|failure| failure.problem("list"))? {
            // By PostgreSQL's user, who may have made a link of any of it.
            let proof = old.join(PROVEN);
            Tool::new(context, "touch").arg("--").arg(&proof).user(context, context.accounts.postgres).run(
                &format!("note in {} that the new database is in use", old.display()),
                "check the owner and mode of the volume at /var/lib/pgsql",
            )?;
        }
    }
    Ok(())
}

fn unproven(shelf: &Path) -> Result<Vec<PathBuf>, Failure> {
    let directory = match path::open(shelf) {
        Err(failure) if failure.is_missing() => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    directory.each(&mut |name| {
        let old = is_ours(&name.to_string_lossy()) && directory.kind(name)? == Some(Kind::Directory);
        if old && directory.child(name)?.kind(OsStr::new(PROVEN))?.is_none() {
            found.push(shelf.join(name));
        }
        Ok(())
    })?;
    Ok(found)
}

/// `pulp-setup postgres --discard-old`.
pub fn discard_old(context: &Context, place: &Place) -> Result<(), Problem> {
    let old = place.old_clusters()?;
    if let Some(unproven) = old.iter().find(|old| !old.join(PROVEN).exists()) {
        return Err(Problem::config(
            "S1504",
            format!("{} is kept: Pulp has not yet run on the new database", unproven.display()),
            "start the container; once its step `migrations` is done, the old database can be deleted",
        ));
    }
    for old in &old {
        // Half of it is no database: it must not look like one, whatever happens.
        remove(&old.join(VERSION))?;
        remove(old)?;
        context.say(&format!("deleted {}", old.display()));
    }
    if old.is_empty() {
        context.say("there is no old database");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A volume with these clusters: the name of each, and its release.
    fn volume(clusters: &[(&str, &str)]) -> (tempfile::TempDir, Context, Place) {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        let place = Place::of(&context);
        for (name, release) in clusters {
            fs::create_dir_all(place.home.join(name)).unwrap();
            fs::write(place.home.join(name).join(VERSION), release).unwrap();
        }
        (dir, context, place)
    }

    #[test]
    fn an_old_cluster_is_deleted_only_when_the_new_one_has_proven_itself() {
        let (_dir, context, place) = volume(&[("data", "17"), ("data_old.13", "13")]);
        assert!(discard_old(&context, &place).unwrap_err().what().contains("data_old.13"));
        prove(&context).unwrap();
        discard_old(&context, &place).unwrap();
        assert!(!place.shelf.join("data_old.13").exists());
        assert!(place.data.join("PG_VERSION").exists());
    }

    #[test]
    fn what_another_image_left_is_never_ours_to_delete() {
        let theirs = ["data_old", "data_old.2025-08-12 10:00:00+00:00", "data-old"];
        let ours = ["data", "data_old.13", "data_old.13-2"];
        let all: Vec<_> = theirs.iter().chain(&ours).map(|&name| (name, "13")).collect();
        let (_dir, context, place) = volume(&all);
        let names = |paths: Vec<PathBuf>| -> Vec<String> {
            paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(place.old_clusters().unwrap()), ["data_old.13", "data_old.13-2"]);
        assert_eq!(names(place.foreign_clusters().unwrap()), ["data-old", "data_old", theirs[1]]);
        prove(&context).unwrap();
        discard_old(&context, &place).unwrap();
        assert_eq!(place.foreign_clusters().unwrap().len(), 3);
        assert!(!place.shelf.join("data_old").join(PROVEN).exists());
    }
}

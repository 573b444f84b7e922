//! The programs of one major release of PostgreSQL, as Debian lays them out: `/usr/lib/postgresql/17/bin`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::place::Place;
use crate::ask::command::Tool;
use crate::{Context, Problem};

/// Names the directory with PostgreSQL's programs, if it is not the newest in `/usr/lib/postgresql`.
pub const BIN_VARIABLE: &str = "PULP_POSTGRES_BIN";
/// Where Debian puts each release.
const RELEASES: &str = "/usr/lib/postgresql";
/// A slow disk takes minutes to sync a new cluster.
const INITDB_LIMIT: Duration = Duration::from_secs(30 * 60);

/// One release.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Release {
    /// The directory of its programs.
    pub bin: PathBuf,
    /// Its number: 17.
    pub major: u32,
}

/// How a cluster sorts and stores text, and how its files are made: `initdb`'s options.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layout(pub Vec<String>);

impl Release {
    /// The newest that can run a server.
    pub fn of_this_image(context: &Context) -> Result<Release, Problem> {
        Release::with(context, "postgres")
    }

    /// The newest that has this program: an image without a server still has `psql`.
    pub fn with(context: &Context, program: &str) -> Result<Release, Problem> {
        let releases = match context.var(BIN_VARIABLE) {
            Some(bin) => Release::at(PathBuf::from(bin)).into_iter().collect(),
            None => all(&context.path(RELEASES)),
        };
        let has = |release: &Release| release.bin.join(program).is_file();
        releases.into_iter().filter(has).max_by_key(|release| release.major).ok_or_else(|| {
            Problem::config(
                "S1507",
                format!("there is no PostgreSQL with `{program}` in this image"),
                format!("install it in {RELEASES}/NUMBER/bin, or name its directory in {BIN_VARIABLE}"),
            )
        })
    }

    /// Another release, installed beside this one.
    pub fn beside(&self, major: u32) -> Option<Release> {
        let bin = self.bin.parent()?.parent()?.join(major.to_string()).join("bin");
        bin.join("postgres").is_file().then_some(Release { bin, major })
    }

    fn at(bin: PathBuf) -> Option<Release> {
        let major = bin.parent()?.file_name()?.to_str()?.parse().ok()?;
        Some(Release { bin, major })
    }

    /// One of its programs, run as PostgreSQL's user. Never by the name alone: Debian's `/usr/bin/psql` is a wrapper.
    pub fn tool(&self, context: &Context, program: &str) -> Tool {
        Tool::new(context, &self.bin.join(program).to_string_lossy()).user(context, context.accounts.postgres)
    }

    /// How a new cluster sorts: by code points, in a way that no update of the system's libraries changes.
    pub fn locale(&self) -> Layout {
        let words: &[&str] = if self.major >= 17 {
            &["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
        } else {
            &["--encoding=UTF8", "--locale=C.UTF-8"]
        };
        Layout(words.iter().map(|&word| word.to_owned()).collect())
    }

    /// Makes the new cluster, and waits until it is on the disk.
    pub fn initdb(&self, context: &Context, place: &Place, layout: &Layout) -> Result<(), Problem> {
        let data = place.new_cluster();
        let tool = self.tool(context, "initdb").directory(&place.scratch());
        let tool = tool.arg("--pgdata").arg(&data).args(&layout.0);
        tool.args(["--username=postgres", "--auth-local=peer", "--auth-host=scram-sha-256"])
            .limit(INITDB_LIMIT)
            .run(
                &format!("make a database in {}", data.display()),
                "check the free space, the owner and the mode of the volume at /var/lib/pgsql, then start the container again",
            )
            .map(drop)
    }
}

fn all(releases: &Path) -> Vec<Release> {
    let entries = fs::read_dir(releases).into_iter().flatten().flatten();
    entries.filter_map(|entry| Release::at(entry.path().join("bin"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(releases: &[&str]) -> (tempfile::TempDir, Context) {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        for release in releases {
            let bin = context.path(format!("/usr/lib/postgresql/{release}/bin"));
            fs::create_dir_all(&bin).unwrap();
            fs::write(bin.join("postgres"), "").unwrap();
        }
        (dir, context)
    }

    #[test]
    fn the_newest_release_is_ours_and_older_ones_are_beside_it() {
        let (_dir, context) = image(&["9", "13", "17", "bin"]);
        let ours = Release::of_this_image(&context).unwrap();
        assert_eq!(ours.major, 17);
        assert_eq!(ours.beside(13).unwrap().bin, context.path("/usr/lib/postgresql/13/bin"));
        assert_eq!(ours.beside(12), None);
    }

    #[test]
    fn an_image_without_postgresql_is_a_problem() {
        let (_dir, context) = image(&[]);
        assert!(Release::of_this_image(&context).unwrap_err().cure().contains(BIN_VARIABLE));
    }
}

//! The upgrade by a dump: PostgreSQL's clients read servers of much older releases than they are of.
//!
//! The dump is a directory on the volume, so that several processes write and read it at a time. Roles and their
//! passwords are never in a file: they go from one server to the other through this process.

use super::CURE;
use super::server::Server;
use super::sockets::Sockets;
use crate::ask::command::{Output, Tool};
use crate::postgres::place::{Place, remove};
use crate::postgres::release::Release;
use crate::{Context, Problem};

/// Nobody else listens in the directory of the sockets.
const PORTS: [u16; 2] = [50432, 50433];
/// The new cluster is synced as a whole when it is complete. Until then a crash costs nothing but the try, and what is
/// restored need not be in the log.
const UNSAFE: [&str; 6] = [
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "maintenance_work_mem=128MB",
];
/// The databases to dump: all, so that one that takes no connections ends the upgrade and is not lost. A name may hold
/// anything but a zero byte.
const DATABASES: &str = "select datname from pg_database where datname <> 'template0' order by oid";
/// These two are in every new cluster.
const MADE_BY_INITDB: [&str; 2] = ["template1", "postgres"];

/// Fills the new cluster, which is empty.
pub fn run(
    context: &Context,
    place: &Place,
    old: &Release,
    ours: &Release,
    sockets: &Sockets,
) -> Result<(), Problem> {
    let [from, to] = PORTS;
    let from = Server::start(context, (old, place.data.clone(), from), place, sockets, &[])?;
    let to = Server::start(context, (ours, place.new_cluster(), to), place, sockets, &UNSAFE)?;
    let copy = Copy { place, ours, from: &from, to: &to };
    copy.roles()?;
    for name in copy.databases()? {
        context.say(&format!("dumping and restoring the database {name}"));
        copy.database(&name)?;
    }
    copy.analyze()?;
    to.stop(place)?;
    from.stop(place)?;
    sync(context, place, ours)
}

/// From one server to the other.
struct Copy<'a> {
    place: &'a Place,
    ours: &'a Release,
    from: &'a Server<'a>,
    to: &'a Server<'a>,
}

impl Copy<'_> {
    fn old_client(&self, program: &str) -> Tool {
        self.from.client(self.ours, self.place, program)
    }

    fn new_client(&self, program: &str) -> Tool {
        self.to.client(self.ours, self.place, program)
    }

    /// Roles with their passwords, and tablespaces.
    fn roles(&self) -> Result<(), Problem> {
        let dump =
            done("read the roles", self.old_client("pg_dumpall").args(["--globals-only", "-w"]).output()?)?;
        let there = |line: &&str| line.trim_end() != "CREATE ROLE postgres;";
        let sql: String = dump.out.lines().filter(there).flat_map(|line| [line, "\n"]).collect();
        let psql = self.new_client("psql").args(["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-f", "-"]);
        done("make the roles", psql.input(sql).output()?).map(drop)
    }

    fn databases(&self) -> Result<Vec<String>, Problem> {
        let psql = self.old_client("psql").args(["-X", "-q", "-w", "-A", "-t", "-0", "-c", DATABASES]);
        let names = done("list the databases", psql.output()?)?.out;
        Ok(names
            .split('\0')
            .map(|name| name.trim_end_matches('\n').to_owned())
            .filter(|name| !name.is_empty())
            .collect())
    }

    fn database(&self, name: &str) -> Result<(), Problem> {
        let dump = self.place.scratch().join("dump");
        let jobs = std::thread::available_parallelism().map_or(1, usize::from).to_string();
        let tool = self.old_client("pg_dump").env("PGDATABASE", name).arg("--file").arg(&dump);
        let tool = tool.args(["--format=directory", "--compress=1", "--no-sync", "-w", "--jobs", &jobs]);
        done(&format!("dump the database {name}"), tool.output()?)?;
        let tool = self.new_client("pg_restore").args(["--exit-on-error", "-w", "--jobs", &jobs, "--dbname"]);
        let tool = if MADE_BY_INITDB.contains(&name) {
            tool.arg(connection(name))
        } else {
            tool.args([connection("postgres").as_str(), "--create"])
        };
        done(&format!("restore the database {name}"), tool.arg(&dump).output()?)?;
        remove(&dump)
    }

    /// Without statistics the first queries of a large database would take for ever.
    fn analyze(&self) -> Result<(), Problem> {
        let tool = self.new_client("vacuumdb").args(["--all", "--analyze-only", "--quiet", "-w"]);
        done("collect statistics", tool.output()?).map(drop)
    }
}

/// A database's name among libpq's keywords: alone, one with a sign of equality would be taken for those.
fn connection(name: &str) -> String {
    format!("dbname='{}'", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn done(doing: &str, output: Output) -> Result<Output, Problem> {
    if output.status.success() {
        return Ok(output);
    }
    Err(Problem::new("S1510", format!("cannot {doing} for the upgrade: {}", why(&output)), CURE))
}

/// The first complaint: those after it follow from it.
fn why(output: &Output) -> String {
    let errors = super::errors(&output.err);
    if errors.is_empty() { output.status.to_string() } else { errors.join("; ") }
}

fn sync(context: &Context, place: &Place, ours: &Release) -> Result<(), Problem> {
    let tool = ours.tool(context, "initdb").directory(&place.scratch()).limit(super::LIMIT);
    tool.arg("--sync-only")
        .arg("--pgdata")
        .arg(place.new_cluster())
        .run("bring the new database to the disk", CURE)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_any_name_is_named_by_its_name_alone() {
        assert_eq!(connection("host=x user='y\\"), "dbname='host=x user=\\'y\\\\'");
    }
}

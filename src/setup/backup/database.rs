//! Pulp's database in a backup: `pg_dump`'s custom format, which is compressed and complete in one file.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use crate::ask::psql::Psql;
use crate::pulp_settings::PulpSettings;
use crate::{Context, Problem};

/// The table of the files of content, and its column with their paths below `MEDIA_ROOT`.
const TABLE: &str = "core_artifact";
const COLUMN: &str = "file";
/// No more of what a program complains about is kept.
const WORDS: u64 = 1 << 16;
/// What makes room for the backup's content. Nothing is lost before the last statement. Notices of all that goes would be
/// thousands.
const EMPTY: &str = "set client_min_messages = error;\nbegin;\ndrop owned by current_user cascade;\n";
const CURE: &str = "see the database's log for more (`svctl logs postgresql`), then call it again; the database is as it was";

/// Writes a dump: as the database is at one moment.
pub fn dump(context: &Context, settings: &PulpSettings, to: &File) -> Result<(), Problem> {
    let psql = Psql::pulp(context, &settings.database)?;
    let mut command =
        psql.client("pg_dump").args(["--format=custom", "--compress=1", "--no-password"]).command();
    let to = to.try_clone().map_err(|error| cannot("dump the database", &error.to_string()))?;
    let child = start(command.stdin(Stdio::null()).stdout(to).stderr(Stdio::piped()), "pg_dump")?;
    ended(child, "dump the database")
}

/// Calls this with the path of each file of content that a dump knows.
pub fn artifacts(
    context: &Context,
    settings: &PulpSettings,
    dump: File,
    each: &mut dyn FnMut(&str),
) -> Result<(), Problem> {
    let doing = "read the dump";
    let psql = Psql::pulp(context, &settings.database)?;
    let words = ["--data-only", "--table", TABLE, "--file=-"];
    let mut command = psql.client("pg_restore").args(words).command();
    let mut child = start(command.stdin(dump).stdout(Stdio::piped()).stderr(Stdio::piped()), "pg_restore")?;
    if let Some(out) = child.stdout.take() {
        let mut rows = Rows::default();
        for line in BufReader::new(out).split(b'\n') {
            let line = line.map_err(|error| cannot(doing, &error.to_string()))?;
            if let Some(path) = rows.next(&String::from_utf8_lossy(&line)) {
                each(path);
            }
        }
    }
    ended(child, doing)
}

/// The rows of the table in what `pg_restore` prints: `COPY public.core_artifact (pulp_id, …) FROM stdin;`, rows whose
/// columns a tab separates, `\.`.
#[derive(Default)]
struct Rows {
    column: Option<usize>,
}

impl Rows {
    fn next<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        if let Some(column) = self.column {
            if line == "\\." {
                self.column = None;
                return None;
            }
            return line.split('\t').nth(column);
        }
        let columns = line.strip_prefix("COPY ")?.split_once('(')?.1.split_once(')')?.0;
        self.column = columns.split(", ").position(|column| column == COLUMN);
        None
    }
}

/// Who is connected to Pulp's database besides us.
pub fn others(psql: &Psql<'_>) -> Result<u64, Problem> {
    let sql = "select count(*) from pg_stat_activity where datname = current_database() \
               and pid <> pg_backend_pid() and backend_type = 'client backend'";
    let answer = psql.run("see who uses the database", sql)?;
    let count = answer.trim();
    count.parse().map_err(|_| cannot("see who uses the database", &format!("the answer is `{count}`")))
}

/// Puts what a dump has in the place of all that Pulp's role has in the database, in one transaction.
pub fn restore(context: &Context, settings: &PulpSettings, dump: File) -> Result<(), Problem> {
    let doing = "restore the database";
    let psql = Psql::pulp(context, &settings.database)?;
    let words = ["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-f", "-"];
    let mut into = psql.client("psql").args(words).command();
    let mut into = start(into.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()), "psql")?;
    let mut from = psql.client("pg_restore").args(["--no-owner", "--no-acl", "--file=-"]).command();
    let mut from = start(from.stdin(dump).stdout(Stdio::piped()).stderr(Stdio::piped()), "pg_restore")?;
    let (Some(mut sql), Some(mut out)) = (into.stdin.take(), from.stdout.take()) else {
        return Err(cannot(doing, "no pipe"));
    };
    let piped = sql.write_all(EMPTY.as_bytes()).and_then(|()| std::io::copy(&mut out, &mut sql));
    drop(out);
    // Without the last word nothing has happened: the server rolls back what a client leaves open.
    let read = ended(from, doing);
    let said = match (&read, &piped) {
        (Ok(()), Ok(_)) => sql.write_all(b"\ncommit;\n"),
        _ => Ok(()),
    };
    drop(sql);
    // Its complaint is the reason of the others.
    ended(into, doing)?;
    read?;
    piped.map(drop).and(said).map_err(|error| cannot(doing, &error.to_string()))
}

fn start(command: &mut Command, name: &str) -> Result<Child, Problem> {
    command.spawn().map_err(|error| {
        Problem::new("S2601", 
            format!("cannot run `{name}`: {error}"),
            "if it is missing in this image, build the image again; else see whether the machine is short of memory",
        )
    })
}

/// Waits for its end; a failure is told in its first words.
fn ended(mut child: Child, doing: &str) -> Result<(), Problem> {
    let mut words = String::new();
    if let Some(err) = child.stderr.take() {
        let mut bytes = Vec::new();
        let mut err = err.take(WORDS);
        let _ = err.read_to_end(&mut bytes);
        // The rest must be read, or it waits for us.
        let _ = std::io::copy(&mut err.into_inner(), &mut std::io::sink());
        words = String::from_utf8_lossy(&bytes).into_owned();
    }
    let status = child.wait().map_err(|error| cannot(doing, &error.to_string()))?;
    if status.success() {
        return Ok(());
    }
    let error = |line: &&str| ["error:", "ERROR:", "FATAL:"].iter().any(|word| line.contains(word));
    let line = words.lines().find(error).or(words.lines().next()).unwrap_or_default().trim();
    if words.contains("server version mismatch") {
        let detail =
            words.lines().find_map(|line| line.split_once("detail: ")).map_or("", |(_, detail)| detail);
        return Err(Problem::new(
            "S2602",
            format!("cannot {doing}: this image's PostgreSQL client is older than your server ({detail})"),
            "back the database up with the `pg_dump` of that server; content and settings are in the volumes",
        ));
    }
    Err(cannot(doing, if line.is_empty() { "it ended without a word" } else { line }))
}

fn cannot(doing: &str, why: &str) -> Problem {
    Problem::new("S2603", format!("cannot {doing}: {why}"), CURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_content_are_read_out_of_a_dump() {
        let text = "SET x;\nCOPY public.core_artifact (pulp_id, file, size) FROM stdin;\n1\tartifact/ab/cd\t3\n\
                    2\tartifact/ef/01\t4\n\\.\n\nCOPY public.other (file) FROM stdin;\nno\n\\.\n";
        let mut rows = Rows::default();
        let found: Vec<&str> = text.lines().filter_map(|line| rows.next(line)).collect();
        assert_eq!(found, ["artifact/ab/cd", "artifact/ef/01", "no"]);
    }

    #[test]
    fn a_program_that_fails_is_told_in_its_first_complaint_however_much_it_says() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo hint >&2; echo 'psql: ERROR:  first' >&2; seq 100000 >&2; exit 1"]);
        let child = start(command.stderr(Stdio::piped()), "sh").unwrap();
        assert_eq!(ended(child, "do it").unwrap_err().what(), "cannot do it: psql: ERROR:  first");
    }

    #[test]
    fn server_that_is_newer_than_our_client_is_told_as_such() {
        let mut command = Command::new("sh");
        let words = "echo 'pg_dump: error: aborting because of server version mismatch' >&2; \
                     echo 'pg_dump: detail: server version: 99.1; pg_dump version: 17.6' >&2; exit 1";
        let child = start(command.args(["-c", words]).stderr(Stdio::piped()), "sh").unwrap();
        let problem = ended(child, "dump the database").unwrap_err();
        assert!(
            problem.what().contains("older than your server (server version: 99.1"),
            "{}",
            problem.what()
        );
    }
}

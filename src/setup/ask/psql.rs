//! SQL, by PostgreSQL's own client. Statements go in on standard input and passwords through the environment: neither
//! is ever an argument.

use std::time::Duration;

use super::command::{Output, Tool};
use crate::context::Owner;
use crate::postgres::SOCKETS;
use crate::postgres::release::Release;
use crate::pulp_settings::Database;
use crate::{Context, Problem};

/// How long libpq may take to connect to one address, in seconds.
const CONNECT_TIMEOUT: &str = "5";
/// The exit code of psql that could not connect, or lost the connection (psql(1)).
const NO_CONNECTION: i32 = 2;

/// Keywords of libpq, as Django's OPTIONS name them, that have a variable (libpq, "Environment Variables").
const VARIABLES: &[(&str, &str)] = &[
    ("application_name", "PGAPPNAME"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("client_encoding", "PGCLIENTENCODING"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("gssencmode", "PGGSSENCMODE"),
    ("hostaddr", "PGHOSTADDR"),
    ("krbsrvname", "PGKRBSRVNAME"),
    ("options", "PGOPTIONS"),
    ("passfile", "PGPASSFILE"),
    ("require_auth", "PGREQUIREAUTH"),
    ("requirepeer", "PGREQUIREPEER"),
    ("service", "PGSERVICE"),
    ("sslcert", "PGSSLCERT"),
    ("sslcompression", "PGSSLCOMPRESSION"),
    ("sslcrl", "PGSSLCRL"),
    ("sslcrldir", "PGSSLCRLDIR"),
    ("sslkey", "PGSSLKEY"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("sslmode", "PGSSLMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslsni", "PGSSLSNI"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
];

/// A way to a database.
#[derive(Debug)]
pub struct Psql<'a> {
    context: &'a Context,
    release: Release,
    /// The user of the system it runs as, which is what `peer` looks at.
    owner: Owner,
    env: Vec<(String, String)>,
    limit: Duration,
}

impl<'a> Psql<'a> {
    /// To a database of the embedded server, as its superuser.
    pub fn superuser(context: &'a Context, database: &str) -> Result<Psql<'a>, Problem> {
        let owner = context.accounts.postgres;
        let sockets = context.path(SOCKETS).to_string_lossy().into_owned();
        let env = [("PGHOST", sockets.as_str()), ("PGUSER", "postgres"), ("PGDATABASE", database)];
        Psql::new(context, owner, env.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    /// To Pulp's database, as Pulp itself connects.
    pub fn pulp(context: &'a Context, database: &Database) -> Result<Psql<'a>, Problem> {
        let mut env = environment(database);
        if database.host.is_empty() {
            env.push(("PGHOST".to_owned(), context.path(SOCKETS).to_string_lossy().into_owned()));
        }
        Psql::new(context, context.accounts.pulp, env)
    }

    fn new(context: &'a Context, owner: Owner, mut env: Vec<(String, String)>) -> Result<Psql<'a>, Problem> {
        let release = Release::with(context, "psql")?;
        env.insert(0, ("PGCONNECT_TIMEOUT".to_owned(), CONNECT_TIMEOUT.to_owned()));
        Ok(Psql { context, release, owner, env, limit: Duration::from_secs(60) })
    }

    /// How long statements may take; a minute unless told.
    pub fn limit(mut self, limit: Duration) -> Psql<'a> {
        self.limit = limit;
        self
    }

    /// One of PostgreSQL's clients with the same way.
    pub fn client(&self, program: &str) -> Tool {
        let tool = Tool::new(self.context, &self.release.bin.join(program).to_string_lossy());
        let tool = self.env.iter().fold(tool, |tool, (name, value)| tool.env(name, value));
        // Not the home directory's files: neither `.pgpass` nor `.psqlrc` is ours.
        tool.user(self.context, self.owner).limit(self.limit)
    }

    /// Runs statements; the first error ends them. Rows come back a line each, columns separated by a tab.
    pub fn output(&self, sql: impl AsRef<[u8]>) -> Result<Output, Problem> {
        let words = ["-X", "-q", "-A", "-t", "-w", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-f", "-"];
        self.client("psql").args(words).input(sql.as_ref()).output()
    }

    /// As [`Psql::output`]; anything but success is a problem.
    pub fn run(&self, doing: &str, sql: &str) -> Result<String, Problem> {
        let output = self.output(sql)?;
        if output.status.success() {
            return Ok(output.out);
        }
        let cure = if output.status.code() == Some(NO_CONNECTION) {
            "see why the database cannot be reached: `svctl logs postgresql`, or the log of your own server"
        } else {
            "see the database's log for more (`svctl logs postgresql`), then start the container again"
        };
        Err(Problem::new("S0304", format!("cannot {doing}: {}", said(&output)), cure))
    }
}

/// What a client said of its failure, in one line; never a statement of ours, which may hold a secret.
pub fn said(output: &Output) -> String {
    let ours = |line: &&str| line.starts_with("LINE ") || line.trim_matches(['^', ' ']).is_empty();
    let words: Vec<&str> = output.err.lines().filter(|line| !ours(line)).map(str::trim).collect();
    let start =
        words.iter().position(|line| ["error:", "ERROR:", "FATAL:"].iter().any(|word| line.contains(word)));
    let words = words.get(start.unwrap_or(0)..).unwrap_or_default().join(" ");
    let words = words.replace("psql:<stdin>:", "line ").replace("psql: error: ", "");
    if words.is_empty() { output.status.to_string() } else { words }
}

/// libpq's variables for these settings of Django.
fn environment(database: &Database) -> Vec<(String, String)> {
    let mut env = vec![];
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            env.push((name.to_owned(), value.to_owned()));
        }
    };
    add("PGHOST", &database.host);
    add("PGPORT", &database.port);
    add("PGDATABASE", &database.name);
    add("PGUSER", &database.user);
    add("PGPASSWORD", &database.password);
    for (keyword, variable) in VARIABLES {
        add(variable, database.options.get(*keyword).map_or("", String::as_str));
    }
    // Django's own: the role it takes on once it is connected.
    if let Some(role) = database.options.get("assume_role") {
        let given = database.options.get("options").map_or("", String::as_str);
        let role = role.replace('\\', "\\\\").replace(' ', "\\ ");
        add("PGOPTIONS", format!("{given} -c role={role}").trim());
    }
    env
}

/// A name in SQL.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Text in SQL, whatever is in it. The `E` form reads backslashes the same under every setting.
pub fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_text_cannot_end_their_quotes() {
        assert_eq!(identifier("a\"; drop"), "\"a\"\"; drop\"");
        assert_eq!(literal("it's \\' x"), "E'it''s \\\\'' x'");
    }

    #[test]
    fn a_failure_is_told_without_the_statement_that_failed() {
        let err = "WARNING:  old\npsql:<stdin>:1: ERROR:  syntax error\nLINE 1: ALTER ROLE x PASSWORD E's3cret'\n     ^\n";
        let output = Output { status: Default::default(), out: String::new(), err: err.to_owned() };
        assert_eq!(said(&output), "line 1: ERROR:  syntax error");
    }

    #[test]
    fn djangos_settings_become_libpqs_variables() {
        let options = [("sslmode", "verify-full"), ("pool", "true"), ("assume_role", "own er")];
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let database =
            Database { host: "db".into(), password: "s3cret".into(), options, ..Database::default() };
        let env: Vec<String> =
            environment(&database).iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            env,
            ["PGHOST=db", "PGPASSWORD=s3cret", "PGSSLMODE=verify-full", "PGOPTIONS=-c role=own\\ er"]
        );
    }
}

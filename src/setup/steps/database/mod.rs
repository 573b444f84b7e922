//! Pulp's role and its database in the embedded PostgreSQL; an external one is waited for.

pub mod prepared;

use std::time::{Duration, Instant};

use super::variables::Variables;
use crate::ask::command::Tool;
use crate::ask::psql::{Psql, identifier, literal, said};
use crate::postgres::place::{DATA, HOME};
use crate::postgres::{REINDEX, SOCKETS};
use crate::pulp_settings::{Database, PulpSettings};
use crate::{Context, Problem};

/// How many seconds to wait for a database that does not answer.
pub const TIMEOUT_VARIABLE: &str = "PULP_DATABASE_TIMEOUT";
/// How often to try. A try costs one process.
const TRY_EVERY: Duration = Duration::from_millis(500);
/// How often to say that we still wait.
const SAY_EVERY: Duration = Duration::from_secs(5);
/// To rebuild every index of a large database.
const REBUILD_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The step.
pub fn run(context: &Context, _args: &[String]) -> Result<(), Problem> {
    let settings = PulpSettings::load(context)?;
    if let Some(why) = &settings.external_postgresql {
        context.say(&format!("the database is an external one: {why}"));
        return wait(
            context,
            &Psql::pulp(context, &settings.database)?,
            &address(&settings.database),
            timeout(context)?,
        );
    }
    let psql = Psql::superuser(context, "postgres")?;
    wait(context, &psql, SOCKETS, timeout(context)?)?;
    rebuild_indexes(context, &psql)?;
    role_and_database(context, &psql, &settings.database)?;
    password(context, &psql, &settings.database)?;
    prepared::restore(context, &settings.database)
}

/// `host:port`, for people.
pub fn address(database: &Database) -> String {
    let port = if database.port.is_empty() { "5432" } else { &database.port };
    let host = if database.host.is_empty() { SOCKETS } else { &database.host };
    format!("{host}, port {port}")
}

/// Waits until the database answers, but not longer than this.
pub fn wait(context: &Context, psql: &Psql<'_>, address: &str, limit: Duration) -> Result<(), Problem> {
    let begun = Instant::now();
    let mut told = begun;
    loop {
        let output = psql.output("select 1")?;
        if output.status.success() {
            return Ok(());
        }
        let why = said(&output);
        if let Some(cure) = lasting(&why) {
            return Err(Problem::config(
                "S1601",
                format!("the database at {address} refuses us: {why}"),
                cure,
            ));
        }
        if begun.elapsed() >= limit {
            return Err(Problem::new(
                "S1602",
                format!("no database at {address} after {} s: {why}", limit.as_secs()),
                format!(
                    "start it, or correct HOST, PORT, NAME and USER of DATABASES in /etc/pulp/settings.py; {TIMEOUT_VARIABLE} waits longer"
                ),
            ));
        }
        if told.elapsed() >= SAY_EVERY {
            told = Instant::now();
            context.say(&format!(
                "waiting for the database at {address}, {} s of {}: {why}",
                begun.elapsed().as_secs(),
                limit.as_secs()
            ));
        }
        std::thread::sleep(TRY_EVERY.min(limit.saturating_sub(begun.elapsed())));
    }
}

fn timeout(context: &Context) -> Result<Duration, Problem> {
    Ok(Duration::from_secs(Variables::read(context)?.database_timeout.into()))
}

/// What waiting does not heal, and what does.
fn lasting(why: &str) -> Option<&'static str> {
    let has = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if has(&["password authentication failed", "no password supplied"]) {
        Some("set PASSWORD of DATABASES in /etc/pulp/settings.py to that of the role")
    } else if has(&["certificate", "sslmode", "does not support SSL"]) {
        Some(
            "correct sslmode, sslrootcert, sslcert and sslkey in OPTIONS of DATABASES in /etc/pulp/settings.py",
        )
    } else if has(&["no pg_hba.conf entry"]) {
        Some("let the container's address connect in pg_hba.conf of that server")
    } else {
        None
    }
}

fn role_and_database(context: &Context, psql: &Psql<'_>, database: &Database) -> Result<(), Problem> {
    let (role, name) = (identifier(&database.user), identifier(&database.name));
    let question = format!(
        "select exists(select from pg_roles where rolname = {role}), \
                exists(select from pg_database where datname = {name}), \
                exists(select from pg_database where datname = {name} and pg_get_userbyid(datdba) = {role}), \
                current_setting('server_version_num')::int >= 170000",
        role = literal(&database.user),
        name = literal(&database.name),
    );
    let answer = psql.run("look for Pulp's database", &question)?;
    let mut there = answer.trim().split('\t').map(|word| word == "t");
    let mut next = || there.next().unwrap_or(false);
    let (has_role, has_database, owned, builtin) = (next(), next(), next(), next());
    if !has_role {
        context.say(&format!("making the role {role}"));
        psql.run("make Pulp's role", &format!("create role {role} login"))?;
    }
    if !has_database {
        context.say(&format!("making the database {name}"));
        // Sorted by code points, in a way that no update of the system's libraries changes.
        let locale = if builtin {
            "locale_provider builtin builtin_locale 'C.UTF-8' locale 'C.UTF-8'"
        } else {
            "locale 'C.UTF-8'"
        };
        let make = format!("create database {name} owner {role} template template0 encoding 'UTF8' {locale}");
        psql.run("make Pulp's database", &make)?;
    } else if !owned {
        psql.run("give Pulp its database", &format!("alter database {name} owner to {role}"))?;
    }
    Ok(())
}

/// Over TCP a role needs a password. Over the socket the system says who connects.
fn password(context: &Context, psql: &Psql<'_>, database: &Database) -> Result<(), Problem> {
    if database.host.is_empty() || database.host.starts_with('/') {
        return Ok(());
    }
    let cure = "remove HOST and PORT from DATABASES in /etc/pulp/settings.py: over the socket Pulp needs no password; or set PASSWORD";
    if database.password.is_empty() {
        return Err(Problem::config(
            "S1603",
            format!("the database at {} lets nobody in without a password", address(database)),
            cure,
        ));
    }
    let as_pulp = Psql::pulp(context, database)?;
    if as_pulp.output("select 1")?.status.success() {
        return Ok(());
    }
    context.say("setting the password of Pulp's role as the settings have it");
    // The server logs neither the statement nor, should it fail, its text.
    let sql = format!(
        "set log_statement = 'none'; set log_min_duration_statement = -1; set log_min_error_statement = 'panic';\n\
         set password_encryption = 'scram-sha-256';\n\
         alter role {} password {};",
        identifier(&database.user),
        literal(&database.password)
    );
    psql.run("set the password of Pulp's role", &sql)?;
    let output = as_pulp.output("select 1")?;
    if output.status.success() {
        return Ok(());
    }
    Err(Problem::config(
        "S1604",
        format!("Pulp cannot connect to the database at {}: {}", address(database), said(&output)),
        cure,
    ))
}

/// Rebuilds what a change of the system's collations has put out of order: a broken order hides rows from queries
/// and lets duplicates in.
fn rebuild_indexes(context: &Context, psql: &Psql<'_>) -> Result<(), Problem> {
    // Before 15 a database did not note the version it was sorted by. The server looks into its directory itself.
    let changed = psql.run(
        "ask for the databases' collations",
        &format!(
            "select (pg_stat_file('{REINDEX}', true)).size is not null;\n\
         select current_setting('server_version_num')::int >= 150000 as noted \\gset\n\
         \\if :noted\n\
         select datname, coalesce(datcollversion <> pg_database_collation_actual_version(oid), false) \
         from pg_database where datallowconn;\n\
         \\else\n\
         select datname, false from pg_database where datallowconn;\n\
         \\endif\n"
        ),
    )?;
    let upgraded = changed.lines().next() == Some("t");
    for (name, changed) in changed.lines().filter_map(|line| line.rsplit_once('\t')) {
        let changed = changed == "t";
        if !changed && !upgraded {
            continue;
        }
        let why = if upgraded { "after the upgrade" } else { "because this system sorts text differently" };
        context.say(&format!("rebuilding the indexes of the database {name} {why}"));
        let inside = Psql::superuser(context, name)?.limit(REBUILD_LIMIT);
        let name = identifier(name);
        let mut sql = format!("reindex database {name};\n");
        if changed {
            sql += &format!("alter database {name} refresh collation version;\n");
        }
        if upgraded {
            // Extensions come with the release; statistics are not carried over.
            sql += "select format('alter extension %I update', name) from pg_available_extensions \
                    where installed_version <> default_version \\gexec\nanalyze;\n";
        }
        inside.run(&format!("rebuild the indexes of {name}"), &sql)?;
    }
    if !upgraded {
        return Ok(());
    }
    // The directory is PostgreSQL's, and so is what is removed there.
    let remove = Tool::new(context, "rm").args(["-f", "--"]).arg(context.path(HOME).join(DATA).join(REINDEX));
    remove.user(context, context.accounts.postgres).run(
        "note that the indexes are rebuilt",
        "check the owner and mode of the volume at /var/lib/pgsql",
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_timeout_that_is_no_number_is_a_problem_that_names_the_variable() {
        let context = |value| Context::for_test(Path::new("/"), [(TIMEOUT_VARIABLE, value)]);
        assert_eq!(timeout(&context("5")).unwrap(), Duration::from_secs(5));
        assert!(timeout(&context("soon")).unwrap_err().what().contains(TIMEOUT_VARIABLE));
    }

    #[test]
    fn a_wrong_password_is_not_waited_for_and_a_server_that_starts_is() {
        assert!(
            lasting("FATAL:  password authentication failed for user \"pulp\"").unwrap().contains("PASSWORD")
        );
        assert_eq!(lasting("FATAL:  the database system is starting up"), None);
        assert_eq!(lasting("connection to server failed: Connection refused"), None);
    }
}

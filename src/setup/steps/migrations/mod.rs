//! The database's schema.
//!
//! Whether it is up to date is found out without Django, which takes seconds to start: the image has the list of its
//! migrations, one a line, `app name`, in [`LIST`], and the database has a row for each that was applied.
//!
//! That is not all: after its migrations Django runs hooks, by which a plugin's new release updates its roles and access
//! policies though it has no migration, and some settings are copied. So the database carries a stamp, too: a hash of
//! the list, of the plugins' releases and of those settings, in the comment of Django's own table, where a dump and an
//! upgrade keep it. Only where the stamp fits are migrations passed over.

mod other;
pub mod stamp;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::database::prepared;
use super::variables::Variables;
use super::{keys, volumes};
use crate::ask::command::Tool;
use crate::ask::psql::Psql;
use crate::check::abandoned;
use crate::postgres::kept;
use crate::pulp_settings::PulpSettings;
use crate::volume::files;
use crate::{Context, Problem};

/// The migrations of the image, written when it was built.
pub const LIST: &str = "/usr/share/pulp/migrations";
/// A migration of a large repository's content takes its time.
const LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// How many seconds to wait for migrations that somebody else runs.
const TIMEOUT_VARIABLE: &str = "PULP_MIGRATIONS_TIMEOUT";
/// How often to look whether they are done, and how often to say how far they are.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const SAY_EVERY: Duration = Duration::from_secs(5);

/// An app, and the name of one of its migrations.
type Migration = (String, String);

/// The step.
pub fn run(context: &Context, _args: &[String]) -> Result<(), Problem> {
    let settings = PulpSettings::load(context)?;
    // The embedded one was filled when it was made.
    if settings.external_postgresql.is_some() {
        prepared::restore(context, &settings.database)?;
    }
    let psql = Psql::pulp(context, &settings.database)?;
    keys::proof::check(context, &settings, &psql)?;
    let Found { applied, stamp: found } = found(&psql)?;
    let stamp = stamp::of_this_image(context, &settings.migrated_settings)?;
    if let (Some(list), Some(stamp)) = (files::read(&context.path(LIST))?, &stamp) {
        let known = parse(&String::from_utf8_lossy(&list));
        other::refuse_newer(context, &known, &applied)?;
        other::tell_of_missing_plugins(context, &settings, &known, &applied);
        let missing = known.difference(&applied).count();
        if missing == 0 && found == *stamp {
            context.say("the database is up to date");
            abandoned::at_boot(context, &settings, &psql);
            return proven(context, &settings);
        }
        context.say(&match missing {
            0 => "plugins or settings are others than last time: running Django's migrate for its hooks"
                .to_owned(),
            _ => format!("{missing} migrations of {} are to be run", known.len()),
        });
    } else {
        context.say(&format!("there is no {LIST} in this image: running the migrations"));
    }
    migrate(context)?;
    if let Some(stamp) = &stamp {
        psql.run("note that the database is migrated", &stamp::statement(stamp))?;
    }
    abandoned::at_boot(context, &settings, &psql);
    proven(context, &settings)
}

/// Waits until somebody else has brought the database's schema up to date, but not for ever.
pub fn wait(context: &Context, settings: &PulpSettings) -> Result<(), Problem> {
    let limit = Duration::from_secs(Variables::read(context)?.migrations_timeout.into());
    let psql = Psql::pulp(context, &settings.database)?;
    let begun = Instant::now();
    let mut said: Option<Instant> = None;
    while let Some(why) = unfinished(context, settings, &psql) {
        let waited = begun.elapsed();
        if waited >= limit {
            return Err(Problem::new(
                "S1701",
                format!("the database is not migrated after {} s: {why}", limit.as_secs()),
                format!(
                    "run `pulp-setup migrations` or `pulpcore-manager migrate` in a container of this image; {TIMEOUT_VARIABLE} waits longer"
                ),
            ));
        }
        if said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
            said = Some(Instant::now());
            context.say(&format!(
                "waiting for the migrations, {} s of {}: {why}",
                waited.as_secs(),
                limit.as_secs()
            ));
        }
        std::thread::sleep(LOOK_EVERY.min(limit.saturating_sub(waited)));
    }
    Ok(())
}

/// Why the database cannot be used yet, if it cannot.
fn unfinished(context: &Context, settings: &PulpSettings, psql: &Psql<'_>) -> Option<String> {
    let missing = || match files::read(&context.path(LIST))? {
        Some(list) if !settings.some_plugins => {
            let known = parse(&String::from_utf8_lossy(&list));
            let missing = known.difference(&found(psql)?.applied).count();
            Ok((missing > 0).then(|| format!("{missing} of {} are missing", known.len())))
        }
        // Which migrations are wanted is then known to Django alone.
        _ => check(context),
    };
    missing().unwrap_or_else(|problem: Problem| Some(problem.what().to_owned()))
}

/// Asks Django.
fn check(context: &Context) -> Result<Option<String>, Problem> {
    let output = manager(context).args(["migrate", "--check"]).output()?;
    Ok((!output.status.success()).then(|| format!("Django says: {}", output.last_words())))
}

fn proven(context: &Context, settings: &PulpSettings) -> Result<(), Problem> {
    if settings.external_postgresql.is_some() { Ok(()) } else { kept::prove(context) }
}

fn parse(list: &str) -> BTreeSet<Migration> {
    let words = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    list.lines().filter_map(words).collect()
}

/// What a database has.
#[derive(Debug, Default)]
struct Found {
    applied: BTreeSet<Migration>,
    stamp: String,
}

fn found(psql: &Psql<'_>) -> Result<Found, Problem> {
    let sql = "select to_regclass('django_migrations') is not null as there \\gset\n\
               \\if :there\n\
               select obj_description('django_migrations'::regclass, 'pg_class');\n\
               select app, name from django_migrations;\n\
               \\endif\n";
    let rows = psql.run("read which migrations the database has", sql)?;
    let (stamp, rows) = rows.split_once('\n').unwrap_or_default();
    Ok(Found { applied: parse(rows), stamp: stamp.to_owned() })
}

/// Pulp's command, as Pulp's user.
pub fn manager(context: &Context) -> Tool {
    // `LC_ALL` and `PATH` are the container's again. Root's home is not for others.
    let tool = Tool::new(context, "pulpcore-manager").inherit_env(context);
    tool.env("HOME", "/var/lib/pulp").user(context, context.accounts.pulp)
}

fn migrate(context: &Context) -> Result<(), Problem> {
    volumes::for_one_process(context);
    let output =
        manager(context).args(["migrate", "--noinput"]).limit(LIMIT).stream(&|line| context.say(line))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Problem::new(
        "S1702",
        format!("the migrations failed: {}", output.last_words()),
        "see the lines before this one; what was done is kept, and the rest is tried again when the container is started again",
    ))
}

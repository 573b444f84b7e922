//! The database's schema.
//!
//! Whether it is up to date is found out without Django, which takes seconds to start: the image has the list of its
//! migrations, one a line, `app name`, in [`LIST`], and the database has a row for each that was applied.
//!
//! That is not all: after its migrations Django runs hooks, by which a plugin's new release updates its roles and access
//! policies though it has no migration, and some settings are copied. So the database carries a stamp, too: a hash of
//! the list, of the plugins' releases and of those settings, in the comment of Django's own table, where a dump and an
//! upgrade keep it. Only where the stamp fits are migrations passed over.

pub mod stamp;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::database::prepared;
use super::variables::{self, Variables};
use super::{keys, volumes};
use crate::ask::command::Tool;
use crate::ask::psql::Psql;
use crate::check::abandoned;
use crate::postgres::place;
use crate::pulp_settings::PulpSettings;
use crate::volume::files;
use crate::{Context, Problem};

/// The migrations of the image, written when it was built.
pub const LIST: &str = "/usr/share/pulp/migrations";
/// Goes on though the database is of a newer Pulp.
const DOWNGRADE_VARIABLE: &str = "PULP_ALLOW_DOWNGRADE";
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
        refuse_newer(context, &known, &applied)?;
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
    if settings.external_postgresql.is_some() { Ok(()) } else { place::prove(context) }
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

/// A migration of which the image knows nothing is natural: others have replaced it (squashed ones). Only a higher
/// number than any of the image's says that the database is of a newer Pulp.
fn refuse_newer(
    context: &Context,
    known: &BTreeSet<Migration>,
    applied: &BTreeSet<Migration>,
) -> Result<(), Problem> {
    let newer = newer(known, applied);
    let Some((app, name)) = newer.first() else { return Ok(()) };
    let shown = format!("{} migrations that this image does not have, such as {app} {name}", newer.len());
    if variables::is_on(context, DOWNGRADE_VARIABLE) {
        context.say(&format!("the database has {shown}; going on because of {DOWNGRADE_VARIABLE}"));
        return Ok(());
    }
    Err(Problem::config(
        format!("the database is of a newer Pulp: it has {shown}"),
        format!(
            "use the image that it was last used with, or a newer one; nothing was changed ({DOWNGRADE_VARIABLE}=true goes on at your own risk)"
        ),
    ))
}

fn newer<'a>(known: &'a BTreeSet<Migration>, applied: &'a BTreeSet<Migration>) -> Vec<&'a Migration> {
    let mut highest = BTreeMap::<&str, u32>::new();
    for (app, name) in known {
        let of_app = highest.entry(app).or_default();
        *of_app = number(name).unwrap_or_default().max(*of_app);
    }
    let is_newer = |(app, name): &&Migration| match (number(name), highest.get(app.as_str())) {
        (Some(number), Some(&highest)) => number > highest,
        // An app that the image does not have: a plugin that was removed.
        _ => false,
    };
    applied.difference(known).filter(is_newer).collect()
}

/// The number that Django begins a migration's name with.
fn number(name: &str) -> Option<u32> {
    name.split('_').next()?.parse().ok()
}

/// Pulp's command, as Pulp's user.
fn manager(context: &Context) -> Tool {
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
        format!("the migrations failed: {}", output.last_words()),
        "see the lines before this one; what was done is kept, and the rest is tried again when the container is started again",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const IMAGE: &str = "core 0001_initial\ncore 0091_squashed_0090\nrpm 0001_initial\n\nrpm 0060_x\n";

    #[test]
    fn a_row_that_a_squashed_migration_replaced_is_not_of_a_newer_pulp() {
        let applied = parse("core\t0001_initial\ncore\t0090_gone\nrpm\tauto_x\nmaven\t0009_removed_plugin\n");
        assert!(newer(&parse(IMAGE), &applied).is_empty());
    }

    #[test]
    fn a_database_of_a_newer_pulp_is_refused_unless_the_user_insists() {
        let applied = parse("core 0091_squashed_0090\nrpm 0061_newer\n");
        let refuse = |env: &[(&str, &str)]| {
            let context = Context::for_test(Path::new("/"), env.iter().copied());
            refuse_newer(&context, &parse(IMAGE), &applied)
        };
        let problem = refuse(&[]).unwrap_err();
        assert!(problem.what().contains("rpm 0061_newer"), "{problem}");
        assert!(problem.cure().contains(DOWNGRADE_VARIABLE));
        refuse(&[(DOWNGRADE_VARIABLE, "true")]).unwrap();
    }
}

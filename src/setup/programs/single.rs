//! One process a container: `pulp-api`, `pulp-content`, `pulp-worker` and the helpers around them, by the names that
//! upstream's images have them and that compose files and Pulp's operator call.
//!
//! Nothing has run before: there is no `init` here, and the user's settings are evaluated by each of these. What
//! upstream's scripts ask Django, which takes seconds to start, is asked of the database itself, and no wait is endless.
//! A wait ends at once by TERM, which a process without a handler would not even notice as PID 1.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_shutdown;

use super::{environment, exec};
use crate::ask::psql::Psql;
use crate::pulp_settings::PulpSettings;
use crate::steps::variables::Variables;
use crate::steps::{admin, database, migrations, settings, signing, volumes};
use crate::{Context, Problem};

/// As long as upstream's script tries, unless `PULP_DATABASE_TIMEOUT` says otherwise.
const DATABASE_PATIENCE: Duration = Duration::from_secs(300);

/// `pulp-api`: waits for the database and its migrations, then becomes the API.
pub fn api(context: &Context, args: &[String]) -> Result<(), Problem> {
    service(context, "api", args)
}

/// `pulp-content`: the same for the content app.
pub fn content(context: &Context, args: &[String]) -> Result<(), Problem> {
    service(context, "content", args)
}

/// `pulp-worker`: the same for a worker.
pub fn worker(context: &Context, args: &[String]) -> Result<(), Problem> {
    service(context, "worker", args)
}

/// `wait_on_postgres.py`
pub fn wait_on_postgres(context: &Context, _: &[String]) -> Result<(), Problem> {
    stoppable(|| connected(context, &PulpSettings::load(context)?))
}

/// `wait_on_database_migrations.sh`
pub fn wait_on_database_migrations(context: &Context, _: &[String]) -> Result<(), Problem> {
    stoppable(|| migrated(context, &PulpSettings::load(context)?))
}

/// `set_init_password.sh`: the administrator's password, from the same places as upstream's.
pub fn set_init_password(context: &Context, _: &[String]) -> Result<(), Problem> {
    stoppable(|| prepared(context))?;
    admin::set(context)
}

/// `add_signing_service.sh`: registers the signing services, where a key is named.
pub fn add_signing_service(context: &Context, args: &[String]) -> Result<(), Problem> {
    stoppable(|| prepared(context))?;
    signing::run(context, args)
}

fn service(context: &Context, what: &str, args: &[String]) -> Result<(), Problem> {
    // A wrong variable is told before the wait, not after.
    let variables = Variables::read(context)?;
    let settings = PulpSettings::load(context)?;
    if what != "worker" && !settings.secret_key {
        return Err(Problem::config(
            "S2408",
            "Pulp has no SECRET_KEY, without which it answers nothing",
            format!(
                "set SECRET_KEY in /etc/pulp/settings.py, to the same long random text in all containers, or mount it as a file at {}",
                settings::SECRET_KEY
            ),
        ));
    }
    if !context.path(&settings.db_encryption_key).exists() {
        return Err(Problem::config(
            "S2409",
            format!("there is no key for encrypted fields of the database at {}", settings.db_encryption_key),
            "mount the one that this database was first used with; for a new one make it with `openssl rand -base64 32`",
        ));
    }
    volumes::for_one_process(context);
    stoppable(|| ready(context, &settings))?;
    let words: Vec<String> = [what.to_owned()].into_iter().chain(args.iter().cloned()).collect();
    // Whoever stands before it is another container, where the image with everything has nginx beside it.
    exec::run(&context.with_default(environment::PROXIES, &variables.forwarded_allow_ips()), &words)
}

fn prepared(context: &Context) -> Result<(), Problem> {
    ready(context, &PulpSettings::load(context)?)
}

fn ready(context: &Context, settings: &PulpSettings) -> Result<(), Problem> {
    connected(context, settings)?;
    migrated(context, settings)
}

fn connected(context: &Context, settings: &PulpSettings) -> Result<(), Problem> {
    let patience = match context.var(database::TIMEOUT_VARIABLE) {
        Some(_) => Duration::from_secs(Variables::read(context)?.database_timeout.into()),
        None => DATABASE_PATIENCE,
    };
    context.say("Waiting on postgresql to start...");
    let psql = Psql::pulp(context, &settings.database)?;
    database::wait(context, &psql, &database::address(&settings.database), patience)?;
    context.say("Postgres started.");
    Ok(())
}

fn migrated(context: &Context, settings: &PulpSettings) -> Result<(), Problem> {
    context.say("Checking for database migrations");
    migrations::wait(context, settings)?;
    context.say("Database migrated!");
    Ok(())
}

/// Does some work that TERM and INT end, also as PID 1, which they would not even reach otherwise. They go on to do so
/// until this process executes another program, which begins without handlers.
pub fn stoppable(work: impl FnOnce() -> Result<(), Problem>) -> Result<(), Problem> {
    for signal in [SIGTERM, SIGINT] {
        // All that the handler does is to end the process. If there can be none, the wait can still be killed.
        let _ = register_conditional_shutdown(signal, 128 + signal, Arc::new(AtomicBool::new(true)));
    }
    work()
}

//! Tasks of processes that are gone.
//!
//! Each process of Pulp has a row in `core_appstatus`, and a task that it runs points there. When a process is killed
//! both stay: the task is `running` and holds its repository until somebody removes the row. Pulp's workers look for such
//! rows once in 1,000 s. We do so at boot, and with every health check of a worker, by the same rule and under the same
//! lock. The task is then marked as failed by the next worker that sees it.

use std::time::Duration;

use super::leftovers;
use crate::ask::psql::Psql;
use crate::pulp_settings::PulpSettings;
use crate::{Context, Problem};

/// Pulp's advisory lock for this (pulpcore/constants.py: `WORKER_CLEANUP_LOCK`).
const LOCK: u32 = 11;
/// The kind of worker that keeps locks in redis, too, and cleans up after others by itself.
const REDIS_WORKER: &str = "redis";

/// Whose rows are to go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Which {
    /// All: nothing of Pulp runs.
    All,
    /// Those that have not been heard of for as long as they said they may be silent.
    Silent,
}

/// While Pulp runs, it must not take longer than this: it is a part of health checks.
const LIMIT: Duration = Duration::from_secs(8);

/// At boot, before anything of Pulp runs.
pub fn at_boot(context: &Context, settings: &PulpSettings, psql: &Psql<'_>) {
    // On a database elsewhere others may work.
    let which = if settings.external_postgresql.is_some() { Which::Silent } else { Which::All };
    // Pulp does it by itself in the end: no reason to end a boot.
    if let Err(problem) = free(context, settings, psql, which) {
        context.say(problem.what());
    }
    if which == Which::All {
        leftovers::remove(context);
    }
}

/// While Pulp runs.
pub fn now_and_then(context: &Context) -> Result<(), Problem> {
    let settings = PulpSettings::load(context)?;
    free(context, &settings, &Psql::pulp(context, &settings.database)?.limit(LIMIT), Which::Silent)
}

fn free(context: &Context, settings: &PulpSettings, psql: &Psql<'_>, which: Which) -> Result<(), Problem> {
    if settings.worker_type == REDIS_WORKER {
        return Ok(());
    }
    let answer = psql.run("look for tasks of processes that are gone", &question(which))?;
    if let Some((gone, tasks)) = answer.trim().split_once(' ')
        && gone != "0"
    {
        context.say(&format!(
            "{gone} processes of Pulp are gone without a word; of their tasks, {tasks} are free now"
        ));
    }
    Ok(())
}

/// Rows that go, and tasks that are freed. An older Pulp's tables are left alone.
fn question(which: Which) -> String {
    let condition = match which {
        Which::All => "true",
        Which::Silent => "last_heartbeat < now() - ttl",
    };
    format!(
        "select count(*) = 2 as known from pg_attribute \
           where (attrelid, attname) in ((to_regclass('core_task'), 'app_lock_id'), (to_regclass('core_appstatus'), 'ttl')) \\gset\n\
         \\if :known\n\
         begin;\n\
         select pg_try_advisory_xact_lock(0, {LOCK}) as alone \\gset\n\
         \\if :alone\n\
         with gone as (select pulp_id from core_appstatus where {condition} for update), \
              freed as (update core_task set app_lock_id = null from gone where app_lock_id = gone.pulp_id returning 1), \
              removed as (delete from core_appstatus using gone where core_appstatus.pulp_id = gone.pulp_id returning 1) \
           select (select count(*) from removed) as gone, (select count(*) from freed) as freed \\gset\n\
         \\echo :gone :freed\n\
         select pg_notify('pulp_worker_wakeup', 'unblock') where :gone > 0 \\g /dev/null\n\
         \\endif\n\
         commit;\n\
         \\endif\n"
    )
}

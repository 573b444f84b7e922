//! The init steps of the Pulp images, run by `init` as oneshots: `pulp-setup STEP`.
//!
//! Each step is a plain function over a [`Context`]: a root directory and an environment. It does what is missing and
//! nothing else, so it may be killed at any moment and run again; what it writes to a volume is whole or not there
//! (see [`volume`]). A step that cannot do its work returns a [`Problem`]: what is wrong, and what would cure it.
//!
//! - [`steps`]: the oneshots, one a file. [`pulp_settings`] is what they know of the user's settings.
//! - [`programs`]: what `pulp-setup` turns into, such as the API or PostgreSQL.
//! - [`backup`]: what people call to save all of it, and to have it back.
//! - [`check`]: whether a service or a container is well.
//! - [`volume`]: everything that root writes to a volume. [`postgres`]: the files of the database cluster.
//! - [`ask`]: child programs, PostgreSQL's client among them.
//!
//! Nothing here knows the supervisor, but for the probe's library, and the supervisor knows nothing of this.

pub mod ask;
pub mod backup;
pub mod check;
pub mod context;
pub mod postgres;
pub mod problem;
pub mod programs;
pub mod pulp_settings;
pub mod random;
pub mod steps;
mod trace;
pub mod volume;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use check::{ready, readyz, space};
pub use context::Context;
pub use problem::Problem;
use problem::{EX_CONFIG, FAILED};
use programs::{exec, imports, manager, reload, single, web};
use steps::{
    admin, certs, database, keys, memory, migrations, nginx_config, ports, postgres_init, route_paths,
    secrets, server, settings, signing, variables, volumes,
};

/// A step: its name, what it does, and the code.
struct Step(&'static str, &'static str, fn(&Context, &[String]) -> Result<(), Problem>);

/// Every step, in the order in which a boot needs them.
const STEPS: &[Step] = &[
    Step("settings", "reads the user's settings, adds what is missing", settings::run),
    Step("embedded", "whether the embedded postgresql or redis is used", settings::embedded),
    Step("ready", "wait until api, content or nginx answers", ready::run),
    Step("alive", "whether a service answers at all, and none of its processes is stopped", ready::alive),
    Step("volumes", "make the directories of the services and give them to their users", volumes::run),
    Step("ports", "whether what is to be listened on is free", ports::run),
    Step("variables", "check the container's variables", variables::run),
    Step("keys", "make the keys of the database, of sessions and of tokens", keys::run),
    Step("certs", "make the web server's certificate where the user has none", certs::run),
    Step("exec", "become api, content, worker, imports, postgresql, redis or nginx", exec::run),
    Step("shared-imports", "whether Pulp is imported once for its services", imports::run),
    Step("nginx", "configure nginx", nginx_config::run),
    Step("reload", "let nginx read its configuration again, if that is right", reload::run),
    Step("route_paths", "print the URL paths of the plugins", route_paths::run),
    Step("postgres", "makes the database cluster, or upgrades it", postgres_init::run),
    Step("ended", "says it if want of space or memory may have ended a service", space::ended),
    Step("memory", "whether there is enough memory", memory::run),
    Step("database", "makes Pulp's role and database, or waits for an external one", database::run),
    Step("migrations", "brings the database's schema up to date", migrations::run),
    Step("signing", "registers signing services", signing::run),
    Step("secrets", "makes what the containers of one Pulp share: keys and passwords", secrets::run),
    Step("server", "PostgreSQL in a container of its own, by POSTGRES_… variables", server::run),
    Step("admin", "sets the administrator's first password", admin::run),
];

/// What people call.
const TOOLS: &[Step] = &[
    Step("backup", "saves all of it while Pulp serves: backup [--keep NUMBER] DIRECTORY", backup::run),
    Step("restore", "puts a backup back while nothing of Pulp runs: restore DIRECTORY", backup::restore),
];

/// What a container of one process is started as, and what others call in it: names of upstream's scripts, but for the
/// last two. Called by one of these names, through a link, `pulp-setup` is that.
const NAMES: &[Step] = &[
    Step("pulp-api", "waits for the database, then becomes the API", single::api),
    Step("pulp-content", "the same for the content app", single::content),
    Step("pulp-worker", "the same for a worker", single::worker),
    Step("readyz.py", "whether the API or the content app can serve: readyz.py PATH", readyz::run),
    Step("wait_on_postgres.py", "waits for the database", single::wait_on_postgres),
    Step("wait_on_database_migrations.sh", "waits for its migrations", single::wait_on_database_migrations),
    Step("set_init_password.sh", "sets the administrator's password", single::set_init_password),
    Step("add_signing_service.sh", "registers signing services", single::add_signing_service),
    Step("route_paths.py", "print the URL paths of the plugins: route_paths.py NAME", route_paths::run),
    Step("pulpcore-manager", "Pulp's own program, as the user pulp where root calls it", manager::run),
    Step("pulp-web", "configures nginx, then becomes it", web::run),
    Step("healthy", "whether this container is well, for HEALTHCHECK", readyz::healthy),
];

/// Exit code of a call that makes no sense (EX_USAGE, sysexits.h).
const USAGE: u8 = 64;

/// `pulp-setup STEP [ARGUMENT]…`, or a name that is a link to it.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let (called, rest) =
        words.split_first().map_or(("", [].as_slice()), |(name, rest)| (name.as_str(), rest));
    let called = Path::new(called).file_name().unwrap_or_default();
    if let Some(step) = NAMES.iter().find(|Step(name, ..)| called == *name) {
        return perform(step, rest);
    }
    let Some((name, rest)) = rest.split_first() else {
        return refuse("which step?");
    };
    if name == "--help" || name == "-h" {
        let _ = write!(std::io::stdout(), "{}", usage());
        return ExitCode::SUCCESS;
    }
    match STEPS.iter().chain(TOOLS).chain(NAMES).find(|Step(step, ..)| step == name) {
        Some(step) => perform(step, rest),
        None => refuse(&format!("there is no step `{name}`")),
    }
}

fn perform(Step(name, _, run): &Step, rest: &[String]) -> ExitCode {
    // As the command of a container, such as a job that migrates, a step has to be able to be stopped. What becomes
    // another program sees to that by itself.
    let alone = std::process::id() == 1
        && *name != "exec"
        && STEPS.iter().chain(TOOLS).any(|Step(known, ..)| known == name);
    let work = || {
        let context = Context::of_this_container()?;
        run(&context, rest).map_err(|problem| space::explain(&context, problem))
    };
    trace::begin();
    let begun = Instant::now();
    let outcome = if alone { single::stoppable(work) } else { work() };
    // The last line of a step that does not hold is its reason, as `embedded` says it: nothing may follow that.
    if outcome.as_ref().err().is_none_or(|problem| !problem.is_quiet()) {
        let ended = if outcome.is_ok() { "took" } else { "failed after" };
        tracing::debug!("{name} {ended} {:.3} s", begun.elapsed().as_secs_f32());
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            if !problem.is_quiet() {
                let _ = writeln!(std::io::stderr(), "{name}: {problem}");
            }
            // Upstream's scripts know no other code for this.
            let upstreams = NAMES.iter().any(|Step(known, ..)| known == name) && problem.code() == EX_CONFIG;
            ExitCode::from(if upstreams { FAILED } else { problem.code() })
        }
    }
}

fn usage() -> String {
    let list = |steps: &[Step]| -> String {
        let width = steps.iter().map(|Step(name, ..)| name.len()).max().unwrap_or_default();
        steps.iter().map(|Step(name, about, _)| format!("  {name:<width$} {about}\n")).collect()
    };
    format!(
        "Usage: pulp-setup STEP\n\nThe steps of a boot, each of which does only what is missing:\n{}\n\
         What people call:\n{}\n\
         One process a container, also by these names alone:\n{}",
        list(STEPS),
        list(TOOLS),
        list(NAMES)
    )
}

fn refuse(why: &str) -> ExitCode {
    let _ = write!(std::io::stderr(), "pulp-setup: {why}\n{}", usage());
    ExitCode::from(USAGE)
}

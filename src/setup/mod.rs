//! The init steps of the Pulp images, run by `init` as oneshots: `pulp-setup STEP`.
//!
//! Each step is a plain function over a [`Context`]: a root directory and an environment. It does what is missing and
//! nothing else, so it may be killed at any moment and run again; what it writes to a volume is whole or not there
//! (see [`files`]). A step that cannot do its work returns a [`Problem`]: what is wrong, and what would cure it.
//!
//! Nothing here knows the supervisor, and the supervisor knows nothing of this.

pub mod abandoned;
pub mod admin;
pub mod certs;
pub mod command;
pub mod context;
pub mod daemons;
pub mod database;
pub mod exec;
pub mod facts;
pub mod files;
pub mod imports;
pub mod keys;
pub mod memory;
pub mod migrations;
pub mod nginx;
pub mod ports;
pub mod postgres;
pub mod problem;
pub mod psql;
pub mod python;
pub mod ready;
pub mod routes;
pub mod settings;
pub mod signing;
pub mod space;
pub mod stopped;
pub mod template;
pub mod variables;
pub mod volumes;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

pub use context::Context;
pub use problem::Problem;

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
    Step("exec", "become api, content, worker, imports, postgresql or redis", exec::run),
    Step("shared-imports", "whether Pulp is imported once for its services", imports::run),
    Step("nginx", "configure nginx", nginx::run),
    Step("route_paths", "print the URL paths of the plugins", routes::run),
    Step("postgres", "makes the database cluster, or upgrades it", postgres::run),
    Step("ended", "says it if want of space or memory may have ended a service", space::ended),
    Step("memory", "whether there is enough memory", memory::run),
    Step("database", "makes Pulp's role and database, or waits for an external one", database::run),
    Step("migrations", "brings the database's schema up to date", migrations::run),
    Step("signing", "registers signing services", signing::run),
    Step("admin", "sets the administrator's first password", admin::run),
];

/// Exit code of a call that makes no sense (EX_USAGE, sysexits.h).
const USAGE: u8 = 64;

/// `pulp-setup STEP [ARGUMENT]…`
pub fn main(arguments: &[OsString]) -> ExitCode {
    let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let Some((name, rest)) = words.split_first() else {
        return refuse("which step?");
    };
    if name == "--help" || name == "-h" {
        let _ = write!(std::io::stdout(), "{}", usage());
        return ExitCode::SUCCESS;
    }
    let Some(Step(_, _, run)) = STEPS.iter().find(|Step(step, ..)| step == name) else {
        return refuse(&format!("there is no step `{name}`"));
    };
    let outcome = Context::of_this_container()
        .and_then(|context| run(&context, rest).map_err(|problem| space::explain(&context, problem)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            if !problem.is_quiet() {
                let _ = writeln!(std::io::stderr(), "{name}: {problem}");
            }
            ExitCode::from(problem.code())
        }
    }
}

fn usage() -> String {
    let steps: String = STEPS.iter().map(|Step(name, about, _)| format!("  {name:<12} {about}\n")).collect();
    format!(
        "Usage: pulp-setup STEP\n\nThe steps of a boot, each of which does only what is missing:\n{steps}"
    )
}

fn refuse(why: &str) -> ExitCode {
    let _ = write!(std::io::stderr(), "pulp-setup: {why}\n{}", usage());
    ExitCode::from(USAGE)
}

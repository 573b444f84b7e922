//! `pulpcore-manager`: Pulp's own program, but never as root.
//!
//! It imports plugins, reads what is on Pulp's volume and runs scripts from there: `add-signing-service` tries the
//! script that it is given. The user pulp can write all of that, so root who runs it does what that user says. This
//! stands before it in `PATH` (`/usr/local/sbin`), gives up root, and becomes it. Files that it writes belong to pulp, as
//! they should. It sees the settings that the services see, whatever `PULP_SETTINGS` the container was given.

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::environment;
use crate::steps::settings;
use crate::{Context, Problem};

/// Where pip puts it.
const PROGRAM: &str = "/usr/local/bin/pulpcore-manager";

/// Becomes it. Returns only if that fails.
pub fn run(context: &Context, args: &[String]) -> Result<(), Problem> {
    let mut command = Command::new(context.path(PROGRAM));
    command.args(args);
    if context.accounts.may_chown {
        context.given_up_to(context.accounts.pulp)?;
        command.env("HOME", environment::home(context));
    }
    if let Some(files) = settings::with_defaults(context) {
        command.env("PULP_SETTINGS", files);
    }
    let error = command.exec();
    Err(Problem::new(
        "S2404",
        format!("cannot run `{PROGRAM}`: {error}"),
        "it is missing in this image: build the image again, or install pulpcore there",
    ))
}

//! `svctl run`: a command as a service would run it.
//!
//! The program of the running `init` does it (`init exec`), because it has the code that starts services; the process that runs
//! as PID 1 has no part in it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::args::Run;
use super::ask::Init;
use crate::exit::{Code, Trouble};
use crate::started::Started;
use init_plan::id;

/// `svctl run`. It returns only if the command cannot be run.
pub fn run(init: &Init, options: &Run) -> Result<(), Trouble> {
    // A wrong name is told with what it may have been meant to be.
    let (services, _) = init.services(std::slice::from_ref(&options.name))?;
    let [service] = services.as_slice() else {
        let message = format!("{} is a bundle: name one service of it", options.name);
        return Err(Trouble::said(Code::Usage, id!("C0304"), message));
    };
    let pid = Started::of(init)?.pid.to_string();
    let mut command = Command::new(format!("/proc/{pid}/exe"));
    let error = command.args(["exec", &pid, &service.name]).args(&options.command).exec();
    Err(Trouble::said(Code::Failed, id!("C0305"), format!("cannot execute init's program: {error}")))
}

//! The commands of `svctl`.

pub mod args;
pub mod args_change;
pub mod args_look;
pub mod ask;
mod boot;
mod change;
pub mod definition;
mod explain;
mod look;
mod reexec;
mod report;
mod run;
mod s6;
pub mod set;
mod show;
mod timer;
pub mod watch;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
#[cfg(feature = "docs")]
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;

use args::{Command, Svctl};
use ask::Init;

#[cfg(feature = "docs")]
use crate::docs;
use crate::exit::{Code, Trouble};
use crate::output::Out;
use crate::{serve, ship, top};
use init_control::wire::Verb;

/// Runs `svctl` with these arguments (without the program's name) and returns its exit code.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let parsed = match args::parse(arguments) {
        Ok(parsed) => parsed,
        Err(error) => return refuse(&error),
    };
    crate::trace::start();
    let mut out = Out::new();
    let result = run(parsed, &mut out).and_then(|()| out.flush());
    result.map_or_else(|trouble| report(trouble, &mut out), |()| Code::Done).into()
}

/// Prints the help that was asked for, or what is wrong with the arguments.
fn refuse(error: &clap::Error) -> ExitCode {
    // If it cannot be printed, the exit code still tells.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Code::Done.into(),
        _ => Code::Usage.into(),
    }
}

/// Tells the person what went wrong, after everything that was shown already.
fn report(trouble: Trouble, out: &mut Out) -> Code {
    match &trouble {
        Trouble::Said(_, message) => {
            let _ = out.flush();
            complain(message);
        }
        Trouble::Shown(_) => {
            let _ = out.flush();
        }
        Trouble::Interrupted(_, message) => {
            // A terminal shows `^C`: what comes next begins a line.
            if std::io::stderr().is_terminal() {
                let _ = writeln!(std::io::stderr());
            }
            if !message.is_empty() {
                complain(message);
            }
        }
        Trouble::NobodyReads => {}
    }
    trouble.code()
}

/// Writes to standard error; unlike `eprintln!` it does not panic when that is closed.
pub fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "svctl: {message}");
}

/// Writes the man pages, each to a file of its own, and the completions, beside their directory.
#[cfg(feature = "docs")]
fn write_man_pages(directory: &Path) -> Result<(), Trouble> {
    let problem = |name: &str, error: &std::io::Error| {
        let path = directory.join(name);
        Trouble::Said(Code::Failed, format!("cannot write {}: {error}", path.display()))
    };
    for (name, text) in docs::man_pages().map_err(|error| problem("man pages", &error))? {
        std::fs::write(directory.join(&name), text).map_err(|error| problem(&name, &error))?;
    }
    let name = "../../src/init/help.txt";
    std::fs::write(directory.join(name), docs::init_help()).map_err(|error| problem(name, &error))?;
    for (shell, name) in docs::SHELLS {
        let name = format!("../completions/{name}");
        std::fs::write(directory.join(&name), docs::completions(shell))
            .map_err(|error| problem(&name, &error))?;
    }
    Ok(())
}

fn run(parsed: Svctl, out: &mut Out) -> Result<(), Trouble> {
    let init = Init::default();
    match parsed.command {
        Command::List(options) => show::list(&init, &options, out),
        Command::Status(options) => show::status(&init, &options, out),
        Command::Explain(options) => explain::explain(&options, out),
        Command::Why(options) => look::why(&init, &options, out),
        Command::Tree(options) => look::tree(&init, &options, out),
        Command::Deps(options) => look::deps(&init, &options, out),
        Command::Graph(options) => look::graph(&init, &options, out),
        Command::Top(options) => top::run(&init, &options.names, options.interval),
        Command::IsActive(options) => show::is_active(&init, &options, out),
        Command::IsFailed(options) => show::is_failed(&init, &options, out),
        Command::Health(options) => show::health(&init, &options, out),
        Command::Start(options) => change::start(&init, options, out),
        Command::Stop(options) => change::change(&init, Verb::Stop, options, out),
        Command::Restart(options) => change::restart(&init, options, out),
        Command::Scale(options) => change::scale(&init, options, out),
        Command::Set(options) => set::set(&init, &options, out),
        Command::Hold(options) => change::hold(&init, options.names, true, out),
        Command::Release(options) => change::hold(&init, options.names, false, out),
        Command::Run(options) => run::run(&init, &options),
        Command::Serve(options) => serve::run(init, &options),
        Command::Ship(options) => ship::run(&init, options),
        Command::Timer(options) => timer::run(&init, options, out),
        Command::Show(options) => definition::show(&init, &options, out),
        Command::Diff(options) => definition::diff(&init, &options, out),
        Command::History(options) => watch::history(&init, &options, out),
        Command::Report(options) => report::report(&init, &options, out),
        Command::Signal(options) => change::signal(&init, options, out),
        Command::Reload(options) => change::reload(&init, options, out),
        Command::Apply(options) => change::apply(&init, &options, out),
        Command::Reexec => reexec::reexec(&init, out),
        Command::Wait(options) => change::wait(&init, options, out),
        Command::Shutdown(options) => change::shutdown(&init, &options, out),
        Command::Logs(options) => watch::logs(&init, &options, out),
        Command::Events(options) => watch::events(&init, &options, out),
        Command::Blame(options) => boot::blame(&init, &options, out),
        Command::CriticalChain(options) => boot::critical_chain(&init, &options, out),
        Command::Plot => boot::plot(&init, out),
        Command::Names => show::names(&init, out),
        Command::ImportS6(options) => s6::import(&options, out),
        Command::S6Environment => s6::environment(),
        Command::S6FixAttrs(options) => s6::fix_attributes(&options),
        Command::Completions(options) => out.write(options.shell.completions()),
        #[cfg(feature = "docs")]
        Command::Man(options) => write_man_pages(&options.directory),
    }
}

//! The command line of `init` itself.
//!
//! It is read by hand: everything after the first word that is not an option is somebody else's command and must
//! not be touched, and PID 1 has better things to do at start than to build a parser. The help and the man page are
//! generated elsewhere: see [`HELP`].

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::check;
use crate::reexec;
use init_plan::load::{Directory, SERVICES_VARIABLE, default_directories};
use init_plan::{Log, id};

/// What `init` was told on its command line.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct InitArgs {
    /// Directories of service definitions, in order; none: see [`InitArgs::directories`].
    pub services: Vec<PathBuf>,
    /// How services log that do not say it themselves, in place of what `init.toml` says.
    pub log: Option<Log>,
    /// The command to run beside the services; its end is the container's. Valid UTF-8.
    pub command: Vec<OsString>,
    /// What to do.
    pub mode: Mode,
}

/// What `init` is to do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// Supervise.
    #[default]
    Run,
    /// Print the JSON Schema of a service definition.
    Schema,
    /// Print which kinds of states it reads: for `svctl reexec`.
    StateKinds,
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

impl InitArgs {
    /// The directories of the command line, else those of [`SERVICES_VARIABLE`] (whose value is `variable`), else
    /// the default one. In order: a later one's files replace those of the same name in earlier ones.
    ///
    /// One that somebody named has to exist, but for those written with a `-` before them.
    pub fn directories(&self, variable: Option<&OsStr>) -> Vec<Directory> {
        match self.services.as_slice() {
            [] => default_directories(variable),
            named => named.iter().map(|path| Directory::listed(path)).collect(),
        }
    }
}

/// Reads the arguments (without the program's name). `init check …` has arguments of its own: see [`super::check`].
///
/// # Errors
/// One line that says what is wrong and what would do; the exit code is then 64.
pub fn parse(arguments: &[OsString]) -> Result<InitArgs, String> {
    let mut args = InitArgs::default();
    let Some((first, rest)) = arguments.split_first() else { return Ok(args) };
    let mode = match first.to_str() {
        Some("schema") => Mode::Schema,
        Some("state-kinds") => Mode::StateKinds,
        Some("help") => Mode::Help,
        _ => return run(arguments, args),
    };
    args.mode = mode;
    none_left(first, rest)?;
    Ok(args)
}

/// Options, then a command.
fn run(arguments: &[OsString], mut args: InitArgs) -> Result<InitArgs, String> {
    let mut left = arguments.iter();
    while let Some(argument) = left.as_slice().first() {
        if !is_option(argument) {
            break;
        }
        left.next();
        if argument == "--" {
            break;
        }
        match option(argument, &mut left, &mut args)? {
            Mode::Run => {}
            mode => return Ok(InitArgs { mode, ..InitArgs::default() }),
        }
    }
    args.command = left.as_slice().to_vec();
    match args.command.iter().position(|word| word.to_str().is_none()) {
        Some(at) => {
            Err(id!("I0108").after(&format!("cannot run the command: its word {} is not UTF-8", at + 1)))
        }
        None => Ok(args),
    }
}

/// Takes in one option; the mode it leads to.
fn option(
    argument: &OsStr,
    left: &mut std::slice::Iter<'_, OsString>,
    args: &mut InitArgs,
) -> Result<Mode, String> {
    let (name, attached) = split(argument);
    let mut value = || {
        let value = attached.map(OsStr::to_owned).or_else(|| left.next().cloned());
        value
            .filter(|value| !value.is_empty())
            .ok_or_else(|| id!("I0105").after(&format!("{} needs a value; see init --help", shown(name))))
    };
    match (name.to_str(), attached) {
        (Some("--services"), _) => args.services.push(value()?.into()),
        (Some("--log"), _) => args.log = Some(log(&value()?)?),
        (Some("--help" | "-h"), None) => return Ok(Mode::Help),
        (Some("--version" | "-V"), None) => return Ok(Mode::Version),
        _ => return Err(unknown(argument)),
    }
    Ok(Mode::Run)
}

/// `--name=value` in its two halves.
fn split(argument: &OsStr) -> (&OsStr, Option<&OsStr>) {
    use std::os::unix::ffi::OsStrExt;
    let bytes = argument.as_bytes();
    let halves = bytes.iter().position(|&byte| byte == b'=').and_then(|at| bytes.split_at_checked(at));
    match halves {
        Some((name, value)) => (OsStr::from_bytes(name), value.get(1..).map(OsStr::from_bytes)),
        None => (argument, None),
    }
}

fn is_option(argument: &OsStr) -> bool {
    argument.len() > 1 && argument.as_encoded_bytes().starts_with(b"-")
}

/// The ways of logging, as in `init.toml`.
const LOGS: [(&str, Log); 5] = [
    ("prefix", Log::Prefix),
    ("json", Log::Json),
    ("inherit", Log::Inherit),
    ("ring", Log::Ring),
    ("none", Log::None),
];

fn log(value: &OsStr) -> Result<Log, String> {
    let known = LOGS.iter().find(|(name, _)| value == *name);
    known.map(|&(_, log)| log).ok_or_else(|| {
        let message = format!("--log cannot be {}: write prefix, json, inherit, ring or none", shown(value));
        id!("I0106").after(&message)
    })
}

fn none_left(first: &OsStr, rest: &[OsString]) -> Result<(), String> {
    match rest {
        [] => Ok(()),
        [extra, ..] => Err(id!("I0107").after(&format!(
            "init {} takes no arguments, not even {}; to run a command of that name, write init -- {0}",
            first.display(),
            shown(extra)
        ))),
    }
}

fn unknown(argument: &OsStr) -> String {
    id!("I0104").after(&format!(
        "unknown option {}; see init --help (a command that begins with a dash goes after --)",
        shown(argument)
    ))
}

fn shown(argument: &OsStr) -> String {
    format!("`{}`", argument.display().to_string().escape_debug())
}

/// Generated from the description of the command line in `src/svctl/init_command.rs` (`make docs`), which a test keeps
/// it equal to.
const HELP: &str = include_str!("help.txt");

/// `init` itself: everything but `init check`. Returns the exit code.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let args = match parse(arguments) {
        Ok(args) => args,
        Err(why) => return say(&mut std::io::stderr(), &format!("init: {why}\n"), check::USAGE),
    };
    match args.mode {
        Mode::Run => run_init(&args),
        Mode::Schema => ExitCode::from(check::schema(&mut std::io::stdout())),
        Mode::StateKinds => say(&mut std::io::stdout(), &reexec::kinds(), check::OK),
        Mode::Help => say(&mut std::io::stdout(), HELP, check::OK),
        Mode::Version => {
            say(&mut std::io::stdout(), &format!("init {}\n", env!("CARGO_PKG_VERSION")), check::OK)
        }
    }
}

fn run_init(args: &InitArgs) -> ExitCode {
    crate::run(crate::Options {
        services: args.directories(std::env::var_os(SERVICES_VARIABLE).as_deref()),
        // `parse` has made sure that these are UTF-8.
        command: args.command.iter().map(|word| word.to_string_lossy().into()).collect(),
        log: args.log,
        generator: None,
        scale: Vec::new(),
    })
}

/// Unlike `print!`, it does not panic when nobody reads.
fn say(to: &mut dyn Write, text: &str, code: u8) -> ExitCode {
    let _ = to.write_all(text.as_bytes());
    ExitCode::from(code)
}

#[cfg(test)]
mod tests;

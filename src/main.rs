//! The supervisor: one binary, several names: `init`, `svctl`, and s6's.
//!
//! Which of them it is comes from the name it was called by (a link's), or, called as `pulp-init NAME …`, from its
//! first argument.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use pulp_init::cli::exit::Code;
use pulp_init::cli::init::{InitArgs, Mode, SERVICES_VARIABLE};
use pulp_init::os::Options;

/// What runs under a name; it is given the arguments after that name.
type Main = fn(&[OsString]) -> ExitCode;

/// A name it can be called by, what runs then, and what that is for (empty: not for people).
struct Applet(&'static str, Main, &'static str);

/// Every name it can be called by.
const APPLETS: &[Applet] = &[
    Applet("init", init, "start and supervise the services of a container"),
    Applet("svctl", pulp_init::cli::svctl::main, "see and control them"),
    Applet("probe", probe, ""),
    Applet("s6-rc", pulp_init::cli::s6::rc, ""),
    Applet("s6-svc", pulp_init::cli::s6::svc, ""),
    Applet("s6-svstat", pulp_init::cli::s6::svstat, ""),
    Applet("s6-setuidgid", pulp_init::cli::s6::setuidgid, ""),
    Applet("s6-echo", pulp_init::cli::s6::echo, ""),
    Applet("with-contenv", pulp_init::cli::s6::with_contenv, ""),
];

/// The binary's own name.
const OWN_NAME: &str = "pulp-init";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let (called, rest) =
        arguments.split_first().map_or((OsStr::new(""), &[][..]), |(name, rest)| (name, rest));
    if let Some(main) = applet(called) {
        return main(rest);
    }
    match rest.split_first() {
        Some((first, _)) if first == "--help" || first == "-h" => {
            say(&mut std::io::stdout(), &usage(), Code::Done)
        }
        Some((first, _)) if first == "--version" || first == "-V" => version(OWN_NAME),
        Some((first, rest)) => match applet(first) {
            Some(main) => main(rest),
            None => refuse(&format!("there is no `{}` in it", first.display())),
        },
        None => refuse("it does not know what to be"),
    }
}

/// What runs under this name, or path.
fn applet(name: &OsStr) -> Option<Main> {
    let name = Path::new(name).file_name()?;
    APPLETS.iter().find(|Applet(known, ..)| name == *known).map(|&Applet(_, main, _)| main)
}

fn usage() -> String {
    let shown = APPLETS.iter().filter(|Applet(.., about)| !about.is_empty());
    let names: String = shown.map(|Applet(name, _, about)| format!("  {name:<8} {about}\n")).collect();
    format!("Call it by one of these names, through a link, or as {OWN_NAME} NAME [ARGUMENT]...:\n{names}")
}

fn refuse(why: &str) -> ExitCode {
    say(&mut std::io::stderr(), &format!("{OWN_NAME}: {why}. {}", usage()), Code::Usage)
}

fn version(name: &str) -> ExitCode {
    say(&mut std::io::stdout(), &format!("{name} {}\n", env!("CARGO_PKG_VERSION")), Code::Done)
}

/// Unlike `print!`, it does not panic when nobody reads.
fn say(to: &mut dyn Write, text: &str, code: Code) -> ExitCode {
    let _ = to.write_all(text.as_bytes());
    code.into()
}

/// One try of a readiness probe or health check, made by `init`.
fn probe(arguments: &[OsString]) -> ExitCode {
    ExitCode::from(pulp_init::os::probe::main(arguments.iter().cloned()))
}

/// PID 1, and what else is called `init`.
fn init(arguments: &[OsString]) -> ExitCode {
    if let Some((first, rest)) = arguments.split_first()
        && first == "check"
    {
        return ExitCode::from(pulp_init::cli::check::main(rest.iter().cloned()));
    }
    match pulp_init::cli::init::parse(arguments) {
        Ok(args) => match args.mode {
            Mode::Run => run(&args),
            Mode::Schema => ExitCode::from(pulp_init::cli::check::schema(&mut std::io::stdout())),
            Mode::Help => {
                let help = pulp_init::cli::init::command().render_long_help().to_string();
                say(&mut std::io::stdout(), &help, Code::Done)
            }
            Mode::Version => version("init"),
        },
        Err(why) => say(&mut std::io::stderr(), &format!("init: {why}\n"), Code::Usage),
    }
}

fn run(args: &InitArgs) -> ExitCode {
    pulp_init::os::run(Options {
        services: args.directories(std::env::var_os(SERVICES_VARIABLE).as_deref()),
        // `parse` has made sure that these are UTF-8.
        command: args.command.iter().map(|word| word.to_string_lossy().into()).collect(),
        log: args.log,
    })
}

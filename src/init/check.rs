//! `init check`: the whole of `services.d` as `init` would read it, without running anything.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::generator;
use init_control::path::{self, candidates};
use init_plan::load::{Directory, SERVICES_VARIABLE, default_directories, environment, inspect};
use init_plan::{Claim, DEFAULT_PATH, Environment, Examined, Kind, Plan, Problem, Problems, id};

/// Generated from the types of the format (`make docs`), which a test keeps it equal to.
const SCHEMA: &str = include_str!(concat!(env!("OUT_DIR"), "/services.schema.json"));

/// `init schema`: prints the JSON Schema of the format, and gives the exit code.
pub fn schema(out: &mut dyn Write) -> u8 {
    match out.write_all(SCHEMA.as_bytes()) {
        Ok(()) => OK,
        Err(_) => CANNOT_WRITE,
    }
}

/// What `init check` is asked to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Services directories, later ones over earlier ones.
    pub directories: Vec<Directory>,
    /// Print one JSON object to standard output instead of text.
    pub json: bool,
    /// The environment that variables are taken from.
    pub environment: Environment,
    /// The root of the file system to look for users and programs in.
    pub root: PathBuf,
}

/// Everything is well (warnings allowed).
pub const OK: u8 = 0;
/// EX_USAGE of sysexits.h.
pub const USAGE: u8 = 64;
/// EX_IOERR of sysexits.h.
pub const CANNOT_WRITE: u8 = 74;
/// EX_CONFIG of sysexits.h.
pub const CONFIG: u8 = 78;

const HELP: &str = "\
Usage: init check [--json] [--env NAME=VALUE]… [DIR…]

Reads services directories as `init` would at boot, and reports every problem. Starts nothing.
Without DIR: those of $INIT_SERVICES, else /etc/services.d.

Options:
  --json             print one JSON object to standard output
  --env NAME=VALUE   as if the container had this variable
  --root DIR         look for users and programs below DIR

Exit codes: 0 no problem (there may be warnings), 64 wrong usage, 78 problems.
";

/// `init check ARGS…`, from what follows `check`. Prints, and gives the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    match parse(args, environment(), std::env::var_os(SERVICES_VARIABLE)) {
        Ok(Some(options)) => run(&options, &mut io::stdout().lock(), &mut io::stderr().lock()),
        Ok(None) => {
            let _ = io::stdout().write_all(HELP.as_bytes());
            OK
        }
        Err(message) => {
            let message = id!("I0109").after(&format!("{message}; see init check --help"));
            let _ = writeln!(io::stderr(), "init check: {message}");
            USAGE
        }
    }
}

/// Reads the arguments; `None` if only help is wanted. `services` is the value of [`SERVICES_VARIABLE`], which need not
/// be UTF-8 and so may be missing from the environment.
fn parse(
    args: impl IntoIterator<Item = OsString>,
    environment: Environment,
    mut services: Option<OsString>,
) -> Result<Option<Options>, String> {
    let mut options = Options { environment, root: "/".into(), ..Options::default() };
    let mut args = args.into_iter();
    let mut only_names = false;
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{} needs a value", arg.to_string_lossy()));
        match arg.to_str() {
            _ if only_names => options.directories.push(Directory::named(arg)),
            Some("--") => only_names = true,
            Some("--json") => options.json = true,
            Some("--help" | "-h") => return Ok(None),
            Some("--root") => options.root = value()?.into(),
            Some("--env") => {
                let (name, text) = variable(value()?)?;
                if name == SERVICES_VARIABLE {
                    services = Some(OsString::from(&text));
                }
                options.environment.insert(name, text);
            }
            Some(unknown) if unknown.starts_with('-') => return Err(format!("unknown option {unknown}")),
            _ => options.directories.push(Directory::named(arg)),
        }
    }
    if options.directories.is_empty() {
        options.directories = generated();
        options.directories.extend(default_directories(services.as_deref()));
    }
    Ok(Some(options))
}

/// What the generator of a running `init` wrote last, as far as that can be read.
fn generated() -> Vec<Directory> {
    if std::env::var_os(generator::VARIABLE).is_none() {
        return Vec::new();
    }
    let places = candidates(std::env::var_os(path::VARIABLE), nix::unistd::geteuid().as_raw());
    let found = places.iter().map(|place| generator::directory(place)).find(|place| place.is_dir());
    found.map(|path| Directory { path, optional: true }).into_iter().collect()
}

fn variable(text: OsString) -> Result<(String, String), String> {
    let text = text.into_string().map_err(|_| "cannot read --env: it is not UTF-8".to_owned())?;
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("cannot read --env {text}: write NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Checks, prints problems to `err` and the summary to `out`, and gives the exit code.
pub fn run(options: &Options, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let Examined { plan, problems, claims } = inspect(&options.directories, &options.environment);
    let system = System::new(&options.root);
    let problems = problems.with(claims.into_iter().filter_map(|claim| system.warning(claim)));
    let code = if problems.any_errors() { CONFIG } else { OK };
    // A closed pipe is the reader's choice; the exit code still tells.
    let _ = match options.json {
        true => write_json(plan.as_ref(), &problems, out),
        false => write_text(plan.as_ref(), &problems, out, err),
    };
    code
}

#[derive(Serialize)]
struct Summary<'a> {
    ok: bool,
    services: usize,
    bundles: usize,
    problems: &'a Problems,
}

fn write_json(plan: Option<&Plan>, problems: &Problems, out: &mut dyn Write) -> io::Result<()> {
    let summary = Summary {
        ok: !problems.any_errors(),
        services: plan.map_or(0, |plan| plan.services.len()),
        bundles: plan.map_or(0, |plan| plan.bundles.len()),
        problems,
    };
    serde_json::to_writer(&mut *out, &summary)?;
    out.write_all(b"\n")
}

fn write_text(
    plan: Option<&Plan>,
    problems: &Problems,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<()> {
    if !problems.is_empty() {
        writeln!(err, "{problems}")?;
    }
    match plan {
        Some(plan) => writeln!(out, "{}: {}", contents(plan), verdict(problems)),
        None => writeln!(err, "{}", verdict(problems)),
    }
}

fn contents(plan: &Plan) -> String {
    let longruns = plan.services.iter().filter(|service| service.kind == Kind::Longrun).count();
    let oneshots = plan.services.len() - longruns;
    let services = count(plan.services.len(), "service");
    let bundles = count(plan.bundles.len(), "bundle");
    format!("{services} ({} and {}), {bundles}", count(longruns, "longrun"), count(oneshots, "oneshot"))
}

fn verdict(problems: &Problems) -> String {
    match (problems.errors(), problems.warnings()) {
        (0, 0) => "no problems".to_owned(),
        (0, warnings) => count(warnings, "warning"),
        (errors, 0) => count(errors, "problem"),
        (errors, warnings) => format!("{} and {}", count(errors, "problem"), count(warnings, "warning")),
    }
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// What claims are compared with.
struct System<'a> {
    root: &'a Path,
    users: Option<BTreeSet<String>>,
    groups: Option<BTreeSet<String>>,
}

impl System<'_> {
    fn new(root: &Path) -> System<'_> {
        System { root, users: names(&root.join("etc/passwd")), groups: names(&root.join("etc/group")) }
    }

    /// A warning if the claim does not hold.
    fn warning(&self, (place, claim): (Problem, Claim)) -> Option<Problem> {
        let message = match claim {
            Claim::User(name) => missing(self.users.as_ref(), &name, "user", "/etc/passwd"),
            Claim::Group(name) => missing(self.groups.as_ref(), &name, "group", "/etc/group"),
            Claim::Program { program, path } => self.program_fault(&program, path.as_deref()),
        };
        message.map(|message| Problem { message, ..place })
    }

    fn program_fault(&self, program: &str, path: Option<&str>) -> Option<String> {
        if program.starts_with('/') {
            return self.file_fault(program).map(|why| format!("cannot run `{program}` here: {why}"));
        }
        // Relative to a working directory that only the running system knows.
        if program.contains('/') {
            return None;
        }
        let path = path.unwrap_or(DEFAULT_PATH);
        let found =
            path.split(':').any(|directory| self.file_fault(&format!("{directory}/{program}")).is_none());
        (!found).then(|| format!("cannot find `{program}` here in PATH={path}"))
    }

    fn file_fault(&self, path: &str) -> Option<&'static str> {
        match std::fs::metadata(self.root.join(path.trim_start_matches('/'))) {
            Err(_) => Some("there is no such file"),
            Ok(meta) if !meta.is_file() => Some("it is no regular file"),
            Ok(meta) if meta.permissions().mode() & 0o111 == 0 => Some("it is not executable"),
            Ok(_) => None,
        }
    }
}

/// The first fields of a colon-separated file; `None` if there is none to ask.
fn names(path: &Path) -> Option<BTreeSet<String>> {
    let text = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&text);
    Some(text.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect())
}

fn missing(known: Option<&BTreeSet<String>>, name: &str, what: &str, file: &str) -> Option<String> {
    let known = known?;
    (!known.contains(name)).then(|| format!("{what} `{name}` is not in {file} here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_those_that_init_would_read() {
        let parsed = |args: &[&str], variable: Option<&str>| {
            let args = args.iter().map(OsString::from);
            parse(args, Environment::new(), variable.map(Into::into)).unwrap().unwrap().directories
        };
        assert_eq!(parsed(&[], None), default_directories(None));
        assert_eq!(parsed(&[], Some("/a:-/b")), default_directories(Some("/a:-/b".as_ref())));
        let given = parsed(&["--env", "INIT_SERVICES=/c"], Some("/a"));
        assert_eq!(given, [Directory::named("/c")]);
        assert_eq!(parsed(&["/d"], Some("/a")), [Directory::named("/d")]);
    }
}

//! `init exec`: a command as a service would run it, for `svctl run`.
//!
//! It is a program of its own, which reads what the running `init` was given and becomes the command: the same code as for
//! a service decides its user, groups, environment, directory, limits and capabilities. PID 1 has no part in it. What only
//! `init` can give is missing: descriptors, `NOTIFY_SOCKET`, the cgroup.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::check::{CONFIG, USAGE};
use crate::command_line;
use crate::generator;
use crate::kernel::sys;
use crate::service::environment::Container;
use crate::service::launch::Launcher;
use init_control::path;
use init_plan::load::{Directory, SERVICES_VARIABLE, load};
use init_plan::{Service, id};

/// The first word of its command line.
pub const WORD: &str = "exec";

/// Becomes the command; returns the exit code if that cannot be. `args`: the number of the running `init`, the service's name, the
/// command.
pub fn main(args: &[OsString]) -> u8 {
    let (message, code) = match args {
        [pid, name, command @ ..] if !command.is_empty() => match become_it(pid, name, command) {
            Ok(never) => match never {},
            Err(failure) => failure,
        },
        _ => (id!("I0110").after("usage: init exec PID NAME COMMAND…; svctl run does this"), USAGE),
    };
    let _ = writeln!(std::io::stderr(), "init exec: {message}");
    code
}

fn become_it(
    pid: &OsStr,
    name: &OsStr,
    command: &[OsString],
) -> Result<std::convert::Infallible, (String, u8)> {
    let proc = PathBuf::from("/proc").join(pid);
    let words = |file: &str| {
        let path = proc.join(file);
        let bytes = std::fs::read(&path).map_err(|error| {
            let cure = "be root, as init is, and have its capabilities";
            (id!("I0111").after(&format!("cannot read {}: {error}; {cure}", path.display())), CONFIG)
        })?;
        let words = bytes.split(|&byte| byte == 0).map(|word| OsString::from_vec(word.to_vec()));
        Ok(words.collect::<Vec<_>>())
    };
    let mut variables: Vec<(OsString, OsString)> =
        words("environ")?.iter().filter_map(|it| halves(it)).collect();
    // The person's terminal is not that of the container's start.
    variables.retain(|(name, _)| name != "TERM");
    variables.extend(std::env::var_os("TERM").map(|term| (OsString::from("TERM"), term)));
    let container = Container::new(variables);
    let mut arguments = words("cmdline")?;
    arguments.truncate(arguments.len().saturating_sub(1));
    let arguments =
        command_line::parse(arguments.get(1..).unwrap_or_default()).map_err(|why| (why, CONFIG))?;
    let named = arguments.directories(container.get(SERVICES_VARIABLE));
    let directories = directories(&container, named);
    let plan = load(&directories, &container.text()).map_err(|problems| (problems.to_string(), CONFIG))?;
    let service = plan.services.iter().find(|service| OsStr::new(&*service.name) == name);
    let service = service
        .ok_or_else(|| (id!("I0112").after(&format!("there is no service `{}`", name.display())), USAGE))?;
    let exec = command.iter().map(|word| word.to_str().map(Box::from)).collect::<Option<Vec<Box<str>>>>();
    let exec = exec.ok_or_else(|| (id!("I0113").after("the command is not UTF-8"), USAGE))?;
    let service = Service { exec, ..service.clone() };
    let open_files = None;
    let _ = sys::block_signals();
    let launcher = Launcher::new(container, Vec::new(), open_files);
    let mut launcher = launcher.map_err(|error| (id!("I0114").after(&error.to_string()), CONFIG))?;
    let error = launcher.replace_us(&service);
    Err((error.message, u8::try_from(error.code).unwrap_or(1)))
}

/// `NAME=value` in its two halves.
fn halves(assignment: &OsStr) -> Option<(OsString, OsString)> {
    let bytes = assignment.as_bytes();
    let (name, value) = bytes.split_at_checked(bytes.iter().position(|&byte| byte == b'=')?)?;
    Some((OsStr::from_bytes(name).to_owned(), OsStr::from_bytes(value.get(1..)?).to_owned()))
}

/// The directories of definitions that the running `init` reads: what its generator wrote before all others, and what `svctl set` wrote after
/// them.
fn directories(container: &Container, named: Vec<Directory>) -> Vec<Directory> {
    let variable = container.get(path::VARIABLE).map(OsStr::to_owned);
    let places = path::candidates(variable, nix::unistd::geteuid().as_raw());
    let found = |place: &dyn Fn(&Path) -> PathBuf| {
        let path = places.iter().map(|runtime| place(runtime)).find(|path| path.is_dir());
        path.map(|path| Directory { path, optional: true })
    };
    let generates = container.get(generator::VARIABLE).is_some();
    let generated = generates.then(|| found(&generator::directory)).flatten();
    generated.into_iter().chain(named).chain(found(&path::set_directory)).collect()
}

//! The commands of s6 for people and scripts that are used to them, translated to those of `svctl`.
//!
//! `s6-rc`, `s6-svc` and `s6-svstat` print the equivalent `svctl` command on standard error, so that people learn it.
//! `with-contenv`, `s6-setuidgid` and `s6-echo` do the little that they do in s6. A usage that exists in s6 and has no
//! meaning here is refused with s6's exit code for wrong usage.
//!
//! | module | what it is |
//! |---|---|
//! | `names` | how services of upstream's image are called here |
//! | [`import`] | services and scripts of s6-overlay, as definitions of ours |
//! | [`contenv`] | `/run/s6/container_environment`, and `with-contenv` |
//! | [`attributes`] | `fix-attrs.d` |
//! | [`notify`] | `s6-notifyoncheck` |
//! | `users` | users and groups by name |

pub mod attributes;
pub mod contenv;
pub mod import;
mod names;
pub mod notify;
mod users;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nix::unistd::geteuid;

use self::contenv::Variable;
use self::names::service;
use self::users::take_identity;
use crate::commands;
use init_control::client::Client;
use init_control::path;
use init_control::wire::{Request, Response};
use init_core::status::{Exit, Phase, ServiceStatus};
use init_plan::Signal;

/// s6's exit code for wrong usage.
const USAGE: u8 = 100;

/// s6's exit code for a failed system call.
const SYSTEM: u8 = 111;

/// s6's exit codes for a program that cannot be run, and for one that does not exist.
const NOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// How long `init` may take for a request that it can answer at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// The options of `s6-svc`, and the words of `svctl` that do the same.
const LETTERS: &[(char, &[&str])] = &[
    ('u', &["start", "--no-wait"]),
    ('o', &["start", "--no-wait"]),
    ('d', &["stop", "--no-wait"]),
    ('r', &["restart", "--no-wait"]),
    ('t', &["signal", "TERM"]),
    ('h', &["signal", "HUP"]),
    ('1', &["signal", "USR1"]),
    ('2', &["signal", "USR2"]),
    ('k', &["signal", "KILL"]),
    ('i', &["signal", "INT"]),
    ('q', &["signal", "QUIT"]),
    ('a', &["signal", "ALRM"]),
    ('b', &["signal", "ABRT"]),
    ('p', &["signal", "STOP"]),
    ('c', &["signal", "CONT"]),
    ('y', &["signal", "WINCH"]),
];

/// `s6-rc`: lists, starts and stops services.
pub fn rc(arguments: &[OsString]) -> ExitCode {
    match parse_rc(&words(arguments)) {
        Ok(Rc::List { up, names }) => list(arguments, up, &names),
        Ok(Rc::Svctl(words)) => run_svctl("s6-rc", arguments, &words),
        Err(why) => refuse("s6-rc", &why, "s6-rc [-u | -d] [-a] list, s6-rc [-u | -d] change NAME..."),
    }
}

/// `s6-svc`: controls one service.
pub fn svc(arguments: &[OsString]) -> ExitCode {
    match parse_svc(&words(arguments)) {
        Ok(calls) => {
            let mut last = ExitCode::SUCCESS;
            for call in calls {
                last = run_svctl("s6-svc", arguments, &call);
                if last != ExitCode::SUCCESS {
                    break;
                }
            }
            last
        }
        Err(why) => refuse("s6-svc", &why, "s6-svc -u|-d|-r|-t|-h|-1|-2|-k... SERVICE"),
    }
}

/// `s6-svstat`: shows the state of a service in one line.
pub fn svstat(arguments: &[OsString]) -> ExitCode {
    let words = words(arguments);
    let [word] = words.as_slice() else {
        return refuse("s6-svstat", "name exactly one service, and no options", "s6-svstat SERVICE");
    };
    let name = service(word);
    translation("s6-svstat", arguments, &format!("svctl status {name}"));
    match services(&[name]) {
        Ok(found) => print(&found.iter().map(state_line).collect::<String>()),
        Err(why) => fail("s6-svstat", &why, 1),
    }
}

/// `s6-setuidgid`: runs a command as a user.
pub fn setuidgid(arguments: &[OsString]) -> ExitCode {
    let Some((user, command)) = arguments.split_first().filter(|(_, command)| !command.is_empty()) else {
        return refuse("s6-setuidgid", "a user and a command are needed", "s6-setuidgid USER COMMAND...");
    };
    match take_identity(&user.to_string_lossy()) {
        Ok(()) => become_command("s6-setuidgid", command),
        Err(why) => fail("s6-setuidgid", &why, SYSTEM),
    }
}

/// `s6-echo`: prints its arguments.
pub fn echo(arguments: &[OsString]) -> ExitCode {
    match echoed(&words(arguments)) {
        Ok(text) => print(&text),
        Err(why) => refuse("s6-echo", &why, "s6-echo [-n] [-s SEPARATOR] [WORD...]"),
    }
}

/// What `s6-rc` was asked to do.
#[derive(Debug, Eq, PartialEq)]
enum Rc {
    /// List services that are up (or, if not `up`, those that are not): these, or all if `names` is empty.
    List { up: bool, names: Vec<String> },
    /// Run `svctl` with these words.
    Svctl(Vec<String>),
}

fn parse_rc(words: &[String]) -> Result<Rc, String> {
    let mut letters = Letters::new(words);
    let (mut up, mut all, mut timeout) = (true, false, None);
    while let Some(letter) = letters.next() {
        match letter {
            'u' => up = true,
            'd' => up = false,
            'a' => all = true,
            't' => timeout = Some(letters.value()?),
            // Options about locks, verbosity and the live directory have no meaning here.
            'b' => {}
            'v' | 'l' | 'n' => drop(letters.value()?),
            _ => return Err(format!("-{letter} is not an option here")),
        }
    }
    let (command, names) = letters.rest.split_first().ok_or("a command is missing")?;
    let names: Vec<String> = names.iter().map(|name| service(name)).collect();
    match command.as_str() {
        "list" => Ok(Rc::List { up, names }),
        // To stop everything there is `svctl shutdown`.
        "change" if all => Err("-a does not work with change: name the services".to_owned()),
        "change" if names.is_empty() => Err("name at least one service to change".to_owned()),
        "change" => {
            let mut call = vec![if up { "start" } else { "stop" }.to_owned()];
            // In milliseconds; 0 means no limit.
            if let Some(timeout) = timeout.filter(|timeout| timeout != "0") {
                call.push(format!("--timeout={timeout}ms"));
            }
            Ok(Rc::Svctl(call.into_iter().chain(names).collect()))
        }
        other => Err(format!("{other} is not a command here")),
    }
}

/// The words of the `svctl` calls that do the same, in order.
fn parse_svc(words: &[String]) -> Result<Vec<Vec<String>>, String> {
    let mut letters = Letters::new(words);
    let (mut asked, mut wait, mut timeout) = (Vec::new(), false, None);
    while let Some(letter) = letters.next() {
        match letter {
            // -wu, -wD and the like. Which state to wait for follows from the command.
            'w' => {
                wait = true;
                letters.value()?;
            }
            'T' => timeout = Some(letters.value()?),
            _ => {
                let known = LETTERS.iter().find(|(known, _)| *known == letter);
                asked.push(known.ok_or_else(|| format!("-{letter} is not an option here"))?.1);
            }
        }
    }
    let [name] = letters.rest else { return Err("name exactly one service".to_owned()) };
    let call = |call: &&[&str]| {
        let kept = call.iter().filter(|&&word| !(wait && word == "--no-wait")).map(|&word| word.to_owned());
        let limit = timeout
            .iter()
            .filter(|limit| wait && call.len() == 2 && call.contains(&"--no-wait") && *limit != "0");
        kept.chain(limit.map(|limit| format!("--timeout={limit}ms"))).chain([service(name)]).collect()
    };
    Ok(asked.iter().map(call).collect())
}

/// Options as s6 reads them: letters may share a dash, and the value of an option is in the same word or the next.
struct Letters<'a> {
    letters: &'a str,
    rest: &'a [String],
}

impl<'a> Letters<'a> {
    fn new(words: &'a [String]) -> Letters<'a> {
        Letters { letters: "", rest: words }
    }

    fn next(&mut self) -> Option<char> {
        if self.letters.is_empty() {
            let (word, rest) = self.rest.split_first()?;
            self.letters = word.strip_prefix('-').filter(|letters| !letters.is_empty())?;
            self.rest = rest;
            if self.letters == "-" {
                self.letters = "";
                return None;
            }
        }
        let mut letters = self.letters.chars();
        let first = letters.next();
        self.letters = letters.as_str();
        first
    }

    fn value(&mut self) -> Result<String, String> {
        if !self.letters.is_empty() {
            return Ok(std::mem::take(&mut self.letters).to_owned());
        }
        let (value, rest) = self.rest.split_first().ok_or("an option lacks its value")?;
        self.rest = rest;
        Ok(value.clone())
    }
}

fn list(arguments: &[OsString], up: bool, names: &[String]) -> ExitCode {
    translation("s6-rc", arguments, if up { "svctl list" } else { "svctl list --all" });
    match services(names) {
        Ok(found) => print(&listed(&found, up)),
        Err(why) => fail("s6-rc", &why, SYSTEM),
    }
}

fn listed(services: &[ServiceStatus], up: bool) -> String {
    let shown = services.iter().filter(|service| is_up(service.state) == up);
    shown.map(|service| format!("{}\n", service.name)).collect()
}

/// Whether s6 would call this state up: it also does so for a oneshot that is done.
fn is_up(state: Phase) -> bool {
    matches!(state, Phase::Up | Phase::Done)
}

/// The line that `s6-svstat` prints.
fn state_line(service: &ServiceStatus) -> String {
    let seconds = service.for_ms / 1000;
    let up = match service.pid {
        Some(pid) => format!("up (pid {pid}) {seconds} seconds"),
        None => match service.last_exit {
            Some(Exit::Code(code)) => format!("down (exitcode {code}) {seconds} seconds"),
            Some(Exit::Signal(number)) => {
                let name =
                    Signal::from_number(number).map_or(number.to_string(), |name| format!("SIG{name}"));
                format!("down (signal {name}) {seconds} seconds")
            }
            None => format!("down {seconds} seconds"),
        },
    };
    let ready = if service.state == Phase::Up { ", ready" } else { "" };
    let wanted = match (service.pid.is_some(), service.wanted) {
        (true, false) => ", want down",
        (false, true) if service.state != Phase::Done => ", want up",
        _ => "",
    };
    format!("{up}{ready}{wanted}\n")
}

/// The status of these services, or of all.
fn services(names: &[String]) -> Result<Vec<ServiceStatus>, String> {
    let uid = geteuid().as_raw();
    let directories = path::candidates(std::env::var_os(path::VARIABLE), uid);
    let client = Client::connect(&directories, uid).map_err(|reason| reason.to_string())?;
    let request = Request::List { names: names.to_vec() };
    let answers = client.ask(&request, Some(PATIENCE)).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for answer in answers {
        match answer.map_err(|error| error.to_string())? {
            Response::Services { services, .. } => found.extend(services),
            Response::Error(failure) => return Err(failure.message),
            _ => {}
        }
    }
    Ok(found)
}

/// Runs `svctl` with these words, and prints them first.
fn run_svctl(program: &str, arguments: &[OsString], call: &[String]) -> ExitCode {
    translation(program, arguments, &format!("svctl {}", call.join(" ")));
    commands::main(&call.iter().map(OsString::from).collect::<Vec<_>>())
}

fn translation(program: &str, arguments: &[OsString], call: &str) {
    let _ = writeln!(io::stderr(), "{program} {}: {call}", words(arguments).join(" "));
}

/// Replaces this process by the command.
fn become_command(program: &str, words: &[OsString]) -> ExitCode {
    become_with(program, words, None)
}

/// The same; with variables in these, and no others.
fn become_with(program: &str, words: &[OsString], variables: Option<Vec<Variable>>) -> ExitCode {
    let Some((command, arguments)) = words.split_first() else {
        return refuse(program, "a command is missing", &format!("{program} COMMAND..."));
    };
    let mut call = Command::new(command);
    call.args(arguments);
    if let Some(variables) = variables {
        call.env_clear().envs(variables);
    }
    let error = call.exec();
    let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUN };
    fail(program, &format!("cannot run {}: {error}", command.display()), code)
}

fn echoed(words: &[String]) -> Result<String, String> {
    let mut letters = Letters::new(words);
    let (mut end, mut separator) = ("\n", " ".to_owned());
    while let Some(letter) = letters.next() {
        match letter {
            'n' => end = "",
            's' => separator = letters.value()?,
            _ => return Err(format!("-{letter} is not an option here")),
        }
    }
    Ok(letters.rest.join(&separator) + end)
}

fn words(arguments: &[OsString]) -> Vec<String> {
    arguments.iter().map(|word| OsStr::to_string_lossy(word).into_owned()).collect()
}

fn print(text: &str) -> ExitCode {
    write_out(text.as_bytes())
}

fn write_out(bytes: &[u8]) -> ExitCode {
    let mut out = io::stdout();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(SYSTEM),
    }
}

fn refuse(program: &str, why: &str, usage: &str) -> ExitCode {
    fail(program, &format!("{why}; usage: {usage}"), USAGE)
}

fn fail(program: &str, why: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "{program}: {why}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests;

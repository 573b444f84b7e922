//! For fingers, and scripts, that remember s6: its commands, translated to those of `svctl`.
//!
//! `s6-rc`, `s6-svc` and `s6-svstat` say on standard error what `svctl` would have been told, so that the new words
//! are learnt. `with-contenv`, `s6-setuidgid` and `s6-echo` do the little that they did. A usage that s6 has and that
//! means nothing here is refused with s6's code for it.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User, geteuid, initgroups, setgid, setgroups, setuid};

use crate::commands;
use init_control::client::Client;
use init_control::path;
use init_control::wire::{Request, Response};
use init_core::status::{Exit, Phase, ServiceStatus};
use init_plan::Signal;

/// s6's exit code for a command line that makes no sense.
const USAGE: u8 = 100;

/// s6's exit code for what the system refused.
const SYSTEM: u8 = 111;

/// s6's exit codes for a program that cannot be run, and for one that is not there.
const NOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// How long `init` may be silent over what it can answer at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// Services that had another name in upstream's s6 image. The names before an `@` are compared.
const RENAMED: &[(&str, &str)] =
    &[("pulpcore-api", "pulp-api"), ("pulpcore-content", "pulp-content"), ("pulpcore-worker", "pulp-worker")];

/// What a letter of `s6-svc` asks for, in words of `svctl`.
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

/// `s6-rc`: services up and down.
pub fn rc(arguments: &[OsString]) -> ExitCode {
    match parse_rc(&words(arguments)) {
        Ok(Rc::List { up, names }) => list(arguments, up, &names),
        Ok(Rc::Svctl(words)) => hand_over("s6-rc", arguments, &words),
        Err(why) => refuse("s6-rc", &why, "s6-rc [-u | -d] [-a] list, s6-rc [-u | -d] change NAME..."),
    }
}

/// `s6-svc`: one service.
pub fn svc(arguments: &[OsString]) -> ExitCode {
    match parse_svc(&words(arguments)) {
        Ok(calls) => {
            let mut last = ExitCode::SUCCESS;
            for call in calls {
                last = hand_over("s6-svc", arguments, &call);
                if last != ExitCode::SUCCESS {
                    break;
                }
            }
            last
        }
        Err(why) => refuse("s6-svc", &why, "s6-svc -u|-d|-r|-t|-h|-1|-2|-k... SERVICE"),
    }
}

/// `s6-svstat`: a service's state in a line.
pub fn svstat(arguments: &[OsString]) -> ExitCode {
    let words = words(arguments);
    let [word] = words.as_slice() else {
        return refuse("s6-svstat", "one service, and no options", "s6-svstat SERVICE");
    };
    let name = service(word);
    translation("s6-svstat", arguments, &format!("svctl status {name}"));
    match services(&[name]) {
        Ok(found) => print(&found.iter().map(state_line).collect::<String>()),
        Err(why) => fail("s6-svstat", &why, 1),
    }
}

/// `with-contenv`: runs a command with the container's environment, which here every process has.
pub fn with_contenv(arguments: &[OsString]) -> ExitCode {
    become_command("with-contenv", arguments)
}

/// `s6-setuidgid`: runs a command as a user.
pub fn setuidgid(arguments: &[OsString]) -> ExitCode {
    let Some((user, command)) = arguments.split_first().filter(|(_, command)| !command.is_empty()) else {
        return refuse("s6-setuidgid", "a user and a command", "s6-setuidgid USER COMMAND...");
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

/// What `s6-rc` was asked for.
#[derive(Debug, Eq, PartialEq)]
enum Rc {
    /// The names of the services that are up, or of the others, of all or of these.
    List { up: bool, names: Vec<String> },
    /// Something `svctl` can do.
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
            // How to wait for a lock, how much to say, where the live directory is: nothing here.
            'b' => {}
            'v' | 'l' | 'n' => drop(letters.value()?),
            _ => return Err(format!("there is no -{letter} here")),
        }
    }
    let (command, names) = letters.rest.split_first().ok_or("what to do?")?;
    let names: Vec<String> = names.iter().map(|name| service(name)).collect();
    match command.as_str() {
        "list" => Ok(Rc::List { up, names }),
        // All at once is what `svctl shutdown` and a restart of the container are for.
        "change" if all => Err("-a with change is not done here: name the services".to_owned()),
        "change" if names.is_empty() => Err("change what?".to_owned()),
        "change" => {
            let mut call = vec![if up { "start" } else { "stop" }.to_owned()];
            // Milliseconds; 0 is for ever.
            if let Some(timeout) = timeout.filter(|timeout| timeout != "0") {
                call.push(format!("--timeout={timeout}ms"));
            }
            Ok(Rc::Svctl(call.into_iter().chain(names).collect()))
        }
        other => Err(format!("there is no {other} here")),
    }
}

/// The calls of `svctl` that do the same, in this order.
fn parse_svc(words: &[String]) -> Result<Vec<Vec<String>>, String> {
    let mut letters = Letters::new(words);
    let (mut asked, mut wait, mut timeout) = (Vec::new(), false, None);
    while let Some(letter) = letters.next() {
        match letter {
            // -wu, -wD and the like; what is waited for follows from what is asked for.
            'w' => {
                wait = true;
                letters.value()?;
            }
            'T' => timeout = Some(letters.value()?),
            _ => {
                let known = LETTERS.iter().find(|(known, _)| *known == letter);
                asked.push(known.ok_or_else(|| format!("there is no -{letter} here"))?.1);
            }
        }
    }
    let [name] = letters.rest else { return Err("one service".to_owned()) };
    let call = |call: &&[&str]| {
        let kept = call.iter().filter(|&&word| !(wait && word == "--no-wait")).map(|&word| word.to_owned());
        let limit = timeout
            .iter()
            .filter(|limit| wait && call.len() == 2 && call.contains(&"--no-wait") && *limit != "0");
        kept.chain(limit.map(|limit| format!("--timeout={limit}ms"))).chain([service(name)]).collect()
    };
    Ok(asked.iter().map(call).collect())
}

/// Options as s6 takes them: letters that may share a dash, some with a value in the same word or the next.
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

/// A service by its name of today, from a name or a service directory of s6's.
fn service(word: &str) -> String {
    let name = word.trim_end_matches('/').rsplit('/').next().unwrap_or(word);
    let (base, instance) = name.find('@').and_then(|at| name.split_at_checked(at)).unwrap_or((name, ""));
    let base = RENAMED.iter().find(|(old, _)| *old == base).map_or(base, |(_, new)| new);
    format!("{base}{instance}")
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

/// Up as s6 has it: a oneshot that is done is up too.
fn is_up(state: Phase) -> bool {
    matches!(state, Phase::Up | Phase::Done)
}

/// As `s6-svstat` says it.
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

/// What `init` says of these services, or of all.
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

/// Lets `svctl` do it, after saying how it is called.
fn hand_over(program: &str, arguments: &[OsString], call: &[String]) -> ExitCode {
    translation(program, arguments, &format!("svctl {}", call.join(" ")));
    commands::main(&call.iter().map(OsString::from).collect::<Vec<_>>())
}

fn translation(program: &str, arguments: &[OsString], call: &str) {
    let _ = writeln!(io::stderr(), "{program} {}: {call}", words(arguments).join(" "));
}

/// Becomes the command.
fn become_command(program: &str, words: &[OsString]) -> ExitCode {
    let Some((command, arguments)) = words.split_first() else {
        return refuse(program, "a command", &format!("{program} COMMAND..."));
    };
    let error = Command::new(command).args(arguments).exec();
    let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUN };
    fail(program, &format!("cannot run {}: {error}", command.display()), code)
}

/// Becomes the user for good: groups first, since afterwards we may not.
fn take_identity(user: &str) -> Result<(), String> {
    let refused = |errno: Errno| format!("cannot become {user}: {errno}");
    if let Some((uid, gid)) = numbers(user) {
        setgroups(&[gid]).and_then(|()| setgid(gid)).and_then(|()| setuid(uid)).map_err(refused)
    } else {
        let found = User::from_name(user).ok().flatten().ok_or_else(|| format!("there is no user {user}"))?;
        let name = std::ffi::CString::new(found.name).map_err(|error| error.to_string())?;
        let groups = initgroups(&name, found.gid);
        groups.and_then(|()| setgid(found.gid)).and_then(|()| setuid(found.uid)).map_err(refused)
    }
}

/// `UID:GID`
fn numbers(user: &str) -> Option<(Uid, Gid)> {
    let (uid, gid) = user.split_once(':')?;
    Some((Uid::from_raw(uid.parse().ok()?), Gid::from_raw(gid.parse().ok()?)))
}

fn echoed(words: &[String]) -> Result<String, String> {
    let mut letters = Letters::new(words);
    let (mut end, mut separator) = ("\n", " ".to_owned());
    while let Some(letter) = letters.next() {
        match letter {
            'n' => end = "",
            's' => separator = letters.value()?,
            _ => return Err(format!("there is no -{letter}")),
        }
    }
    Ok(letters.rest.join(&separator) + end)
}

fn words(arguments: &[OsString]) -> Vec<String> {
    arguments.iter().map(|word| OsStr::to_string_lossy(word).into_owned()).collect()
}

fn print(text: &str) -> ExitCode {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
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
mod tests {
    use super::*;
    use init_core::status::Wellness;
    use init_plan::Kind;

    fn split(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    /// As a call of `svctl`, or why not.
    fn rc_of(line: &str) -> String {
        match parse_rc(&split(line)) {
            Ok(Rc::List { up, names }) => format!("{} {names:?}", if up { "up" } else { "down" }),
            Ok(Rc::Svctl(words)) => words.join(" "),
            Err(why) => format!("refused: {why}"),
        }
    }

    fn svc_of(line: &str) -> String {
        match parse_svc(&split(line)) {
            Ok(calls) => calls.iter().map(|call| call.join(" ")).collect::<Vec<_>>().join("; "),
            Err(why) => format!("refused: {why}"),
        }
    }

    #[test]
    fn s6_rc_is_translated() {
        for (line, meaning) in [
            ("-a list", "up []"),
            ("-da list", "down []"),
            ("-d -a list", "down []"),
            ("list", "up []"),
            ("list pulpcore-api", "up [\"pulp-api\"]"),
            ("change nginx", "start nginx"),
            ("-u change pulpcore-content nginx", "start pulp-content nginx"),
            ("-d change pulpcore-worker@2", "stop pulp-worker@2"),
            ("-v2 -l /run/s6-rc -t 5000 -d change nginx", "stop --timeout=5000ms nginx"),
            ("-t0 change nginx", "start nginx"),
        ] {
            assert_eq!(rc_of(line), meaning, "{line}");
        }
    }

    #[test]
    fn s6_rc_refuses_what_means_nothing_here() {
        for line in ["", "-a", "diff", "change", "-da change", "-x list", "-t"] {
            assert!(rc_of(line).starts_with("refused"), "{line}: {}", rc_of(line));
        }
    }

    #[test]
    fn s6_svc_is_translated() {
        for (line, meaning) in [
            ("-r /run/service/nginx", "restart --no-wait nginx"),
            ("-u /run/service/pulpcore-api/", "start --no-wait pulp-api"),
            ("-d pulpcore-worker@1", "stop --no-wait pulp-worker@1"),
            ("-o redis", "start --no-wait redis"),
            ("-t redis", "signal TERM redis"),
            ("-h redis", "signal HUP redis"),
            ("-1 redis", "signal USR1 redis"),
            ("-2 redis", "signal USR2 redis"),
            ("-k redis", "signal KILL redis"),
            ("-td redis", "signal TERM redis; stop --no-wait redis"),
            ("-wD -d redis", "stop redis"),
            ("-wu -T 5000 -u redis", "start --timeout=5000ms redis"),
            ("-wu -T 5000 -t redis", "signal TERM redis"),
            ("redis", ""),
        ] {
            assert_eq!(svc_of(line), meaning, "{line}");
        }
        assert!(svc_of("-u").starts_with("refused"));
        assert!(svc_of("-u a b").starts_with("refused"));
        assert!(svc_of("-z a").starts_with("refused"));
    }

    #[test]
    fn every_translation_is_one_that_svctl_understands() {
        let mut calls: Vec<Vec<String>> = vec![split("start --timeout=5000ms x"), split("stop x")];
        for (letter, _) in LETTERS {
            calls.extend(parse_svc(&split(&format!("-{letter} x"))).unwrap());
        }
        for call in calls {
            let words: Vec<OsString> = call.iter().map(OsString::from).collect();
            assert!(commands::args::parse(&words).is_ok(), "{call:?}");
        }
    }

    fn status(state: Phase, pid: Option<i32>, last_exit: Option<Exit>, wanted: bool) -> ServiceStatus {
        ServiceStatus {
            name: format!("a-{}", state.as_str()),
            description: None,
            kind: Kind::Longrun,
            state,
            wanted,
            essential: false,
            for_ms: 45_900,
            pid,
            restarts: 0,
            health: Wellness::Unknown,
            note: None,
            last_exit,
            ready_after_ms: None,
            changed: false,
            requires: Vec::new(),
            wants: Vec::new(),
            after: Vec::new(),
        }
    }

    #[test]
    fn a_state_reads_as_s6_svstat_says_it() {
        for (state, pid, exit, wanted, line) in [
            (Phase::Up, Some(7), None, true, "up (pid 7) 45 seconds, ready\n"),
            (Phase::Stopping, Some(7), None, false, "up (pid 7) 45 seconds, want down\n"),
            (Phase::Down, None, Some(Exit::Code(0)), false, "down (exitcode 0) 45 seconds\n"),
            (Phase::Failed, None, Some(Exit::Signal(9)), true, "down (signal SIGKILL) 45 seconds, want up\n"),
        ] {
            assert_eq!(state_line(&status(state, pid, exit, wanted)), line);
        }
    }

    #[test]
    fn what_is_done_counts_as_up() {
        let services =
            [Phase::Up, Phase::Done, Phase::Failed, Phase::Down].map(|s| status(s, None, None, true));
        assert_eq!(listed(&services, true), "a-up\na-done\n");
        assert_eq!(listed(&services, false), "a-failed\na-down\n");
    }

    #[test]
    fn s6_echo_echoes() {
        assert_eq!(echoed(&split("a b")).unwrap(), "a b\n");
        assert_eq!(echoed(&split("-n -s , -- -a b")).unwrap(), "-a,b");
        assert!(echoed(&split("-x")).is_err());
    }
}

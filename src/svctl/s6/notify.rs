//! `s6-notifyoncheck`: a service that cannot say when it is ready is asked, again and again, and the answer is passed on.
//!
//! s6's own wants to find s6-supervise. Here the program takes our place, and what asks becomes an orphan of its process group, so that it
//! is no child that the program would have to wait for and goes when the service goes.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use super::{Letters, SYSTEM, become_command, fail, refuse, words};

const NAME: &str = WORD;
const HELP: &str =
    "s6-notifyoncheck [-d] [-3 FD] [-s MS] [-T MS] [-t MS] [-w MS] [-n TRIES] [-c CHECK] COMMAND...";
/// `svctl` by its own name knows it by this word.
pub const WORD: &str = "s6-notifyoncheck";
/// The first word of the process that asks.
const ASK: &str = "--ask";
/// What a service directory has for it where no command is given.
const CHECK: &str = "./data/check";

/// When and what to ask; times are s6's own where nothing is said.
#[derive(Debug, Eq, PartialEq)]
struct Asking {
    /// Where the answer goes.
    fd: Option<i32>,
    /// Before the first question.
    sleep: Duration,
    /// For all of them.
    all: Option<Duration>,
    /// For each.
    each: Option<Duration>,
    /// Between them.
    wait: Duration,
    /// How many; none: without end.
    tries: Option<u32>,
    check: Option<String>,
}

/// `s6-notifyoncheck`.
pub fn notify_on_check(arguments: &[OsString]) -> ExitCode {
    let words = words(arguments);
    if words.first().is_some_and(|word| word == ASK) {
        return match parse(words.get(1..).unwrap_or_default()) {
            Ok((asking, _)) => ask(&asking),
            Err(why) => refuse(NAME, &why, HELP),
        };
    }
    let (asking, rest) = match parse(&words) {
        Ok(parsed) => parsed,
        Err(why) => return refuse(NAME, &why, HELP),
    };
    let command = arguments.get(words.len() - rest..).unwrap_or_default();
    // As a service without notification-fd: the program alone.
    if let Some(fd) = asking.fd.or_else(|| fs::read_to_string("notification-fd").ok()?.trim().parse().ok()) {
        let options = words.get(..words.len() - rest).unwrap_or_default();
        if let Err(why) = spawn(fd, options) {
            return fail(NAME, &why, SYSTEM);
        }
    }
    become_command(NAME, command)
}

/// The options, and how many words come after them.
fn parse(words: &[String]) -> Result<(Asking, usize), String> {
    let mut letters = Letters::new(words);
    let mut asking = Asking {
        fd: None,
        sleep: Duration::from_millis(10),
        all: None,
        each: None,
        wait: Duration::from_secs(1),
        tries: Some(7),
        check: None,
    };
    while let Some(letter) = letters.next() {
        let mut number = || letters.value()?.parse::<u32>().map_err(|_| format!("-{letter} needs a number"));
        let time = |ms: u32| Duration::from_millis(u64::from(ms));
        let bound = |ms: u32| (ms > 0).then(|| time(ms));
        match letter {
            'd' => {}
            '3' => asking.fd = Some(number()?.cast_signed()),
            's' => asking.sleep = time(number()?),
            'T' => asking.all = bound(number()?),
            't' => asking.each = bound(number()?),
            'w' => asking.wait = time(number()?),
            'n' => asking.tries = Some(number()?).filter(|tries| *tries > 0),
            'c' => asking.check = Some(letters.value()?),
            other => return Err(format!("it has no -{other}")),
        }
    }
    Ok((asking, letters.rest.len()))
}

/// Starts the process that asks, by one that ends at once.
fn spawn(fd: i32, options: &[String]) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|error| format!("cannot find svctl: {error}"))?;
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$@\" </dev/null &", "sh"]).arg(own).args([WORD, ASK, "-3", &fd.to_string()]);
    let ended = shell.args(options).status().map_err(|error| format!("cannot start what asks: {error}"))?;
    if ended.success() { Ok(()) } else { Err(format!("cannot start what asks: {ended}")) }
}

/// Asks until the answer is yes, and passes it on.
fn ask(asking: &Asking) -> ExitCode {
    let begin = Instant::now();
    std::thread::sleep(asking.sleep);
    let mut tries = 0;
    loop {
        if is_ready(asking) {
            let path = format!("/proc/self/fd/{}", asking.fd.unwrap_or(3));
            let told = fs::OpenOptions::new().write(true).open(path).and_then(|mut fd| fd.write_all(b"\n"));
            return told.map_or(ExitCode::from(SYSTEM), |()| ExitCode::SUCCESS);
        }
        tries += 1;
        let is_over = asking.all.is_some_and(|all| begin.elapsed() >= all);
        if is_over || asking.tries.is_some_and(|most| tries >= most) {
            return ExitCode::FAILURE;
        }
        std::thread::sleep(asking.wait);
    }
}

/// Asks once. What does not answer in time is killed.
fn is_ready(asking: &Asking) -> bool {
    let mut command = match &asking.check {
        // A block of execline as people write it, a command and its words, means the same in a shell.
        Some(check) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", check]);
            shell
        }
        None => Command::new(CHECK),
    };
    command.stdin(Stdio::null()).process_group(0);
    let Ok(mut child) = command.spawn() else { return false };
    let begin = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if asking.each.is_none_or(|each| begin.elapsed() < each) => {
                std::thread::sleep(Duration::from_millis(5));
            }
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(Asking, usize), String> {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        parse(&words)
    }

    #[test]
    fn options_are_s6s() {
        let (asking, rest) = parsed("-d -n 300 -w 1000 -3 4 -c check s6-setuidgid abc sshd -D").unwrap();
        assert_eq!((asking.fd, asking.tries, rest), (Some(4), Some(300), 4));
        assert_eq!(asking.check.as_deref(), Some("check"));
        assert_eq!(parsed("-n0 -t 0 x").unwrap().0.tries, None);
        for wrong in ["-n x y", "-z x", "-c"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn check_that_hangs_is_a_no() {
        let with = |check: &str| {
            let (asking, _) = parsed("-t 50 x").unwrap();
            is_ready(&Asking { check: Some(check.to_owned()), ..asking })
        };
        assert!(with("true") && with("[ a = a ]"));
        assert!(!with("false") && !with("sleep 100") && !with("no-such-command 2>/dev/null"));
    }
}

//! `svctl reexec`: another version of `init`'s program takes the place of the running one.

use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::ask::{AT_ONCE, Init, finished_aloud, received};
use crate::exit::{Code, Trouble};
use crate::output::Out;
use crate::started::{Started, unreadable};
use init_control::wire::Request;
use init_plan::id;

/// So long the new program may take to say what it can read.
const PATIENCE: Duration = Duration::from_secs(5);
/// An answer is not longer.
const LONGEST: usize = 1024;
/// What the kernel adds to the name of a file that is not there any more.
const DELETED: &str = " (deleted)";

/// `svctl reexec`.
pub fn reexec(init: &Init, out: &mut Out) -> Result<(), Trouble> {
    let program = program_of(Started::of(init)?.pid)?;
    let reads = ask(&program)?;
    let request = Request::Reexec { program: program.display().to_string(), reads };
    for answer in init.ask(&request, AT_ONCE)? {
        finished_aloud(received(answer)?, out)?;
    }
    Ok(())
}

/// Where the program of a process is, or was before somebody put another one there.
fn program_of(pid: i32) -> Result<PathBuf, Trouble> {
    let link = fs::read_link(format!("/proc/{pid}/exe")).map_err(|error| unreadable(&error))?;
    let name = link.to_string_lossy();
    Ok(name.strip_suffix(DELETED).map_or_else(|| link.clone(), PathBuf::from))
}

/// The kinds of states that a program reads, as it says itself.
fn ask(program: &Path) -> Result<Vec<u32>, Trouble> {
    let failed = |why: &str| {
        let message = format!("{} cannot take the place of the running init: {why}", program.display());
        Trouble::said(Code::Failed, id!("C0303"), message)
    };
    let mut command = Command::new(program);
    command.arg("state-kinds").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| failed(&error.to_string()))?;
    let answer =
        child.stdout.take().map(|output| read(output, Instant::now() + PATIENCE)).unwrap_or_default();
    // Whoever is late is not waited for; whoever has ended is not hurt.
    let _ = child.kill();
    let _ = child.wait();
    let answer = answer.ok_or_else(|| failed(&format!("it says nothing within {} s", PATIENCE.as_secs())))?;
    let kinds: Result<Vec<u32>, _> = answer.split_whitespace().map(str::parse).collect();
    match kinds {
        Ok(kinds) if !kinds.is_empty() => Ok(kinds),
        _ => Err(failed("it does not say which states it reads: it is another program, or too old")),
    }
}

/// What comes until the end, if that comes in time.
fn read(mut from: impl Read + AsFd, until: Instant) -> Option<String> {
    let mut bytes = Vec::new();
    let mut part = [0; 256];
    while bytes.len() < LONGEST {
        let left = until.saturating_duration_since(Instant::now());
        let mut watched = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
        match poll(&mut watched, PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO)) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => continue,
            Err(_) => return None,
        }
        match from.read(&mut part) {
            Ok(0) => return String::from_utf8(bytes).ok(),
            Ok(count) => bytes.extend_from_slice(part.get(..count).unwrap_or_default()),
            Err(_) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn asked(script: &str) -> Result<Vec<u32>, Trouble> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        ask(&path)
    }

    #[test]
    fn program_says_which_states_it_reads_or_is_refused() {
        assert_eq!(asked("[ $1 = state-kinds ] && echo 1 2"), Ok(vec![1, 2]));
        for wrong in ["", "echo", "echo no", "echo -1", "yes", "head -c 100 /dev/zero"] {
            assert!(matches!(asked(wrong), Err(Trouble::Said(Code::Failed, _))), "{wrong}");
        }
        assert!(ask(Path::new("/nowhere/init")).is_err() && ask(Path::new("/etc/passwd")).is_err());
    }

    #[test]
    fn program_that_says_nothing_is_not_waited_for() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(read(ours, Instant::now()), None);
    }
}

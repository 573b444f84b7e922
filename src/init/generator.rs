//! `$INIT_GENERATOR`: a program that writes service definitions, before they are read.
//!
//! It gets the path of an empty directory as its last argument, which is the user's of `init` alone, and what it writes
//! there is read below all other services directories: a file of the same name elsewhere replaces it. It runs at boot
//! and at each reload. PID 1 trusts it with nothing: it has ten seconds, no file of it may exceed 1 MiB (its own output,
//! which goes to the log when it has ended, neither), and what it has written is bounded before it is read. If it fails,
//! that is one line, and the boot goes on without its definitions; at a reload, those that it wrote last stay.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::kernel::sys;
use crate::service::launch::Launcher;
use init_core::Time;
use init_core::status::Exit;
use init_plan::id;
use init_plan::load::{Directory, SERVICES_VARIABLE};

/// The environment variable that names the program: words with blanks between them.
pub const VARIABLE: &str = "INIT_GENERATOR";
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a killed one may take to vanish.
const GRACE: Duration = Duration::from_secs(1);
/// What it may write: so many files …
const MOST_FILES: usize = 1000;
/// … and so many bytes in all.
const MOST_BYTES: u64 = 4 << 20;
/// How much of its output is passed on, in bytes.
const MOST_OUTPUT: u64 = 16 * 1024;
/// Signals that end the boot, and so the wait for it.
const STOPPING: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGPWR, libc::SIGQUIT];

/// The program, and where it writes.
#[derive(Clone, Debug)]
pub struct Generator {
    words: Vec<Box<str>>,
    /// What is read.
    directory: PathBuf,
    /// The services directories beside it, as [`SERVICES_VARIABLE`] lists them.
    services: OsString,
}

/// It runs.
#[derive(Debug)]
pub struct Running {
    pid: i32,
    output: File,
    /// It is killed then.
    pub deadline: Time,
    late: bool,
}

/// Where generated definitions are, below a runtime directory.
pub fn directory(runtime: &Path) -> PathBuf {
    runtime.join("generated")
}

impl Generator {
    /// The generator of the container, if it has one. `services` are the directories that are read besides.
    pub fn new(variable: Option<&OsStr>, runtime: &Path, services: &[Directory]) -> Option<Generator> {
        let words: Vec<Box<str>> = variable?.to_str()?.split_whitespace().map(Into::into).collect();
        let listed = services.iter().map(|directory| {
            let mut text = OsString::from(if directory.optional { "-" } else { "" });
            text.push(&directory.path);
            text
        });
        let services = listed.collect::<Vec<_>>().join(OsStr::new(":"));
        (!words.is_empty()).then(|| Generator { words, directory: directory(runtime), services })
    }

    fn draft(&self) -> PathBuf {
        self.directory.with_extension("new")
    }

    /// Starts it.
    ///
    /// # Errors
    /// One line.
    pub fn start(&self, launcher: &mut Launcher) -> Result<Running, String> {
        let draft = self.draft();
        let cannot = |error: io::Error| format!("cannot make {}: {error}", draft.display());
        remove(&draft).map_err(cannot)?;
        DirBuilder::new().mode(0o700).create(&draft).map_err(cannot)?;
        let output = self.directory.with_extension("log");
        let _ = fs::remove_file(&output);
        let mut open = OpenOptions::new();
        let output =
            open.read(true).append(true).create_new(true).mode(0o600).open(&output).map_err(cannot)?;
        let argument = draft.to_str().ok_or_else(|| format!("{} is not UTF-8", draft.display()))?;
        let words = [&self.words[..], &[argument.into()]].concat();
        let variables = [(SERVICES_VARIABLE, self.services.as_os_str())];
        let spawned =
            launcher.launch_aside(&words, &variables, output.as_fd()).map_err(|error| error.message)?;
        Ok(Running { pid: spawned.pid, output, deadline: sys::now().plus(PATIENCE), late: false })
    }

    /// Starts it and waits for its end, or for a signal that ends the boot. What an earlier `init` left there is gone.
    pub fn run(&self, launcher: &mut Launcher) -> Vec<String> {
        if let Err(error) = remove(&self.directory) {
            return vec![format!("cannot remove {}: {error}", self.directory.display())];
        }
        let mut running = match self.start(launcher) {
            Ok(running) => running,
            Err(why) => return vec![self.failed(&why)],
        };
        match running.wait() {
            Ok(exit) => self.take(running, exit),
            Err(error) => vec![self.failed(&format!("cannot wait for it: {error}"))],
        }
    }

    /// It has ended: takes over what it wrote. Returns what is to be logged.
    pub fn take(&self, running: Running, exit: Option<Exit>) -> Vec<String> {
        let mut lines = running.said();
        let taken = match exit {
            Some(Exit::Code(0)) => self.accept(),
            Some(_) if running.late => Err(format!("killed after {} s", PATIENCE.as_secs())),
            Some(exit) => Err(format!("ended with {exit}")),
            None => Err("it does not end, not even when killed".to_owned()),
        };
        if let Err(why) = taken {
            lines.push(self.failed(&why));
        }
        lines
    }

    fn accept(&self) -> Result<(), String> {
        let draft = self.draft();
        check(&draft)?;
        let moved = remove(&self.directory).and_then(|()| fs::rename(&draft, &self.directory));
        moved.map_err(|error| format!("cannot replace {}: {error}", self.directory.display()))
    }

    /// The line that says why there is nothing new of it.
    pub fn failed(&self, why: &str) -> String {
        let _ = remove(&self.draft());
        let words = self.words.join(" ");
        let message = format!("{VARIABLE} ({words}) failed: {why}; going on without new definitions of it");
        id!("I0409").after(&message)
    }
}

impl Running {
    /// Whether this process is it.
    pub fn is(&self, pid: i32) -> bool {
        self.pid == pid
    }

    /// Its time is over. It is not reaped yet, so its group is its own.
    pub fn kill(&mut self) {
        self.late = true;
        let _ = sys::kill(-self.pid, libc::SIGKILL);
    }

    /// Waits for its end; `None`: it cannot even be killed.
    fn wait(&mut self) -> io::Result<Option<Exit>> {
        let ended = sys::signal_fd(&[libc::SIGCHLD])?;
        let stop = sys::signal_fd(&STOPPING)?;
        let mut killed = false;
        loop {
            if let Some(exit) = sys::reap_child(self.pid) {
                return Ok(Some(exit));
            }
            let now = sys::now();
            let left = self.deadline.since(now).as_millis().saturating_add(1);
            let mut watched =
                [PollFd::new(ended.as_fd(), PollFlags::POLLIN), PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
            // The signal that ends the boot stays where it is: the event loop reads it.
            let watched = if killed { &mut watched[..1] } else { &mut watched[..] };
            let patience = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let _ = poll(watched, patience);
            let stopped = watched.get(1).is_some_and(|stop| stop.any().unwrap_or(false));
            sys::read_signals(ended.as_fd());
            if stopped || sys::now() >= self.deadline {
                if killed {
                    return Ok(None);
                }
                killed = true;
                self.kill();
                self.deadline = sys::now().plus(GRACE);
            }
        }
    }

    /// What it wrote to its output, bounded.
    fn said(&self) -> Vec<String> {
        use std::io::Seek;
        let mut text = Vec::new();
        let mut file = &self.output;
        let read = file.rewind().and_then(|()| file.take(MOST_OUTPUT).read_to_end(&mut text));
        let more = read.is_ok_and(|count| count as u64 == MOST_OUTPUT);
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned);
        lines.chain(more.then(|| format!("({VARIABLE} wrote more, which is left out)"))).collect()
    }
}

/// Whether what was written can be read without filling PID 1's memory.
fn check(directory: &Path) -> Result<(), String> {
    let cannot = |error: io::Error| format!("cannot read {}: {error}", directory.display());
    let mut bytes = 0_u64;
    for (count, entry) in fs::read_dir(directory).map_err(cannot)?.enumerate() {
        let meta = entry.and_then(|entry| entry.metadata()).map_err(cannot)?;
        bytes = bytes.saturating_add(meta.len());
        if !meta.is_file() {
            return Err("it wrote something else than files".to_owned());
        }
        if count >= MOST_FILES || bytes > MOST_BYTES {
            return Err(format!("it wrote more than {MOST_FILES} files or {} MiB", MOST_BYTES >> 20));
        }
    }
    Ok(())
}

/// Removes a directory that may not be there.
fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

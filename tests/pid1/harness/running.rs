//! `init`, running: its beginning, its end, and what it says meanwhile.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::PATIENCE;
use super::host::{container, container_command, namespace_command, podman};
use super::setup::{Input, Setup};

/// `init`, running.
pub struct Running {
    pub setup: Setup,
    shared: Arc<Shared>,
    /// The process we started: `unshare` or `podman`.
    launcher: Pid,
    container: Option<String>,
    input: Option<File>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
struct Seen {
    lines: Vec<String>,
    /// Streams that have not ended.
    open: usize,
    status: Option<ExitStatus>,
}

// ---- beginning and end ----

impl Running {
    pub(super) fn start(mut setup: Setup) -> Running {
        let container = container(&setup);
        let mut command = match &container {
            Some(name) => container_command(&setup, name),
            None => namespace_command(&setup),
        };
        let shared = Arc::new(Shared::default());
        let output = setup.output.take();
        let (mut child, input) = match setup.input {
            Input::Terminal => start_on_terminal(&mut command, &shared),
            Input::Null | Input::Pipe => {
                command.stdin(if setup.input == Input::Pipe { Stdio::piped() } else { Stdio::null() });
                command.stdout(output.map_or_else(Stdio::piped, Stdio::from));
                let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
                let input = child.stdin.take().map(|pipe| File::from(OwnedFd::from(pipe)));
                (child, input)
            }
        };
        // It holds our ends of its streams, too.
        drop(command);
        if let Some(stream) = child.stdout.take() {
            follow(stream, &shared);
        }
        if let Some(stream) = child.stderr.take() {
            follow(stream, &shared);
        }
        let launcher = Pid::from_raw(i32::try_from(child.id()).unwrap());
        await_exit(child, launcher, &shared);
        Running { setup, shared, launcher, container, input }
    }

    /// Waits until `init` is gone, and returns its exit code and everything it and its services said.
    pub fn exit(self) -> (i32, String) {
        let status = self.wait("init's exit", |seen| seen.status);
        // A stray in another session may keep the output open; it does not matter then.
        let end = Instant::now() + Duration::from_secs(5);
        let mut seen = self.seen();
        while seen.open > 0 && Instant::now() < end {
            seen = self.shared.changed.wait_timeout(seen, Duration::from_millis(100)).unwrap().0;
        }
        (status.code().unwrap_or(-1), seen.lines.join("\n"))
    }

    /// Shuts down the way a container manager does, and returns as [`Running::exit`].
    pub fn stop(self) -> (i32, String) {
        self.signal(Signal::SIGTERM);
        self.exit()
    }

    /// Whether it has exited.
    pub fn is_gone(&self) -> bool {
        self.seen().status.is_some()
    }

    /// The pid of `init` as seen from here.
    pub fn pid(&self) -> i32 {
        if self.container.is_some() || self.setup.not_pid1 {
            // Whoever called listen(2).
            let stream = std::os::unix::net::UnixStream::connect(self.socket()).unwrap();
            return getsockopt(&stream, PeerCredentials).unwrap().pid();
        }
        self.try_pid().unwrap_or_else(|| panic!("init is gone; its output:\n{}", self.text()))
    }

    /// The same while it may not have been started yet, or be gone.
    pub fn try_pid(&self) -> Option<i32> {
        children(self.launcher).first().copied()
    }

    /// Sends a signal to `init`.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Writes to its standard input.
    pub fn type_in(&mut self, text: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        input.flush().unwrap();
    }

    /// Ends its standard input.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// Its terminal.
    pub fn terminal(&self) -> &File {
        self.input.as_ref().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The lock keeps the other thread from reaping it between the question and the signal.
        let seen = self.shared.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if seen.status.is_some() {
            return;
        }
        if let Some(name) = &self.container {
            let _ = podman().args(["rm", "-f", "-t", "0", name]).output();
        }
        // unshare takes its child with it only as long as that does not change its user.
        for pid in children(self.launcher).into_iter().chain([self.launcher.as_raw()]) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

fn children(parent: Pid) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn start_on_terminal(command: &mut Command, shared: &Arc<Shared>) -> (Child, Option<File>) {
    let pty = openpty(None, None).unwrap();
    let end = || Stdio::from(pty.slave.try_clone().unwrap());
    let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
    let master = File::from(pty.master);
    follow(master.try_clone().unwrap(), shared);
    (child, Some(master))
}

/// Collects a stream's lines.
fn follow(stream: impl Read + Send + 'static, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    shared.seen.lock().unwrap().open += 1;
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        // A terminal ends with EIO.
        while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\n', '\r']).to_owned();
            line.clear();
            shared.seen.lock().unwrap().lines.push(text);
            shared.changed.notify_all();
        }
        shared.seen.lock().unwrap().open -= 1;
        shared.changed.notify_all();
    });
}

fn await_exit(mut child: Child, pid: Pid, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).is_err() {}
        let mut seen = shared.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.status = Some(child.wait().unwrap());
        drop(seen);
        shared.changed.notify_all();
    });
}

// ---- what it says ----

impl Running {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen.lock().unwrap()
    }

    fn wait<T>(&self, what: &str, mut look: impl FnMut(&Seen) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.seen();
        loop {
            if let Some(found) = look(&seen) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let over = seen.status.is_some() && seen.open == 0;
            if over || left.is_zero() {
                let how = if over { "init has ended without" } else { "waited in vain for" };
                let text = seen.lines.join("\n");
                drop(seen);
                panic!("{how} {what}; its output:\n{text}");
            }
            seen = self.shared.changed.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// Waits for a line of output that contains this, and returns it.
    pub fn line(&self, wanted: &str) -> String {
        self.lines(wanted, 1).pop().unwrap()
    }

    /// Waits for so many lines that contain this, and returns all of them.
    pub fn lines(&self, wanted: &str, count: usize) -> Vec<String> {
        self.wait(&format!("line {count} with {wanted:?}"), |seen| {
            let found: Vec<String> =
                seen.lines.iter().filter(|line| line.contains(wanted)).cloned().collect();
            (found.len() >= count).then_some(found)
        })
    }

    /// All output so far.
    pub fn text(&self) -> String {
        self.seen().lines.join("\n")
    }

    /// Waits until this holds; only for what announces itself by no line, event or exit.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < deadline, "never: {what}\n--- log:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The lines of a file that services write.
    pub fn read(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.setup.work(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

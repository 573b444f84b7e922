//! Runs the real `init` as PID 1: of a new pid namespace, or, with `PULP_INIT_TEST_CONTAINER=1`, of a container.
//!
//! A test describes services, starts them, and waits for what it expects: a line of output, a status, an exit. Every
//! wait is for an event, with a bound after which the test fails and shows all output.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// No test waits longer than this for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The binary under test.
pub const INIT: &str = env!("CARGO_BIN_EXE_pulp-init");

/// A service to supervise, scripted; see `examples/puppet.rs`.
pub fn puppet() -> PathBuf {
    let beside = Path::new(INIT).parent().unwrap();
    beside.join("examples/puppet")
}

/// `exec = […]` that runs the puppet with this script.
pub fn exec(script: &str) -> String {
    let words: Vec<String> = split(script).iter().map(|word| format!("{word:?}")).collect();
    format!("exec = [{:?}, {}]\n", puppet().display().to_string(), words.join(", "))
}

/// Words of a script; a word in single quotes may hold spaces.
fn split(script: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in script.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// What is to be run.
pub struct Setup {
    pub dir: tempfile::TempDir,
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// Shell commands run as PID 1 before it becomes `init`: limits, mounts.
    pub before: String,
    /// As this uid, in the namespace.
    pub uid: Option<u32>,
    /// Not in a pid namespace of its own: `init` is then a subreaper.
    pub not_pid1: bool,
}

impl Setup {
    pub fn new() -> Setup {
        let dir = tempfile::Builder::new().prefix("pid1").tempdir().unwrap();
        for sub in ["services.d", "run", "work"] {
            std::fs::create_dir(dir.path().join(sub)).unwrap();
        }
        // Services of other users look in here too.
        Command::new("chmod").args(["-R", "0777"]).arg(dir.path()).status().unwrap();
        Setup { dir, args: Vec::new(), env: BTreeMap::new(), before: String::new(), uid: None, not_pid1: false }
    }

    /// A file in services.d.
    pub fn file(self, name: &str, text: &str) -> Setup {
        std::fs::write(self.dir.path().join("services.d").join(name), text).unwrap();
        self
    }

    /// A longrun that runs the puppet; `rest` is more TOML.
    pub fn longrun(self, name: &str, script: &str, rest: &str) -> Setup {
        let text = format!("type = \"longrun\"\n{}{rest}\n", exec(script));
        self.file(&format!("{name}.toml"), &text)
    }

    /// A oneshot that runs the puppet; `rest` is more TOML.
    pub fn oneshot(self, name: &str, script: &str, rest: &str) -> Setup {
        let text = format!("type = \"oneshot\"\n{}{rest}\n", exec(script));
        self.file(&format!("{name}.toml"), &text)
    }

    pub fn env(mut self, name: &str, value: &str) -> Setup {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn args(mut self, args: &[&str]) -> Setup {
        self.args = args.iter().map(|&arg| arg.to_owned()).collect();
        self
    }

    pub fn before(mut self, shell: &str) -> Setup {
        self.before = shell.to_owned();
        self
    }

    pub fn uid(mut self, uid: u32) -> Setup {
        self.uid = Some(uid);
        self
    }

    pub fn not_pid1(mut self) -> Setup {
        self.not_pid1 = true;
        self
    }

    /// A path in the directory that tests and services share.
    pub fn work(&self, name: &str) -> PathBuf {
        self.dir.path().join("work").join(name)
    }

    pub fn start(self) -> Running {
        Running::start(self)
    }
}

/// `init`, running.
pub struct Running {
    pub setup: Setup,
    child: Child,
    output: Arc<(Mutex<Seen>, Condvar)>,
    container: Option<String>,
}

#[derive(Default)]
struct Seen {
    text: Vec<String>,
    ended: bool,
}

impl Running {
    fn start(setup: Setup) -> Running {
        let container = in_container(&setup);
        let mut command = match &container {
            Some(name) => container_command(&setup, name),
            None => namespace_command(&setup),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
        follow(child.stderr.take().unwrap(), Arc::clone(&output), false);
        follow(child.stdout.take().unwrap(), Arc::clone(&output), true);
        Running { setup, child, output, container }
    }

    /// Waits for a line of output that contains this, and returns it.
    pub fn line(&self, wanted: &str) -> String {
        self.lines(wanted, 1).pop().unwrap()
    }

    /// Waits for so many lines that contain this.
    pub fn lines(&self, wanted: &str, count: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let (seen, changed) = &*self.output;
        let mut seen = seen.lock().unwrap();
        loop {
            let found: Vec<String> = seen.text.iter().filter(|line| line.contains(wanted)).cloned().collect();
            if found.len() >= count {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if seen.ended || left.is_zero() {
                panic!("no line {count} with {wanted:?} in:\n{}", seen.text.join("\n"));
            }
            seen = changed.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// All output so far.
    pub fn text(&self) -> String {
        self.output.0.lock().unwrap().text.join("\n")
    }

    /// Runs `svctl` and returns what it said.
    pub fn svctl(&self, args: &[&str]) -> Output {
        self.svctl_command(args).output().unwrap()
    }

    pub fn svctl_command(&self, args: &[&str]) -> Command {
        match &self.container {
            Some(name) => {
                let mut command = podman();
                command.args(["exec", name, INIT, "svctl"]).args(args);
                command
            }
            None => {
                let mut command = Command::new(INIT);
                command.arg("svctl").args(args).env("INIT_RUNTIME_DIR", self.setup.dir.path().join("run"));
                command
            }
        }
    }

    /// Runs `svctl`, which must succeed, and returns its output.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.svctl(args);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "svctl {args:?}: {}\n{text}{}\n--- log:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr),
            self.text()
        );
        text
    }

    /// The status of one service.
    pub fn status(&self, name: &str) -> pulp_init::core::status::ServiceStatus {
        let text = self.ok(&["list", "-a", "--json", name]);
        let all: Vec<_> = serde_json::from_str(&text).unwrap();
        let [one] = <[_; 1]>::try_from(all).unwrap();
        one
    }

    /// Waits until the boot is complete.
    pub fn booted(&self) -> &Running {
        self.ok(&["wait", "-t", "30s"]);
        self
    }

    /// The pid of PID 1 as seen from here.
    pub fn pid(&self) -> i32 {
        if let Some(name) = &self.container {
            let format = ["inspect", "--format", "{{.State.Pid}}", name];
            let output = podman().args(format).output().unwrap();
            return String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        }
        let own = self.child.id();
        if self.setup.not_pid1 {
            return own.try_into().unwrap();
        }
        // unshare's only child.
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap();
        children.trim().parse().unwrap_or_else(|_| panic!("init is gone; its output:\n{}", self.text()))
    }

    /// Sends a signal to PID 1.
    pub fn signal(&self, signal: i32) {
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(self.pid()),
            nix::sys::signal::Signal::try_from(signal).unwrap(),
        )
        .unwrap();
    }

    /// The processes of the namespace: pid inside, state letter, command name.
    pub fn processes(&self) -> Vec<(i32, char, String)> {
        let wanted = std::fs::read_link(format!("/proc/{}/ns/pid", self.pid())).unwrap();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let path = entry.path();
            let Ok(status) = std::fs::read_to_string(path.join("status")) else { continue };
            let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or("").trim().to_owned();
            let inside: Vec<&str> = field("NSpid:").split_whitespace().map(|_| "").collect();
            let state = field("State:").chars().next().unwrap_or('?');
            // A zombie has no namespace link left; the depth of its pids tells.
            let ours = match std::fs::read_link(path.join("ns/pid")) {
                Ok(link) => link == wanted,
                Err(_) => state == 'Z' && inside.len() > 1,
            };
            if ours && let Some(pid) = field("NSpid:").split_whitespace().last().and_then(|pid| pid.parse().ok()) {
                found.push((pid, state, field("Name:")));
            }
        }
        found.sort();
        found
    }

    /// Waits until this holds; for what announces itself by no line or event.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < deadline, "never: {what}\n--- log:\n{}", self.text());
            std::thread::yield_now();
        }
    }

    /// Waits until `init` is gone, and returns its exit code and everything it and its services said.
    pub fn exit(mut self) -> (i32, String) {
        let deadline = Instant::now() + PATIENCE;
        {
            let (seen, changed) = &*self.output;
            let mut seen = seen.lock().unwrap();
            while !seen.ended {
                let left = deadline.saturating_duration_since(Instant::now());
                assert!(!left.is_zero(), "init does not exit; its output:\n{}", seen.text.join("\n"));
                seen = changed.wait_timeout(seen, left).unwrap().0;
            }
        }
        let status = self.child.wait().unwrap();
        (status.code().unwrap_or(-1), self.text())
    }

    /// Shuts down the way a container manager does, and returns as [`Running::exit`].
    pub fn stop(self) -> (i32, String) {
        self.signal(libc::SIGTERM);
        self.exit()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(name) = &self.container {
            let _ = podman().args(["rm", "-f", "-t", "0", name]).output();
        }
        let own = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        for pid in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects a stream's lines; the end of standard output is the end of `init`.
fn follow(stream: impl std::io::Read + Send + 'static, output: Arc<(Mutex<Seen>, Condvar)>, ends: bool) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
            line.clear();
            output.0.lock().unwrap().text.push(text);
            output.1.notify_all();
        }
        if ends {
            output.0.lock().unwrap().ended = true;
            output.1.notify_all();
        }
    });
}

/// The variables and command line of `init`, as words for a shell.
fn init_words(setup: &Setup) -> String {
    let dir = setup.dir.path();
    let mut words = String::new();
    for (name, value) in &setup.env {
        let _ = write!(words, "{name}={} ", quote(value));
    }
    let runtime = if setup.env.contains_key("INIT_RUNTIME_DIR") {
        String::new()
    } else {
        format!("INIT_RUNTIME_DIR={} ", quote(&dir.join("run").display().to_string()))
    };
    let services = quote(&dir.join("services.d").display().to_string());
    let _ = write!(words, "{runtime}{INIT} init --services {services}");
    for arg in &setup.args {
        let _ = write!(words, " {}", quote(arg));
    }
    words
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn namespace_command(setup: &Setup) -> Command {
    let user = setup.uid.map(|uid| format!("setpriv --reuid {uid} --regid {uid} --clear-groups ")).unwrap_or_default();
    let before = if setup.before.is_empty() { ":" } else { &setup.before };
    let script = format!("{before}\nexec {user}env {}", init_words(setup));
    if setup.not_pid1 {
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        return command;
    }
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "sh", "-c", &script]);
    command
}

/// Tests that need something of the namespace that a container does not give run in a namespace always.
fn in_container(setup: &Setup) -> Option<String> {
    let wanted = std::env::var_os("PULP_INIT_TEST_CONTAINER").is_some_and(|value| value != "0");
    let possible = setup.before.is_empty() && setup.uid.is_none() && !setup.not_pid1;
    let name = setup.dir.path().file_name().unwrap().to_string_lossy().replace('.', "x");
    (wanted && possible).then_some(name)
}

pub fn podman() -> Command {
    let program = std::env::var("PULP_INIT_PODMAN").unwrap_or_else(|_| "podman".to_owned());
    let mut words = program.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("podman"));
    command.args(words);
    command
}

/// A container of the host's own files, read-only, so that the puppet and the shell run as they are.
fn container_command(setup: &Setup, name: &str) -> Command {
    let dir = setup.dir.path().display().to_string();
    let target = Path::new(INIT).parent().unwrap().display().to_string();
    let mut command = podman();
    command.args(["run", "--rm", "--name", name, "--network", "none", "--log-driver", "none", "--attach", "stdout", "--attach", "stderr"]);
    command.args(["-v", &format!("{dir}:{dir}"), "-v", &format!("{target}:{target}:ro")]);
    command.args(["-e", &format!("INIT_RUNTIME_DIR={dir}/run")]);
    for (variable, value) in &setup.env {
        command.args(["-e", &format!("{variable}={value}")]);
    }
    let image = std::env::var("PULP_INIT_TEST_IMAGE").unwrap_or_else(|_| "localhost/pulp-init-base".to_owned());
    command.args(["--entrypoint", INIT, &image, "init", "--services", &format!("{dir}/services.d")]);
    command.args(&setup.args);
    command
}

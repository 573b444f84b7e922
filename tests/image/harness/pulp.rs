//! A container of the image: how it is started, and what can be asked of it.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Answer, PATIENCE, PROMPTLY, Said, collections, curl, image, label, podman, podman_ok, product};

/// How a container is to be started.
pub struct Boot {
    name: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    ports: Vec<u16>,
    image: String,
    command: Vec<String>,
    through: Vec<String>,
    hashers: Option<&'static str>,
}

/// A cheap hash of passwords. The good one takes half a second of CPU and more for each request with a password, which is
/// not what tests are about.
const CHEAP: &str = r#"["django.contrib.auth.hashers.MD5PasswordHasher", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]"#;

impl Boot {
    /// A container whose name ends in this word. It has one variable: that of a cheap hash of passwords.
    pub fn new(what: &str) -> Boot {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pulp-test-{}-{count}-{what}", std::process::id());
        Boot {
            name,
            args: Vec::new(),
            env: Vec::new(),
            ports: vec![80],
            image: image().to_owned(),
            command: Vec::new(),
            through: Vec::new(),
            hashers: Some(CHEAP),
        }
    }

    /// Without any variable but those that the test gives it.
    pub fn bare(mut self) -> Boot {
        self.hashers = None;
        self
    }

    /// Has podman executed by this program, which must do it in its own place.
    pub fn through(mut self, words: &[&str]) -> Boot {
        self.through = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// With a variable. Its value is in no command line, of podman neither.
    pub fn env(mut self, name: &str, value: &str) -> Boot {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With options of `podman run`.
    pub fn podman(mut self, args: &[&str]) -> Boot {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// With this port of the container published, besides 80.
    pub fn publish(mut self, port: u16) -> Boot {
        self.ports.push(port);
        self
    }

    /// Of another image than the one under test, with these ports published instead.
    pub fn of(mut self, image: &str, ports: &[u16]) -> Boot {
        self.image = image.to_owned();
        self.ports = ports.to_vec();
        self
    }

    /// With this command.
    pub fn command(mut self, words: &[&str]) -> Boot {
        self.command = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// With something mounted: a directory of this host, or a volume of [`volume`].
    pub fn mount(self, from: &str, to: &str) -> Boot {
        self.podman(&["--volume", &format!("{from}:{to}")])
    }

    /// Without any port published: it is in somebody else's network.
    pub fn unpublished(mut self) -> Boot {
        self.ports.clear();
        self
    }

    /// To run this instead of Pulp: something else that the image has.
    pub fn instead(mut self, words: &[&str]) -> Boot {
        self.command = words[1..].iter().map(|&word| word.to_owned()).collect();
        self.podman(&["--entrypoint", words[0]])
    }

    /// Starts it.
    pub fn start(self) -> Pulp {
        self.made(&["run", "--detach"])
    }

    /// Makes it, and leaves its start to the caller.
    pub fn create(self) -> Pulp {
        self.made(&["create"])
    }

    fn made(self, how: &[&str]) -> Pulp {
        let words = [self.through.as_slice(), &["podman".to_owned()]].concat();
        let mut run = Command::new(&words[0]);
        run.args(&words[1..]).args(how).args([
            "--name",
            &self.name,
            "--label",
            "pulp-init-test=image",
            "--label",
            &label(),
        ]);
        for port in &self.ports {
            run.args(["--publish", &format!("127.0.0.1::{port}")]);
        }
        for (name, value) in &self.env {
            run.args(["--env", name]).env(name, value);
        }
        if let Some(hashers) = self.hashers {
            run.args(["--env", "PULP_PASSWORD_HASHERS"]).env("PULP_PASSWORD_HASHERS", hashers);
        }
        let began = Instant::now();
        let said: Said = run
            .args(&self.args)
            .arg(&self.image)
            .args(&self.command)
            .stdin(Stdio::null())
            .output()
            .unwrap()
            .into();
        let pulp = Pulp { name: self.name, ports: self.ports, began };
        assert_eq!(said.code, 0, "{}", said.err);
        pulp
    }

    /// Starts it and waits until all of it is ready.
    pub fn ready(self) -> Pulp {
        let pulp = self.start();
        pulp.wait();
        eprintln!("{}: ready after {:.1} s", pulp.name, pulp.began.elapsed().as_secs_f64());
        pulp
    }
}

/// A new network, whose containers know each other by name, and which is removed after the tests.
#[expect(clippy::zombie_processes, reason = "it ends after us")]
pub fn network() -> String {
    let own = std::process::id().to_string();
    let name = format!("pulp-test-{own}");
    let made = podman_ok(&["network", "create", "--label", &label(), &name]);
    // Names are not found for a while whenever a container comes or goes.
    Command::new("python3").args(["scripts/podman-names.py", &own]).stdin(Stdio::null()).spawn().unwrap();
    made
}

/// A new volume, which is removed after the tests.
pub fn volume() -> String {
    podman_ok(&["volume", "create", "--label", &label()])
}

/// A container. It is removed when this is dropped.
pub struct Pulp {
    pub name: String,
    ports: Vec<u16>,
    began: Instant,
}

impl Drop for Pulp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {}:\n{}", self.name, story(&self.name));
        }
        podman(&["rm", "-f", "-v", "-t", "5", &self.name]);
    }
}

impl Pulp {
    /// Waits until the boot is complete.
    pub fn wait(&self) {
        let begin = Instant::now();
        loop {
            let said = self.exec(&["svctl", "wait", "-t", "300s"]);
            match said.code {
                0 => return,
                // 69: the control socket is not there yet; 3: it takes longer.
                3 | 69 if self.runs() && begin.elapsed() < PATIENCE => {}
                code => panic!("{} is not ready (svctl wait: {code}): {}", self.name, said.err),
            }
        }
    }

    pub fn runs(&self) -> bool {
        self.inspect("{{.State.Running}}") == "true"
    }

    pub fn inspect(&self, format: &str) -> String {
        podman_ok(&["inspect", "--format", format, &self.name])
    }

    /// Runs a command in it, as root.
    pub fn exec(&self, words: &[&str]) -> Said {
        podman(&[&["exec", &self.name], words].concat())
    }

    /// Runs a command in it, which must succeed, and returns what it printed.
    pub fn ok(&self, words: &[&str]) -> String {
        let said = self.exec(words);
        assert_eq!(said.code, 0, "{words:?}: {}{}", said.out, said.err);
        said.out
    }

    /// Runs a command in it as a user, with this input.
    pub fn exec_as(&self, user: &str, words: &[&str], input: &[u8]) -> Said {
        let mut command = Command::new("podman");
        command.args(["exec", "--interactive", "--user", user, &self.name]).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Who ends early need not read it all.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap().into()
    }

    /// SQL in Pulp's database, a row a line.
    pub fn sql(&self, sql: &str) -> String {
        let said =
            self.exec_as("pulp", &["psql", "-XAtq", "-h", "/run/postgresql", "-d", "pulp"], sql.as_bytes());
        assert_eq!(said.code, 0, "{sql}: {}", said.err);
        said.out.trim().to_owned()
    }

    /// As the documentation says.
    pub fn set_password(&self, password: &str) {
        self.ok(&["bash", "-c", &format!("pulpcore-manager reset-admin-password --password '{password}'")]);
    }

    /// Everything it has printed.
    pub fn logs(&self) -> String {
        logs(&self.name)
    }

    /// Where this port of it is published.
    pub fn port(&self, inside: u16) -> u16 {
        let said = podman_ok(&["port", &self.name, &format!("{inside}/tcp")]);
        said.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{said}"))
    }

    /// The URL of a path as Pulp has it, over HTTP.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{}", self.port(self.ports[0]), product().path(path))
    }

    pub fn get(&self, path: &str) -> Answer {
        curl(&[&self.url(path)])
    }

    /// Fails unless what [`super::Api::publish_file`] has published at this path has these bytes.
    pub fn serves(&self, path: &str, bytes: &[u8]) {
        let body = self.get(path).expect(200).body;
        let found = if product().is_pulp() { body } else { collections::file_in(&body) };
        assert!(found == bytes, "{path}: {} bytes of {}", found.len(), bytes.len());
    }

    /// Fails unless the client of Galaxy installs what [`super::Api::publish_file`] has published by this name. Pulp's files
    /// have no client.
    pub fn installs(&self, name: &str, bytes: &[u8]) {
        if !product().is_pulp() {
            assert!(collections::installed(&self.url("/api/galaxy/"), name) == bytes, "{name}");
        }
    }

    /// `status/`, which must answer.
    pub fn status(&self) -> Value {
        self.get("/pulp/api/v3/status/").expect(200).json()
    }

    /// Each service as `svctl list --json` has it.
    pub fn services(&self) -> BTreeMap<String, Value> {
        let all: Value = serde_json::from_str(&self.ok(&["svctl", "list", "--json"])).unwrap();
        let all = all.as_array().unwrap().iter();
        all.map(|service| (service["name"].as_str().unwrap().to_owned(), service.clone())).collect()
    }

    /// The main process of a service.
    pub fn pid(&self, service: &str) -> u64 {
        let services = self.services();
        services[service]["pid"].as_u64().unwrap_or_else(|| panic!("{service} does not run: {services:?}"))
    }

    /// The processes that a process has started.
    pub fn children(&self, pid: u64) -> Vec<u64> {
        let said = self.exec(&["pgrep", "-P", &pid.to_string()]);
        said.out.lines().filter_map(|line| line.trim().parse().ok()).collect()
    }

    /// The command lines of all processes in it but those of this question.
    pub fn command_lines(&self) -> Vec<String> {
        let out = self.ok(&["ps", "-e", "-ww", "-o", "args="]);
        out.lines().filter(|line| !line.starts_with("ps -e")).map(str::to_owned).collect()
    }

    /// Waits until it has ended by itself, and returns its exit code.
    pub fn ends_within(&self, limit: Duration) -> i32 {
        let seconds = limit.as_secs().to_string();
        let said: Said =
            Command::new("timeout").args([&seconds, "podman", "wait", &self.name]).output().unwrap().into();
        assert_eq!(said.code, 0, "{} still runs after {limit:?}", self.name);
        eprintln!("{}: ended after {:.1} s", self.name, self.began.elapsed().as_secs_f64());
        said.out.trim().parse().unwrap()
    }

    /// Waits until it has ended because of a problem, which is told once, and with a cure; returns the line with these
    /// words.
    pub fn fails_with(&self, words: &[&str]) -> String {
        let line = self.complains(words);
        let logs = self.logs();
        let cures = logs.lines().filter(|line| line.contains("to fix it: ")).count();
        assert_eq!(cures, 1, "{logs}");
        eprintln!("{line}");
        line
    }

    /// Waits until it has ended because of a problem, and returns the only line of the log with these words.
    pub fn complains(&self, words: &[&str]) -> String {
        let code = self.ends_within(PROMPTLY);
        let logs = self.logs();
        assert!(code != 0 && code < 128, "exit code {code}\n{logs}");
        let found: Vec<&str> =
            logs.lines().filter(|line| words.iter().all(|word| line.contains(word))).collect();
        assert!(found.len() == 1, "{words:?} in {} lines of:\n{logs}", found.len());
        found[0].to_owned()
    }

    /// Stops it as a person does, and returns its exit code.
    pub fn stop(&self) -> i32 {
        let begin = Instant::now();
        podman_ok(&["stop", "-t", "10", &self.name]);
        eprintln!("{}: stopped in {:.1} s", self.name, begin.elapsed().as_secs_f64());
        self.inspect("{{.State.ExitCode}}").parse().unwrap()
    }
}

fn logs(name: &str) -> String {
    let said = podman(&["logs", name]);
    said.out + &said.err
}

/// For a person who wants to know what went wrong.
pub fn story(name: &str) -> String {
    let logs = logs(name);
    let lines: Vec<&str> = logs.lines().collect();
    let last = lines[lines.len().saturating_sub(60)..].join("\n");
    format!("{last}\n{}", podman(&["exec", name, "svctl", "list", "-a"]).out)
}

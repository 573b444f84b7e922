//! What a test wants run.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use super::{Running, puppet};
use crate::FAULTS;

/// `exec = […]` that runs the puppet with this script.
pub fn exec(script: &str) -> String {
    format!("exec = {}\n", words(script))
}

/// The puppet with this script, as a list in TOML.
pub fn words(script: &str) -> String {
    format!("{:?}", command(script))
}

/// The puppet with this script. A word in single quotes may hold spaces.
fn command(script: &str) -> Vec<String> {
    let mut words = vec![puppet().display().to_string()];
    for (at, part) in script.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// What `init`'s standard input is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Input {
    /// `/dev/null`.
    Null,
    /// A pipe into which the test writes.
    Pipe,
    /// A terminal of its own, which is its output too.
    Terminal,
}

/// What is to be run.
pub struct Setup {
    pub dir: tempfile::TempDir,
    /// Further arguments of `init`.
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// Whether `$INIT_RUNTIME_DIR` is a directory that the test can reach.
    pub own_runtime: bool,
    /// Whether the services' directory is given as an argument.
    pub own_services: bool,
    /// Shell commands run as PID 1 before it becomes `init`: limits, mounts, closed descriptors.
    pub before: String,
    /// A program and its options that execute `init`, where shell commands will not do.
    pub through: Vec<String>,
    pub uid: Option<u32>,
    /// As PID 2 below a shell: `init` is then a subreaper.
    pub not_pid1: bool,
    pub input: Input,
    /// Standard output, if it is not to be read by the test.
    pub output: Option<OwnedFd>,
    /// Options of `podman run`.
    pub podman: Vec<String>,
    /// In a namespace even if containers are asked for.
    pub no_container: bool,
}

impl Setup {
    pub fn new() -> Setup {
        let dir = tempfile::Builder::new().prefix("pid1-").tempdir().unwrap();
        // Services of other users look in here too.
        let everybody = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(dir.path(), everybody.clone()).unwrap();
        for sub in ["services.d", "run", "work"] {
            let path = dir.path().join(sub);
            std::fs::create_dir(&path).unwrap();
            std::fs::set_permissions(&path, everybody.clone()).unwrap();
        }
        // What a container runtime does with its own memory and files is its own matter.
        let faults = (!FAULTS.is_empty()).then(|| ("PULP_INIT_FAULTS".to_owned(), FAULTS.to_owned()));
        Setup {
            dir,
            args: Vec::new(),
            env: faults.into_iter().collect(),
            own_runtime: true,
            own_services: true,
            before: String::new(),
            through: Vec::new(),
            uid: None,
            not_pid1: false,
            input: Input::Null,
            output: None,
            podman: Vec::new(),
            no_container: !FAULTS.is_empty(),
        }
    }

    /// A file in services.d; directories in its name are made.
    pub fn file(self, name: &str, text: &str) -> Setup {
        let path = self.services().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
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

    /// A service that is a shell script, for what the puppet has no word for. `$` is the shell's, not the plan's.
    pub fn shell(self, name: &str, kind: &str, script: &str, rest: &str) -> Setup {
        let script = script.replace('$', "$$").replace("PUPPET", &puppet().display().to_string());
        let text = format!("type = {kind:?}\nexec = [\"/bin/sh\", \"-c\", {script:?}]\n{rest}\n");
        self.file(&format!("{name}.toml"), &text)
    }

    /// What `init.toml` says.
    pub fn settings(self, text: &str) -> Setup {
        self.file("init.toml", text)
    }

    /// The shutdown may take longer than any test waits: what waits for its time to run out fails, however slow the
    /// machine.
    pub fn unhurried(self) -> Setup {
        self.settings("shutdown-timeout = \"1h\"\n")
    }

    pub fn env(mut self, name: &str, value: &str) -> Setup {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn args(mut self, args: &[&str]) -> Setup {
        self.args = args.iter().map(|&arg| arg.to_owned()).collect();
        self
    }

    /// Runs the puppet with this script as `init`'s command.
    pub fn command(mut self, script: &str) -> Setup {
        self.args = std::iter::once("--".to_owned()).chain(command(script)).collect();
        self
    }

    pub fn before(mut self, shell: &str) -> Setup {
        self.before = shell.to_owned();
        self
    }

    /// Has `init` executed by this program, which must do it in its own place. Not in a container.
    pub fn through(mut self, words: &[&str]) -> Setup {
        self.through = words.iter().map(|&word| word.to_owned()).collect();
        self.no_container = true;
        self
    }

    /// As this user, to whom the runtime directory then belongs.
    pub fn uid(mut self, uid: u32) -> Setup {
        chown(self.dir.path().join("run"), Some(uid), Some(uid)).unwrap();
        self.uid = Some(uid);
        self
    }

    pub fn not_pid1(mut self) -> Setup {
        self.not_pid1 = true;
        self
    }

    pub fn input(mut self, input: Input) -> Setup {
        self.input = input;
        self
    }

    pub fn output(mut self, output: impl Into<OwnedFd>) -> Setup {
        self.output = Some(output.into());
        self
    }

    /// Leaves `init` to find a runtime directory by itself.
    pub fn without_runtime_dir(mut self) -> Setup {
        self.own_runtime = false;
        self
    }

    /// Leaves `init` to find its services by itself.
    pub fn without_services_dir(mut self) -> Setup {
        self.own_services = false;
        self
    }

    /// In a namespace always: it needs something that a container does not give.
    pub fn not_in_a_container(mut self) -> Setup {
        self.no_container = true;
        self
    }

    /// In a container, with these options of `podman run`.
    #[cfg(feature = "containers")]
    pub fn podman(mut self, options: &[&str]) -> Setup {
        self.podman = options.iter().map(|&option| option.to_owned()).collect();
        self
    }

    pub fn services(&self) -> PathBuf {
        self.dir.path().join("services.d")
    }

    /// A path in the directory that tests and services share.
    pub fn work(&self, name: &str) -> PathBuf {
        self.dir.path().join("work").join(name)
    }

    /// The same, as text for a script.
    pub fn path(&self, name: &str) -> String {
        self.work(name).display().to_string()
    }

    pub fn start(self) -> Running {
        Running::start(self)
    }
}

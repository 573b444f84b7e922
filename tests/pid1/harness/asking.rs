//! What a test can ask of a running `init`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use init_control::wire::{Request, Response, Until};
use init_core::status::{Phase, ServiceStatus};

use super::client::{self, Events};
use super::host::as_user;
use super::{Running, away_from_others, svctl};

/// What `svctl` said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

impl Running {
    pub(super) fn socket(&self) -> PathBuf {
        self.setup.dir.path().join("run/control")
    }

    /// `svctl`, as the user who may act, once there is somebody to talk to.
    pub fn svctl_command(&self, args: &[&str]) -> Command {
        self.until("the control socket", || {
            self.is_gone() || std::os::unix::net::UnixStream::connect(self.socket()).is_ok()
        });
        let uid = self.setup.uid.map_or_else(Vec::new, as_user);
        let mut command = away_from_others();
        command.args(uid).arg(svctl()).args(args);
        command.env("INIT_RUNTIME_DIR", self.setup.dir.path().join("run")).env("NO_COLOR", "1");
        command
    }

    /// Runs `svctl`.
    pub fn svctl(&self, args: &[&str]) -> Said {
        self.svctl_command(args).output().unwrap().into()
    }

    /// Runs `svctl`, which must succeed, and returns its output.
    pub fn ok(&self, args: &[&str]) -> String {
        let said = self.svctl(args);
        assert_eq!(said.code, 0, "svctl {args:?}: {}{}\n--- log:\n{}", said.out, said.err, self.text());
        said.out
    }

    /// Runs `svctl`, which must end with this code, and returns what it complains of.
    pub fn fails(&self, code: i32, args: &[&str]) -> String {
        let said = self.svctl(args);
        assert_eq!(said.code, code, "svctl {args:?}: {}{}\n--- log:\n{}", said.out, said.err, self.text());
        said.err
    }

    /// Asks over the control socket, once there is one.
    pub fn ask(&self, request: &Request) -> Vec<Response> {
        let mut found = None;
        self.until("an answer", || {
            assert!(!self.is_gone(), "init is gone; its output:\n{}", self.text());
            found = client::answers(&self.socket(), request);
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits until the boot is complete, however it went.
    pub fn booted(&self) -> &Running {
        self.ask(&Request::Wait { names: Vec::new(), until: Until::Ready, timeout_ms: None });
        self
    }

    /// The status of every service.
    pub fn services(&self) -> BTreeMap<String, ServiceStatus> {
        let mut all = BTreeMap::new();
        for response in self.ask(&Request::List { names: Vec::new() }) {
            if let Response::Services { services, .. } = response {
                all.extend(services.into_iter().map(|service| (service.name.clone(), service)));
            }
        }
        all
    }

    pub fn status(&self, name: &str) -> ServiceStatus {
        self.services().remove(name).unwrap_or_else(|| panic!("there is no service {name}"))
    }

    pub fn phase(&self, name: &str) -> Phase {
        self.status(name).state
    }

    pub fn note(&self, name: &str) -> String {
        self.status(name).note.unwrap_or_default()
    }

    /// Every change of state from now on.
    pub fn events(&self) -> Events {
        let mut stream = None;
        self.until("a connection", || {
            stream = client::ask(&self.socket(), &Request::Events);
            // Requests are read in the order of their connections: once this is answered, the other was heard, or
            // its connection dropped for want of something.
            self.ask(&Request::Health);
            stream.as_ref().is_some_and(client::is_open)
        });
        Events(stream.unwrap())
    }

    /// Waits until a service is in this state.
    pub fn reach(&self, name: &str, phase: Phase) -> ServiceStatus {
        let mut events = self.events();
        let status = self.status(name);
        if status.state == phase {
            return status;
        }
        events.reach(name, phase);
        self.status(name)
    }

    /// Runs a command in `init`'s namespaces, where it finds everything as a service does.
    pub fn inside(&self, words: &[&str]) -> Said {
        let pid = self.pid().to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid, "--mount", "--pid"]).args(words);
        command.env_remove("INIT_RUNTIME_DIR").output().unwrap().into()
    }
}

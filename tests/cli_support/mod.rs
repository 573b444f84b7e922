//! A peer that speaks the control protocol as a test tells it to, and the real `svctl` to talk to it.
#![allow(dead_code, missing_docs, reason = "each test program uses its part")]

#[path = "../programs/mod.rs"]
pub mod programs;

use std::io::{BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use init_control::wire::{self, Request, Response};
use init_core::status::{Phase, ServiceStatus, Wellness};
use init_plan::Kind;
use tempfile::TempDir;

/// Listens in a runtime directory of its own until the test ends.
pub struct Peer {
    pub directory: TempDir,
    pub requests: Receiver<Request>,
}

impl Peer {
    /// Answers each request with these bytes, then hangs up.
    pub fn raw(mut answer: impl FnMut(&Request) -> Vec<u8> + Send + 'static) -> Peer {
        Peer::with(move |request, mut stream| {
            // A client that has had enough hangs up first.
            let _ = stream.write_all(&answer(request));
        })
    }

    /// Answers each request with these responses, then hangs up.
    pub fn answering(mut answer: impl FnMut(&Request) -> Vec<Response> + Send + 'static) -> Peer {
        Peer::raw(move |request| {
            answer(request).iter().flat_map(|response| wire::encode(response).unwrap()).collect()
        })
    }

    /// Does this with each request and its connection.
    pub fn with(mut handle: impl FnMut(&Request, UnixStream) + Send + 'static) -> Peer {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("control")).unwrap();
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let request = wire::read::<Request>(&mut BufReader::new(&stream)).unwrap();
                let Some(request) = request else { continue };
                handle(&request, stream);
                let _ = sender.send(request);
            }
        });
        Peer { directory, requests }
    }

    /// Runs `svctl` against it.
    pub fn svctl(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(svctl(self.directory.path()).args(arguments))
    }
}

/// The real program, which finds no other `init` than that of this directory.
pub fn svctl(runtime_directory: &Path) -> Command {
    let mut command = programs::away_from_others();
    command.arg(programs::svctl());
    command.env("INIT_RUNTIME_DIR", runtime_directory).env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

/// How a program ended.
#[derive(Debug, Eq, PartialEq)]
pub struct Outcome {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Outcome {
    pub fn of(command: &mut Command) -> Outcome {
        let Output { status, stdout, stderr } = command.output().unwrap();
        Outcome {
            code: status.code().unwrap_or(-1),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }
}

pub fn done() -> Response {
    Response::Done { message: String::new() }
}

/// Reads until the other side hangs up.
pub fn until_hangup(mut stream: &UnixStream) {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
}

pub fn service(name: &str, state: Phase) -> ServiceStatus {
    ServiceStatus {
        name: name.to_owned(),
        description: Some("does this and that".into()),
        kind: Kind::Longrun,
        state,
        wanted: state != Phase::Down,
        essential: false,
        for_ms: 12_000,
        pid: (state == Phase::Up).then_some(100),
        restarts: 0,
        health: Wellness::Unknown,
        note: None,
        last_exit: None,
        ready_after_ms: Some(120),
        changed: false,
        requires: Vec::new(),
        wants: Vec::new(),
        after: Vec::new(),
        held: false,
        strays: Vec::new(),
    }
}

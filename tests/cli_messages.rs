//! Each message of `svctl` that has an id, provoked: the id is there, and the exit code. Those that need a real `init` are here, too,
//! as long as a peer of the tests can play its part.

#![allow(missing_docs, reason = "the names of tests say it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod cli_support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cli_support::{Outcome, Peer, done, programs, service, svctl};
use init_control::wire::{Request, Response};
use init_core::status::{Phase, Stage};

#[track_caller]
fn has(outcome: &Outcome, code: i32, id: &str) {
    assert!(outcome.err.contains(&format!(" [{id}]")) && outcome.code == code, "no {id}: {outcome:?}");
}

/// An `init` with one service, which a bundle `both` and another one are, too.
fn peer() -> Peer {
    Peer::answering(|request| match request {
        Request::List { names } if names.first().is_some_and(|name| name == "both") => {
            let services = vec![service("web", Phase::Up), service("db", Phase::Up)];
            vec![Response::Services { services, stage: Stage::Running }, done()]
        }
        Request::List { .. } => {
            vec![
                Response::Services { services: vec![service("web", Phase::Up)], stage: Stage::Running },
                done(),
            ]
        }
        _ => vec![done()],
    })
}

/// In a shell, with the words of `svctl` as `"$@"`.
fn by_shell(peer: &Peer, script: &str, words: &[&str]) -> Outcome {
    let mut command = programs::away_from_others();
    command.args(["sh", "-c", script, "sh", programs::svctl()]).args(words);
    Outcome::of(command.env("INIT_RUNTIME_DIR", peer.directory.path()))
}

#[test]
fn answers_that_do_not_make_sense_have_an_id() {
    let answers = |bytes: &'static [u8]| Peer::raw(move |_| bytes.to_vec());
    has(&answers(b"nonsense\n").svctl(&["list"]), 69, "C0103");
    has(&answers(b"").svctl(&["list"]), 69, "C0104");
    has(&peer().svctl(&["health"]), 1, "C0110");
}

#[test]
fn output_that_cannot_be_written_has_an_id() {
    has(&by_shell(&peer(), "exec \"$@\" >/dev/full", &["list"]), 1, "C0101");
}

#[test]
fn what_the_system_refuses_has_an_id() {
    has(&by_shell(&peer(), "ulimit -n 5; exec \"$@\"", &["logs", "-f"]), 1, "C0111");
    let ship = ["ship", "syslog+udp://127.0.0.1:9"];
    has(&by_shell(&peer(), "ulimit -n 5; exec \"$@\"", &ship), 1, "C0503");
}

#[test]
fn commands_that_have_nothing_to_show_have_an_id() {
    for (words, code, id) in [
        (&["top"][..], 64, "C0201"),
        (&["critical-chain"], 1, "C0206"),
        (&["critical-chain", "web"], 1, "C0207"),
        (&["logs", "--previous", "web"], 1, "C0208"),
        (&["explain", "X1234"], 4, "C0210"),
        (&["set", "both", "nice=1"], 64, "C0301"),
        (&["run", "both", "--", "true"], 64, "C0304"),
    ] {
        has(&peer().svctl(words), code, id);
    }
}

#[test]
fn console_that_would_be_open_to_others_has_an_id() {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    fs::write(&token, "0123456789abcdef0123456789abcdef").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    has(&peer().svctl(&["serve", "--listen", "0.0.0.0:0"]), 64, "C0401");
    let readable = ["serve", "--listen", "127.0.0.1:0", "--token-file", token.to_str().unwrap()];
    has(&peer().svctl(&readable), 1, "C0402");
    has(&peer().svctl(&["serve", "--listen", &address]), 1, "C0403");
}

#[test]
fn destinations_that_cannot_be_have_an_id() {
    let with = |variable: &str, words: &[&str]| {
        let peer = peer();
        Outcome::of(svctl(peer.directory.path()).env("SVCTL_SHIP_TO", variable).args(words))
    };
    has(&with("carrier-pigeon:", &["ship"]), 64, "C0501");
    has(&with("", &["ship"]), 64, "C0502");
    has(&with("", &["ship", "file:/nowhere/at/all"]), 1, "C0504");
    has(&with("", &["ship", "--position", "/", "syslog+udp://127.0.0.1:9"]), 1, "C0505");
}

#[test]
fn timer_whose_time_cannot_be_kept_has_an_id() {
    let directory = tempfile::tempdir().unwrap();
    let stamp = directory.path().join("stamp");
    fs::create_dir(&stamp).unwrap();
    let timer = |stamp: &Path, words: &[&str]| {
        let stamp = stamp.to_str().unwrap();
        peer().svctl(&[&["timer", "--stamp", stamp], words].concat())
    };
    has(&timer(&stamp, &["--every", "1s", "web"]), 1, "C0602");
    has(&timer(&directory.path().join("nowhere/stamp"), &["--every", "1s", "web"]), 1, "C0603");
}

#[test]
fn services_of_s6_that_are_not_there_have_an_id() {
    has(&peer().svctl(&["import-s6", "/nowhere/at/all"]), 1, "C0701");
    // Where it writes there are mounts of the test's own, which cannot be written to here.
    has(&by_shell(&peer(), "mount -o remount,ro /run; exec \"$@\"", &["s6-environment"]), 1, "C0702");
}

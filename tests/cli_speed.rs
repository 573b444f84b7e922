//! How long `svctl list` takes, from its start to its end: `cargo test --release --test cli_speed -- --ignored
//! --nocapture`. `$SVCTL` names another binary to measure.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on is to panic")]

mod cli_support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cli_support::{Peer, done, service};
use init_control::wire::{Response, encode};
use init_core::status::{Phase, Stage};

const RUNS: usize = 500;

#[test]
#[ignore = "a measurement: it wants a release build and a quiet machine"]
fn list_of_a_hundred_services_takes_two_milliseconds_at_most() {
    let answer = hundred();
    let peer = Peer::raw(move |_| answer.clone());
    let floor = timed(&peer, &["--version"]);
    let list = timed(&peer, &["svctl", "list"]);
    for (what, times) in [("svctl list at 100 services", &list), ("the binary alone", &floor)] {
        println!(
            "{what}: best {:?}, p10 {:?}, median {:?} of {RUNS}",
            times[0],
            times[RUNS / 10],
            times[RUNS / 2]
        );
    }
    assert!(list[RUNS / 2] <= Duration::from_millis(2));
}

fn hundred() -> Vec<u8> {
    let mut services: Vec<_> = (0..100).map(|n| service(&format!("worker@{n}"), Phase::Up)).collect();
    for service in &mut services {
        service.requires = vec!["database".into(), "cache".into()];
    }
    let mut bytes = encode(&Response::Services { services, stage: Stage::Running }).unwrap();
    bytes.extend(encode(&done()).unwrap());
    bytes
}

/// How long it took each time, the shortest first.
fn timed(peer: &Peer, arguments: &[&str]) -> Vec<Duration> {
    let binary = std::env::var_os("SVCTL").unwrap_or_else(|| cli_support::programs::svctl().into());
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let mut command = Command::new(&binary);
            command.args(arguments).env("INIT_RUNTIME_DIR", peer.directory.path());
            let begun = Instant::now();
            let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
            assert!(status.success());
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times
}

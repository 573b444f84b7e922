//! Everything that another user and a service can flood, all at once and for as long as `$PULP_INIT_FLOOD` says, in
//! seconds. The figures are in docs/robustness.md.
#![allow(unsafe_code, reason = "a thread takes another user's id")]

use std::collections::VecDeque;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use init_control::wire::{self, Request, Until};
use init_core::status::Phase::Up;

use crate::harness::{Running, Setup};

/// What PID 1 may grow by, in KiB.
const MAX_GROWTH: u64 = 1024;
/// Root is answered within this time, 99 times of 100.
const LONGEST_ANSWER: Duration = Duration::from_millis(100);
/// How often a service is killed.
const KILLS: usize = 20;

fn memory(running: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What a hostile client sends: each kind of request and never a read, half a line, a line without an end.
fn messages() -> Vec<Vec<u8>> {
    let requests = [
        Request::List { names: Vec::new() },
        Request::List { names: vec!["web".to_owned()] },
        Request::Names,
        Request::Logs { names: Vec::new(), lines: None, follow: true },
        Request::Events,
        Request::Health,
        Request::Boot,
        Request::History,
        Request::Wait { names: vec!["never".to_owned()], until: Until::Ready, timeout_ms: None },
    ];
    let mut messages: Vec<Vec<u8>> = requests.iter().map(|request| wire::encode(request).unwrap()).collect();
    messages.extend([b"{\"do\":\"li".to_vec(), vec![b'x'; 200_000], Vec::new()]);
    messages
}

/// Connects and sends, and keeps up to 200 connections open.
fn attack(path: &Path, is_over: &AtomicBool) {
    // SAFETY: takes no memory. As a system call it is about this thread alone, which ends here.
    assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, 33, 33, 33) }, 0);
    let messages = messages();
    let mut held = VecDeque::new();
    for message in messages.iter().cycle() {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let Ok(mut stream) = UnixStream::connect(path) else { continue };
        let _ = stream.set_nonblocking(true);
        let _ = stream.write_all(message);
        let _ = stream.write_all(&[b'y'; 4096]);
        held.push_back(stream);
        if held.len() > 200 {
            held.pop_front();
        }
    }
}

/// How long it takes until a killed service is up again, the median of several.
fn comes_back(running: &Running) -> Duration {
    let mut times: Vec<Duration> = (0..KILLS)
        .map(|_| {
            let mut events = running.events();
            let begin = Instant::now();
            running.ok(&["signal", "KILL", "web"]);
            events.reach("web", Up);
            begin.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

#[test]
fn flood_of_everything_harms_nobody() {
    let Some(seconds) = std::env::var("PULP_INIT_FLOOD").ok().and_then(|text| text.parse().ok()) else {
        return needs::skip("flood", "takes a minute: set PULP_INIT_FLOOD=60");
    };
    if !needs::root() {
        return;
    }
    let health = "[health]\nexec = [\"sh\", \"-c\", \"exec yes\"]\ninterval = \"1ms\"\ntimeout = \"10m\"";
    let running = Setup::new()
        .longrun("web", "sleep-forever", "[restart]\ndelay = \"1ms\"\nmax-delay = \"1ms\"\njitter = 0")
        .longrun("never", "sleep-forever", "start-timeout = \"none\"\n[ready]\nfd = 3")
        .longrun("says", "notify-flood STATUS=again", "user = 33\nnotify = true")
        .shell(
            "reads",
            "longrun",
            "exec cat /dev/zero >&3",
            "user = 33\nstart-timeout = \"none\"\n[ready]\nfd = 3",
        )
        .longrun("checked", "sleep-forever", &format!("user = 33\n{health}"))
        .longrun("prints", "spew 1000000000 100", "user = 33\nlog = \"ring\"")
        .start();
    running.reach("prints", Up);
    running.ok(&["list"]);
    let (usual, before) = (comes_back(&running), memory(&running));
    let path = running.setup.dir.path().join("run/control");
    let is_over = AtomicBool::new(false);
    let (mut answers, mut back) = (Vec::new(), Duration::ZERO);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| attack(&path, &is_over));
        }
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            // The program itself, without the mounts of its own that `running.ok` makes for it: they take ten programs.
            let mut list = Command::new(crate::harness::svctl());
            list.arg("list").env("INIT_RUNTIME_DIR", running.setup.dir.path().join("run"));
            let begin = Instant::now();
            assert!(list.output().unwrap().status.success());
            answers.push(begin.elapsed());
        }
        back = comes_back(&running);
        is_over.store(true, Ordering::Relaxed);
    });
    answers.sort();
    let slow = answers[answers.len() * 99 / 100];
    let after = memory(&running);
    println!(
        "{} answers, median {:?}, 99 % within {slow:?}; a killed service is back after {usual:?}, in the flood after {back:?}; \
         PID 1 from {before} to {after} KiB",
        answers.len(),
        answers[answers.len() / 2]
    );
    assert!(slow < LONGEST_ANSWER, "{slow:?}");
    assert!(after < before + MAX_GROWTH, "PID 1 grew from {before} to {after} KiB");
    assert!(back < usual * 5 + Duration::from_millis(50), "{usual:?}, in the flood {back:?}");
}

//! Other users and ill-behaved services: none of them makes PID 1 grow, nor keeps it from its work.
#![allow(unsafe_code, reason = "a thread takes another user's id")]

use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use init_control::wire::{self, Request, Until};

use crate::harness::{Running, Setup, as_user, svctl};

/// www-data and postgres.
const USERS: [u32; 2] = [33, 26];
/// What PID 1 may grow by, in KiB, whatever others do: on a busy machine some answers are made at the same time, of half a megabyte
/// each. Unread ones would be hundreds of megabytes.
const MAX_GROWTH: u64 = 2048;

/// Connections to the control socket that belong to another user.
fn connect_as(running: &Running, uid: u32, count: usize) -> Vec<UnixStream> {
    let path = running.setup.dir.path().join("run/control");
    let connect = move || {
        // SAFETY: takes no memory. As a system call it is about this thread alone, which ends here.
        assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }, 0);
        (0..count).map(|_| UnixStream::connect(&path).unwrap()).collect()
    };
    std::thread::spawn(connect).join().unwrap()
}

/// The memory that is PID 1's alone, in KiB.
fn memory(running: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Asserts that it has not grown, and that root is answered.
fn unharmed(running: &Running, before: u64) {
    running.ok(&["list"]);
    let after = memory(running);
    assert!(after < before + MAX_GROWTH, "PID 1 grew from {before} to {after} KiB");
}

/// Services that never run, with so many bytes of description that the answer to `list` fits in no socket's buffer.
fn many_services() -> Setup {
    let description = "x".repeat(1000);
    (0..500).fold(Setup::new(), |setup, number| {
        let text = format!("exec = [\"true\"]\nautostart = false\ndescription = \"{description}\"\n");
        setup.file(&format!("s{number}.toml"), &text)
    })
}

#[test]
fn client_that_goes_on_sending_does_not_make_init_grow() {
    if !needs::root() {
        return;
    }
    let running = Setup::new().longrun("web", "say hello sleep-forever", "[ready]\nfd = 3").start();
    running.line("hello");
    let wait = Request::Wait { names: vec!["web".to_owned()], until: Until::Ready, timeout_ms: None };
    let follow = Request::Logs { names: Vec::new(), lines: None, follow: true };
    unharmed(&running, u64::MAX / 2);
    let before = memory(&running);
    for request in [Some(Request::Events), Some(wait), Some(follow), None] {
        let message = request.map(|request| wire::encode(&request).unwrap()).unwrap_or_default();
        for mut stream in connect_as(&running, USERS[0], 8) {
            stream.write_all(&message).unwrap();
            // It is hung up on sooner or later.
            for _ in 0..64 {
                if stream.write_all(&[b'x'; 64 * 1024]).is_err() {
                    break;
                }
            }
            std::mem::forget(stream);
        }
        unharmed(&running, before);
    }
}

#[test]
fn clients_that_never_read_do_not_make_init_grow() {
    if !needs::root() {
        return;
    }
    let running = many_services().oneshot("talker", "spew 5000 100", "log = \"ring\"").start();
    running.booted();
    // What one answer needs for a moment is not the matter here.
    for _ in 0..3 {
        running.ok(&["list"]);
        running.ok(&["logs"]);
    }
    let before = memory(&running);
    let list = Request::List { names: Vec::new() };
    let logs = Request::Logs { names: Vec::new(), lines: None, follow: false };
    let mut silent = Vec::new();
    for request in [list, logs, Request::Health, Request::Boot, Request::Events, Request::History] {
        for uid in USERS {
            for mut stream in connect_as(&running, uid, 40) {
                let _ = stream.write_all(&wire::encode(&request).unwrap());
                silent.push(stream);
            }
        }
        unharmed(&running, before);
    }
}

#[test]
fn connections_of_one_user_keep_no_other_user_out() {
    if !needs::root() {
        return;
    }
    let running = Setup::new().longrun("web", "sleep-forever", "").start();
    running.booted();
    let mut held = Vec::new();
    for mut stream in connect_as(&running, USERS[0], 200) {
        // Those that were refused are closed already.
        let _ = stream.write_all(&wire::encode(&Request::Events).unwrap());
        held.push(stream);
    }
    running.ok(&["restart", "web"]);
    let words = as_user(USERS[1]);
    let mut command = std::process::Command::new(&words[0]);
    command.args(&words[1..]).arg(svctl()).arg("list");
    let output = command.env("INIT_RUNTIME_DIR", running.setup.dir.path().join("run")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let files = std::fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap().count();
    assert!(files < 60, "{files} open files");
}

#[test]
fn root_is_answered_while_another_user_connects_and_asks_all_the_time() {
    if !needs::root() {
        return;
    }
    let running = many_services().longrun("web", "sleep-forever", "").start();
    running.booted();
    running.ok(&["list"]);
    let before = memory(&running);
    let path = running.setup.dir.path().join("run/control");
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let flood = || {
        // SAFETY: as above.
        assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, 33, 33, 33) }, 0);
        let list = wire::encode(&Request::List { names: Vec::new() }).unwrap();
        let mut held = std::collections::VecDeque::new();
        while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
            let Ok(mut stream) = UnixStream::connect(&path) else { continue };
            let _ = stream.write_all(&list);
            held.push_back(stream);
            held.truncate(20);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(flood);
        scope.spawn(flood);
        for _ in 0..10 {
            running.ok(&["list", "web"]);
        }
        running.ok(&["restart", "web"]);
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    unharmed(&running, before);
}

#[test]
fn request_that_is_too_long_for_one_who_may_only_look_is_refused() {
    if !needs::root() {
        return;
    }
    let running = Setup::new().longrun("web", "sleep-forever", "").start();
    running.booted();
    let mut stream = connect_as(&running, USERS[0], 1).remove(0);
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let _ = stream.write_all(&[b'x'; 20_000]);
    let mut reader = std::io::BufReader::new(stream);
    match wire::read::<wire::Response>(&mut reader) {
        Ok(answer) => assert!(format!("{answer:?}").contains("too long"), "{answer:?}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[test]
fn check_that_prints_for_ever_holds_up_nobody() {
    let health = "[health]\nexec = [\"sh\", \"-c\", \"exec yes\"]\ninterval = \"1ms\"\ntimeout = \"10m\"";
    let running = Setup::new().longrun("web", "sleep-forever", health).start();
    running.booted();
    running.until("the check runs", || running.processes().iter().any(|process| process.name == "yes"));
    for _ in 0..10 {
        running.ok(&["list"]);
    }
    running.ok(&["stop", "web"]);
}

#[test]
fn service_that_floods_its_readiness_descriptor_holds_up_nobody() {
    let running = Setup::new()
        .shell("flood", "longrun", "echo begins; exec cat /dev/zero >&3", "[ready]\nfd = 3")
        .longrun("web", "sleep-forever", "")
        .start();
    running.line("begins");
    for _ in 0..10 {
        running.ok(&["restart", "web"]);
    }
    running.ok(&["stop", "flood"]);
}

#[test]
fn service_that_makes_orphans_for_ever_holds_up_nobody() {
    let running = Setup::new()
        .shell("storm", "longrun", "echo begins; while :; do PUPPET orphan 500; done", "")
        .longrun("web", "sleep-forever", "")
        .start();
    running.line("begins");
    for _ in 0..10 {
        running.ok(&["restart", "web"]);
    }
    running.ok(&["stop", "storm"]);
    running.until("only the service is left", || running.processes().len() == 1);
}

#[test]
fn service_that_floods_its_notify_socket_holds_up_nobody() {
    let running = Setup::new()
        .longrun("flood", "say begins notify-flood 'STATUS=again\\nWATCHDOG=1'", "[ready]\nnotify = true")
        .longrun("web", "sleep-forever", "")
        .start();
    running.line("begins");
    running.until("it is heard", || running.note("flood") == "again");
    let before = memory(&running);
    for _ in 0..10 {
        running.ok(&["restart", "web"]);
    }
    unharmed(&running, before);
    running.ok(&["stop", "flood"]);
}

#[test]
fn term_is_obeyed_while_many_services_flood() {
    let mut setup = Setup::new().unhurried();
    let patient = "[stop]\ntimeout = \"1h\"";
    for number in 0..8 {
        setup = setup
            .longrun(&format!("log-{number}"), "spew 1000000000 100", &format!("log = \"ring\"\n{patient}"))
            .longrun(
                &format!("say-{number}"),
                "notify-flood STATUS=again",
                &format!("notify = true\n{patient}"),
            );
    }
    let running = setup.start();
    running.booted();
    let (code, text) = running.stop();
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("killing it"), "{text}");
}

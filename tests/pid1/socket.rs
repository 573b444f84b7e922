//! The control socket: who may connect, and what nobody can do with it.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use init_core::status::Phase::{Down, Starting, Up};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::unistd::Pid;

use crate::harness::{Running, Said, Setup, as_user, away_from_others, svctl};

/// `svctl` as another user.
fn svctl_as(running: &Running, uid: u32, args: &[&str]) -> Said {
    let mut command = away_from_others();
    command.args(as_user(uid)).arg(svctl()).args(args);
    command.env("INIT_RUNTIME_DIR", running.setup.dir.path().join("run"));
    command.output().unwrap().into()
}

#[test]
fn other_users_may_look_but_not_touch() {
    if !needs::root() {
        return;
    }
    let running = Setup::new().longrun("web", "say hello sleep-forever", "").start();
    running.line("hello");
    running.booted();
    for args in [&["list"][..], &["status", "web"], &["health"], &["wait", "web"]] {
        let said = svctl_as(&running, 1000, args);
        assert_eq!(said.code, 0, "{args:?}: {said:?}");
    }
    for args in [
        &["stop", "web"][..],
        &["start", "web"],
        &["restart", "web"],
        &["signal", "KILL", "web"],
        &["reload"],
        &["reload", "web"],
        &["logs", "web"],
        &["shutdown"],
    ] {
        let said = svctl_as(&running, 1000, args);
        assert_eq!(said.code, 5, "{args:?}: {said:?}");
        assert!(said.err.contains("root"), "{said:?}");
    }
    assert_eq!((running.phase("web"), running.status("web").restarts), (Up, 0));
}

#[test]
fn socket_of_an_ordinary_users_init_is_that_users_alone() {
    if !needs::root() {
        return;
    }
    let running = Setup::new().longrun("web", "sleep-forever", "").uid(1000).start();
    running.booted();
    assert_eq!(svctl_as(&running, 1000, &["restart", "web"]).code, 0);
    // Nobody else would know who listens there; not even root.
    for uid in [0, 1001] {
        let said = svctl_as(&running, uid, &["stop", "web"]);
        assert!(said.code == 5 && said.err.contains("uid 1000"), "{uid}: {said:?}");
    }
    assert_eq!(running.phase("web"), Up);
}

#[test]
fn second_init_in_the_same_place_leaves_the_first_ones_socket_alone() {
    let first = Setup::new().longrun("web", "sleep-forever", "").start();
    first.booted();
    let run = first.setup.dir.path().join("run");
    let setup = Setup::new().without_runtime_dir().not_in_a_container();
    let second = setup
        .env("INIT_RUNTIME_DIR", &run.display().to_string())
        .longrun("db", "say db-runs sleep-forever", "")
        .start();
    let line = second.line("svctl will not work");
    assert!(line.contains("another init") && line.contains("[I0404]"), "{line}");
    second.line("db-runs");
    assert_eq!(first.phase("web"), Up);
    assert_eq!(second.stop().0, 0);
    assert_eq!(first.phase("web"), Up);
}

#[test]
fn socket_of_an_init_that_was_killed_is_taken_over() {
    let first = Setup::new().not_in_a_container().longrun("web", "sleep-forever", "").start();
    first.booted();
    first.signal(nix::sys::signal::Signal::SIGKILL);
    first.until("it is gone", || first.is_gone());
    let run = first.setup.dir.path().join("run");
    let setup = Setup::new().without_runtime_dir().not_in_a_container();
    let second = setup
        .env("INIT_RUNTIME_DIR", &run.display().to_string())
        .longrun("db", "say db-runs sleep-forever", "")
        .start();
    second.line("db-runs");
    first.ok(&["stop", "db"]);
}

#[test]
fn garbage_and_silence_on_the_socket_do_no_harm() {
    let running = Setup::new().longrun("web", "sleep-forever", "").start();
    running.booted();
    let path = running.setup.dir.path().join("run/control");
    let connect = || UnixStream::connect(&path).unwrap();
    let too_long = [&b"{"[..], &vec![b'x'; 2 << 20], b"\n"].concat();
    for garbage in
        [&b"\n"[..], b"hello\n", b"{}\n", b"\xff\xfe\n", b"{\"do\":\"list\",\"extra\":1}\n", &too_long]
    {
        let mut stream = connect();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // It may hang up before it has read all of it.
        let _ = stream.write_all(garbage);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.contains("error") || garbage.len() > 1 << 20, "{answer}");
    }
    // More silent ones than it takes, and some that hang up in the middle.
    let mut silent: Vec<UnixStream> = (0..100).map(|_| connect()).collect();
    for stream in silent.iter_mut().take(50) {
        let _ = stream.write_all(b"{\"do\":");
    }
    running.ok(&["restart", "web"]);
    drop(silent);
    running.ok(&["health"]);
}

/// A connection that does not wait for its turn: `EAGAIN` if the queue is full.
fn connect_at_once(path: &Path) -> nix::Result<OwnedFd> {
    let stream = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_NONBLOCK, None)?;
    connect(stream.as_raw_fd(), &UnixAddr::new(path)?).map(|()| stream)
}

#[test]
fn who_may_act_does_not_queue_behind_others() {
    if !needs::root() {
        return;
    }
    let running = Setup::new().longrun("web", "sleep-forever", "").start();
    running.booted();
    let run = running.setup.dir.path().join("run");
    let denied =
        away_from_others().args(as_user(1000)).args(["test", "-w"]).arg(run.join("private")).status();
    assert!(!denied.unwrap().success(), "other users may connect");
    let stopped = Pid::from_raw(running.pid());
    kill(stopped, Signal::SIGSTOP).unwrap();
    let mut queue = Vec::new();
    let full = loop {
        match connect_at_once(&run.join("control")) {
            Ok(stream) => queue.push(stream),
            Err(error) => break error,
        }
    };
    let private = connect_at_once(&run.join("private"));
    kill(stopped, Signal::SIGCONT).unwrap();
    assert_eq!(full, Errno::EAGAIN);
    private.unwrap();
    let said = running.svctl_command(&["list"]).env("SVCTL_LOG", "debug").output().unwrap();
    assert!(String::from_utf8_lossy(&said.stderr).contains("run/private result=\"connected\""), "{said:?}");
    // One that somebody removed is no reason not to answer.
    std::fs::remove_file(run.join("private")).unwrap();
    running.ok(&["list"]);
}

#[test]
fn many_clients_at_once_are_all_served() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running = setup
        .longrun("web", &format!("wait-file {gate} ready-fd 3 sleep-forever"), "[ready]\nfd = 3")
        .start();
    running.reach("web", Starting);
    let clients: Vec<_> = (0..30).map(|_| running.svctl_command(&["wait", "web"]).spawn().unwrap()).collect();
    running.ok(&["list"]);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    for mut client in clients {
        assert!(client.wait().unwrap().success());
    }
}

#[test]
fn client_that_goes_away_in_the_middle_of_a_wait_changes_nothing() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running = setup
        .longrun(
            "web",
            &format!("wait-file {gate} ready-fd 3 sleep-forever"),
            "autostart = false\n[ready]\nfd = 3",
        )
        .start();
    running.booted();
    let mut client = running.svctl_command(&["start", "web"]).spawn().unwrap();
    running.reach("web", Starting);
    client.kill().unwrap();
    client.wait().unwrap();
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.reach("web", Up);
}

#[test]
fn answers_come_while_hundreds_of_services_start() {
    let mut setup = Setup::new();
    for number in 0..500 {
        setup = setup.file(&format!("s{number}.toml"), "exec = [\"sleep\", \"600\"]\n");
    }
    let gate = setup.path("gate");
    let running = setup.oneshot("last", &format!("wait-file {gate}"), "").start();
    let said = running.svctl(&["health"]);
    assert_eq!((said.code, said.err.as_str()), (1, ""), "{said:?}");
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.booted();
    assert_eq!(running.ok(&["list"]).lines().filter(|line| line.contains("up")).count(), 500);
}

#[test]
fn client_that_waits_when_init_ends_is_told_so() {
    let running = Setup::new().longrun("web", "sleep-forever", "[ready]\nfd = 3").start();
    running.reach("web", Starting);
    let mut client = running.svctl_command(&["wait", "web"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut events = running.events();
    running.signal(nix::sys::signal::Signal::SIGTERM);
    events.reach("web", Down);
    let mut text = String::new();
    client.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    let code = client.wait().unwrap().code();
    assert!(matches!(code, Some(1 | 69)), "{code:?} {text}");
    assert_eq!(running.exit().0, 0);
}

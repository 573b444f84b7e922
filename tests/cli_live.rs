//! Commands that wait: what a signal does to them, and what `SVCTL_LOG` shows.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on is to panic")]

mod cli_support;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use cli_support::{Outcome, Peer, done, service, svctl, until_hangup};
use init_control::wire::{self, Request, Response};
use init_core::status::{Phase, Stage};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A peer that does this with a connection, says that it has done so, and then waits until the client hangs up.
fn peer(answer: impl Fn(&mut UnixStream) + Send + 'static) -> (Peer, Receiver<()>) {
    let (sender, asked) = channel();
    let peer = Peer::with(move |_, mut stream| {
        answer(&mut stream);
        sender.send(()).unwrap();
        until_hangup(&stream);
    });
    (peer, asked)
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
}

/// Its exit code after this signal, which comes once `init` was asked, and what it wrote to standard error.
fn interrupted(arguments: &[&str], signal: Signal) -> (Option<i32>, String) {
    let (peer, asked) = peer(|_| ());
    let mut command = svctl(peer.directory.path());
    let child = command.args(arguments).stderr(Stdio::piped()).spawn().unwrap();
    asked.recv().unwrap();
    send(&child, signal);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_command_that_waits_ends_with_130_at_int_and_143_at_term() {
    for arguments in [&["wait"][..], &["logs", "-f"], &["events"]] {
        assert_eq!(interrupted(arguments, Signal::SIGINT), (Some(130), String::new()), "{arguments:?}");
    }
    assert_eq!(interrupted(&["wait"], Signal::SIGTERM), (Some(143), String::new()));
}

#[test]
fn a_change_that_is_interrupted_says_that_it_goes_on() {
    let (code, said) = interrupted(&["restart", "a"], Signal::SIGINT);
    assert_eq!(code, Some(130));
    assert_eq!(said, "svctl: interrupted; init still carries out the request\n");
}

#[test]
fn every_line_that_came_is_shown_before_an_interrupt() {
    let (peer, _asked) = peer(|stream| {
        let log = Response::Log { service: "a".into(), time_ms: 0, line: "one".into() };
        stream.write_all(&wire::encode(&log).unwrap()).unwrap();
    });
    let mut command = svctl(peer.directory.path());
    let mut child = command.args(["logs", "-f"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    send(&child, Signal::SIGINT);
    out.read_to_string(&mut line).unwrap();
    assert_eq!((child.wait().unwrap().code(), line.as_str()), (Some(130), "a | one\n"));
}

#[test]
fn an_interrupt_ends_a_command_whose_output_nobody_reads() {
    let (peer, asked) = peer(|stream| {
        let log = Response::Log { service: "a".into(), time_ms: 0, line: "one".into() };
        stream.write_all(&wire::encode(&log).unwrap()).unwrap();
    });
    let (reader, mut writer) = std::io::pipe().unwrap();
    fcntl(writer.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    fcntl(writer.as_fd(), FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    let mut command = svctl(peer.directory.path());
    let mut child = command.args(["logs", "-f"]).stdout(writer).spawn().unwrap();
    asked.recv().unwrap();
    send(&child, Signal::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(reader);
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let (go, wait) = channel::<()>();
    let (asked, was_asked) = channel();
    let peer = Peer::with(move |_, mut stream| {
        asked.send(()).unwrap();
        wait.recv().unwrap();
        stream.write_all(&wire::encode(&done()).unwrap()).unwrap();
    });
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' INT; exec \"$0\" wait", cli_support::programs::svctl()]);
    let mut child = command.env("INIT_RUNTIME_DIR", peer.directory.path()).spawn().unwrap();
    was_asked.recv().unwrap();
    send(&child, Signal::SIGINT);
    go.send(()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_terminal_gets_a_new_line_after_the_interrupt_it_shows() {
    let (peer, asked) = peer(|_| ());
    let pty = nix::pty::openpty(None, None).unwrap();
    let mut command = svctl(peer.directory.path());
    let mut child = command.arg("wait").stderr(pty.slave).spawn().unwrap();
    // The command holds the terminal's other end too: reading ends only once nobody does.
    command.stderr(Stdio::null());
    asked.recv().unwrap();
    send(&child, Signal::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut bytes = Vec::new();
    // Linux reports the end of a terminal as EIO.
    let _ = std::fs::File::from(pty.master).read_to_end(&mut bytes);
    assert_eq!(bytes, b"\r\n");
}

#[test]
fn an_answer_that_is_cut_off_or_never_comes_is_69() {
    let cut = Peer::raw(|_| b"{\"is\":\"log\"".to_vec()).svctl(&["logs"]);
    assert_eq!(cut.code, 69);
    assert!(cut.err.contains("too long or cut off"), "{}", cut.err);
    let gone = Peer::raw(|_| Vec::new()).svctl(&["events"]);
    assert_eq!(gone.code, 69);
    assert!(gone.err.contains("hung up before it was done"), "{}", gone.err);
}

/// What it writes to standard error when told to log.
fn logged(peer: &Peer, level: &str, arguments: &[&str]) -> Outcome {
    Outcome::of(svctl(peer.directory.path()).env("SVCTL_LOG", level).args(arguments))
}

#[test]
fn svctl_log_shows_the_socket_the_request_and_the_answers_with_times() {
    let services = Response::Services { services: Vec::new(), stage: Stage::Running };
    let peer = Peer::answering(move |_| vec![services.clone(), done()]);
    let socket = peer.directory.path().join("control").display().to_string();
    for arguments in [&["list"][..], &["wait"]] {
        let said = logged(&peer, "debug", arguments).err;
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 5, "{said}");
        assert!(lines[0].contains("/private") && lines[0].contains("there is none"), "{said}");
        assert!(lines[1].contains(&socket) && lines[1].contains("connected"), "{said}");
        assert!(lines[2].contains("asks"), "{said}");
        assert!(lines[3].contains("services") && lines[4].contains("done"), "{said}");
        let seconds = |line: &&str| line.trim_start().split('s').next().unwrap().parse::<f64>().is_ok();
        assert!(lines.iter().all(seconds), "{said}");
    }
}

#[test]
fn svctl_log_shows_the_sockets_that_would_not_do() {
    let nowhere = tempfile::tempdir().unwrap();
    let outcome = Outcome::of(svctl(nowhere.path()).env("SVCTL_LOG", "debug").arg("list"));
    for (name, line) in ["private", "control"].iter().zip(outcome.err.lines()) {
        assert!(line.contains(&nowhere.path().join(name).display().to_string()), "{}", outcome.err);
    }
    assert!(outcome.err.contains("there is none"), "{}", outcome.err);
    assert_eq!(outcome.code, 69);
}

#[test]
fn svctl_log_shows_nothing_by_default_nor_for_a_word_that_is_no_level() {
    let peer = Peer::answering(|_| vec![done()]);
    for level in ["", "off", "loud", "info"] {
        assert_eq!(logged(&peer, level, &["wait"]).err, "", "{level:?}");
    }
}

/// Reads from a terminal until this text has come.
fn read_until(master: &mut std::fs::File, wanted: &str, seen: &mut Vec<u8>) {
    let mut chunk = [0; 4096];
    // Cells that stay blank are not drawn: what is waited for is one word.
    while !String::from_utf8_lossy(seen).contains(wanted) {
        let count = master.read(&mut chunk).unwrap();
        seen.extend_from_slice(&chunk[..count]);
    }
}

#[test]
fn top_draws_on_a_terminal_and_gives_it_back() {
    let hostile = "\x1b]0;owned\x07 \u{9b}2J \u{202e}txt";
    let peer = Peer::answering(move |request| match request {
        Request::Logs { .. } => {
            let line = format!("logged {hostile}");
            vec![Response::Log { service: "web".into(), time_ms: 0, line }, done()]
        }
        _ => {
            let mut web = service("web", Phase::Up);
            web.note = Some(format!("noted {hostile}"));
            vec![Response::Services { services: vec![web], stage: Stage::Running }, done()]
        }
    });
    for (keys, signal, code) in [("q", None, 0), ("\x03", None, 0), ("", Some(Signal::SIGTERM), 143)] {
        let size = nix::pty::Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = nix::pty::openpty(Some(&size), None).unwrap();
        let before = nix::sys::termios::tcgetattr(&pty.slave).unwrap();
        let mut command = svctl(peer.directory.path());
        command.args(["top", "-i", "100ms"]).env("TERM", "xterm");
        command.stdin(pty.slave.try_clone().unwrap()).stdout(pty.slave.try_clone().unwrap());
        let mut child = command.stderr(pty.slave.try_clone().unwrap()).spawn().unwrap();
        let (mut master, mut seen) = (std::fs::File::from(pty.master), Vec::new());
        read_until(&mut master, "logged", &mut seen);
        master.write_all(keys.as_bytes()).unwrap();
        if let Some(signal) = signal {
            send(&child, signal);
        }
        read_until(&mut master, "\x1b[?1049l", &mut seen);
        assert_eq!(child.wait().unwrap().code(), Some(code));
        let text = String::from_utf8_lossy(&seen);
        assert!(text.contains("\x1b[?1049h") && text.contains("noted"), "{text:?}");
        for steering in ["\x1b]", "\x07", "\u{9b}", "\u{202e}"] {
            assert!(!text.contains(steering), "{steering:?} in {text:?}");
        }
        assert_eq!(nix::sys::termios::tcgetattr(&pty.slave).unwrap().local_flags, before.local_flags);
    }
}

#[test]
fn top_without_a_terminal_says_what_to_use() {
    let peer = Peer::answering(|_| vec![done()]);
    let said = peer.svctl(&["top"]);
    assert_eq!(said.code, 64);
    assert!(said.err.contains("svctl list -u"), "{}", said.err);
}

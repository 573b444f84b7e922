//! The real `svctl` against a peer that speaks the control protocol: what is asked, shown and returned.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on is to panic")]

mod cli_support;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use cli_support::{Outcome, Peer, done, service, svctl, until_hangup};
use init_control::wire::{self, Event, Failure, FailureKind, Request, Response, Until, Verb};
use init_core::status::{FirstStartStatus, Phase, ServiceStatus, Stage, Wellness};
use init_plan::{Signal, id};

fn three() -> Vec<ServiceStatus> {
    let ill = ServiceStatus { health: Wellness::Unhealthy, ..service("api", Phase::Up) };
    let never = ServiceStatus { ready_after_ms: None, ..service("debug", Phase::Down) };
    vec![service("db", Phase::Up), ill, never]
}

fn listing(request: &Request) -> Vec<Response> {
    match request {
        Request::List { names } => {
            let chosen = |service: &ServiceStatus| names.is_empty() || names.contains(&service.name);
            let services = three().into_iter().filter(chosen).collect();
            vec![Response::Services { services, stage: Stage::Running }, done()]
        }
        Request::Logs { names, .. } => {
            vec![Response::Log { service: names[0].clone(), time_ms: 0, line: "hello".into() }, done()]
        }
        _ => vec![done()],
    }
}

fn failing(kind: FailureKind) -> Peer {
    Peer::answering(move |_| {
        let (id, message) = (Some(id!("I0203")), "no service `x`; did you mean `y`?".into());
        vec![Response::Error(Failure { kind, id, message })]
    })
}

/// What is asked when `svctl` is run like that.
fn asked(arguments: &[&str]) -> Request {
    let peer = Peer::answering(|_| vec![done()]);
    let outcome = peer.svctl(arguments);
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "{arguments:?}");
    peer.requests.recv().unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn list_shows_a_table() {
    let outcome = Peer::answering(listing).svctl(&["list"]);
    assert_eq!(
        outcome.out,
        "NAME  STATE  SINCE  PID  RESTARTS  NOTE\n\
         db    up     12s    100         0\n\
         api   up     12s    100         0  unhealthy\n"
    );
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
}

#[test]
fn list_options_choose_what_is_shown() {
    let peer = Peer::answering(listing);
    let shown = |arguments: &[&str]| -> Vec<String> {
        let first = |line: &str| line.split(' ').next().unwrap().to_owned();
        peer.svctl(arguments).out.lines().skip(1).map(first).collect()
    };
    assert_eq!(shown(&["ls", "-a"]), ["db", "api", "debug"]);
    assert_eq!(shown(&["list", "--failed"]), ["api"]);
    assert_eq!(shown(&["list", "debug"]), ["debug"]);
}

#[test]
fn list_as_json_is_an_array_of_every_service() {
    let outcome = Peer::answering(listing).svctl(&["list", "--json"]);
    let services: Vec<ServiceStatus> = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(services, three());
    let none =
        Peer::answering(|_| vec![Response::Services { services: vec![], stage: Stage::Running }, done()]);
    assert_eq!(none.svctl(&["list", "--json"]).out, "[]\n");
}

#[test]
fn a_list_may_come_in_several_messages() {
    let part = |name| Response::Services { services: vec![service(name, Phase::Up)], stage: Stage::Running };
    let outcome = Peer::answering(move |_| vec![part("a"), part("b"), done()]).svctl(&["list", "--json"]);
    let services: Vec<ServiceStatus> = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(services, [service("a", Phase::Up), service("b", Phase::Up)]);
}

#[test]
fn names_are_those_of_services_and_bundles_a_line_each() {
    let answer = Response::Names { names: names(&["worker@1", "worker"]) };
    let outcome = Peer::answering(move |_| vec![answer.clone(), done()]).svctl(&["names"]);
    assert_eq!((outcome.code, outcome.out.as_str()), (0, "worker@1\nworker\n"));
}

#[test]
fn status_shows_a_service_and_its_output() {
    let outcome = Peer::answering(listing).svctl(&["status", "db"]);
    assert_eq!(
        outcome.out,
        "db: longrun, does this and that\n  state        up for 12s\n  pid          100\n  ready after  120ms\n  \
         restarts     0\n  last output\n  | hello\n"
    );
}

#[test]
fn every_command_asks_what_its_words_say() {
    let (some, ms) = (names(&["a", "b"]), |n| Some(n));
    let change = |verb, wait, timeout_ms| Request::Change { verb, names: some.clone(), wait, timeout_ms };
    assert_eq!(asked(&["start", "a", "b"]), change(Verb::Start, true, None));
    assert_eq!(asked(&["stop", "--no-wait", "a", "b"]), change(Verb::Stop, false, None));
    assert_eq!(asked(&["restart", "a", "b", "-t", "1m30s"]), change(Verb::Restart, true, ms(90_000)));
    let signal = Request::Signal { names: some.clone(), signal: Signal::USR1 };
    assert_eq!(asked(&["signal", "sigusr1", "a", "b"]), signal);
    assert_eq!(asked(&["kill", "10", "a", "b"]), signal);
    assert_eq!(asked(&["reload"]), Request::Reload { names: vec![] });
    assert_eq!(asked(&["reload", "a"]), Request::Reload { names: names(&["a"]) });
    let all = Request::Change { verb: Verb::Start, names: vec![], wait: true, timeout_ms: None };
    assert_eq!(asked(&["start", "--all"]), all);
    let hold = |verb| Request::Change { verb, names: names(&["a"]), wait: false, timeout_ms: None };
    assert_eq!(asked(&["hold", "a"]), hold(Verb::Hold));
    assert_eq!(asked(&["release", "a"]), hold(Verb::Release));
    let scale = |instances| Request::Scale { template: "a".into(), instances };
    assert_eq!(asked(&["scale", "--no-wait", "a=3"]), scale(3));
    assert_eq!(asked(&["scale", "--no-wait", "a@=default"]), scale(-1));
    assert_eq!(asked(&["history"]), Request::History);
    assert_eq!(asked(&["diff"]), Request::Diff);
    let wait = |names, until, timeout_ms| Request::Wait { names, until, timeout_ms };
    assert_eq!(asked(&["wait"]), wait(vec![], Until::Ready, None));
    assert_eq!(asked(&["wait", "--ready", "a", "b"]), wait(some.clone(), Until::Ready, None));
    assert_eq!(asked(&["wait", "--down", "-t", "5", "a", "b"]), wait(some.clone(), Until::Down, ms(5000)));
    assert_eq!(asked(&["logs"]), Request::Logs { names: vec![], lines: None, follow: false });
    assert_eq!(
        asked(&["logs", "-fn", "3", "a", "b"]),
        Request::Logs { names: some, lines: Some(3), follow: true }
    );
    assert_eq!(asked(&["events"]), Request::Events);
    assert_eq!(asked(&["shutdown"]), Request::Shutdown { code: None });
    assert_eq!(asked(&["shutdown", "--code", "3"]), Request::Shutdown { code: Some(3) });
}

#[test]
fn what_init_says_of_a_change_is_shown() {
    let event = Event {
        service: "a".into(),
        time_ms: 0,
        from: Phase::Down,
        to: Phase::Up,
        pid: Some(1),
        exit: None,
        note: None,
    };
    let peer = Peer::answering(move |_| {
        vec![Response::Event(event.clone()), Response::Done { message: "a is up".into() }]
    });
    let outcome = peer.svctl(&["start", "a"]);
    assert_eq!(outcome, Outcome { code: 0, out: "a is up\n".into(), err: String::new() });
}

#[test]
fn each_kind_of_failure_has_its_exit_code_and_its_message() {
    for (kind, code) in [
        (FailureKind::BadRequest, 64),
        (FailureKind::UnknownName, 4),
        (FailureKind::Denied, 5),
        (FailureKind::TimedOut, 3),
        (FailureKind::Failed, 1),
        (FailureKind::ShuttingDown, 1),
        (FailureKind::BadPlan, 1),
    ] {
        let peer = failing(kind);
        let commands: [&[&str]; 5] =
            [&["list", "x"], &["status", "x"], &["start", "x"], &["logs", "x"], &["wait", "x"]];
        for command in commands {
            let outcome = peer.svctl(command);
            assert_eq!((outcome.code, outcome.out.as_str()), (code, ""), "{kind:?} {command:?}");
            assert_eq!(outcome.err, "svctl: no service `x`; did you mean `y`? [I0203]\n");
        }
    }
}

#[test]
fn health_is_0_or_1_with_a_line_for_each_problem() {
    let health = |healthy, stage, problems: &[&str]| {
        let answer = vec![Response::Health { healthy, stage, problems: names(problems) }, done()];
        Peer::answering(move |_| answer.clone())
    };
    let outcome = |code, out: &str| Outcome { code, out: out.into(), err: String::new() };
    let well = health(true, Stage::Running, &[]);
    assert_eq!(well.svctl(&["health"]), outcome(0, "healthy\n"));
    assert_eq!(well.svctl(&["health", "-q"]), outcome(0, ""));
    let ill = health(false, Stage::Running, &["a: failed: exit code 1", "b: backoff"]);
    assert_eq!(ill.svctl(&["health"]), outcome(1, "a: failed: exit code 1\nb: backoff\n"));
    assert_eq!(ill.svctl(&["health", "-q"]), outcome(1, ""));
    let json = ill.svctl(&["health", "--json"]);
    assert_eq!(
        json.out,
        "{\"healthy\":false,\"problems\":[\"a: failed: exit code 1\",\"b: backoff\"],\"stage\":\"running\"}\n"
    );
    assert_eq!(health(false, Stage::Booting, &[]).svctl(&["health"]), outcome(1, "still booting\n"));
}

#[test]
fn health_of_a_boot_that_goes_on_is_0_for_who_would_kill_it() {
    let boot = |stage, state| {
        let first = ServiceStatus { wanted: true, ..service("a", state) };
        Peer::answering(move |request| match request {
            Request::Health => {
                let problems = names(&["a: waiting: for b"]);
                vec![Response::Health { healthy: false, stage, problems }, done()]
            }
            _ => vec![Response::Services { services: vec![first.clone()], stage }, done()],
        })
    };
    let outcome = |code, out: &str| Outcome { code, out: out.into(), err: String::new() };
    let told = "a: waiting: for b\n";
    for state in [Phase::Waiting, Phase::Starting, Phase::Up, Phase::Done] {
        let booting = boot(Stage::Booting, state);
        assert_eq!(booting.svctl(&["health", "--live"]), outcome(0, "still booting\n"));
        assert_eq!(booting.svctl(&["health"]), outcome(1, told));
    }
    assert_eq!(boot(Stage::Booting, Phase::Backoff).svctl(&["health", "--live"]), outcome(1, told));
    assert_eq!(
        boot(Stage::Stopping, Phase::Stopping).svctl(&["health", "--live"]),
        outcome(0, "shutting down\n")
    );
    assert_eq!(boot(Stage::Running, Phase::Starting).svctl(&["health", "--live"]), outcome(1, told));
}

#[test]
fn health_without_init_is_1_and_quiet_if_asked() {
    let nowhere = tempfile::tempdir().unwrap();
    let loud = Outcome::of(svctl(nowhere.path()).arg("health"));
    assert_eq!(loud.code, 1);
    assert!(loud.err.starts_with("svctl: init is not running here"), "{}", loud.err);
    let quiet = Outcome::of(svctl(nowhere.path()).args(["health", "-q"]));
    assert_eq!(quiet, Outcome { code: 1, out: String::new(), err: String::new() });
}

#[test]
fn bad_usage_is_64() {
    let lines: [&[&str]; 12] = [
        &[],
        &["dance"],
        &["start"],
        &["status"],
        &["signal", "TERM"],
        &["signal", "TERMINATE", "a"],
        &["wait", "-t", "soon"],
        &["wait", "--ready", "--down"],
        &["start", "--no-wait", "-t", "3s", "a"],
        &["shutdown", "--code", "256"],
        &["shutdown", "now"],
        &["completions", "sh"],
    ];
    let nowhere = tempfile::tempdir().unwrap();
    for line in lines {
        let outcome = Outcome::of(svctl(nowhere.path()).args(line));
        assert_eq!((outcome.code, outcome.out.as_str()), (64, ""), "{line:?}");
        assert!(!outcome.err.is_empty(), "{line:?}");
    }
}

#[test]
fn help_and_version_are_0_and_go_to_standard_output() {
    let nowhere = tempfile::tempdir().unwrap();
    for line in [&["--help"][..], &["help", "list"], &["list", "-h"], &["--version"]] {
        let outcome = Outcome::of(svctl(nowhere.path()).args(line));
        assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "{line:?}");
        assert!(outcome.out.contains("svctl"), "{line:?}");
    }
}

#[test]
fn arguments_that_are_not_utf_8_are_bad_usage() {
    let odd = std::ffi::OsString::from_vec(b"\xff".to_vec());
    let nowhere = tempfile::tempdir().unwrap();
    for before in [&["start"][..], &[], &["signal"]] {
        assert_eq!(Outcome::of(svctl(nowhere.path()).args(before).arg(&odd)).code, 64, "{before:?}");
    }
}

#[test]
fn without_a_socket_anywhere_it_says_where_it_looked() {
    let nowhere = tempfile::tempdir().unwrap();
    let outcome = Outcome::of(svctl(nowhere.path()).arg("list"));
    assert_eq!(outcome.code, 69);
    let begin =
        format!("svctl: init is not running here (looked in {}, /run/pulp-init,", nowhere.path().display());
    assert!(outcome.err.starts_with(&begin) && outcome.err.ends_with("[C0105]\n"), "{}", outcome.err);
}

#[test]
fn a_socket_that_nobody_listens_at_is_69() {
    let directory = tempfile::tempdir().unwrap();
    drop(UnixListener::bind(directory.path().join("control")).unwrap());
    let outcome = Outcome::of(svctl(directory.path()).arg("list"));
    assert_eq!(outcome.code, 69);
    assert!(
        outcome.err.contains("nobody listens at") && outcome.err.ends_with("[C0106]\n"),
        "{}",
        outcome.err
    );
}

#[test]
fn something_else_in_the_sockets_place_is_69() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("control"), "").unwrap();
    let outcome = Outcome::of(svctl(directory.path()).arg("list"));
    assert_eq!(outcome.code, 69);
    assert!(
        outcome.err.contains("it is not a socket") && outcome.err.ends_with("[C0109]\n"),
        "{}",
        outcome.err
    );
}

#[test]
fn answers_that_make_no_sense_are_69_and_said_to_be_so() {
    for (garbage, says) in [
        (&b""[..], "hung up before it was done"),
        (b"\n", "cannot understand init"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "cannot understand init"),
        (b"\xff\xfe\n", "cannot understand init"),
        (b"{\"is\":\"done\"", "too long or cut off"),
        (b"{\"is\":\"dance\"}\n", "is svctl of the same version?"),
    ] {
        let outcome = Peer::raw(|_| garbage.to_vec()).svctl(&["list"]);
        assert_eq!(outcome.code, 69, "{garbage:?}");
        assert!(outcome.err.contains(says), "{garbage:?}: {}", outcome.err);
        assert_eq!(outcome.err.lines().count(), 1, "{}", outcome.err);
    }
}

#[test]
fn an_answer_that_never_ends_is_given_up() {
    let outcome = Peer::raw(|_| vec![b'x'; 3 * wire::MAX_MESSAGE]).svctl(&["list"]);
    assert_eq!(outcome.code, 69);
    assert!(outcome.err.contains("message too long"), "{}", outcome.err);
}

#[test]
fn logs_are_shown_as_they_come() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let peer = Peer::with(move |_, mut stream| {
        for line in ["one", "two"] {
            let log = Response::Log { service: "a".into(), time_ms: 0, line: line.into() };
            stream.write_all(&wire::encode(&log).unwrap()).unwrap();
            // The next one is sent only when this one was seen.
            wait.recv().unwrap();
        }
        stream.write_all(&wire::encode(&done()).unwrap()).unwrap();
    });
    let mut command = svctl(peer.directory.path());
    let mut child = command.args(["logs", "-f"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in ["a | one", "a | two"] {
        assert_eq!(lines.next().unwrap().unwrap(), line);
        go.send(()).unwrap();
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn streams_as_json_are_what_init_sent() {
    let log = Response::Log { service: "a".into(), time_ms: 5, line: "x \u{1b}".into() };
    let sent = vec![log.clone(), Response::Dropped { count: 3 }, done()];
    let outcome = Peer::answering(move |_| sent.clone()).svctl(&["logs", "--json"]);
    let lines: Vec<Response> = outcome.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, [log, Response::Dropped { count: 3 }]);
}

#[test]
fn it_ends_quietly_when_nobody_reads_its_output() {
    let (hung_up, seen) = std::sync::mpsc::channel();
    let peer = Peer::with(move |_, mut stream| {
        let log = Response::Log { service: "a".into(), time_ms: 0, line: "x".repeat(1000) };
        let line = wire::encode(&log).unwrap();
        while stream.write_all(&line).is_ok() {}
        hung_up.send(()).unwrap();
    });
    let mut command = svctl(peer.directory.path());
    let mut child =
        command.args(["logs", "-f"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    seen.recv().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn a_full_disk_is_reported() {
    let peer = Peer::answering(listing);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output =
        svctl(peer.directory.path()).arg("list").stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("svctl: cannot write the output:"), "{said}");
}

#[test]
fn a_terminal_gets_colours_and_a_hint_at_what_is_hidden() {
    let peer = Peer::answering(listing);
    let text = on_terminal(&mut svctl(peer.directory.path()), &["list"]);
    assert!(text.contains("\x1b[32mup\x1b[0m"), "{text}");
    assert!(text.contains("1 not shown"), "{text}");
}

#[test]
fn no_color_keeps_colours_off_a_terminal() {
    let peer = Peer::answering(listing);
    let text = on_terminal(svctl(peer.directory.path()).env("NO_COLOR", "1"), &["list"]);
    assert!(!text.contains('\x1b'), "{text}");
}

/// What it writes to a terminal.
fn on_terminal(command: &mut Command, arguments: &[&str]) -> String {
    let pty = nix::pty::openpty(None, None).unwrap();
    let mut child = command.args(arguments).env("TERM", "xterm").stdout(pty.slave).spawn().unwrap();
    // The command holds the terminal's other end too: reading ends only once nobody does.
    command.stdout(Stdio::null());
    assert!(child.wait().unwrap().success());
    let mut bytes = Vec::new();
    // Linux reports the end of a terminal as EIO.
    let _ = std::fs::File::from(pty.master).read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_change_that_takes_its_time_is_waited_for() {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let peer = Peer::with(move |_, mut stream| {
        wait.recv().unwrap();
        stream.write_all(&wire::encode(&done()).unwrap()).unwrap();
        until_hangup(&stream);
    });
    let mut child = svctl(peer.directory.path()).args(["start", "a"]).spawn().unwrap();
    assert!(child.try_wait().unwrap().is_none());
    release.send(()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn first_start(name: &str, started_ms: u64, took_ms: u64, waited_for: Option<&str>) -> FirstStartStatus {
    FirstStartStatus {
        name: name.to_owned(),
        state: Phase::Up,
        wanted_ms: 0,
        started_ms: Some(started_ms),
        settled_ms: Some(started_ms + took_ms),
        took_ms: Some(took_ms),
        waited_for: waited_for.map(str::to_owned),
    }
}

/// In two parts, as a plan comes that is too big for one message.
fn booted(request: &Request) -> Vec<Response> {
    let part = |services| Response::Boot { services, now_ms: 9000, complete_ms: Some(1200) };
    match request {
        Request::Boot => {
            let (db, api) = (first_start("db", 0, 200, None), first_start("api", 200, 1000, Some("db")));
            vec![part(vec![db]), part(vec![api]), done()]
        }
        _ => listing(request),
    }
}

#[test]
fn blame_shows_the_slowest_first_and_as_json_an_array_with_a_service_a_line() {
    let peer = Peer::answering(booted);
    assert_eq!(peer.svctl(&["blame"]).out, "   1s  api\n200ms  db\n");
    assert_eq!(
        peer.svctl(&["blame", "--json"]).out,
        "[\n\
         {\"name\":\"api\",\"state\":\"up\",\"wanted-ms\":0,\"started-ms\":200,\"settled-ms\":1200,\"took-ms\":1000,\"waited-for\":\"db\"},\n\
         {\"name\":\"db\",\"state\":\"up\",\"wanted-ms\":0,\"started-ms\":0,\"settled-ms\":200,\"took-ms\":200}\n\
         ]\n"
    );
}

#[test]
fn critical_chain_shows_what_the_boot_or_a_service_waited_for() {
    let peer = Peer::answering(booted);
    let whole = peer.svctl(&["critical-chain"]).out;
    assert!(whole.starts_with("The boot was complete after 1.2s.\n"), "{whole}");
    assert!(whole.ends_with("\n\napi @200ms +1s\n└─db @0ms +200ms\n"), "{whole}");
    assert!(peer.svctl(&["critical-chain", "db"]).out.ends_with("\n\ndb @0ms +200ms\n"));
    let outcome = peer.svctl(&["critical-chain", "debug"]);
    assert_eq!((outcome.code, outcome.err.as_str()), (1, "svctl: debug has not been started yet [C0207]\n"));
    let outcome = failing(FailureKind::UnknownName).svctl(&["critical-chain", "x"]);
    assert_eq!(outcome.code, 4);
}

#[test]
fn critical_chain_of_a_boot_that_goes_on_is_1_with_the_cure() {
    let during = Response::Boot { services: Vec::new(), now_ms: 10, complete_ms: None };
    let outcome = Peer::answering(move |_| vec![during.clone(), done()]).svctl(&["critical-chain"]);
    assert_eq!((outcome.code, outcome.out.as_str()), (1, ""));
    assert!(outcome.err.contains("svctl wait"), "{}", outcome.err);
}

#[test]
fn plot_is_an_svg_document() {
    let outcome = Peer::answering(booted).svctl(&["plot"]);
    assert!(outcome.out.starts_with("<svg xmlns=") && outcome.out.ends_with("</svg>\n"), "{}", outcome.out);
}

/// `nginx` waits for `api`, which has failed and said why.
fn broken(request: &Request) -> Vec<Response> {
    let nginx = ServiceStatus { requires: vec!["api".into()], ..service("nginx", Phase::Waiting) };
    let exit = Some(init_core::status::Exit::Code(1));
    let api = ServiceStatus { last_exit: exit, pid: None, ..service("api", Phase::Failed) };
    let all = vec![service("db", Phase::Up), api, nginx];
    match request {
        Request::List { names } => {
            let chosen = |service: &ServiceStatus| names.is_empty() || names.contains(&service.name);
            let services = all.into_iter().filter(chosen).collect();
            vec![Response::Services { services, stage: Stage::Running }, done()]
        }
        Request::Logs { names, .. } => {
            let line =
                |time_ms, line: &str| Response::Log { service: names.join("+"), time_ms, line: line.into() };
            vec![
                line(0, "old: no route"),
                line(u64::MAX, "new: no route"),
                line(u64::MAX, "new: bye"),
                done(),
            ]
        }
        _ => vec![done()],
    }
}

#[test]
fn why_without_names_shows_what_is_not_well_and_its_cause() {
    let outcome = Peer::answering(broken).svctl(&["why", "-n", "2"]);
    let first: Vec<&str> = outcome.out.lines().map(|line| line.split(" for ").next().unwrap()).collect();
    assert_eq!((first[0], first[1]), ("nginx: waiting", "└─api: failed"), "{}", outcome.out);
    assert!(
        outcome.out.contains("| old: no route\n") && outcome.out.contains("> svctl start api"),
        "{}",
        outcome.out
    );
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
    let well = Peer::answering(|request| match request {
        Request::List { .. } => {
            vec![
                Response::Services { services: vec![service("db", Phase::Up)], stage: Stage::Running },
                done(),
            ]
        }
        _ => vec![done()],
    });
    assert_eq!(well.svctl(&["why"]).out, "every service is as it should be\n");
}

#[test]
fn why_as_json_names_causes_lines_and_commands() {
    let outcome = Peer::answering(broken).svctl(&["why", "--json", "nginx"]);
    let reasons: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(reasons[0]["name"], "api");
    assert_eq!(reasons[0]["last-output"][0], "old: no route");
    assert_eq!(reasons[0]["hints"][0], "svctl start api");
    assert_eq!(reasons[1]["because-of"][0], "api");
}

#[test]
fn is_active_and_is_failed_answer_by_their_exit_codes() {
    let peer = Peer::answering(broken);
    for (arguments, code, shown) in [
        (&["is-active", "db"][..], 0, "db: up\n"),
        (&["is-active", "db", "api"], 1, "db: up\napi: failed\n"),
        (&["is-failed", "db", "api"], 0, "db: up\napi: failed\n"),
        (&["is-failed", "-q", "db"], 1, ""),
    ] {
        let outcome = peer.svctl(arguments);
        assert_eq!(
            (outcome.code, outcome.out.as_str(), outcome.err.as_str()),
            (code, shown, ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn logs_are_chosen_by_age_by_pattern_and_by_state() {
    let peer = Peer::answering(broken);
    let shown = |arguments: &[&str]| peer.svctl(arguments).out;
    assert_eq!(shown(&["logs", "--since", "1d", "api"]), "new: no route\nnew: bye\n");
    assert_eq!(shown(&["logs", "--grep", "(?i)ROUTE$", "api"]), "old: no route\nnew: no route\n");
    assert_eq!(shown(&["logs", "--failed", "--grep", "bye"]), "api | new: bye\n");
    assert_eq!(shown(&["logs", "--failed", "db"]), "");
    assert_eq!(peer.svctl(&["logs", "--grep", "(", "api"]).code, 64);
}

#[test]
fn a_tree_shows_processes_of_none_only_where_everything_is_asked_for() {
    let peer = Peer::answering(broken);
    let me = format!("{}  ", std::process::id());
    assert!(peer.svctl(&["tree", "db"]).out.contains("db (up)"));
    assert!(peer.svctl(&["tree"]).out.lines().any(|line| line.contains("(of no service)")));
    assert!(!peer.svctl(&["tree", "db"]).out.contains(&me));
}

#[test]
fn dependencies_are_listed_and_drawn() {
    let peer = Peer::answering(broken);
    assert_eq!(peer.svctl(&["deps"]).out, "db (up)\nnginx (waiting)\n└─api (failed)\n");
    assert_eq!(peer.svctl(&["deps", "-r", "api"]).out, "api (failed)\n└─nginx (waiting)\n");
    assert!(peer.svctl(&["graph", "nginx"]).out.contains("\"nginx\" -> \"api\";"));
    assert!(peer.svctl(&["graph", "--format", "mermaid"]).out.starts_with("flowchart LR\n"));
}

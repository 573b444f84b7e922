//! `svctl reexec`: another program takes the place of the running one, and everything else stays as it is.
//!
//! `PULP_INIT_REEXECS` is how many times in a row (30).

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, ChildStdout, Stdio};

use init_control::wire::{Request, Response};
use init_core::status::Phase::{Backoff, Done, Starting, Up, Waiting};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Running, Setup, init};

const READY: &str = "[ready]\nfd = 3";

fn times() -> u32 {
    std::env::var("PULP_INIT_REEXECS").ok().and_then(|times| times.parse().ok()).unwrap_or(30)
}

/// `init` is a copy at `work/init`, so that a test can put something else there.
fn with_a_copy(setup: Setup) -> Setup {
    let copy = setup.path("init");
    fs::copy(init(), &copy).unwrap();
    // The first word is the path of the usual program.
    setup.through(&["sh", "-c", &format!("shift; exec {copy} \"$@\""), "sh"])
}

/// Puts another program there, as whoever installs one does.
fn replace(running: &Running, change: impl FnOnce(&std::path::Path)) {
    let new = running.setup.work("init.new");
    let _ = fs::remove_file(&new);
    change(&new);
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&new, running.setup.work("init")).unwrap();
}

/// A `svctl` that goes on while the test does.
struct Background(Child, BufReader<ChildStdout>);

impl Background {
    fn start(running: &Running, words: &[&str]) -> Background {
        let mut child = running.svctl_command(words).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Background(child, output)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn services_clients_and_timers_go_on() {
    let setup = Setup::new();
    let (gate, port) = (setup.path("gate"), setup.path("port"));
    let running = setup
        .longrun("fd", "ready-fd 3 sleep-forever", READY)
        .longrun("notify", "notify READY=1\\nSTATUS=as-ever on USR1 say notified sleep-forever", "[ready]\nnotify = true")
        .longrun("late", &format!("wait-file {gate} notify READY=1\\nSTATUS=late-but-here sleep-forever"), "[ready]\nnotify = true")
        .longrun("piped", &format!("wait-file {gate} ready-fd 3 sleep-forever"), READY)
        .longrun("told", &format!("wait-file {gate} say it-is-up sleep-forever"), "[ready]\nlog = \"it-is-up\"")
        .longrun("after", "sleep-forever", "requires = [\"late\", \"piped\", \"told\"]")
        .longrun("failing", "exit 7", "[restart]\ndelay = \"1h\"\nmax-delay = \"1h\"\njitter = 0")
        .longrun("checked", "sleep-forever", &format!("[health]\ninterval = \"10ms\"\nexec = [\"sh\", \"-c\", \"[ ! -e {port} ]\"]\nfailures = 1\naction = \"none\""))
        .oneshot("job", "say job-done", "")
        .start();
    running.reach("failing", Backoff);
    running.reach("job", Done);
    running.reach("notify", Up);
    let names = ["fd", "notify", "late", "piped", "told", "checked"];
    let pids = || names.map(|name| running.status(name).pid);
    let (before, init) = (pids(), running.pid());
    let restarts = running.status("failing").restarts;
    let mut waits = Background::start(&running, &["wait", "after"]);
    let mut follows = Background::start(&running, &["logs", "-f", "told"]);
    let mut events = running.events();
    for _ in 0..3 {
        let said = running.ok(&["reexec"]);
        assert!(said.starts_with("init 0.1.0 goes on in the place of 0.1.0"), "{said}");
    }
    running.line("): reexec");
    assert_eq!((pids(), running.pid()), (before, init));
    assert_eq!((running.phase("failing"), running.status("failing").restarts), (Backoff, restarts));
    assert_eq!(
        (running.phase("late"), running.phase("piped"), running.phase("told")),
        (Starting, Starting, Starting)
    );
    assert_eq!(running.phase("after"), Waiting);
    assert_eq!(running.note("notify"), "as-ever");
    // What they wait for happens to the third program.
    fs::write(&gate, "").unwrap();
    assert_eq!(waits.0.wait().unwrap().code(), Some(0));
    assert_eq!(waits.line(), "");
    assert_eq!(follows.line(), "it-is-up");
    events.reach("after", Up);
    assert_eq!(running.note("late"), "late-but-here");
    let pid = running.status("notify").pid.unwrap();
    running.ok(&["signal", "USR1", "notify"]);
    running.line("notified");
    assert_eq!(running.status("notify").pid, Some(pid));
    // Checks go on, and so does what is known of before.
    fs::write(&port, "").unwrap();
    running.until("the check fails", || running.ok(&["list", "checked"]).contains("unhealthy"));
    let history = running.ok(&["history", "job"]);
    assert!(history.contains("job: waiting -> starting"), "{history}");
    assert!(running.ok(&["logs", "job"]).contains("job-done"));
    running.ok(&["restart", "fd"]);
    assert!(running.zombies().is_empty());
    let (code, text) = running.stop();
    assert_eq!(code, 0, "{text}");
}

#[test]
fn under_load_no_line_no_exit_and_no_process_is_lost() {
    const LINES: usize = 300;
    let times = times();
    let setup = Setup::new();
    let gate = setup.path("gate");
    let mut setup = setup
        // Whoever follows a log loses what does not fit into it.
        .settings("log-ring = \"1MiB\"\nshutdown-timeout = \"1h\"\n")
        .longrun(
            "mortal",
            "ready-fd 3 sleep-forever",
            &format!("{READY}\n[restart]\ndelay = \"1ms\"\nmax-delay = \"1ms\""),
        )
        .longrun("parent", "on USR1 say still-there sleep-forever", "")
        .longrun("orphans", "orphan 200 sleep-forever", "");
    for name in ["a", "b"] {
        let lines = format!("spew {LINES} 100 sleep 40 ").repeat(times as usize);
        let script = format!("wait-file {gate} {lines}say spewed");
        setup = setup.oneshot(name, &script, "");
    }
    let running = setup.start();
    running.reach("mortal", Up);
    let stable = ["parent", "orphans"].map(|name| running.status(name).pid);
    let mut follows = Background::start(&running, &["logs", "-f", "a"]);
    // It keeps up, so nothing is dropped for it.
    let follower = std::thread::spawn(move || {
        let mut lines = vec![follows.line()];
        while lines.last().is_some_and(|line| line != "spewed") {
            lines.push(follows.line());
        }
        lines
    });
    fs::write(&gate, "").unwrap();
    for time in 0..times {
        let pid = running.reach("mortal", Up).pid.unwrap();
        kill(Pid::from_raw(host_pid(&running, pid)), Signal::SIGKILL).unwrap();
        running.ok(&["reexec"]);
        running.until("the next life", || {
            let status = running.status("mortal");
            status.restarts == time + 1 && status.state == Up
        });
    }
    // Each end was seen, once.
    let ends = running.ok(&["history", "mortal"]);
    let ends = ends.matches("signal KILL").count();
    assert!(ends == times as usize || times > 150, "{ends} ends of {times}");
    for name in ["a", "b"] {
        running.reach(name, Done);
    }
    assert_eq!(["parent", "orphans"].map(|name| running.status(name).pid), stable);
    running.until("orphans are reaped", || running.zombies().is_empty());
    let puppets = running.processes().iter().filter(|process| process.name == "puppet").count();
    assert_eq!(puppets, 3, "mortal, parent and orphans: {:?}", running.processes());
    let all = || (0..times).flat_map(|_| 0..LINES);
    // Not a line is missing, there twice or cut, neither in the output nor for the one who follows.
    running.lines("spewed", 2);
    let text = running.text();
    for name in ["a", "b"] {
        let own =
            text.lines().filter_map(|line| line.split_once(" | ")).filter(|(who, _)| who.trim() == name);
        let numbers: Vec<&str> =
            own.map(|(_, line)| line).filter(|line| line.ends_with("xxx")).map(|line| &line[..8]).collect();
        let expected: Vec<String> = all().map(|number| format!("{number:08}")).collect();
        assert!(numbers == expected, "{name}: {} of {} lines", numbers.len(), expected.len());
    }
    let followed = follower.join().unwrap();
    assert_eq!(followed.len(), times as usize * LINES + 1);
    for (line, number) in followed.iter().zip(all()) {
        assert!(line.starts_with(&format!("{number:08} ")), "{number}: {line}");
    }
    let (code, text) = running.stop();
    assert_eq!(code, 0, "{text}");
}

/// The number of a process outside of `init`'s namespace.
fn host_pid(running: &Running, pid: i32) -> i32 {
    running.process(pid).map(|process| process.outside).unwrap_or(pid)
}

#[test]
fn new_program_is_the_one_at_the_path_of_the_old_one() {
    let running = with_a_copy(Setup::new().longrun("web", "say web-runs sleep-forever", "")).start();
    running.booted();
    let pid = running.status("web").pid;
    replace(&running, |new| {
        // The same program in another file, a little longer.
        let mut bytes = fs::read(init()).unwrap();
        bytes.extend_from_slice(b"another");
        fs::write(new, bytes).unwrap();
    });
    let exe = format!("/proc/{}/exe", running.pid());
    let there = fs::metadata(running.setup.work("init")).unwrap().ino();
    assert_ne!(fs::metadata(&exe).unwrap().ino(), there);
    running.ok(&["reexec"]);
    assert_eq!(fs::metadata(&exe).unwrap().ino(), there);
    assert_eq!(running.status("web").pid, pid);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn program_that_cannot_go_on_is_refused_and_nothing_changes() {
    let running = with_a_copy(Setup::new().longrun("web", "say web-runs sleep-forever", "")).start();
    running.booted();
    let (pid, init) = (running.status("web").pid, running.pid());
    for (script, why) in [
        ("exit 1", "does not say which states it reads"),
        ("echo 99", "restart the container instead"),
        ("echo hello", "does not say which states it reads"),
    ] {
        replace(&running, |new| fs::write(new, format!("#!/bin/sh\n{script}\n")).unwrap());
        let said = running.fails(1, &["reexec"]);
        assert!(said.contains(why), "{script}: {said}");
    }
    let program = running.setup.path("init");
    fs::remove_file(&program).unwrap();
    let said = running.fails(1, &["reexec"]);
    assert!(said.contains("cannot take the place") && said.ends_with("[C0303]\n"), "{said}");
    // Whoever does not ask the program first finds out that it is not there.
    let asked = |program: &str| running.ask(&Request::Reexec { program: program.to_owned(), reads: vec![1] });
    for (program, why) in [(&*program, "cannot execute"), ("/bin/true", "the program of this init is")] {
        match asked(program).last() {
            Some(Response::Error(failure)) => assert!(failure.message.contains(why), "{failure:?}"),
            other => panic!("{other:?}"),
        }
    }
    let line = running.line("the running init goes on");
    assert!(line.contains("[I0219]"), "{line}");
    assert_eq!((running.status("web").pid, running.pid()), (pid, init));
    running.ok(&["restart", "web"]);
    running.lines("web-runs", 2);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn it_also_works_where_init_is_not_process_1() {
    let running = Setup::new().not_pid1().longrun("web", "ready-fd 3 sleep-forever", READY).start();
    running.reach("web", Up);
    let (pid, init) = (running.status("web").pid, running.pid());
    running.ok(&["reexec"]);
    running.ok(&["reexec"]);
    assert_eq!((running.status("web").pid, running.pid()), (pid, init));
    running.ok(&["shutdown"]);
    assert_eq!(running.exit().0, 0);
}

#[test]
fn variable_that_names_no_state_is_ignored_and_no_service_sees_it() {
    let running = Setup::new()
        .env("INIT_STATE", "1:99:98:")
        .longrun("web", "print-env INIT_STATE sleep-forever", "")
        .start();
    running.line("INIT_STATE unset");
    running.booted();
    running.ok(&["reexec"]);
    running.ok(&["restart", "web"]);
    running.lines("INIT_STATE unset", 2);
}

#[test]
fn output_that_nobody_reads_is_kept() {
    let setup = Setup::new();
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let gate = setup.path("gate");
    let running = setup
        .output(std::os::fd::OwnedFd::from(theirs))
        .oneshot("loud", "spew 20000 100 say loud-is-done", "")
        .longrun("quiet", &format!("wait-file {gate} say quiet-at-last sleep-forever"), "")
        .start();
    // The output is full, and the service waits.
    running.reach("loud", Starting);
    for _ in 0..5 {
        running.ok(&["reexec"]);
    }
    fs::write(&gate, "").unwrap();
    let mut text = Vec::new();
    let mut output = BufReader::new(ours);
    let has = |text: &[u8], wanted: &str| memchr::memmem::find(text, wanted.as_bytes()).is_some();
    while !has(&text, "quiet-at-last") || !has(&text, "loud-is-done") {
        let mut part = [0; 65536];
        let count = output.read(&mut part).unwrap();
        assert!(count > 0);
        text.extend_from_slice(&part[..count]);
    }
    running.reach("loud", Done);
    running.ok(&["shutdown"]);
    output.read_to_end(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let numbers: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("loud "))
        .filter_map(|line| line.split_once("| "))
        .map(|(_, line)| line)
        .filter(|line| line.ends_with("xxx"))
        .map(|line| &line[..8])
        .collect();
    let expected: Vec<String> = (0..20000).map(|number| format!("{number:08}")).collect();
    assert!(numbers == expected, "{} of 20000 lines", numbers.len());
}

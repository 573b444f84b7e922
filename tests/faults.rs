//! System calls that fail: `init` stays up, says what failed, and goes on once they work again.
//!
//! Built with the feature `faults`, `init` fails the calls that `$PULP_INIT_FAULTS` lists (see `src/init/kernel/fault.rs`).
//! Shortages that a test can have for real are in `tests/pid1/faults.rs`.

#![allow(missing_docs, reason = "the names of tests say it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]
#![allow(dead_code, unused_imports, reason = "the harness has more than these tests need")]

#[path = "pid1/harness/mod.rs"]
mod harness;

use harness::{Setup, words};
use init_core::status::Phase::{Backoff, Done, Failed, Starting, Up};

/// Each test says it.
const FAULTS: &str = "";

fn with(faults: &str) -> Setup {
    // What a container runtime does with its own memory is its own matter.
    Setup::new().unhurried().not_in_a_container().env("PULP_INIT_FAULTS", faults)
}

const QUICK: &str = "[restart]\ndelay = \"1ms\"\nmax-delay = \"20ms\"\n";

#[test]
fn fork_that_fails_is_tried_again_and_the_reason_and_cure_are_said() {
    for (error, cure) in [("EAGAIN", "--pids-limit"), ("ENOMEM", "--memory")] {
        let running =
            with(&format!("clone={error}x3")).longrun("web", "say hello sleep-forever", QUICK).start();
        let line = running.line(cure);
        assert!(line.contains("web") && line.contains("fork") && line.contains("[I0312]"), "{line}");
        running.line("hello");
        running.reach("web", Up);
        running.ok(&["health"]);
        assert_eq!(running.stop().0, 0);
    }
}

#[test]
fn restart_limit_does_not_count_what_is_not_the_services_fault() {
    let limit = "[restart]\ndelay = \"1ms\"\nmax-delay = \"2ms\"\nlimit = { count = 2, interval = \"60s\" }";
    let running = with("clone=EAGAINx20").longrun("web", "say hello sleep-forever", limit).start();
    running.line("hello");
    assert_eq!(running.phase("web"), Up);
}

#[test]
fn oneshot_that_never_restarts_is_started_once_it_can_be() {
    let running = with("clone=EAGAINx3").oneshot("job", "say hello", "").start();
    running.line("hello");
    running.reach("job", Done);
}

#[test]
fn essential_service_that_cannot_be_forked_yet_does_not_end_the_container() {
    let rest = format!("essential = true\n{QUICK}");
    let running = with("clone=ENOMEMx5").longrun("web", "say hello sleep-forever", &rest).start();
    running.line("hello");
    assert_eq!(running.stop().0, 0);
}

#[test]
fn without_any_process_to_be_had_svctl_answers_and_the_stop_is_clean() {
    let running = with("clone=EAGAINx*")
        .longrun("web", "sleep-forever", QUICK)
        .longrun("db", "sleep-forever", "requires = [\"web\"]")
        .oneshot("job", "exit 0", "")
        .start();
    running.reach("web", Backoff);
    running.fails(1, &["health"]);
    assert!(running.ok(&["list"]).contains("--pids-limit"));
    assert_eq!(running.stop().0, 0);
}

#[test]
fn helpers_that_cannot_be_forked_do_not_hold_up_their_service() {
    // The first process is the service; its finish hook, and its stop and reload commands are never to be had.
    let helper = words("exit 0");
    let rest =
        format!("finish = {helper}\nstop.exec = {helper}\nstop.timeout = \"1h\"\nreload.exec = {helper}");
    let running = with("clone=EAGAIN@2x*").longrun("web", "sleep-forever", &rest).start();
    running.reach("web", Up);
    running.svctl(&["reload", "web"]);
    running.line("reload command");
    running.ok(&["stop", "web"]);
    let (code, text) = running.stop();
    assert!(code == 0 && !text.contains("did not stop within"), "{text}");
}

#[test]
fn health_check_that_cannot_be_forked_says_nothing_about_the_service() {
    let health = "[health]\ninterval = \"5ms\"\nfailures = 1\nexec = [\"true\"]";
    let running = with("clone=EAGAIN@2x50").longrun("web", "sleep-forever", health).start();
    running.reach("web", Up);
    running.until("checks succeed again", || {
        running.status("web").health == init_core::status::Wellness::Healthy
    });
    assert_eq!((running.phase("web"), running.status("web").restarts), (Up, 0));
}

#[test]
fn readiness_probe_that_cannot_be_forked_is_tried_again() {
    let ready = "[ready]\ninterval = \"5ms\"\nexec = [\"true\"]";
    let running = with("clone=EAGAIN@2x5").longrun("web", "sleep-forever", ready).start();
    running.reach("web", Up);
}

#[test]
fn down_command_that_cannot_be_forked_does_not_hold_up_the_end() {
    let running = with("clone=EAGAIN@2x*").oneshot("job", "exit 0", "down = [\"true\"]").start();
    running.reach("job", Done);
    let (code, text) = running.stop();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("down: cannot start"), "{text}");
}

#[test]
fn pipe_that_fails_is_tried_again_and_the_reason_and_cure_are_said() {
    for (script, ready) in [("", ""), ("ready-fd 3", "[ready]\nfd = 3")] {
        let rest = format!("{QUICK}{ready}");
        let running =
            with("pipe=EMFILEx3").longrun("web", &format!("say hello {script} sleep-forever"), &rest).start();
        let line = running.line("limit on open files");
        assert!(line.contains("web") && line.contains("nofile") && line.contains("[I0313]"), "{line}");
        running.line("hello");
    }
}

#[test]
fn watch_that_fails_is_tried_again() {
    // The first three are PID 1's own, without which it could do nothing.
    for first in 4..=8 {
        let running = with(&format!("epoll=ENOSPC@{first}x2"))
            .longrun("web", "ready-fd 3 say hello sleep-forever", &format!("{QUICK}[ready]\nfd = 3"))
            .start();
        running.line("hello");
        running.line("web is up");
        assert_eq!(running.stop().0, 0, "{first}");
    }
}

#[test]
fn connection_that_cannot_be_accepted_is_accepted_later() {
    let running = with("accept=EMFILEx2").longrun("web", "sleep-forever", "").start();
    running.ok(&["wait", "web"]);
    let line = running.line("cannot accept");
    assert!(line.contains("trying again") && line.contains("[I0420]"), "{line}");
    running.ok(&["health"]);
}

#[test]
fn without_a_control_socket_all_else_works() {
    let running = with("bind=ENOSPCx*").longrun("web", "say hello sleep-forever", "").start();
    running.line("svctl will not work");
    running.line("hello");
    running.line("ready in");
    assert_eq!(running.stop().0, 0);
}

#[test]
fn notify_socket_that_cannot_be_bound_is_tried_again() {
    // The first is the control socket.
    let rest = format!("{QUICK}[ready]\nnotify = true");
    let running = with("bind=ENOSPC@2x2").longrun("web", "notify READY=1 sleep-forever", &rest).start();
    running.line("web is up");
}

#[test]
fn output_that_cannot_be_written_for_a_while_is_written_later() {
    let running = with("write=EAGAINx50").longrun("web", "say hello sleep-forever", "").start();
    running.line("hello");
    assert_eq!(running.stop().0, 0);
}

#[test]
fn output_that_fails_for_good_does_not_stop_anything() {
    for error in ["ENOSPC", "EIO"] {
        let running = with(&format!("write={error}x*"))
            .longrun("web", "spew 20000 100 ready-fd 3 sleep-forever", "[ready]\nfd = 3")
            .start();
        running.reach("web", Up);
        assert_eq!(running.stop().0, 0);
    }
}

/// A plan that uses everything there is.
fn everything(faults: &str) -> Setup {
    let helper = words("exit 0");
    let more = format!(
        "finish = {helper}\nstop.exec = {}\nreload.exec = {helper}\nwatchdog = \"1h\"\n",
        words("exit 1")
    );
    with(faults)
        .longrun("fd", "say hello ready-fd 3 sleep-forever", &format!("{more}{QUICK}[ready]\nfd = 3"))
        .longrun("notify", "notify READY=1 sleep-forever", &format!("requires = [\"fd\"]\n{QUICK}[ready]\nnotify = true"))
        .longrun("probed", "sleep-forever", &format!("{QUICK}[ready]\ninterval = \"5ms\"\nexec = [\"true\"]\n[health]\ninterval = \"5ms\"\nexec = [\"true\"]"))
        .longrun("maybe", "sleep-forever", &format!("{QUICK}[start-if]\nexec = [\"true\"]"))
        .oneshot("job", "orphan 5", &format!("before = [\"fd\"]\ndown = {helper}\n[restart]\npolicy = \"on-failure\"\ndelay = \"1ms\""))
}

#[test]
fn whichever_call_fails_whenever_the_boot_completes_and_the_stop_is_clean() {
    for (call, error) in [
        ("clone", "EAGAIN"),
        ("handle", "EMFILE"),
        ("pipe", "EMFILE"),
        ("bind", "ENOSPC"),
        ("epoll", "ENOSPC"),
        ("accept", "EMFILE"),
        ("write", "EIO"),
    ] {
        // Of the first watches init cannot do without, it may only say that it cannot begin.
        let first = if call == "epoll" { 4 } else { 1 };
        for number in first..first + 12 {
            let faults = format!("{call}={error}@{number}");
            let running = everything(&faults).start();
            if (call, number) != ("bind", 1) {
                for name in ["fd", "notify", "probed", "maybe"] {
                    let status = running.reach(name, Up);
                    assert_eq!(status.state, Up, "{faults}");
                }
                running.reach("job", Done);
            } else {
                running.line("ready in");
            }
            let (code, text) = running.stop();
            assert_eq!(code, 0, "{faults}: {text}");
            assert!(!text.contains("panicked"), "{faults}: {text}");
        }
    }
}

#[test]
fn many_faults_at_once_are_survived() {
    for seed in 1..=8u32 {
        let faults = format!(
            "clone=EAGAIN@{}x2,handle=EMFILE@{}x2,pipe=EMFILE@{}x2,accept=EMFILE@{}x1,epoll=ENOSPC@{}x2,bind=ENOSPC@{}x1,clone=ENOMEM@{}x3",
            seed,
            seed + 2,
            seed + 1,
            seed % 3 + 1,
            seed + 4,
            seed % 4 + 2,
            seed + 6
        );
        let running = everything(&faults).start();
        for name in ["fd", "notify", "probed", "maybe"] {
            running.reach(name, Up);
        }
        assert_eq!(running.stop().0, 0, "{faults}");
    }
}

#[test]
fn what_is_lasting_is_not_tried_again_and_again() {
    let running = with("clone=EAGAIN").file("web.toml", "exec = [\"/no/such/program\"]\n").start();
    running.reach("web", Failed);
    assert_ne!(running.phase("web"), Starting);
}

#[test]
fn program_that_cannot_read_what_the_one_before_left_gives_its_place_back() {
    let running = with("state=EIO").longrun("web", "say web-runs sleep-forever", "").start();
    running.booted();
    let (pid, init) = (running.status("web").pid, running.pid());
    for _ in 0..3 {
        let said = running.fails(1, &["reexec"]);
        assert!(said.contains("cannot read what the running one left") && said.contains("goes on"), "{said}");
    }
    assert_eq!((running.status("web").pid, running.pid()), (pid, init));
    running.ok(&["restart", "web"]);
    running.lines("web-runs", 2);
    assert_eq!(running.stop().0, 0);
}

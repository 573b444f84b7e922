//! How a service stops.

use std::time::{Duration, Instant};

use init_core::status::Phase::{Down, Ending, Starting, Stopping, Up, Waiting};

use crate::harness::{Setup, words};

#[test]
fn service_that_ignores_term_is_killed_after_its_stop_timeout() {
    let running = Setup::new()
        .longrun("web", "on TERM ignore say runs sleep-forever", "[stop]\ntimeout = \"300ms\"")
        .start();
    running.line("runs");
    let begin = Instant::now();
    running.ok(&["stop", "web"]);
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert_eq!(running.status("web").last_exit, Some(init_core::status::Exit::Signal(9)));
    running.line("did not stop within");
}

#[test]
fn stopped_process_is_continued_and_stops() {
    let running = Setup::new()
        .longrun(
            "web",
            "on TERM say goodbye on TERM exit 0 say runs sleep-forever",
            "[stop]\ntimeout = \"1h\"",
        )
        .start();
    running.line("runs");
    running.ok(&["signal", "STOP", "web"]);
    running.until("it is stopped", || running.main("web").state == 'T');
    running.ok(&["stop", "web"]);
    running.line("goodbye");
}

#[test]
fn stopped_process_that_ignores_term_is_killed() {
    let running = Setup::new()
        .longrun("web", "on TERM ignore on CONT ignore say runs sleep-forever", "[stop]\ntimeout = \"100ms\"")
        .start();
    running.line("runs");
    running.ok(&["signal", "STOP", "web"]);
    running.until("it is stopped", || running.main("web").state == 'T');
    running.ok(&["stop", "web"]);
    assert_eq!(running.processes(), []);
}

#[test]
fn group_child_that_ignores_term_is_killed_and_waited_for() {
    let running = Setup::new().longrun("web", "fork say runs sleep-forever", "").start();
    running.line("runs");
    assert_eq!(running.processes().len(), 2);
    running.ok(&["stop", "web"]);
    assert_eq!(running.processes(), [], "nothing of it is left when stop answers");
}

#[test]
fn stop_signal_is_as_configured_and_goes_to_the_leader_or_the_group() {
    let child = |name: &str| {
        format!(
            "PUPPET on QUIT say {name}-child on QUIT exit 0 say child-runs sleep-forever & exec PUPPET on QUIT say {name}-leader on QUIT exit 0 sleep-forever"
        )
    };
    let running = Setup::new()
        .shell("leader", "longrun", &child("leader"), "[stop]\nsignal = \"SIGQUIT\"")
        .shell("group", "longrun", &child("group"), "[stop]\nsignal = \"QUIT\"\nscope = \"group\"")
        .start();
    running.lines("child-runs", 2);
    running.until("both leaders are puppets", || {
        ["leader", "group"].iter().all(|name| running.main(name).name == "puppet")
    });
    // The leader's handlers are in place once it sleeps.
    running.until("both handle the signal", || {
        ["leader", "group"]
            .iter()
            .all(|name| u64::from_str_radix(&running.main(name).status("SigCgt"), 16).unwrap() & 4 != 0)
    });
    running.ok(&["stop", "leader", "group"]);
    running.line("leader-leader");
    running.line("group-leader");
    let text = running.text();
    assert!(!text.contains("leader-child"), "{text}");
}

#[test]
fn stop_command_runs_instead_of_the_signal() {
    let setup = Setup::new();
    let flag = setup.path("flag");
    let stop = format!("[stop]\ntimeout = \"60s\"\nexec = {}", words(&format!("say told-it touch {flag}")));
    let running = setup
        .longrun(
            "web",
            &format!("on TERM say was-signalled wait-file {flag} say ended-by-itself exit 0"),
            &stop,
        )
        .start();
    running.booted();
    running.ok(&["stop", "web"]);
    running.line("ended-by-itself");
    running.line("told-it");
    assert!(!running.text().contains("was-signalled"));
}

#[test]
fn stop_command_that_fails_or_hangs_does_not_keep_the_service_up() {
    let running = Setup::new()
        .longrun(
            "failing",
            "on TERM say signalled on TERM exit 0 say runs sleep-forever",
            &format!("[stop]\ntimeout = \"1h\"\nexec = {}", words("exit 1")),
        )
        .longrun(
            "missing",
            "on TERM say signalled on TERM exit 0 say runs sleep-forever",
            "[stop]\ntimeout = \"1h\"\nexec = [\"/no/such/program\"]",
        )
        .longrun(
            "hanging",
            "say runs sleep-forever",
            &format!("[stop]\ntimeout = \"200ms\"\nexec = {}", words("sleep-forever")),
        )
        .start();
    running.lines("runs", 3);
    running.ok(&["stop", "failing", "missing", "hanging"]);
    running.lines("signalled", 2);
    running.until("the stop command is gone too", || running.processes().is_empty());
}

#[test]
fn finish_hook_runs_after_each_end_and_gets_the_exit_code() {
    let setup = Setup::new();
    let (count, log) = (setup.path("count"), setup.path("log"));
    let finish = format!(
        "finish = [\"sh\", \"-c\", \"echo code $$EXIT_CODE signal $${{EXIT_SIGNAL-none}} >> {log}\"]"
    );
    let running = setup
        .longrun(
            "web",
            &format!("fail-times {count} 1 7 sleep-forever"),
            &format!("{finish}\n[restart]\ndelay = \"1ms\""),
        )
        .start();
    running.until("it runs again", || running.status("web").restarts == 1 && running.phase("web") == Up);
    running.ok(&["signal", "KILL", "web"]);
    running.until("and again", || running.status("web").restarts == 2 && running.phase("web") == Up);
    running.ok(&["stop", "web"]);
    assert_eq!(running.read("log"), ["code 7 signal none", "code 137 signal 9", "code 143 signal 15"]);
}

#[test]
fn finish_hook_that_hangs_is_killed() {
    let running = Setup::new()
        .longrun("web", "sleep-forever", "finish = { exec = [\"sleep\", \"3600\"], timeout = \"100ms\" }")
        .start();
    running.booted();
    running.ok(&["stop", "web"]);
    running.line("finish hook took too long");
    running.until("it is gone", || running.processes().is_empty());
}

#[test]
fn events_tell_the_whole_life_of_a_service() {
    let running = Setup::new()
        .longrun("web", "ready-fd 3 sleep-forever", "autostart = false\nfinish = [\"true\"]\n[ready]\nfd = 3")
        .start();
    running.booted();
    let mut events = running.events();
    running.ok(&["start", "web"]);
    let pid = running.status("web").pid;
    running.ok(&["restart", "web"]);
    running.ok(&["stop", "web"]);
    events.pass("web", &[Waiting, Starting]);
    let up = events.of("web");
    assert_eq!((up.from, up.to, up.pid), (Starting, Up, pid));
    events.pass("web", &[Stopping, Ending, Waiting, Starting, Up, Stopping, Ending, Down]);
}

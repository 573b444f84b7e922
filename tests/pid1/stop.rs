//! How services stop, alone and all together, and that nothing can hold up the end.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pulp_init::core::status::Phase::{
    Backoff, Checking, Down, Ending, Starting, Stopping, Undoing, Up, Waiting,
};

use crate::harness::{PROMPTLY, Setup, words};

/// Stops, which must not take long, and returns what was said.
fn promptly(running: crate::harness::Running) -> String {
    let begin = Instant::now();
    let (code, text) = running.stop();
    assert_eq!(code, 0, "{text}");
    assert!(begin.elapsed() < PROMPTLY, "{:?}: {text}", begin.elapsed());
    text
}

#[test]
fn term_while_a_service_is_starting_ends_promptly() {
    let running = Setup::new()
        .longrun("db", "sleep-forever", "[ready]\nfd = 3")
        .longrun("api", "sleep-forever", "requires = [\"db\"]")
        .oneshot("migrate", "sleep-forever", "")
        .start();
    running.reach("db", Starting);
    running.reach("api", Waiting);
    running.reach("migrate", Starting);
    promptly(running);
}

#[test]
fn term_while_a_service_is_in_backoff_ends_promptly() {
    let running = Setup::new()
        .longrun("web", "exit 1", "[restart]\ndelay = \"1h\"\nmax-delay = \"1h\"")
        .longrun("db", "sleep-forever", "")
        .start();
    running.reach("web", Backoff);
    promptly(running);
}

#[test]
fn term_while_a_probe_or_a_condition_runs_ends_promptly() {
    let running = Setup::new()
        .longrun("probed", "sleep-forever", "[ready]\ninitial-delay = \"1h\"\nexec = [\"true\"]")
        .longrun("hanging", "sleep-forever", "[ready]\ntimeout = \"1h\"\nexec = [\"sleep\", \"3600\"]")
        .longrun(
            "condition",
            "sleep-forever",
            "[start-if]\nexec = { exec = [\"sleep\", \"3600\"], timeout = \"1h\" }",
        )
        .start();
    running.reach("probed", Starting);
    running.reach("hanging", Starting);
    running.reach("condition", Checking);
    running.until("the probe runs", || running.processes().iter().filter(|p| p.name == "sleep").count() == 2);
    promptly(running);
}

#[test]
fn signal_is_sent_at_once_and_not_after_the_grace() {
    let running = Setup::new()
        .longrun("web", "sleep-forever", "[stop]\ntimeout = \"60s\"")
        .longrun("never", "sleep-forever", "autostart = false\n[stop]\ntimeout = \"60s\"")
        .start();
    running.booted();
    promptly(running);
}

#[test]
fn service_that_ignores_term_is_killed_after_its_stop_timeout() {
    let running = Setup::new()
        .longrun("web", "on TERM ignore say runs sleep-forever", "[stop]\ntimeout = \"300ms\"")
        .start();
    running.line("runs");
    let begin = Instant::now();
    running.ok(&["stop", "web"]);
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert_eq!(running.status("web").last_exit, Some(pulp_init::core::status::Exit::Signal(9)));
    running.line("did not stop within");
}

#[test]
fn stopped_process_is_continued_and_stops() {
    let running = Setup::new()
        .longrun(
            "web",
            "on TERM say goodbye on TERM exit 0 say runs sleep-forever",
            "[stop]\ntimeout = \"60s\"",
        )
        .start();
    running.line("runs");
    running.ok(&["signal", "STOP", "web"]);
    running.until("it is stopped", || running.main("web").state == 'T');
    let begin = Instant::now();
    running.ok(&["stop", "web"]);
    assert!(begin.elapsed() < PROMPTLY);
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
    promptly(running);
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
    let stop = format!("[stop]\ntimeout = \"60s\"\nexec = {}", words(&format!("touch {flag} say told-it")));
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
            &format!("[stop]\ntimeout = \"60s\"\nexec = {}", words("exit 1")),
        )
        .longrun(
            "missing",
            "on TERM say signalled on TERM exit 0 say runs sleep-forever",
            "[stop]\ntimeout = \"60s\"\nexec = [\"/no/such/program\"]",
        )
        .longrun(
            "hanging",
            "say runs sleep-forever",
            &format!("[stop]\ntimeout = \"200ms\"\nexec = {}", words("sleep-forever")),
        )
        .start();
    running.lines("runs", 3);
    let begin = Instant::now();
    running.ok(&["stop", "failing", "missing", "hanging"]);
    assert!(begin.elapsed() < PROMPTLY);
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
        .longrun("web", "sleep-forever", "finish = { exec = [\"sleep\", \"60\"], timeout = \"100ms\" }")
        .start();
    running.booted();
    let begin = Instant::now();
    running.ok(&["stop", "web"]);
    assert!(begin.elapsed() < PROMPTLY);
    running.line("finish hook took too long");
    running.until("it is gone", || running.processes().is_empty());
}

#[test]
fn completed_oneshot_is_undone_at_stop_after_what_requires_it() {
    let setup = Setup::new();
    let order = setup.path("order");
    let down = |name: &str| format!("down = {}", words(&format!("append {order} {name}-down")));
    let running = setup
        .oneshot("mount", "exit 0", &down("mount"))
        .oneshot("format", "exit 0", &format!("requires = [\"mount\"]\n{}", down("format")))
        .oneshot("failed", "exit 1", &down("failed"))
        .oneshot("never", "exit 0", &format!("autostart = false\n{}", down("never")))
        .longrun(
            "web",
            "sleep-forever",
            &format!("requires = [\"format\"]\nfinish = {}", words(&format!("append {order} web-finished"))),
        )
        .start();
    running.booted();
    let mut events = running.events();
    running.signal(Signal::SIGTERM);
    events.reach("mount", Undoing);
    events.reach("mount", Down);
    running.line("shutting down");
    running.until("init is gone", || running.is_gone());
    assert_eq!(running.read("order"), ["web-finished", "format-down", "mount-down"]);
    assert_eq!(running.exit().0, 0);
}

#[test]
fn down_command_that_hangs_or_fails_does_not_hold_up_the_end() {
    let running = Setup::new()
        .oneshot("hanging", "exit 0", "down = { exec = [\"sleep\", \"60\"], timeout = \"100ms\" }")
        .oneshot("failing", "exit 0", "down = [\"false\"]")
        .oneshot("missing", "exit 0", "down = [\"/no/such/program\"]")
        .start();
    running.booted();
    let text = promptly(running);
    assert!(text.contains("hanging"), "{text}");
}

#[test]
fn commands_that_run_during_the_shutdown_are_reaped_by_it() {
    // Each hook starts processes and must be seen to end, though everything is ending.
    let setup = Setup::new();
    let order = setup.path("order");
    let hook = |name: &str| words(&format!("orphan 20 append {order} {name}"));
    let running = setup
        .oneshot("one", "exit 0", &format!("down = {}", hook("down")))
        .longrun(
            "two",
            "sleep-forever",
            &format!(
                "finish = {}\nstop.exec = {}",
                hook("finish"),
                words(&format!("append {order} stop exit 1"))
            ),
        )
        .start();
    running.booted();
    let begin = Instant::now();
    running.signal(Signal::SIGTERM);
    running.until("init is gone", || running.is_gone());
    assert!(begin.elapsed() < PROMPTLY);
    let mut order = running.read("order");
    order.sort();
    assert_eq!(order, ["down", "finish", "stop"]);
}

#[test]
fn whole_shutdown_keeps_its_budget_with_stubborn_services_at_every_tier() {
    let stubborn = "fork on TERM ignore say runs sleep-forever";
    let slow = "[stop]\ntimeout = \"60s\"";
    let running = Setup::new()
        .settings("shutdown-timeout = \"2s\"\n")
        .longrun("a", stubborn, slow)
        .longrun("b", stubborn, &format!("requires = [\"a\"]\n{slow}"))
        .longrun("c", stubborn, &format!("requires = [\"b\"]\n{slow}"))
        .longrun("d", stubborn, &format!("requires = [\"c\"]\n{slow}"))
        .start();
    running.lines("runs", 4);
    let begin = Instant::now();
    let (code, text) = running.stop();
    assert_eq!(code, 0, "{text}");
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}: {text}");
    for name in ["a", "b", "c", "d"] {
        assert!(text.contains(&format!("{name}: did not stop within")), "{name}: {text}");
    }
}

#[test]
fn shutdown_within_a_container_managers_ten_seconds_is_the_default() {
    let running = Setup::new()
        .longrun("web", "on TERM ignore say runs sleep-forever", "[stop]\ntimeout = \"1h\"")
        .start();
    running.line("runs");
    let begin = Instant::now();
    let (code, text) = running.stop();
    assert_eq!(code, 0, "{text}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    // And it said all the while who was to blame.
    assert!(text.contains("shutdown waits for web"), "{text}");
}

#[test]
fn services_of_others_are_not_held_up_by_a_stubborn_one() {
    let setup = Setup::new();
    let gone = setup.path("gone");
    let running = setup
        .longrun(
            "stubborn",
            &format!("on TERM touch {gone}.term say runs sleep-forever"),
            "[stop]\ntimeout = \"60s\"",
        )
        .longrun("good", &format!("on TERM touch {gone} on TERM exit 0 say runs sleep-forever"), "")
        .start();
    running.lines("runs", 2);
    let mut events = running.events();
    running.signal(Signal::SIGTERM);
    events.reach("good", Down);
    assert_eq!(running.phase("stubborn"), Stopping);
    running.signal(Signal::SIGINT);
}

#[test]
fn second_int_kills_what_is_left_at_once() {
    let running = Setup::new()
        .longrun("web", "on TERM ignore say runs sleep-forever", "[stop]\ntimeout = \"60s\"")
        .longrun("db", "on TERM ignore say runs sleep-forever", "[stop]\ntimeout = \"60s\"")
        .longrun("api", "sleep-forever", "requires = [\"db\"]")
        .start();
    running.lines("runs", 2);
    let mut events = running.events();
    running.signal(Signal::SIGINT);
    events.reach("web", Stopping);
    let begin = Instant::now();
    running.signal(Signal::SIGINT);
    let (code, text) = running.exit();
    assert_eq!(code, 0, "{text}");
    assert!(begin.elapsed() < PROMPTLY, "{text}");
    assert!(text.contains("interrupted again"), "{text}");
}

#[test]
fn starts_are_refused_while_everything_stops() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running = setup
        .longrun(
            "web",
            "sleep-forever",
            &format!("stop.exec = {}", words(&format!("wait-file {gate} exit 1"))),
        )
        .longrun("other", "say other-runs sleep-forever", "autostart = false")
        .start();
    running.booted();
    let mut events = running.events();
    running.signal(Signal::SIGTERM);
    events.reach("web", Stopping);
    let said = running.fails(1, &["start", "other"]);
    assert!(said.contains("shutting down"), "{said}");
    running.fails(1, &["health"]);
    running.signal(Signal::SIGHUP);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    let (code, text) = running.exit();
    assert_eq!(code, 0);
    assert!(!text.contains("other-runs"), "{text}");
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

//! How everything stops, and that nothing can hold up the end.

use std::time::Duration;

use init_core::status::Phase::{Backoff, Checking, Down, Starting, Stopping, Undoing, Waiting};
use nix::sys::signal::Signal;

use crate::harness::{Running, Setup, words};

/// Long after any test has given up: a service that is waited for until then fails its test.
const PATIENT: &str = "[stop]\ntimeout = \"1h\"";

/// Stops an unhurried `init`, where nothing may have to be killed, and returns what was said.
fn promptly(running: Running) -> String {
    let (code, text) = running.stop();
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("did not stop within"), "{text}");
    text
}

#[test]
fn term_while_a_service_is_starting_ends_promptly() {
    let running = Setup::new()
        .unhurried()
        .longrun("db", "sleep-forever", &format!("{PATIENT}\n[ready]\nfd = 3"))
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
        .unhurried()
        .longrun("web", "exit 1", "[restart]\ndelay = \"1h\"\nmax-delay = \"1h\"")
        .longrun("db", "sleep-forever", PATIENT)
        .start();
    running.reach("web", Backoff);
    promptly(running);
}

#[test]
fn term_while_a_probe_or_a_condition_runs_ends_promptly() {
    let running = Setup::new()
        .unhurried()
        .longrun(
            "probed",
            "sleep-forever",
            "start-timeout = \"2h\"\n[ready]\ninitial-delay = \"1h\"\nexec = [\"true\"]",
        )
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
        .unhurried()
        .longrun("web", "sleep-forever", PATIENT)
        .longrun("never", "sleep-forever", &format!("autostart = false\n{PATIENT}"))
        .start();
    running.booted();
    promptly(running);
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
        .unhurried()
        .oneshot("hanging", "exit 0", "down = { exec = [\"sleep\", \"3600\"], timeout = \"100ms\" }")
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
    running.signal(Signal::SIGTERM);
    running.until("init is gone", || running.is_gone());
    let mut order = running.read("order");
    order.sort();
    assert_eq!(order, ["down", "finish", "stop"]);
}

#[test]
fn whole_shutdown_keeps_its_budget_with_stubborn_services_at_every_tier() {
    let stubborn = "fork on TERM ignore say runs sleep-forever";
    let running = Setup::new()
        .settings("shutdown-timeout = \"2s\"\n")
        .longrun("a", stubborn, PATIENT)
        .longrun("b", stubborn, &format!("requires = [\"a\"]\n{PATIENT}"))
        .longrun("c", stubborn, &format!("requires = [\"b\"]\n{PATIENT}"))
        .longrun("d", stubborn, &format!("requires = [\"c\"]\n{PATIENT}"))
        .start();
    running.lines("runs", 4);
    let (code, text) = running.stop();
    assert_eq!(code, 0, "{text}");
    for name in ["a", "b", "c", "d"] {
        assert!(text.contains(&format!("{name}: did not stop within")), "{name}: {text}");
    }
}

#[test]
fn shutdown_within_a_container_managers_ten_seconds_is_the_default() {
    let running = Setup::new().longrun("web", "on TERM ignore say runs sleep-forever", PATIENT).start();
    running.line("runs");
    let (code, text) = running.stop();
    assert_eq!(code, 0, "{text}");
    assert!(init_plan::Settings::default().shutdown_timeout < Duration::from_secs(10));
    assert!(text.contains("web: did not stop within"), "{text}");
    // And it said all the while who was to blame.
    assert!(text.contains("shutdown waits for web"), "{text}");
}

#[test]
fn services_of_others_are_not_held_up_by_a_stubborn_one() {
    let setup = Setup::new().unhurried();
    let gone = setup.path("gone");
    let running = setup
        .longrun("stubborn", &format!("on TERM touch {gone}.term say runs sleep-forever"), PATIENT)
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
        .unhurried()
        .longrun("web", "on TERM ignore say runs sleep-forever", PATIENT)
        .longrun("db", "on TERM ignore say runs sleep-forever", PATIENT)
        .longrun("api", "sleep-forever", "requires = [\"db\"]")
        .start();
    running.lines("runs", 2);
    let mut events = running.events();
    running.signal(Signal::SIGINT);
    events.reach("web", Stopping);
    running.signal(Signal::SIGINT);
    let (code, text) = running.exit();
    assert_eq!(code, 0, "{text}");
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

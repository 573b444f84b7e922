//! `INIT_LOG=debug`: what the core is told, what it orders, and what services wait for.

use init_core::status::Phase::{Starting, Up};

use crate::harness::Setup;

/// A service that is ready once a file exists, and one that waits for it.
fn two(setup: Setup) -> Setup {
    let gate = setup.path("gate");
    setup.longrun("db", &format!("wait-file {gate} ready-fd 3 sleep-forever"), "[ready]\nfd = 3").longrun(
        "web",
        "sleep-forever",
        "requires = [\"db\"]\n[env]\nset = { PASSWORD = \"hunter2\" }",
    )
}

#[test]
fn debug_lines_tell_events_actions_and_what_a_service_waits_for() {
    let running = two(Setup::new()).env("INIT_LOG", "debug").start();
    running.reach("db", Starting);
    running.line("debug: action: start the main process of db (run ");
    running.line("debug: web is not started: it waits for db (starting)");
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.reach("web", Up);
    running.line("debug: event: db (run ");
    running.line("debug: action: web goes from waiting to starting");
    running.ok(&["restart", "db"]);
    running.line("debug: event: restart db");
    // A plan holds the environment of services.
    running.ok(&["reload"]);
    running.line("debug: event: a new plan of 2 services");
    let (code, text) = running.stop();
    assert_eq!(code, 0);
    assert!(text.contains("debug: action: exit with code 0"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn without_the_variable_there_are_no_debug_lines() {
    let running = two(Setup::new()).env("INIT_LOG", "off").start();
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.booted();
    let (code, text) = running.stop();
    assert_eq!((code, text.contains("debug:")), (0, false), "{text}");
}

#[test]
fn value_that_does_not_exist_is_said_and_changes_nothing() {
    let running = Setup::new().longrun("web", "sleep-forever", "").env("INIT_LOG", "loud").start();
    running.line("INIT_LOG: \"loud\" is unknown: write debug or off");
    running.booted();
    assert!(!running.text().contains("debug:"));
}

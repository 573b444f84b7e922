//! Who waits for whom, and what becomes of those who wait in vain.

use init_core::status::Phase::{Backoff, Done, Down, Failed, Skipped, Starting, Stopping, Up, Waiting};

use crate::harness::Setup;

/// A service that reports its start in a file, works a while, reports its readiness, and its end.
fn logging(order: &str, name: &str) -> String {
    format!("append {order} {name}+ sleep 30 append {order} {name}! ready-fd 3 sleep-forever")
}

const READY: &str = "\n[ready]\nfd = 3";

#[test]
fn services_start_after_what_they_require_want_and_follow_is_ready() {
    let setup = Setup::new();
    let order = setup.path("order");
    let running = setup
        .longrun("a", &logging(&order, "a"), READY)
        .longrun("b", &logging(&order, "b"), &format!("requires = [\"a\"]{READY}"))
        .longrun("c", &logging(&order, "c"), &format!("wants = [\"b\"]{READY}"))
        .longrun("d", &logging(&order, "d"), &format!("after = [\"c\"]\nbefore = [\"e\"]{READY}"))
        .longrun("e", &logging(&order, "e"), READY)
        .start();
    running.booted();
    assert_eq!(running.read("order"), ["a+", "a!", "b+", "b!", "c+", "c!", "d+", "d!", "e+", "e!"]);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn independent_services_start_side_by_side() {
    // Each waits for the other, which ends only if neither waits to be started.
    let setup = Setup::new();
    let (a, b) = (setup.path("a"), setup.path("b"));
    let running = setup
        .oneshot("a", &format!("touch {a} wait-file {b}"), "")
        .oneshot("b", &format!("touch {b} wait-file {a}"), "")
        .start();
    running.booted();
    assert_eq!(running.phase("a"), Done);
}

#[test]
fn oneshot_is_complete_before_what_requires_it_starts() {
    let setup = Setup::new();
    let order = setup.path("order");
    let running = setup
        .oneshot("prepare", &format!("append {order} begin sleep 100 append {order} end"), "")
        .oneshot("use", &format!("append {order} use"), "requires = [\"prepare\"]")
        .start();
    running.booted();
    assert_eq!(running.read("order"), ["begin", "end", "use"]);
}

#[test]
fn oneshot_runs_once_whoever_requires_it() {
    let setup = Setup::new();
    let order = setup.path("order");
    let needs = "requires = [\"prepare\"]";
    let running = setup
        .oneshot("prepare", &format!("append {order} ran"), "")
        .longrun("a", "sleep-forever", needs)
        .longrun("b", "sleep-forever", needs)
        .longrun("late", "sleep-forever", &format!("autostart = false\n{needs}"))
        .start();
    running.booted();
    running.ok(&["restart", "a"]);
    running.ok(&["signal", "KILL", "b"]);
    running.ok(&["start", "late"]);
    running.ok(&["start", "prepare"]);
    assert_eq!(running.read("order"), ["ran"]);
}

#[test]
fn failure_spreads_to_all_that_require_it_and_names_it() {
    let running = Setup::new()
        .oneshot("prepare", "exit 3", "")
        .longrun("db", "say db-runs sleep-forever", "requires = [\"prepare\"]")
        .longrun("api", "say api-runs sleep-forever", "requires = [\"db\"]")
        .longrun("other", "sleep-forever", "wants = [\"prepare\"]")
        .start();
    running.booted();
    for name in ["db", "api"] {
        let status = running.status(name);
        assert_eq!(status.state, Failed, "{status:?}");
        assert!(status.note.as_deref().unwrap_or_default().contains("prepare"), "{status:?}");
    }
    assert_eq!(running.phase("other"), Up);
    let (_, text) = running.stop();
    assert!(!text.contains("-runs"), "{text}");
}

#[test]
fn dependency_that_is_never_ready_fails_its_dependents() {
    let running = Setup::new()
        .longrun("db", "sleep-forever", "restart = \"never\"\nstart-timeout = \"100ms\"\n[ready]\nfd = 3")
        .longrun("api", "say api-runs sleep-forever", "requires = [\"db\"]")
        .start();
    running.booted();
    assert_eq!((running.phase("db"), running.phase("api")), (Failed, Failed));
    assert!(running.note("db").contains("not ready in time"), "{}", running.note("db"));
    assert!(running.note("api").contains("db"), "{}", running.note("api"));
    assert!(!running.text().contains("api-runs"));
}

#[test]
fn dependency_may_restart_while_its_dependents_wait() {
    let setup = Setup::new();
    let count = setup.path("count");
    let running = setup
        .longrun(
            "db",
            &format!("fail-times {count} 3 1 ready-fd 3 sleep-forever"),
            "[restart]\ndelay = \"1ms\"\n[ready]\nfd = 3",
        )
        .longrun("api", "sleep-forever", "requires = [\"db\"]")
        .start();
    running.booted();
    assert_eq!((running.phase("db"), running.phase("api")), (Up, Up));
    assert_eq!((running.status("db").restarts, running.status("api").restarts), (3, 0));
}

#[test]
fn dependents_fail_when_the_restart_limit_is_reached() {
    let running = Setup::new()
        .longrun(
            "db",
            "exit 1",
            "[restart]\ndelay = \"1ms\"\nlimit = { count = 2, interval = \"60s\" }\n[ready]\nfd = 3",
        )
        .longrun("api", "sleep-forever", "requires = [\"db\"]")
        .start();
    running.booted();
    assert_eq!((running.phase("db"), running.phase("api")), (Failed, Failed));
    assert!(running.note("db").contains("gave up after 2 restarts"), "{}", running.note("db"));
}

#[test]
fn running_dependents_come_down_when_what_they_require_is_given_up_and_come_back_with_it() {
    let setup = Setup::new();
    let broken = setup.work("broken");
    let script =
        format!("if [ -e {} ]; then exit 7; fi; exec PUPPET ready-fd 3 sleep-forever", broken.display());
    let running = setup
        .shell("db", "longrun", &script, &format!("restart = \"never\"{READY}"))
        .longrun("api", "sleep-forever", "requires = [\"db\"]")
        .start();
    running.booted();
    let mut events = running.events();
    running.ok(&["signal", "KILL", "db"]);
    events.reach("api", Failed);
    assert!(running.note("api").contains("requires db"), "{}", running.note("api"));
    std::fs::write(&broken, "").unwrap();
    running.fails(1, &["start", "db"]);
    assert_eq!(running.phase("api"), Failed);
    std::fs::remove_file(&broken).unwrap();
    running.ok(&["start", "db"]);
    events.reach("api", Up);
}

#[test]
fn soft_dependency_is_waited_for_but_may_crash_for_ever() {
    let running = Setup::new()
        .longrun("cache", "exit 1", "[restart]\ndelay = \"1h\"\nmax-delay = \"1h\"\n[ready]\nfd = 3")
        .longrun("api", "sleep-forever", "wants = [\"cache\"]")
        .start();
    running.reach("api", Up);
    running.reach("cache", Backoff);
}

#[test]
fn order_alone_starts_nobody() {
    let running = Setup::new()
        .longrun("a", "sleep-forever", "autostart = false")
        .longrun("b", "sleep-forever", "after = [\"a\"]")
        .longrun("c", "sleep-forever", "requires = [\"b\"]")
        .start();
    running.booted();
    assert_eq!((running.phase("a"), running.phase("b"), running.phase("c")), (Down, Up, Up));
}

#[test]
fn requirements_are_started_though_they_do_not_start_by_themselves() {
    let running = Setup::new()
        .longrun("db", "sleep-forever", "autostart = false")
        .longrun("cache", "sleep-forever", "autostart = false")
        .longrun("api", "sleep-forever", "requires = [\"db\"]\nwants = [\"cache\"]")
        .start();
    running.booted();
    assert_eq!((running.phase("db"), running.phase("cache")), (Up, Up));
}

#[test]
fn stop_takes_dependents_down_first() {
    let running = Setup::new()
        .longrun("db", "sleep-forever", "")
        .longrun("api", "sleep-forever", "requires = [\"db\"]")
        .longrun("web", "sleep-forever", "requires = [\"api\"]")
        .longrun("fan", "sleep-forever", "wants = [\"db\"]")
        .start();
    running.booted();
    let mut events = running.events();
    running.ok(&["stop", "db"]);
    let mut ends = Vec::new();
    while ends.len() < 3 {
        let event = events.next().unwrap();
        if event.to == Down {
            ends.push(event.service);
        }
    }
    assert_eq!(ends, ["web", "api", "db"]);
    assert_eq!(running.phase("fan"), Up, "who only wants it stays");
}

#[test]
fn restart_leaves_dependents_up() {
    let running = Setup::new()
        .longrun("db", "sleep-forever", "")
        .longrun("api", "sleep-forever", "requires = [\"db\"]")
        .start();
    running.booted();
    let before = (running.status("db").pid, running.status("api").pid);
    running.ok(&["restart", "db"]);
    let after = (running.status("db").pid, running.status("api").pid);
    assert!(before.0 != after.0 && before.1 == after.1, "{before:?} {after:?}");
}

#[test]
fn restart_and_stop_of_a_service_that_waits_for_another_leave_one_process_of_it() {
    let setup = Setup::new();
    let (gate, runs) = (setup.path("gate"), setup.path("runs"));
    let running = setup
        .longrun("db", &format!("wait-file {gate} ready-fd 3 sleep-forever"), "[ready]\nfd = 3")
        .longrun(
            "api",
            &format!("append {runs} run ready-fd 3 sleep-forever"),
            &format!("requires = [\"db\"]{READY}"),
        )
        .start();
    running.reach("db", Starting);
    assert_eq!(running.phase("api"), Waiting);
    assert!(running.note("api").contains("db"), "it says what it waits for: {}", running.note("api"));
    running.ok(&["restart", "--no-wait", "api"]);
    running.ok(&["stop", "api"]);
    assert_eq!(running.phase("api"), Down);
    running.ok(&["start", "--no-wait", "api"]);
    running.ok(&["restart", "--no-wait", "api"]);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.reach("api", Up);
    assert_eq!(running.read("runs"), ["run"]);
    running.ok(&["restart", "api"]);
    assert_eq!(running.read("runs"), ["run", "run"]);
}

#[test]
fn stop_during_a_restart_wins() {
    let setup = Setup::new();
    let (gate, runs) = (setup.path("gate"), setup.path("runs"));
    let running = setup
        .longrun(
            "web",
            &format!("append {runs} run ready-fd 3 sleep-forever"),
            &format!("stop.exec = {}{READY}", crate::harness::words(&format!("wait-file {gate} exit 1"))),
        )
        .start();
    running.booted();
    let mut events = running.events();
    running.ok(&["restart", "--no-wait", "web"]);
    events.pass("web", &[Stopping]);
    running.ok(&["stop", "--no-wait", "web"]);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    events.reach("web", Down);
    assert_eq!(running.read("runs"), ["run"]);
    assert!(!running.status("web").wanted);
}

#[test]
fn stop_in_backoff_stays_down() {
    let running =
        Setup::new().longrun("web", "exit 1", "[restart]\ndelay = \"1h\"\nmax-delay = \"1h\"").start();
    running.reach("web", Backoff);
    running.ok(&["stop", "web"]);
    assert_eq!(running.phase("web"), Down);
}

#[test]
fn failing_condition_of_a_requirement_does_not_fail_its_dependents() {
    let running = Setup::new()
        .longrun("tls", "sleep-forever", "[start-if]\nfile = [\"/nonexistent\"]")
        .longrun("web", "sleep-forever", "requires = [\"tls\"]")
        .start();
    running.booted();
    assert_eq!((running.phase("tls"), running.phase("web")), (Skipped, Up));
}

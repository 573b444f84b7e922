//! What happens to a service that ends by itself.

use init_core::status::Exit;
use init_core::status::Phase::{Backoff, Done, Ending, Failed, Starting, Stopping, Up, Waiting};

use crate::harness::Setup;

#[test]
fn service_killed_by_any_signal_is_restarted() {
    let running = Setup::new().longrun("web", "sleep-forever", "[restart]\ndelay = \"1ms\"").start();
    running.booted();
    let mut events = running.events();
    for (signal, number) in [("TERM", 15), ("KILL", 9), ("ABRT", 6), ("USR1", 10)] {
        running.ok(&["signal", signal, "web"]);
        let event = events.reach("web", Ending);
        assert_eq!(event.exit, Some(Exit::Signal(number)));
        events.reach("web", Up);
    }
    assert_eq!(running.status("web").restarts, 4);
}

#[test]
fn first_restart_is_immediate() {
    let setup = Setup::new();
    let count = setup.path("count");
    let running = setup
        .longrun(
            "web",
            &format!("fail-times {count} 1 1 sleep-forever"),
            "[restart]\ndelay = \"1h\"\nmax-delay = \"1h\"\n[ready]\nlog = 'never'",
        )
        .start();
    let mut events = running.events();
    while running.status("web").restarts == 0 {
        events.of("web");
    }
    running.until("the second process runs", || running.read("count").concat() == "..");
    assert_eq!(running.phase("web"), Starting);
}

#[test]
fn delays_between_restarts_grow_and_are_shown() {
    let running = Setup::new()
        .longrun(
            "web",
            "exit 1",
            "[restart]\ndelay = \"40ms\"\nfactor = 3.0\njitter = 0.0\nmax-delay = \"300ms\"",
        )
        .start();
    let mut events = running.events();
    let mut delays = Vec::new();
    while delays.len() < 5 {
        let begin = events.reach("web", Backoff).time_ms;
        delays.push(events.reach("web", Waiting).time_ms - begin);
    }
    // No sooner than asked for: 40, 120, 300, 300 … or, if the first was missed, later ones.
    assert!(delays[0] >= 39 && delays[1] >= 119, "{delays:?}");
    assert!(delays[2..].iter().all(|&delay| delay >= 299), "{delays:?}");
    running.until("the delay is shown", || {
        running.note("web").contains("ended with exit code 1; next start in")
    });
}

#[test]
fn service_that_ran_long_enough_is_forgiven() {
    let running = Setup::new()
        .longrun(
            "web",
            "sleep 60 exit 1",
            "[restart]\ndelay = \"1h\"\nmax-delay = \"1h\"\nreset-after = \"30ms\"",
        )
        .start();
    running.until("it was restarted again and again", || running.status("web").restarts >= 5);
}

#[test]
fn restart_limit_is_kept_and_a_person_may_try_again() {
    let setup = Setup::new();
    let runs = setup.path("runs");
    let limit = "[restart]\ndelay = \"1ms\"\nlimit = { count = 3, interval = \"60s\" }\n[ready]\nfd = 3";
    let running = setup.longrun("web", &format!("append {runs} run exit 2"), limit).start();
    running.reach("web", Failed);
    assert_eq!(running.read("runs").len(), 4);
    assert_eq!(running.status("web").last_exit, Some(Exit::Code(2)));
    let mut events = running.events();
    running.fails(1, &["start", "web"]);
    events.reach("web", Failed);
    assert_eq!(running.read("runs").len(), 8);
}

#[test]
fn on_failure_restarts_failures_only() {
    let setup = Setup::new();
    let count = setup.path("count");
    let running = setup
        .longrun(
            "web",
            &format!("fail-times {count} 2 1 exit 0"),
            "[restart]\npolicy = \"on-failure\"\ndelay = \"1ms\"",
        )
        .longrun("odd", "exit 3", "[restart]\npolicy = \"on-failure\"\nsuccess-codes = [0, 3]")
        .start();
    assert_eq!(running.reach("web", Done).restarts, 2);
    assert_eq!(running.reach("odd", Done).restarts, 0);
}

#[test]
fn always_restarts_after_success_too() {
    let setup = Setup::new();
    let count = setup.path("count");
    let running = setup
        .longrun(
            "web",
            &format!("append {count} x exit 0"),
            "[restart]\ndelay = \"1ms\"\nmax-delay = \"1ms\"",
        )
        .start();
    running.until("it ran often", || running.read("count").len() >= 5);
}

#[test]
fn death_is_noticed_though_a_child_keeps_the_output_open() {
    let setup = Setup::new().unhurried();
    let first = setup.path("first");
    let script = format!(
        "[ -e {first} ] && exec PUPPET sleep-forever; touch {first}; exec PUPPET stdout-holder say 'goodbye' exit 3"
    );
    let running = setup.shell("web", "longrun", &script, "").start();
    running.until("it was restarted", || running.status("web").restarts == 1 && running.phase("web") == Up);
    running.line("goodbye");
    // The one in a session of its own does not hold up the end.
    assert_eq!(running.stop().0, 0);
}

#[test]
fn child_of_a_service_that_ended_does_not_live_beside_the_next_one() {
    let running = Setup::new().longrun("web", "fork say runs sleep-forever", "").start();
    running.line("runs");
    assert_eq!(running.processes().len(), 2);
    running.ok(&["signal", "KILL", "web"]);
    running.lines("runs", 2);
    running.until("only the second pair is left", || running.processes().len() == 2);
}

#[test]
fn program_that_cannot_be_executed_fails_at_once_with_the_reason() {
    let running = Setup::new()
        .file("missing.toml", "exec = [\"no-such-program\"]\n")
        .file("path.toml", "exec = [\"/no/such/program\"]\n")
        .file("plain.toml", "exec = [\"/etc/passwd\"]\n")
        .file("cwd.toml", "exec = [\"true\"]\ncwd = \"/no/such/directory\"\n")
        .start();
    running.booted();
    for (name, reason) in [
        ("missing", "not found in PATH"),
        ("path", "no such program"),
        ("plain", "executable"),
        ("cwd", "/no/such/directory"),
    ] {
        let status = running.status(name);
        assert_eq!((status.state, status.restarts), (Failed, 0), "{name}");
        assert!(status.note.as_deref().unwrap_or_default().contains(reason), "{status:?}");
    }
}

#[test]
fn restart_takes_no_longer_than_the_service_itself_does() {
    let running = Setup::new()
        .longrun(
            "web",
            "sleep-forever",
            "[restart]\ndelay = \"1h\"\nmax-delay = \"1h\"\n[stop]\ntimeout = \"1h\"",
        )
        .start();
    running.booted();
    let mut events = running.events();
    for _ in 0..20 {
        running.ok(&["restart", "web"]);
        events.pass("web", &[Stopping, Ending, Waiting, Starting, Up]);
    }
    assert_eq!(running.status("web").restarts, 0, "asked for, so not counted");
}

//! What a stop takes along, and how it comes back.

use init_core::status::Phase::{Backoff, Done, Down, Up};

use crate::harness::{Running, Setup};

fn database() -> Running {
    let running = Setup::new()
        .longrun("db", "sleep-forever", "")
        .oneshot("migrate", "exit 0", "requires = [\"db\"]")
        .longrun("api", "sleep-forever", "requires = [\"migrate\"]")
        .longrun("other", "sleep-forever", "")
        .start();
    running.booted();
    running
}

#[test]
fn stop_says_whom_it_took_along_and_start_brings_them_back() {
    let running = database();
    let said = running.ok(&["stop", "db"]);
    assert!(said.contains("migrate, api") && said.contains("svctl start db"), "{said}");
    assert_eq!((running.phase("db"), running.phase("api"), running.phase("other")), (Down, Down, Up));
    assert_eq!(running.note("api"), "stopped with db");
    let said = running.ok(&["start", "db"]);
    assert!(said.contains("migrate, api"), "{said}");
    assert_eq!((running.phase("db"), running.phase("migrate"), running.phase("api")), (Up, Done, Up));
    assert_eq!(running.ok(&["start", "db"]), "");
    assert_eq!(running.ok(&["stop", "other"]), "");
}

#[test]
fn start_says_who_stays_down_because_somebody_stopped_it() {
    let running = database();
    running.ok(&["stop", "migrate"]);
    running.ok(&["stop", "db"]);
    running.ok(&["start", "db"]);
    assert_eq!((running.phase("db"), running.phase("migrate"), running.phase("api")), (Up, Down, Down));
    running.ok(&["start", "migrate"]);
    assert_eq!((running.phase("migrate"), running.phase("api")), (Done, Up));
    running.ok(&["stop", "db"]);
    running.ok(&["stop", "migrate"]);
    let said = running.ok(&["start", "db"]);
    assert!(said.contains("still down: api (stopped with migrate)"), "{said}");
}

#[test]
fn health_is_not_well_while_a_service_of_the_boot_is_down_by_hand() {
    let running = database();
    running.ok(&["health"]);
    running.ok(&["stop", "api"]);
    let said = running.svctl(&["health"]);
    assert_eq!((said.code, &*said.out), (1, "api: down: stopped by hand\n"), "{said:?}");
    running.ok(&["start", "api"]);
    assert_eq!(running.ok(&["health"]), "healthy\n");
}

#[test]
fn start_of_a_daemon_that_ends_at_once_fails() {
    let running = Setup::new()
        .longrun("web", "sleep 1 exit 3", "autostart = false\n[restart]\ndelay = \"1h\"\nmax-delay = \"1h\"")
        .start();
    running.booted();
    assert!(running.fails(1, &["start", "web"]).contains("exit code 3"));
    assert_eq!(running.phase("web"), Backoff);
}

#[test]
fn service_that_asks_for_more_time_to_start_and_to_stop_gets_it() {
    let setup = Setup::new();
    let (gate, end) = (setup.path("gate"), setup.path("end"));
    let stop = format!("on TERM touch {end} ");
    let more = "notify EXTEND_TIMEOUT_USEC=3600000000";
    let running = setup
        .longrun(
            "web",
            &format!(
                "{stop}{more} say asked wait-file {gate} notify READY=1 wait-file {end} {more} say 'asked again' sleep 300 exit 0"
            ),
            "start-timeout = \"100ms\"\n[ready]\nnotify = true\n[stop]\ntimeout = \"100ms\"",
        )
        .start();
    running.line("asked");
    // Far beyond its own timeout, which is over once this one's is.
    running.fails(3, &["wait", "-t", "300ms", "web"]);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.ok(&["wait", "web"]);
    running.ok(&["stop", "web"]);
    assert_eq!(running.status("web").last_exit, Some(init_core::status::Exit::Code(0)));
    assert!(!running.text().contains("killing it"), "{}", running.text());
}

#[test]
fn stop_signal_that_was_missed_is_sent_again() {
    let setup = Setup::new();
    let first = setup.path("first");
    let script = format!(
        "trap 'if [ -e {first} ]; then exit 0; fi; touch {first}' TERM; echo runs; while :; do PUPPET sleep 10; done"
    );
    let running =
        setup.shell("web", "longrun", &script, "[stop]\nrepeat = \"100ms\"\ntimeout = \"1h\"").start();
    running.line("runs");
    running.ok(&["stop", "web"]);
    assert_eq!(running.status("web").last_exit, Some(init_core::status::Exit::Code(0)));
}

#[test]
fn watchers_hear_of_another_main_process() {
    let setup = Setup::new();
    let (gate, pid) = (setup.path("gate"), setup.path("pid"));
    let heir =
        format!("(setsid sh -c 'echo $$ > {pid}.new; mv {pid}.new {pid}; exec PUPPET sleep-forever' &)");
    let script = format!(
        "{heir}; PUPPET wait-file {pid}; exec PUPPET notify READY=1 wait-file {gate} notify \"MAINPID=$(cat {pid})\" sleep-forever"
    );
    let running = setup.shell("web", "longrun", &script, "[ready]\nnotify = true").start();
    running.booted();
    let mut events = running.events();
    std::fs::write(running.setup.work("gate"), "").unwrap();
    let event = events.of("web");
    let heir = std::fs::read_to_string(running.setup.work("pid")).unwrap().trim().parse().unwrap();
    assert_eq!((event.from, event.to, event.pid), (Up, Up, Some(heir)));
}

//! What a person stops takes along what requires it; a start brings that back.

use super::*;

/// A database, a oneshot that prepares it, two servers that require both, and one that requires nothing.
fn running() -> Script {
    let mut script = Script::running(vec![
        longrun("db"),
        oneshot("migrate").requires(&["db"]),
        longrun("cache"),
        longrun("api").requires(&["migrate"]).wants(&["cache"]),
        longrun("web").requires(&["migrate"]),
        longrun("other"),
    ]);
    script.run_all();
    script.end("migrate", code(0));
    script.run_all();
    script.take();
    script
}

/// Ends everything that was told to stop, until nothing more is told.
fn obey(script: &mut Script) {
    loop {
        let stopping = ["api", "web", "cache", "other", "db"]
            .into_iter()
            .find(|name| script.phase(name) == Phase::Stopping);
        match stopping {
            Some(name) => script.end(name, Exit::Signal(15)),
            None => return,
        }
    }
}

/// Runs everything that was asked for, and completes the oneshot.
fn come_up(script: &mut Script) {
    script.run_all();
    if script.phase("migrate") == Phase::Starting {
        script.end("migrate", code(0));
    }
    script.run_all();
}

fn phases(script: &Script) -> Vec<(&'static str, Phase)> {
    ["db", "migrate", "cache", "api", "web", "other"].map(|name| (name, script.phase(name))).to_vec()
}

#[test]
fn start_brings_back_what_the_stop_took_along() {
    let mut script = running();
    let before = phases(&script);
    script.stop("db");
    obey(&mut script);
    for name in ["db", "migrate", "api", "web"] {
        assert_eq!(script.phase(name), Phase::Down, "{name}");
    }
    let taken: Vec<Id> = script.core.stopped_with(script.id("db")).collect();
    assert_eq!(taken, ["migrate", "api", "web"].map(|name| script.id(name)));
    script.start("db");
    come_up(&mut script);
    assert_eq!(phases(&script), before);
}

#[test]
fn restart_of_what_was_stopped_brings_back_the_same() {
    let mut script = running();
    script.stop("db");
    obey(&mut script);
    script.restart("db");
    come_up(&mut script);
    assert_eq!((script.phase("api"), script.phase("web")), (Phase::Up, Phase::Up));
}

#[test]
fn service_stopped_by_its_own_name_stays_down_and_so_does_what_requires_it() {
    let mut script = running();
    script.stop("migrate");
    obey(&mut script);
    script.stop("db");
    obey(&mut script);
    script.start("db");
    come_up(&mut script);
    assert_eq!(
        (script.phase("db"), script.phase("migrate"), script.phase("api")),
        (Phase::Up, Phase::Down, Phase::Down)
    );
    script.start("migrate");
    come_up(&mut script);
    assert_eq!(
        (script.phase("migrate"), script.phase("api"), script.phase("web")),
        (Phase::Done, Phase::Up, Phase::Up)
    );
}

#[test]
fn service_stopped_by_its_own_name_after_it_was_taken_along_stays_down() {
    let mut script = running();
    script.stop("db");
    script.stop("migrate");
    obey(&mut script);
    script.start("db");
    come_up(&mut script);
    assert_eq!(
        (script.phase("db"), script.phase("migrate"), script.phase("web")),
        (Phase::Up, Phase::Down, Phase::Down)
    );
    assert_eq!(script.note("web"), "stopped with migrate");
    script.start("migrate");
    come_up(&mut script);
    assert_eq!(script.phase("web"), Phase::Up);
}

#[test]
fn what_is_only_wanted_and_was_stopped_by_its_name_is_not_brought_back() {
    let mut script = running();
    script.stop("cache");
    script.stop("db");
    obey(&mut script);
    script.start("db");
    come_up(&mut script);
    assert_eq!((script.phase("cache"), script.phase("api")), (Phase::Down, Phase::Up));
}

#[test]
fn start_of_one_that_was_taken_along_starts_what_it_requires_and_no_other() {
    let mut script = running();
    script.stop("db");
    obey(&mut script);
    script.start("api");
    come_up(&mut script);
    assert_eq!(
        (script.phase("db"), script.phase("api"), script.phase("web")),
        (Phase::Up, Phase::Up, Phase::Down)
    );
    assert_eq!(script.note("web"), "stopped with db");
    script.start("db");
    come_up(&mut script);
    assert_eq!(script.phase("web"), Phase::Up);
}

#[test]
fn service_of_the_boot_that_is_down_by_hand_is_a_problem() {
    let idle = longrun("idle").with(|service| service.autostart = false);
    let mut script = Script::running(vec![longrun("db"), longrun("api").requires(&["db"]), idle]);
    script.run_all();
    script.start("idle");
    script.run_all();
    script.stop("idle");
    script.end("idle", code(0));
    assert!(script.problems().is_empty(), "nobody needs it: {:?}", script.problems());
    script.stop("db");
    assert!(
        script.problems().iter().any(|line| line.starts_with("db: up: stops after api")),
        "{:?}",
        script.problems()
    );
    script.end("api", code(0));
    script.end("db", code(0));
    assert_eq!(script.problems(), ["db: down: stopped by hand", "api: down: stopped with db"]);
    script.start("db");
    script.run_all();
    assert!(script.problems().is_empty());
    script.stop("db");
    script.event(Event::Shutdown(None));
    assert_eq!(script.problems(), ["shutting down"]);
}

#[test]
fn service_whose_stopped_requirement_left_the_plan_is_stopped_by_itself_from_then_on() {
    let mut script = Script::running(vec![longrun("db"), longrun("api").requires(&["db"])]);
    script.run_all();
    script.stop("db");
    script.end("api", code(0));
    script.end("db", code(0));
    script.event(Event::Replan(Box::new(plan(vec![longrun("api")]))));
    assert_eq!((script.phase("api"), &*script.note("api")), (Phase::Down, "stopped by hand"));
    script.start("api");
    script.run_all();
    assert_eq!(script.phase("api"), Phase::Up);
}

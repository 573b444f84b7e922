//! A service that a person holds for a debugger.

use super::*;
use crate::event::Notification;
use crate::state::{ProbeState, State};
use crate::status::Stage;
use init_plan::Policy;

fn hold(script: &mut Script, name: &str, held: bool) {
    let id = script.id(name);
    script.event(Event::Hold { id, held });
}

#[test]
fn held_service_is_neither_checked_nor_watched_until_it_is_released() {
    let def = longrun("a").notifies().with(|service| {
        service.watchdog = Some(Duration::from_secs(3));
        service.health = health(1, HealthAction::Restart);
    });
    let mut script = Script::running(vec![def]);
    script.ready("a");
    script.take();
    hold(&mut script, "a", true);
    script.pass(1_000_000);
    let run = script.main("a");
    script.event(Event::Notify { run, notification: Notification::WatchdogTrigger });
    assert_eq!((script.phase("a"), script.core.deadline()), (Phase::Up, None));
    assert!(script.deeds().is_empty());
    hold(&mut script, "a", false);
    script.pass(2999);
    assert_eq!(script.phase("a"), Phase::Up);
    script.pass(1);
    assert_eq!(script.phase("a"), Phase::Stopping, "the watchdog bites again");
}

#[test]
fn check_that_runs_when_its_service_is_held_says_nothing_any_more() {
    let def = longrun("a").with(|service| service.health = health(1, HealthAction::Exit));
    let mut script = Script::running(vec![def]);
    script.pass(1000);
    script.run("a");
    let id = script.id("a");
    let probing = matches!(script.core.unit(id).state, State::Up { probe: ProbeState::Running(_), .. });
    assert!(probing);
    hold(&mut script, "a", true);
    script.pass(100_000);
    assert_eq!((script.phase("a"), script.core.stage()), (Phase::Up, Stage::Running));
}

#[test]
fn held_service_that_is_slow_to_start_is_left_alone() {
    let def = longrun("a").notifies().with(|service| service.start_timeout = Some(Duration::from_secs(5)));
    let mut script = Script::running(vec![def]);
    hold(&mut script, "a", true);
    script.pass(100_000);
    assert_eq!(script.phase("a"), Phase::Starting);
    hold(&mut script, "a", false);
    script.pass(4999);
    assert_eq!(script.phase("a"), Phase::Starting, "it has its whole time before it");
    script.pass(1);
    assert_eq!(script.phase("a"), Phase::Stopping);
}

#[test]
fn held_service_that_ends_stays_so_and_takes_nothing_along() {
    let essential = longrun("a")
        .with(|service| service.essential = true)
        .restart(|restart| restart.policy = Policy::Never);
    let mut script = Script::running(vec![essential, longrun("b").requires(&["a"])]);
    hold(&mut script, "a", true);
    script.end("a", Exit::Signal(11));
    script.pass(1_000_000);
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Backoff, Phase::Up));
    assert_eq!(script.note("a"), "held; ended with signal SEGV");
    hold(&mut script, "a", false);
    script.run("a");
    assert_eq!((script.phase("a"), script.core.unit(script.id("a")).restarts), (Phase::Up, 1));
}

#[test]
fn held_service_does_what_it_is_asked_for() {
    let mut script = Script::running(vec![longrun("a")]);
    hold(&mut script, "a", true);
    script.restart("a");
    script.end("a", Exit::Signal(15));
    script.run("a");
    assert_eq!(script.phase("a"), Phase::Up);
    script.end("a", code(1));
    script.start("a");
    script.run("a");
    assert_eq!(script.phase("a"), Phase::Up);
    script.stop("a");
    script.end("a", Exit::Signal(15));
    assert_eq!(script.phase("a"), Phase::Down);
    script.event(Event::Shutdown(None));
}

#[test]
fn held_oneshot_that_succeeds_is_complete() {
    let def = oneshot("a").restart(|restart| restart.success = vec![0, 3]);
    let mut script = Script::running(vec![def]);
    hold(&mut script, "a", true);
    script.end("a", code(3));
    assert_eq!(script.phase("a"), Phase::Done);
}

//! What the supervisor warns of, beside changes of state.

use super::*;
use init_plan::{Reload, Signal};

#[test]
fn stop_command_that_fails_is_warned_of() {
    let def = longrun("a").stop(|stop| stop.exec = Some(vec!["stop".into()]));
    let mut script = Script::running(vec![def.clone(), longrun("b")]);
    script.stop("a");
    script.run("a");
    script.end_helper("a", code(1));
    assert_eq!(script.warnings(), ["a: the stop command failed: sending the stop signal"]);
    let mut script = Script::running(vec![def]);
    script.stop("a");
    script.run("a");
    script.end_helper("a", code(0));
    assert!(script.warnings().is_empty());
    assert_eq!(script.deeds(), ["spawn a Stop"]);
}

#[test]
fn stop_command_that_cannot_be_started_is_replaced_by_the_signal() {
    let def = longrun("a").stop(|stop| stop.exec = Some(vec!["stop".into()]));
    let mut script = Script::running(vec![def]);
    script.stop("a");
    script.run_fails("a", true);
    assert_eq!(script.deeds(), ["spawn a Stop", "TERM a"]);
}

#[test]
fn reload_command_that_fails_or_hangs_is_warned_of_and_killed() {
    let def = longrun("a").with(|service| service.reload = Some(Reload::Exec(hook(Some(3)))));
    let mut script = Script::running(vec![def]);
    let id = script.id("a");
    script.event(Event::Reload(id));
    script.run("a");
    script.end_helper("a", code(2));
    assert_eq!(script.warnings(), ["a: reload command: ended with exit code 2"]);
    script.event(Event::Reload(id));
    script.run_fails("a", true);
    assert_eq!(script.warnings(), ["a: reload command: cannot start a"]);
    script.event(Event::Reload(id));
    script.run("a");
    script.end_helper("a", code(0));
    assert!(script.warnings().is_empty());
    script.take();
    script.event(Event::Reload(id));
    script.run("a");
    script.pass(2999);
    assert_eq!(script.deeds(), ["spawn a Reload"]);
    script.pass(1);
    assert_eq!(script.deeds(), ["KILL a Reload"]);
    assert_eq!(script.warnings(), ["a: the reload command took too long"]);
    assert_eq!(script.phase("a"), Phase::Up);
    script.pass(10_000);
    assert!(script.deeds().is_empty());
}

#[test]
fn finish_hook_that_hangs_or_cannot_be_started_is_warned_of_and_the_service_goes_on() {
    let def = longrun("a").with(|service| service.finish = Some(hook(Some(2))));
    let mut script = Script::running(vec![def]);
    script.end("a", code(1));
    script.run("a");
    script.pass(2000);
    assert_eq!(script.warnings(), ["a: the finish hook took too long"]);
    assert_eq!(script.phase("a"), Phase::Starting);
    script.end_helper("a", Exit::Signal(9));
}

#[test]
fn finish_hook_that_cannot_be_started_does_not_keep_the_service_down() {
    let def = longrun("a").with(|service| service.finish = Some(hook(None)));
    let mut script = Script::running(vec![def]);
    script.end("a", code(1));
    script.run_fails("a", true);
    assert_eq!(script.warnings(), ["a: finish: cannot start a"]);
    assert_eq!(script.phase("a"), Phase::Starting);
}

#[test]
fn down_command_that_fails_hangs_or_cannot_be_started_is_warned_of_and_the_service_is_down() {
    let def = |timeout| oneshot("a").with(|service| service.down = Some(hook(timeout)));
    let undoing = |timeout| {
        let mut script = Script::running(vec![def(timeout)]);
        script.end("a", code(0));
        script.stop("a");
        assert_eq!(script.phase("a"), Phase::Undoing);
        script
    };
    let mut script = undoing(None);
    script.run("a");
    script.end_helper("a", code(4));
    assert_eq!(script.warnings(), ["a: down command ended with exit code 4"]);
    assert_eq!(script.phase("a"), Phase::Down);
    let mut script = undoing(Some(3));
    script.run("a");
    script.pass(3000);
    assert_eq!(script.warnings(), ["a: the down command took too long"]);
    assert_eq!(script.phase("a"), Phase::Down);
    let mut script = undoing(None);
    script.run_fails("a", false);
    assert_eq!(script.warnings(), ["a: down: cannot start a"]);
    assert_eq!(script.phase("a"), Phase::Down);
    let mut script = undoing(None);
    script.run("a");
    script.end_helper("a", code(0));
    assert!(script.warnings().is_empty());
}

#[test]
fn start_that_fails_for_want_of_processes_is_warned_of_and_shown() {
    let mut script = Script::new(vec![longrun("a")]);
    script.run_fails("a", false);
    assert_eq!(script.warnings(), ["a: cannot start a"]);
    assert_eq!(script.note("a"), "cannot start a; next start in 0.1 s");
}

#[test]
fn process_that_cannot_be_started_after_its_stop_was_asked_for_leaves_the_service_down() {
    let mut script = Script::new(vec![longrun("a")]);
    script.stop("a");
    script.run_fails("a", true);
    assert_eq!(script.phase("a"), Phase::Down);
}

#[test]
fn condition_that_cannot_be_started_after_its_service_was_stopped_is_ignored() {
    let checked = longrun("a").with(|service| {
        service.conditions = vec![init_plan::Condition::Exec(hook(None))];
    });
    let mut script = Script::new(vec![checked]);
    script.stop("a");
    script.run_fails("a", true);
    assert_eq!(script.phase("a"), Phase::Down);
}

#[test]
fn health_check_that_cannot_be_started_counts_only_if_that_will_last() {
    let def = longrun("a").with(|service| service.health = health(1, init_plan::HealthAction::None));
    let mut script = Script::running(vec![def]);
    script.pass(1000);
    script.run_fails("a", false);
    assert!(script.core.problems(script.now).is_empty());
    script.pass(10_000);
    script.run_fails("a", true);
    let problem = "a: up: 1 health checks in a row failed: cannot start a";
    assert_eq!(script.core.problems(script.now), [problem]);
}

#[test]
fn readiness_probe_that_cannot_be_started_is_tried_again() {
    let def = longrun("a").with(|service| service.ready = Ready::Probe(Box::new(probe())));
    let mut script = Script::running(vec![def]);
    script.pass(1000);
    script.run_fails("a", true);
    assert_eq!(script.phase("a"), Phase::Starting);
    // Whoever asks what it waits for hears why.
    let id = script.id("a");
    assert_eq!(script.core.note(id, script.now).as_deref(), Some("cannot start a"));
    script.pass(10_000);
    script.run("a");
    script.end_helper("a", code(0));
    assert_eq!(script.phase("a"), Phase::Up);
}

#[test]
fn why_a_readiness_probe_failed_is_no_reason_of_a_later_health_check() {
    let def = longrun("a").with(|service| {
        service.ready = Ready::Probe(Box::new(probe()));
        service.health = health(1, init_plan::HealthAction::None);
    });
    let mut script = Script::running(vec![def]);
    script.pass(1000);
    script.run_fails("a", true);
    script.pass(10_000);
    script.run("a");
    script.end_helper("a", code(0));
    script.pass(1000);
    script.run("a");
    script.end_helper("a", code(1));
    let problem = "a: up: 1 health checks in a row failed: check ended with exit code 1";
    assert_eq!(script.core.problems(script.now), [problem]);
}

#[test]
fn service_told_to_stop_that_cannot_be_signalled_yet_is_told_once_it_runs() {
    let mut script = Script::new(vec![longrun("a").stop(|stop| stop.signal = Signal::INT)]);
    script.stop("a");
    assert_eq!(script.deeds(), ["spawn a"]);
    script.run("a");
    assert_eq!(script.deeds(), ["INT a"]);
    script.pass(4999);
    assert!(script.deeds().is_empty());
    script.pass(1);
    assert_eq!(script.deeds(), ["KILL a"]);
}

#[test]
fn result_of_a_reload_command_is_known_until_the_next() {
    let def = longrun("a").with(|service| service.reload = Some(Reload::Exec(hook(Some(3)))));
    let mut script = Script::running(vec![def]);
    let id = script.id("a");
    script.event(Event::Reload(id));
    assert_eq!(script.core.reload_result(id), None);
    script.run("a");
    script.end_helper("a", code(2));
    assert_eq!(script.core.reload_result(id), Some(Err("reload command: ended with exit code 2".into())));
    script.event(Event::Reload(id));
    script.run("a");
    assert_eq!(script.core.reload_result(id), None);
    script.end_helper("a", code(0));
    assert_eq!(script.core.reload_result(id), Some(Ok(())));
    script.event(Event::Reload(id));
    script.run("a");
    script.pass(3000);
    assert_eq!(script.core.reload_result(id), Some(Err("the reload command took too long".into())));
    script.stop("a");
    assert_eq!(script.core.reload_result(id), Some(Err("is stopping now".into())));
}

//! What a failure takes with it, and what a recovery gives back.

use super::*;

fn fails(name: &'static str) -> Def {
    longrun(name).notifies().restart(|restart| restart.policy = init_plan::Policy::Never)
}

#[test]
fn dependents_of_a_failed_service_come_down_and_say_which() {
    let mut script =
        Script::running(vec![fails("a"), longrun("b").requires(&["a"]), longrun("c").requires(&["b"])]);
    script.ready("a");
    script.run("b");
    script.run("c");
    script.take();
    script.end("a", code(4));
    assert_eq!(script.deeds(), ["TERM c"]);
    script.end("c", code(0));
    script.end("b", code(0));
    assert_eq!(script.note("a"), "ended with exit code 4");
    assert_eq!(script.note("b"), "requires a, which failed");
    assert_eq!(script.note("c"), "requires a, which failed");
    assert_eq!(script.phase("c"), Phase::Failed);
}

#[test]
fn dependents_of_a_failed_service_come_back_when_it_recovers() {
    let mut script = Script::running(vec![fails("a"), longrun("b").requires(&["a"])]);
    script.end("a", code(4));
    assert_eq!(script.phase("b"), Phase::Failed);
    script.start("a");
    script.run("a");
    assert_eq!(script.phase("b"), Phase::Failed);
    script.ready("a");
    script.run("b");
    assert_eq!(script.phase("b"), Phase::Up);
}

#[test]
fn dependents_of_two_failed_services_come_back_when_both_recover() {
    let both = longrun("c").requires(&["a", "b"]);
    let mut script = Script::running(vec![fails("a"), fails("b"), both]);
    script.end("a", code(1));
    script.end("b", code(1));
    assert_eq!(script.note("c"), "requires a, which failed");
    script.start("a");
    script.run("a");
    script.ready("a");
    assert_eq!((script.phase("c"), &*script.note("c")), (Phase::Failed, "requires b, which failed"));
    script.start("b");
    script.run("b");
    script.ready("b");
    script.run("c");
    assert_eq!(script.phase("c"), Phase::Up);
}

#[test]
fn service_that_gave_up_by_itself_is_not_taken_back_by_a_recovery_of_what_it_requires() {
    let mut script = Script::running(vec![fails("a"), fails("b").requires(&["a"])]);
    script.ready("a");
    script.run("b");
    script.end("b", code(1));
    script.end("a", code(1));
    script.start("a");
    script.run("a");
    script.ready("a");
    assert_eq!((script.phase("b"), &*script.note("b")), (Phase::Failed, "ended with exit code 1"));
}

#[test]
fn service_that_only_wants_a_failed_one_starts_without_it() {
    let mut script =
        Script::running(vec![fails("a"), longrun("b").wants(&["a"]), longrun("c").after(&["a"])]);
    assert_eq!((script.phase("b"), script.phase("c")), (Phase::Waiting, Phase::Waiting));
    script.end("a", code(1));
    script.run_all();
    assert_eq!((script.phase("b"), script.phase("c")), (Phase::Up, Phase::Up));
}

#[test]
fn failure_of_what_an_essential_service_requires_ends_the_container_with_its_code() {
    let essential = longrun("c").requires(&["b"]).with(|service| service.essential = true);
    let mut script = Script::running(vec![fails("a"), longrun("b").requires(&["a"]), essential]);
    script.end("a", code(4));
    let done = script.take();
    assert!(done.contains(&"shutting down c failed: it requires a, which failed".into()), "{done:?}");
    assert_eq!(done.last().unwrap(), "halt 4");
}

#[test]
fn service_above_one_that_was_started_by_hand_comes_back_with_it() {
    let chain = vec![fails("a"), longrun("b").requires(&["a"]), longrun("c").requires(&["b"])];
    let mut script = Script::running(chain);
    script.end("a", code(1));
    script.start("b");
    script.run("a");
    script.ready("a");
    script.run("b");
    script.run("c");
    assert_eq!(script.phase("c"), Phase::Up);
}

#[test]
fn start_of_a_lost_service_that_has_not_stopped_yet_keeps_those_above_it() {
    let chain = vec![fails("a"), longrun("b").requires(&["a"]), longrun("c").requires(&["b"])];
    let mut script = Script::running(chain);
    script.ready("a");
    script.run("b");
    script.run("c");
    script.end("a", code(1));
    assert_eq!((script.phase("b"), script.phase("c")), (Phase::Up, Phase::Stopping));
    script.start("b");
    script.end("c", code(0));
    assert_eq!((script.phase("b"), script.phase("c")), (Phase::Up, Phase::Starting));
}

#[test]
fn service_that_fails_in_the_same_tick_as_what_it_requires_names_that() {
    let slow = |name| longrun(name).with(|s| s.conditions = vec![init_plan::Condition::Exec(hook(Some(1)))]);
    let mut script = Script::running(vec![slow("b"), slow("d")]);
    script.event(Event::Replan(Box::new(plan(vec![slow("b"), slow("d").requires(&["b"])]))));
    script.pass(1000);
    assert_eq!(script.note("b"), "start-if command took too long");
    assert_eq!(script.note("d"), "requires b, which failed");
}

#[test]
fn recovery_reaches_dependents_of_dependents() {
    let chain = vec![fails("a"), longrun("b").requires(&["a"]), longrun("c").requires(&["b"])];
    let mut script = Script::running(chain);
    script.end("a", code(4));
    assert_eq!((script.phase("b"), script.phase("c")), (Phase::Failed, Phase::Failed));
    script.start("a");
    script.run("a");
    script.ready("a");
    script.run("b");
    script.run("c");
    assert_eq!((script.phase("b"), script.phase("c")), (Phase::Up, Phase::Up));
}

#[test]
fn service_that_ended_by_itself_stays_ended_when_what_it_requires_fails_and_recovers() {
    let done = longrun("b").requires(&["a"]).restart(|restart| restart.policy = init_plan::Policy::OnFailure);
    let mut script = Script::running(vec![fails("a"), done]);
    script.ready("a");
    script.run("b");
    script.end("b", code(0));
    assert_eq!(script.phase("b"), Phase::Done);
    script.end("a", code(1));
    script.start("a");
    script.run("a");
    script.ready("a");
    assert_eq!(script.phase("b"), Phase::Done);
}

#[test]
fn new_service_that_requires_a_failed_one_has_it_tried_again_and_names_the_one_that_failed_first() {
    let old = vec![fails("a"), longrun("b").requires(&["a"])];
    let mut script = Script::running(old.clone());
    script.end("a", code(4));
    let new = [longrun("c").requires(&["a"]), longrun("d").requires(&["b"])];
    script.event(Event::Replan(Box::new(plan([old, new.to_vec()].concat()))));
    assert_eq!(script.note("c"), "waits for a (starting)");
    script.run("a");
    script.end("a", code(4));
    for name in ["c", "d"] {
        assert_eq!((script.phase(name), &*script.note(name)), (Phase::Failed, "requires a, which failed"));
    }
}

#[test]
fn new_essential_service_ends_the_container_when_what_it_requires_fails_again() {
    let mut script = Script::running(vec![fails("a"), longrun("other")]);
    script.end("a", code(4));
    let essential = longrun("c").requires(&["a"]).with(|service| service.essential = true);
    script.event(Event::Replan(Box::new(plan(vec![fails("a"), longrun("other"), essential]))));
    script.run("a");
    script.end("a", code(4));
    let ended = "shutting down c failed: it requires a, which failed";
    assert!(script.take().iter().any(|what| what == ended));
}

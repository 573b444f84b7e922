//! Starting: needs, conditions, the end of the boot, and what a failure before it means.

use super::*;
use init_plan::{Condition, Policy};

#[test]
fn service_starts_when_what_it_requires_is_ready_and_not_before() {
    let mut script = Script::new(vec![longrun("a").notifies(), longrun("b").requires(&["a"])]);
    assert_eq!(script.deeds(), ["spawn a"]);
    script.run("a");
    assert_eq!(script.note("b"), "waits for a (starting)");
    script.ready("a");
    assert_eq!(script.deeds(), ["spawn b"]);
}

#[test]
fn oneshot_counts_as_a_dependency_when_it_is_complete() {
    let mut script = Script::running(vec![oneshot("a"), longrun("b").requires(&["a"])]);
    assert_eq!(script.phase("b"), Phase::Waiting);
    script.end("a", code(0));
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Done, Phase::Starting));
}

#[test]
fn wanted_service_is_started_and_waited_for_and_may_fail() {
    let wanted = oneshot("a").with(|service| service.autostart = false);
    let mut script = Script::running(vec![wanted, longrun("b").wants(&["a"])]);
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Starting, Phase::Waiting));
    script.end("a", code(1));
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Failed, Phase::Starting));
}

#[test]
fn after_orders_but_starts_nothing() {
    let idle = longrun("a").notifies().with(|service| service.autostart = false);
    let mut script = Script::new(vec![idle, longrun("b").notifies(), longrun("c").after(&["a", "b"])]);
    script.run("b");
    assert_eq!((script.phase("a"), script.phase("c")), (Phase::Down, Phase::Waiting));
    script.ready("b");
    assert_eq!((script.phase("a"), script.phase("c")), (Phase::Down, Phase::Starting));
}

#[test]
fn crash_loop_does_not_hold_up_those_that_only_come_after() {
    let mut script = Script::running(vec![longrun("a").notifies(), longrun("b").after(&["a"])]);
    script.end("a", code(1));
    script.run("a");
    script.end("a", code(1));
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Backoff, Phase::Starting));
}

#[test]
fn boot_is_complete_when_every_service_of_it_has_settled_once() {
    let mut script = Script::running(vec![longrun("a").notifies(), oneshot("b"), longrun("c")]);
    script.end("b", code(1));
    assert!(!script.take().contains(&"booted".into()));
    script.ready("a");
    assert_eq!(script.take().last().unwrap(), "booted");
    script.restart("a");
    script.end("a", code(0));
    script.run("a");
    script.ready("a");
    assert!(!script.take().contains(&"booted".into()));
}

#[test]
fn service_whose_condition_does_not_hold_is_skipped_and_its_dependents_start() {
    let checked = longrun("a").with(|service| {
        service.conditions = vec![
            Condition::Env { name: "X".into(), value: None, negate: false },
            Condition::Exec(hook(Some(1))),
        ];
    });
    let mut script = Script::new(vec![checked, longrun("b").requires(&["a"])]);
    let (_, _, run) = script.pending.remove(0);
    script.event(Event::Condition { run, unmet: None });
    script.run("a");
    script.end_helper("a", code(1));
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Skipped, Phase::Starting));
    assert_eq!(script.note("a"), "start-if command ended with exit code 1");
}

#[test]
fn service_that_cannot_be_executed_fails_at_once_and_says_why() {
    let mut script = Script::new(vec![longrun("a"), longrun("b").requires(&["a"])]);
    script.run_fails("a", true);
    assert_eq!((script.phase("a"), &*script.note("a")), (Phase::Failed, "cannot start a"));
    assert_eq!(script.phase("b"), Phase::Failed);
}

#[test]
fn failure_of_an_essential_oneshot_before_the_boot_is_complete_keeps_its_exit_code() {
    let setup = oneshot("a").with(|service| service.essential = true);
    let mut script = Script::running(vec![setup, longrun("b").requires(&["a"]), longrun("c")]);
    script.end("a", code(42));
    assert_eq!(script.deeds(), ["TERM c"]);
    script.end("c", Exit::Signal(15));
    assert_eq!(script.take().last().unwrap(), "halt 42");
}

#[test]
fn container_ends_with_the_code_of_its_command() {
    for (exit, expected) in [(code(0), "halt 0"), (code(3), "halt 3"), (Exit::Signal(9), "halt 137")] {
        let command = longrun("cmd").after(&["a"]).with(|service| service.essential = true);
        let command = command.restart(|restart| restart.policy = Policy::Never);
        let mut script = Script::running(vec![longrun("a"), command]);
        script.end("cmd", exit);
        script.end("a", code(1));
        assert_eq!(script.take().last().unwrap(), expected);
    }
}

//! How services came up the first time.

use super::*;

impl Script {
    /// Wanted, started, settled, and what it waited for last; then what came of it.
    fn first_start(&self, name: &str) -> (u64, Option<u64>, Option<u64>, Option<String>, Phase) {
        let first_start = self.core.first_start(self.id(name), Time(0)).unwrap();
        assert_eq!(
            first_start.took_ms,
            first_start.started_ms.zip(first_start.settled_ms).map(|(from, to)| to - from)
        );
        (
            first_start.wanted_ms,
            first_start.started_ms,
            first_start.settled_ms,
            first_start.waited_for,
            first_start.state,
        )
    }
}

fn on(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[test]
fn first_start_is_timed_from_being_wanted_over_its_start_to_its_readiness() {
    let mut script = Script::running(vec![longrun("a").notifies(), oneshot("b").requires(&["a"])]);
    assert_eq!(script.first_start("a"), (0, Some(0), None, None, Phase::Starting));
    script.pass(50);
    assert_eq!(script.first_start("b"), (0, None, None, on("a"), Phase::Waiting));
    script.ready("a");
    assert_eq!(script.core.booted_at(), None);
    script.pass(20);
    script.run("b");
    script.end("b", code(0));
    assert_eq!(script.first_start("a"), (0, Some(0), Some(50), None, Phase::Up));
    assert_eq!(script.first_start("b"), (0, Some(50), Some(70), on("a"), Phase::Done));
    assert_eq!(script.core.booted_at(), Some(script.now));
    assert_eq!(script.core.first_start_took(script.id("b")), Some(Duration::from_millis(20)));
}

#[test]
fn last_of_several_dependencies_is_the_one_that_was_waited_for() {
    for order in [["a", "b", "c"], ["c", "b", "a"], ["b", "c", "a"], ["c", "a", "b"]] {
        let others = ["a", "b", "c"].map(|name| longrun(name).notifies());
        let last = longrun("d").requires(&["a"]).wants(&["b"]).after(&["c"]);
        let mut script = Script::running(others.into_iter().chain([last]).collect());
        for name in order {
            // At the same time, so that times cannot tell.
            script.ready(name);
        }
        assert_eq!(script.first_start("d").3, on(order[2]), "{order:?}");
    }
}

#[test]
fn restarts_change_nothing_about_the_first_start() {
    let mut script = Script::running(vec![longrun("a").notifies()]);
    script.pass(10);
    script.end("a", code(1));
    script.pass(30);
    script.run("a");
    script.ready("a");
    let first = (0, Some(0), Some(40), None, Phase::Up);
    assert_eq!(script.first_start("a"), first, "the try that failed is part of it");
    script.end("a", code(1));
    script.pass(5000);
    script.run_all();
    script.stop("a");
    script.end("a", code(0));
    script.start("a");
    assert_eq!(script.first_start("a"), first);
}

#[test]
fn failures_and_what_they_take_with_them_are_kept_and_a_recovery_changes_nothing() {
    let never = |name| longrun(name).notifies().restart(|restart| restart.policy = init_plan::Policy::Never);
    let mut script = Script::running(vec![never("a"), longrun("b").requires(&["a"])]);
    script.pass(10);
    script.end("a", code(1));
    assert_eq!(script.first_start("a"), (0, Some(0), Some(10), None, Phase::Failed));
    assert_eq!(script.first_start("b"), (0, None, Some(10), on("a"), Phase::Failed));
    assert!(script.core.first_start_took(script.id("b")).is_none());
    script.pass(10);
    script.start("a");
    script.run("a");
    script.ready("a");
    script.run("b");
    assert_eq!(script.phase("b"), Phase::Up);
    assert_eq!(script.first_start("b"), (0, None, Some(10), on("a"), Phase::Failed));
}

#[test]
fn conditions_are_part_of_the_start() {
    let checked = longrun("a").with(|service| {
        service.conditions = vec![init_plan::Condition::Exec(hook(Some(1)))];
    });
    let mut script = Script::running(vec![checked]);
    script.pass(10);
    script.end_helper("a", code(1));
    assert_eq!(script.first_start("a"), (0, Some(0), Some(10), None, Phase::Skipped));
}

#[test]
fn service_nobody_wants_has_no_first_start_and_one_called_off_has_it_later() {
    let idle = longrun("a").with(|service| service.autostart = false);
    let mut script = Script::running(vec![idle, longrun("b").notifies(), longrun("c").requires(&["b"])]);
    assert_eq!(script.core.first_start(script.id("a"), Time(0)), None);
    script.pass(10);
    script.stop("c");
    assert_eq!(script.first_start("c"), (0, None, Some(10), on("b"), Phase::Down));
    script.ready("b");
    script.pass(10);
    script.start("a");
    script.start("c");
    script.run_all();
    assert_eq!(script.first_start("a"), (20, Some(20), Some(20), None, Phase::Up));
    assert_eq!(script.first_start("c"), (20, Some(20), Some(20), None, Phase::Up));
}

#[test]
fn first_starts_follow_their_services_into_a_new_plan() {
    let (a, b) = (longrun("a").notifies(), longrun("b").notifies());
    let mut script = Script::running(vec![a.clone(), b.clone(), longrun("c").requires(&["b"])]);
    script.pass(10);
    script.ready("a");
    script.pass(10);
    script.ready("b");
    script.run("c");
    script.pass(10);
    let defs = vec![b.clone(), longrun("new"), longrun("c").requires(&["b"]), a];
    script.event(Event::Replan(Box::new(plan(defs))));
    script.run("new");
    assert_eq!(script.first_start("a"), (0, Some(0), Some(10), None, Phase::Up));
    assert_eq!(script.first_start("b"), (0, Some(0), Some(20), None, Phase::Up));
    assert_eq!(script.first_start("c"), (0, Some(20), Some(20), on("b"), Phase::Up));
    assert_eq!(script.first_start("new"), (30, Some(30), Some(30), None, Phase::Up));
    // What is gone is no longer named, and what comes back begins anew.
    script.event(Event::Replan(Box::new(plan(vec![longrun("c")]))));
    for name in ["a", "b", "new"] {
        script.end(name, code(0));
    }
    script.event(Event::Replan(Box::new(plan(vec![longrun("c")]))));
    assert_eq!(script.first_start("c"), (0, Some(20), Some(20), None, Phase::Up));
    script.event(Event::Replan(Box::new(plan(vec![b, longrun("c")]))));
    assert_eq!(script.first_start("b"), (30, Some(30), None, None, Phase::Starting));
}

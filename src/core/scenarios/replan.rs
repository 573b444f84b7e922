//! New plans for a running supervisor.

use super::*;

#[test]
fn health_check_that_a_new_plan_lacks_ends_without_a_busy_loop() {
    let checked = longrun("a").with(|service| service.health = health(1, HealthAction::Restart));
    for ask_first in [false, true] {
        let mut script = Script::running(vec![checked.clone()]);
        script.pass(if ask_first { 1000 } else { 0 });
        script.event(Event::Replan(Box::new(plan(vec![longrun("a")]))));
        script.pass(60_000);
        assert_eq!(script.phase("a"), Phase::Up);
        assert_eq!(script.core.deadline(), None);
    }
}

#[test]
fn readiness_probe_that_a_new_plan_lacks_leaves_a_started_service_ready() {
    let probed = longrun("a").with(|service| service.ready = Ready::Probe(Box::new(probe())));
    for before in [0, 1000, 3000] {
        let mut script = Script::running(vec![probed.clone()]);
        script.pass(before);
        script.event(Event::Replan(Box::new(plan(vec![longrun("a")]))));
        assert_eq!(script.phase("a"), Phase::Up);
        script.pass(100_000);
        assert_eq!(script.phase("a"), Phase::Up);
    }
}

fn replan(script: &mut Script, defs: Vec<Def>) {
    script.event(Event::Replan(Box::new(plan(defs))));
}

#[test]
fn new_plan_starts_what_is_new_stops_what_is_gone_and_leaves_the_rest_alone() {
    let mut script = Script::running(vec![longrun("a"), longrun("b"), longrun("c").requires(&["b"])]);
    script.run_all();
    script.take();
    let changed = longrun("a").with(|service| service.exec = vec!["other".into()]);
    replan(&mut script, vec![longrun("d"), changed]);
    assert_eq!(script.deeds(), ["spawn d", "TERM c"]);
    script.end("c", code(0));
    assert_eq!(script.deeds(), ["TERM b"]);
    assert!(script.core.status(script.id("a"), script.now).changed);
    script.end("b", code(0));
    assert!(script.core.is_forgotten(script.id("b")));
    replan(&mut script, vec![longrun("a")]);
    assert_eq!(script.core.plan().services.len(), 2, "d still runs");
}

#[test]
fn service_removed_and_added_again_while_it_stops_starts_again() {
    let mut script = Script::running(vec![longrun("a")]);
    replan(&mut script, vec![]);
    assert_eq!(script.phase("a"), Phase::Stopping);
    replan(&mut script, vec![longrun("a")]);
    script.end("a", code(0));
    assert_eq!(script.phase("a"), Phase::Starting);
}

#[test]
fn service_lost_with_one_that_the_new_plan_lacks_comes_back() {
    let broken = longrun("a").notifies().restart(|restart| restart.policy = init_plan::Policy::Never);
    let mut script = Script::running(vec![broken.clone(), longrun("b").requires(&["a"])]);
    script.end("a", code(1));
    assert_eq!(script.phase("b"), Phase::Failed);
    replan(&mut script, vec![broken, longrun("b").requires(&["a"])]);
    assert_eq!((script.phase("b"), &*script.note("b")), (Phase::Failed, "requires a, which failed"));
    replan(&mut script, vec![longrun("b")]);
    assert_eq!(script.phase("b"), Phase::Starting);
}

#[test]
fn service_stopped_by_a_person_stays_down_in_a_new_plan() {
    let mut script = Script::running(vec![longrun("a"), longrun("b").wants(&["a"])]);
    script.run_all();
    script.stop("a");
    script.end("a", code(0));
    replan(&mut script, vec![longrun("a"), longrun("b").wants(&["a"])]);
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Down, Phase::Up));
}

#[test]
fn new_requirement_of_a_running_service_is_started() {
    let idle = longrun("a").with(|service| service.autostart = false);
    let mut script = Script::running(vec![idle.clone(), longrun("b")]);
    replan(&mut script, vec![idle, longrun("b").requires(&["a"])]);
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Starting, Phase::Up));
}

#[test]
fn complete_oneshot_that_becomes_a_longrun_starts() {
    let mut script = Script::running(vec![oneshot("a"), longrun("b").requires(&["a"])]);
    script.end("a", code(0));
    script.run("b");
    replan(&mut script, vec![longrun("a"), longrun("b").requires(&["a"])]);
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Starting, Phase::Up));
}

#[test]
fn complete_oneshot_does_not_run_again_in_a_new_plan() {
    let mut script = Script::running(vec![oneshot("a")]);
    script.end("a", code(0));
    script.take();
    replan(&mut script, vec![oneshot("a").with(|service| service.exec = vec!["other".into()])]);
    assert!(script.take().is_empty());
}

#[test]
fn running_oneshot_that_becomes_a_longrun_is_up() {
    let mut script = Script::running(vec![oneshot("a")]);
    replan(&mut script, vec![longrun("a")]);
    assert_eq!(script.phase("a"), Phase::Up);
}

#[test]
fn ended_longrun_that_becomes_a_oneshot_is_lost_with_what_it_requires() {
    let never = |name| longrun(name).restart(|restart| restart.policy = init_plan::Policy::Never);
    let mut script = Script::running(vec![never("a"), never("b").requires(&["a"])]);
    script.end("b", code(0));
    script.end("a", code(1));
    replan(&mut script, vec![never("a"), oneshot("b").requires(&["a"])]);
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Failed, Phase::Done));
    assert_eq!(script.core.unit(Id(1)).goal, crate::state::Goal::DependencyFailed(Id(0)));
}

#[test]
fn complete_oneshot_that_newly_requires_a_failed_service_is_not_undone_while_that_is_tried_again() {
    let never = longrun("a").restart(|restart| restart.policy = init_plan::Policy::Never);
    let undone = oneshot("b").with(|service| service.down = Some(hook(None)));
    let mut script = Script::running(vec![never.clone(), undone.clone()]);
    script.end("a", code(1));
    script.end("b", code(0));
    replan(&mut script, vec![never, undone.requires(&["a"])]);
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Starting, Phase::Done));
}

#[test]
fn differences_are_what_a_replan_would_change_and_change_nothing() {
    let script = Script::running(vec![longrun("a"), longrun("b").requires(&["a"]), longrun("gone")]);
    let same = plan(vec![longrun("a"), longrun("b").requires(&["a"]), longrun("gone")]);
    assert!(script.core.differences(&same).is_empty());
    let nicer = longrun("a").with(|service| service.essential = true);
    let other = plan(vec![longrun("0-new"), nicer, longrun("b").requires(&["0-new"])]);
    assert_eq!(script.core.differences(&other), ["~a", "~b", "-gone", "+0-new"]);
    assert_eq!(script.core.plan(), &same);
}

//! Applying a new plan, and going back to the one before.

use super::*;
use init_plan::Policy;

/// It takes a minute at most.
fn apply(script: &mut Script, defs: Vec<Def>) {
    script.event(Event::Apply { plan: Box::new(plan(defs)), patience: Duration::from_secs(60) });
}

fn changed(def: Def) -> Def {
    def.with(|service| service.exec = vec!["other".into()])
}

/// A database, an application that requires it, and something else.
fn shop() -> Vec<Def> {
    vec![longrun("db").notifies(), longrun("app").notifies().requires(&["db"]), longrun("other").notifies()]
}

fn running_shop() -> Script {
    let mut script = Script::running(shop());
    script.ready("db");
    script.run_all();
    script.ready("app");
    script.ready("other");
    script.take();
    script
}

#[test]
fn only_what_changed_restarts() {
    let mut script = running_shop();
    apply(&mut script, vec![changed(shop()[0].clone()), shop()[1].clone(), shop()[2].clone()]);
    assert_eq!(script.deeds(), ["TERM db"]);
    assert!(script.core.is_applying());
    script.end("db", code(0));
    assert_eq!(script.deeds(), ["spawn db"]);
    script.run_all();
    assert_eq!(script.core.applied(), None);
    script.ready("db");
    assert_eq!(script.core.applied(), Some(Ok(())));
    assert!(!script.core.is_applying() && script.core.deadline().is_none());
    assert_eq!((script.phase("app"), script.phase("other")), (Phase::Up, Phase::Up));
    assert!(!script.core.status(script.id("db"), script.now).changed);
}

#[test]
fn what_restarts_comes_down_and_up_in_order() {
    let mut script = running_shop();
    apply(&mut script, shop().into_iter().map(changed).collect());
    assert_eq!(script.deeds(), ["TERM app", "TERM other"]);
    script.end("other", code(0));
    assert_eq!(script.deeds(), ["spawn other"], "it does not wait for those that it has nothing to do with");
    script.end("app", code(0));
    assert_eq!(script.deeds(), ["TERM db"]);
    assert_eq!(script.note("app"), "starts again in its turn");
    assert!(script.core.is_wanted(script.id("app")));
    script.end("db", code(0));
    assert_eq!(script.deeds(), ["spawn db"]);
    script.run_all();
    script.ready("db");
    assert_eq!(script.deeds(), ["spawn app"]);
    script.run_all();
    script.ready("app");
    assert!(script.core.is_applying());
    script.ready("other");
    assert!(script.take().contains(&"applied".to_owned()));
}

#[test]
fn service_that_fails_brings_the_plan_of_before_back() {
    let mut script = running_shop();
    apply(&mut script, vec![changed(shop()[0].clone()), shop()[1].clone(), shop()[2].clone()]);
    script.end("db", code(0));
    script.run_all();
    script.take();
    script.end("db", code(3));
    assert!(script.core.is_applying());
    script.pass(0);
    let done = script.take();
    assert!(done.contains(&"rolled back db ended with exit code 3".to_owned()), "{done:?}");
    assert!(done.contains(&"spawn db".to_owned()), "{done:?}");
    assert_eq!(script.core.plan().services[0].exec, shop()[0].service.exec);
    script.run_all();
    script.ready("db");
    assert_eq!(
        script.core.applied(),
        Some(Err("db ended with exit code 3: the plan of before is in force again"))
    );
    assert_eq!((script.phase("app"), script.phase("other")), (Phase::Up, Phase::Up));
}

#[test]
fn service_that_is_not_ready_in_time_brings_the_plan_of_before_back() {
    let mut script = running_shop();
    let slow = changed(shop()[0].clone()).with(|service| service.start_timeout = None);
    apply(&mut script, vec![slow, shop()[1].clone(), shop()[2].clone()]);
    script.end("db", code(0));
    script.run_all();
    script.pass(59_999);
    assert!(script.core.is_applying() && script.core.plan().services[0].start_timeout.is_none());
    script.pass(1);
    assert_eq!(script.phase("db"), Phase::Stopping);
    script.end("db", code(0));
    script.run_all();
    script.ready("db");
    assert_eq!(
        script.core.applied(),
        Some(Err("db is starting (not ready yet): the plan of before is in force again"))
    );
}

#[test]
fn what_does_not_come_back_either_is_told() {
    let mut script = running_shop();
    apply(&mut script, vec![changed(shop()[0].clone()), shop()[1].clone(), shop()[2].clone()]);
    script.end("db", code(0));
    script.run_all();
    script.end("db", code(3));
    script.pass(0);
    script.run_all();
    script.end("db", code(4));
    let both = "db ended with exit code 3: the plan of before is in force again, and db ended with exit code 4 with that";
    assert_eq!(script.core.applied(), Some(Err(both)));
    script.pass(10_000);
    script.run_all();
    assert_eq!(script.phase("db"), Phase::Starting, "its restarts go on");
}

#[test]
fn new_service_starts_when_the_one_that_it_replaces_is_gone_and_the_other_way_round() {
    let mut script = Script::running(vec![longrun("web").notifies()]);
    script.ready("web");
    script.take();
    apply(&mut script, vec![longrun("nginx").notifies()]);
    assert_eq!(script.deeds(), ["TERM web"]);
    script.end("web", code(0));
    assert_eq!(script.deeds(), ["spawn nginx"]);
    script.run_all();
    script.end("nginx", code(1));
    script.pass(0);
    script.run_all();
    script.ready("web");
    assert_eq!(
        script.core.applied(),
        Some(Err("nginx ended with exit code 1: the plan of before is in force again"))
    );
    script.pass(0);
    assert_eq!(script.core.plan().services.len(), 1);
}

#[test]
fn rollback_starts_what_the_new_plan_lacked_only_if_it_was_wanted() {
    let mut script = Script::running(vec![longrun("a"), longrun("b")]);
    script.stop("b");
    script.end("b", code(0));
    apply(&mut script, vec![longrun("c")]);
    script.end("a", code(0));
    script.run_all();
    script.end("c", code(1));
    script.pass(0);
    script.run_all();
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Up, Phase::Down));
}

#[test]
fn daemon_that_does_not_say_when_it_is_ready_has_to_prove_itself() {
    let mut script = Script::running(vec![longrun("a")]);
    apply(&mut script, vec![changed(longrun("a"))]);
    script.end("a", code(0));
    script.run_all();
    script.pass(999);
    assert!(script.core.is_applying());
    script.pass(1);
    assert_eq!(script.core.applied(), Some(Ok(())));
    apply(&mut script, vec![longrun("a")]);
    script.end("a", code(0));
    script.run_all();
    script.pass(500);
    script.end("a", code(1));
    script.pass(0);
    assert_eq!(script.core.plan().services[0].exec, changed(longrun("a")).service.exec);
}

#[test]
fn complete_oneshot_that_changed_runs_again_and_one_that_did_not_does_not() {
    let defs = || vec![oneshot("setup"), oneshot("same"), longrun("a").requires(&["setup", "same"])];
    let mut script = Script::running(defs());
    script.end("setup", code(0));
    script.end("same", code(0));
    script.run_all();
    script.take();
    let [setup, same, a] = <[Def; 3]>::try_from(defs()).unwrap_or_else(|_| unreachable!());
    apply(&mut script, vec![changed(setup), same, a]);
    assert_eq!(script.deeds(), ["spawn setup"]);
    script.run_all();
    script.end("setup", code(0));
    assert_eq!(script.core.applied(), Some(Ok(())));
    assert_eq!(script.phase("a"), Phase::Up);
}

#[test]
fn service_stopped_by_a_person_stays_down_and_one_stopped_meanwhile_counts_no_more() {
    let mut script = Script::running(vec![longrun("a"), longrun("b")]);
    script.stop("a");
    script.end("a", code(0));
    apply(&mut script, vec![changed(longrun("a")), changed(longrun("b"))]);
    assert_eq!(script.phase("a"), Phase::Down);
    script.stop("b");
    script.end("b", code(0));
    assert_eq!(script.core.applied(), Some(Ok(())));
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Down, Phase::Down));
}

#[test]
fn stop_of_a_requirement_takes_along_what_waits_for_its_turn() {
    let mut script = running_shop();
    apply(&mut script, shop().into_iter().map(changed).collect());
    script.end("app", code(0));
    script.stop("db");
    script.end("db", code(0));
    assert_eq!((script.phase("db"), script.phase("app")), (Phase::Down, Phase::Down));
    assert_eq!(script.note("app"), "stopped with db");
}

#[test]
fn reload_or_shutdown_ends_a_trial() {
    let mut script = Script::running(vec![longrun("a").notifies()]);
    script.ready("a");
    apply(&mut script, vec![changed(longrun("a").notifies())]);
    script.event(Event::Replan(Box::new(plan(vec![longrun("a").notifies()]))));
    assert_eq!(script.core.applied(), Some(Err("another plan was read meanwhile")));
    script.end("a", code(0));
    script.run_all();
    script.ready("a");
    assert_eq!(script.phase("a"), Phase::Up);
    apply(&mut script, vec![changed(longrun("a").notifies())]);
    script.event(Event::Shutdown(None));
    assert_eq!(script.core.applied(), Some(Err("init is shutting down")));
    script.end("a", code(0));
    assert!(script.take().contains(&"halt 0".to_owned()));
}

#[test]
fn change_of_an_earlier_reload_is_applied_too() {
    let mut script = Script::running(vec![longrun("a"), longrun("b")]);
    script.event(Event::Replan(Box::new(plan(vec![changed(longrun("a")), longrun("b")]))));
    script.take();
    apply(&mut script, vec![changed(longrun("a")), longrun("b")]);
    assert_eq!(script.deeds(), ["TERM a"]);
}

#[test]
fn held_service_is_left_alone() {
    let mut script = Script::running(vec![longrun("a"), longrun("b")]);
    script.event(Event::Hold { id: script.id("a"), held: true });
    script.take();
    apply(&mut script, vec![changed(longrun("a")), changed(longrun("b"))]);
    assert_eq!(script.deeds(), ["TERM b"]);
    assert!(script.core.status(script.id("a"), script.now).changed);
}

#[test]
fn failed_service_is_tried_again_and_so_is_what_failed_with_it() {
    let never = |def: Def| def.restart(|restart| restart.policy = Policy::Never);
    let mut script = Script::running(vec![never(longrun("a").notifies()), longrun("b").requires(&["a"])]);
    script.end("a", code(1));
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Failed, Phase::Failed));
    apply(&mut script, vec![changed(never(longrun("a").notifies())), longrun("b").requires(&["a"])]);
    script.run_all();
    script.ready("a");
    script.run_all();
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Up, Phase::Up));
    assert_eq!(script.core.applied(), Some(Ok(())));
}

#[test]
fn plan_that_changes_nothing_is_applied_at_once() {
    let mut script = running_shop();
    apply(&mut script, shop());
    assert_eq!((script.deeds(), script.core.applied()), (vec!["applied".to_owned()], Some(Ok(()))));
}

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

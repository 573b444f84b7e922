//! Health checks and the watchdog.

use super::*;

fn watched() -> Def {
    longrun("a").notifies().with(|service| service.watchdog = Some(Duration::from_secs(3)))
}

fn says(script: &mut Script, notification: crate::event::Notification) {
    let run = script.main("a");
    script.event(Event::Notify { run, notification });
}

#[test]
fn watchdog_bites_a_silent_service_and_spares_one_that_speaks() {
    use crate::event::Notification::WatchdogPing;
    let mut script = Script::running(vec![watched()]);
    script.pass(10_000);
    assert_eq!(script.phase("a"), Phase::Starting, "nothing is expected before it is ready");
    script.ready("a");
    for _ in 0..5 {
        script.pass(2900);
        says(&mut script, WatchdogPing);
    }
    script.pass(2999);
    assert_eq!(script.phase("a"), Phase::Up);
    script.pass(1);
    assert_eq!(script.phase("a"), Phase::Stopping);
    assert!(script.note("a").starts_with("missed its watchdog"));
    script.end("a", Exit::Signal(15));
    assert_eq!(script.phase("a"), Phase::Starting);
}

#[test]
fn watchdog_interval_that_a_service_chooses_counts_at_once_and_zero_ends_it() {
    use crate::event::Notification::WatchdogInterval;
    let mut script = Script::running(vec![watched()]);
    script.ready("a");
    says(&mut script, WatchdogInterval(Duration::from_secs(8)));
    script.pass(7999);
    assert_eq!(script.phase("a"), Phase::Up);
    says(&mut script, WatchdogInterval(Duration::ZERO));
    script.pass(100_000);
    assert_eq!((script.phase("a"), script.core.deadline()), (Phase::Up, None));
}

#[test]
fn service_that_says_it_is_broken_is_restarted() {
    let mut script = Script::running(vec![watched()]);
    script.ready("a");
    says(&mut script, crate::event::Notification::WatchdogTrigger);
    assert_eq!(script.phase("a"), Phase::Stopping);
    script.end("a", Exit::Signal(15));
    assert_eq!(script.phase("a"), Phase::Starting);
}

fn checked(threshold: u32, action: HealthAction) -> Def {
    longrun("a").with(|service| service.health = health(threshold, action))
}

/// The next health check ends so.
fn check(script: &mut Script, exit: Exit) {
    let wait = script.core.deadline().unwrap().since(script.now).as_millis();
    script.pass(u64::try_from(wait).unwrap());
    script.run("a");
    script.end_helper("a", exit);
}

#[test]
fn service_is_restarted_when_so_many_health_checks_in_a_row_failed() {
    let mut script = Script::running(vec![checked(3, HealthAction::Restart)]);
    for exit in [1, 1, 0, 1, 1] {
        check(&mut script, code(exit));
        assert_eq!(script.phase("a"), Phase::Up);
    }
    check(&mut script, code(1));
    assert_eq!(script.phase("a"), Phase::Stopping);
    assert!(script.note("a").starts_with("3 health checks in a row failed: check ended with exit code 1"));
    script.end("a", Exit::Signal(15));
    assert_eq!(script.phase("a"), Phase::Starting);
}

#[test]
fn health_action_stop_fails_the_service_for_good() {
    let mut script = Script::running(vec![checked(1, HealthAction::Stop), longrun("b").requires(&["a"])]);
    script.run_all();
    check(&mut script, code(1));
    script.end("a", code(0));
    assert_eq!(script.phase("a"), Phase::Failed);
    assert_eq!(script.phase("b"), Phase::Stopping);
}

#[test]
fn health_action_exit_ends_the_container() {
    let mut script = Script::running(vec![checked(1, HealthAction::Exit)]);
    check(&mut script, code(1));
    script.end("a", code(0));
    assert_eq!(script.take().last().unwrap(), "halt 1");
}

#[test]
fn health_action_none_only_shows_it() {
    let mut script = Script::running(vec![checked(1, HealthAction::None)]);
    check(&mut script, code(1));
    assert_eq!(script.phase("a"), Phase::Up);
    assert_eq!(script.core.problems(script.now).len(), 1);
    check(&mut script, code(0));
    assert!(script.core.problems(script.now).is_empty());
}

#[test]
fn health_check_that_hangs_is_killed_and_counts_as_failure() {
    let mut script = Script::running(vec![checked(1, HealthAction::Restart)]);
    script.pass(1000);
    script.run("a");
    script.pass(3000);
    assert_eq!(script.deeds(), ["spawn a HealthProbe", "KILL a HealthProbe", "TERM a"]);
}

#[test]
fn service_that_is_needed_by_others_on_their_way_down_is_not_stopped_for_its_health() {
    let watched = checked(1, HealthAction::Restart).with(|service| {
        service.watchdog = Some(Duration::from_secs(3));
    });
    let mut script = Script::running(vec![watched, longrun("b").requires(&["a"])]);
    script.run_all();
    script.stop("a");
    check(&mut script, code(1));
    script.pass(3500);
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Up, Phase::Stopping));
    script.end("b", code(0));
    assert_eq!(script.phase("a"), Phase::Stopping);
}

//! What people ask for.

use super::*;

#[test]
fn request_for_a_service_of_a_replaced_plan_does_nothing() {
    let mut script = Script::running(vec![longrun("a")]);
    for event in [Event::Start, Event::Stop, Event::Restart, Event::Reload] {
        script.event(event(Id(7)));
    }
    assert!(script.take().is_empty());
}

#[test]
fn service_whose_requirement_went_away_while_its_condition_was_checked_waits_again() {
    let checked = longrun("b").requires(&["a"]).with(|service| {
        service.conditions = vec![init_plan::Condition::Exec(hook(None))];
    });
    let mut script = Script::new(vec![longrun("a"), checked]);
    script.run("a");
    script.run("b");
    script.restart("a");
    script.end_helper("b", code(0));
    assert_eq!(script.phase("b"), Phase::Waiting);
    script.end("a", code(0));
    script.run("a");
    script.run("b");
    script.end_helper("b", code(0));
    assert_eq!(script.phase("b"), Phase::Starting);
}

#[test]
fn start_during_a_crash_that_came_while_stopping_starts_it_again() {
    let never = longrun("a").restart(|restart| restart.policy = init_plan::Policy::Never);
    let held = longrun("b").wants(&["a"]);
    let mut script = Script::running(vec![never, held]);
    script.stop("b");
    script.stop("a");
    // It waits for b, and crashes meanwhile.
    let run = script.exit("a", Exit::Signal(11));
    script.start("a");
    script.event(Event::Gone { run });
    assert_eq!(script.phase("a"), Phase::Starting);
}

#[test]
fn start_starts_a_longrun_again_that_had_ended_and_is_required() {
    let ends = longrun("a").restart(|restart| restart.policy = init_plan::Policy::Never);
    let mut script = Script::running(vec![ends, longrun("b").requires(&["a"])]);
    script.run_all();
    script.end("a", code(0));
    script.end("b", code(0));
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Done, Phase::Failed));
    script.start("b");
    script.run("a");
    script.run("b");
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Up, Phase::Up));
}

#[test]
fn oneshot_that_completes_during_a_stop_is_undone_only_after_its_dependents_stopped() {
    let undone = oneshot("a").with(|service| service.down = Some(hook(None)));
    let mut script = Script::running(vec![undone, longrun("b").requires(&["a"])]);
    script.end("a", code(0));
    script.run("b");
    script.restart("a");
    script.run("a");
    script.end_helper("a", code(0));
    script.run("a");
    let run = script.exit("a", code(0));
    script.stop("a");
    script.event(Event::Gone { run });
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Done, Phase::Stopping));
    script.end("b", code(0));
    assert_eq!(script.phase("a"), Phase::Undoing);
}

#[test]
fn stop_stops_dependents_first() {
    let mut script =
        Script::running(vec![longrun("a"), longrun("b").requires(&["a"]), longrun("c").after(&["a"])]);
    script.run_all();
    script.take();
    script.stop("a");
    assert_eq!(script.deeds(), ["TERM b"], "c only comes after a");
    assert!(script.note("a").starts_with("stops after b"));
    script.end("b", code(0));
    assert_eq!(script.deeds(), ["TERM a"]);
    script.end("a", code(0));
    assert_eq!(script.phase("c"), Phase::Up);
}

#[test]
fn stop_of_a_service_that_was_never_started_disturbs_nobody() {
    let idle = longrun("a").with(|service| service.autostart = false);
    let mut script = Script::running(vec![idle, longrun("b")]);
    script.stop("a");
    assert!(script.take().is_empty());
}

#[test]
fn stop_of_a_service_in_backoff_keeps_it_down() {
    let mut script = Script::running(vec![longrun("a")]);
    script.end("a", code(1));
    script.run("a");
    script.end("a", code(1));
    script.stop("a");
    script.pass(60_000);
    assert_eq!((script.phase("a"), script.core.deadline()), (Phase::Down, None));
}

#[test]
fn stop_during_a_restart_wins() {
    let mut script = Script::running(vec![longrun("a")]);
    script.restart("a");
    script.stop("a");
    script.end("a", code(0));
    assert_eq!(script.phase("a"), Phase::Down);
    assert_eq!(script.deeds(), ["TERM a"]);
}

#[test]
fn restart_of_a_service_that_waits_for_a_dependency_starts_it_once() {
    let mut script = Script::running(vec![longrun("a").notifies(), longrun("b").requires(&["a"])]);
    script.restart("b");
    assert_eq!(script.phase("b"), Phase::Waiting);
    script.ready("a");
    assert_eq!(script.deeds(), ["spawn b"]);
}

#[test]
fn stop_of_a_service_that_waits_for_a_dependency_does_not_wedge_it() {
    let mut script = Script::running(vec![longrun("a").notifies(), longrun("b").requires(&["a"])]);
    script.stop("b");
    script.ready("a");
    assert_eq!((script.phase("b"), script.deeds().len()), (Phase::Down, 0));
    script.start("b");
    assert_eq!(script.deeds(), ["spawn b"]);
}

#[test]
fn process_that_appears_after_its_service_was_stopped_is_told_to_stop() {
    let mut script = Script::new(vec![longrun("a")]);
    script.stop("a");
    assert_eq!(script.phase("a"), Phase::Stopping);
    script.run("a");
    assert_eq!(script.deeds(), ["spawn a", "TERM a"]);
    script.end("a", code(0));
    assert_eq!(script.phase("a"), Phase::Down);
}

#[test]
fn service_that_ignores_term_is_killed_after_its_stop_timeout_and_woken_if_it_was_stopped() {
    let mut script = Script::running(vec![longrun("a")]);
    script.stop("a");
    assert_eq!(script.take(), ["a: stopping", "TERM a", "CONT a"], "at once");
    script.pass(4999);
    assert!(script.take().is_empty());
    script.pass(1);
    assert_eq!(script.take(), ["KILL a", "CONT a"]);
}

#[test]
fn service_counts_as_down_only_when_its_group_is_gone() {
    let mut script = Script::running(vec![longrun("a"), longrun("b").requires(&["a"])]);
    script.run_all();
    script.stop("a");
    let run = script.exit("b", code(0));
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Up, Phase::Ending));
    script.event(Event::Gone { run });
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Stopping, Phase::Down));
}

#[test]
fn stop_command_runs_instead_of_the_signal_and_the_signal_follows_if_it_fails() {
    let mut script = Script::running(vec![longrun("a").stop(|stop| stop.exec = Some(vec!["quit".into()]))]);
    script.stop("a");
    assert_eq!(script.deeds(), ["spawn a Stop"]);
    script.run("a");
    script.end_helper("a", code(1));
    assert_eq!(script.deeds(), ["TERM a"]);
    script.pass(5000);
    assert_eq!(script.deeds(), ["KILL a"]);
}

#[test]
fn stopped_oneshot_is_undone_and_runs_again_at_the_next_start() {
    let undone = oneshot("a").with(|service| service.down = Some(hook(None)));
    let mut script = Script::running(vec![undone]);
    script.end("a", code(0));
    script.stop("a");
    assert_eq!(script.deeds(), ["spawn a Down"]);
    script.run("a");
    script.start("a");
    script.end_helper("a", code(0));
    assert_eq!(script.deeds(), ["spawn a"]);
}

#[test]
fn reload_sends_the_signal_or_runs_the_command_and_only_the_newest_counts() {
    use init_plan::{Reload, Signal};
    let by = |reload| longrun("a").with(|service| service.reload = Some(reload));
    let mut script = Script::running(vec![by(Reload::Signal(Signal::HUP))]);
    script.event(Event::Reload(Id(0)));
    assert_eq!(script.deeds(), ["HUP a"]);
    let mut script = Script::running(vec![by(Reload::Exec(hook(Some(1))))]);
    script.event(Event::Reload(Id(0)));
    script.run("a");
    script.event(Event::Reload(Id(0)));
    assert_eq!(script.deeds(), ["spawn a Reload", "spawn a Reload", "KILL a Reload"]);
}

#[test]
fn forwarded_signal_goes_to_who_asked_for_it() {
    use init_plan::Signal;
    let asks = longrun("a").with(|service| service.forward = vec![Signal::USR1]);
    let mut script = Script::running(vec![asks, longrun("b")]);
    script.event(Event::Forward(Signal::USR1));
    script.event(Event::Forward(Signal::USR2));
    assert_eq!(script.deeds(), ["USR1 a"]);
}

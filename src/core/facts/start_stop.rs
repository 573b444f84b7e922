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
        service.conditions = vec![crate::plan::Condition::Exec(hook(None))];
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
    let never = longrun("a").restart(|restart| restart.policy = crate::plan::Policy::Never);
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
    let ends = longrun("a").restart(|restart| restart.policy = crate::plan::Policy::Never);
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

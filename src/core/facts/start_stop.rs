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

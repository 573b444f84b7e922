use super::*;

#[test]
fn request_for_a_service_of_a_replaced_plan_does_nothing() {
    let mut script = Script::running(vec![longrun("a")]);
    for event in [Event::Start, Event::Stop, Event::Restart, Event::Reload] {
        script.event(event(Id(7)));
    }
    assert!(script.take().is_empty());
}

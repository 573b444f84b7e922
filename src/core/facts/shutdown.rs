use super::*;

#[test]
fn endless_shutdown_timeout_is_no_overflow() {
    let mut plan = plan(vec![longrun("a")]);
    plan.settings.shutdown_timeout = Duration::MAX;
    let mut script = Script::of(plan);
    script.run("a");
    script.event(Event::Shutdown(None));
    script.pass(6000);
    script.end("a", Exit::Signal(9));
    assert_eq!(script.take().last().unwrap(), "halt 0");
}

#[test]
fn nothing_starts_after_halt() {
    let hooked = longrun("a").with(|service| service.finish = Some(hook(None)));
    let mut script = Script::running(vec![hooked]);
    script.event(Event::Shutdown(Some(3)));
    script.pass(9000);
    assert_eq!(script.take().last().unwrap(), "halt 3");
    script.end("a", Exit::Signal(9));
    script.pass(9000);
    assert!(script.take().is_empty());
    assert_eq!(script.core.deadline(), None);
}

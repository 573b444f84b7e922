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

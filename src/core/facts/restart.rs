use super::*;

#[test]
fn start_that_fails_for_want_of_processes_is_tried_again_without_spinning() {
    let eager = longrun("a").restart(|restart| restart.delay = Duration::ZERO);
    let mut script = Script::new(vec![eager]);
    for _ in 0..20 {
        script.run_fails("a", false);
        assert_eq!(script.phase("a"), Phase::Backoff);
        script.pass(99);
        assert_eq!(script.phase("a"), Phase::Backoff);
        script.pass(1);
    }
    script.run("a");
    assert_eq!(script.phase("a"), Phase::Up);
}

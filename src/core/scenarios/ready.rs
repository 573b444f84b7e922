//! Readiness, and being late.

use super::*;
use init_plan::Policy;

fn chain() -> Vec<Def> {
    vec![longrun("a").notifies(), longrun("b").requires(&["a"])]
}

#[test]
fn readiness_counts_again_after_a_restart() {
    let mut script = Script::running(chain());
    script.ready("a");
    script.end("a", code(1));
    script.run("a");
    assert_eq!(script.phase("a"), Phase::Starting);
    script.ready("a");
    assert_eq!(script.phase("a"), Phase::Up);
}

#[test]
fn readiness_of_a_process_that_was_replaced_says_nothing_of_the_new_one() {
    let mut script = Script::running(chain());
    let old = script.main("a");
    script.end("a", code(1));
    script.run("a");
    script.event(Event::Ready { run: old });
    assert_eq!(script.phase("a"), Phase::Starting);
}

#[test]
fn service_that_is_ready_and_dies_at_once_lets_its_dependents_start_and_is_restarted() {
    let mut script = Script::running(chain());
    script.ready("a");
    script.exit("a", code(1));
    script.run("b");
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Ending, Phase::Up));
}

#[test]
fn readiness_that_comes_after_the_death_is_ignored() {
    let mut script = Script::running(chain());
    let run = script.exit("a", code(1));
    script.event(Event::Ready { run });
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Ending, Phase::Waiting));
}

#[test]
fn service_that_is_never_ready_is_stopped_after_its_start_timeout_and_restarted() {
    let mut script = Script::running(chain());
    script.pass(89_999);
    assert_eq!(script.phase("a"), Phase::Starting);
    script.pass(1);
    assert_eq!(script.deeds(), ["TERM a"]);
    script.end("a", Exit::Signal(15));
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Starting, Phase::Waiting));
}

#[test]
fn dependency_that_can_never_be_ready_fails_its_dependents_once_it_gives_up() {
    let limited =
        longrun("a").notifies().restart(|restart| restart.limit = Some((1, Duration::from_secs(600))));
    let mut script = Script::running(vec![limited, longrun("b").requires(&["a"])]);
    for _ in 0..2 {
        script.pass(90_000);
        script.end("a", Exit::Signal(15));
        script.run_all();
    }
    assert_eq!((script.phase("a"), script.phase("b")), (Phase::Failed, Phase::Failed));
    assert_eq!(script.note("a"), "was not ready in time; gave up after 1 restarts within 600.0 s");
}

#[test]
fn dependency_may_crash_and_restart_while_its_dependents_wait() {
    let mut script = Script::running(chain());
    for _ in 0..3 {
        script.end("a", code(1));
        assert_eq!(script.phase("b"), Phase::Waiting);
        script.pass(10_000);
        script.run("a");
    }
    script.ready("a");
    assert_eq!(script.phase("b"), Phase::Starting);
}

#[test]
fn readiness_probe_is_repeated_until_it_succeeds() {
    let probed = longrun("a").with(|service| service.ready = Ready::Probe(Box::new(probe())));
    let mut script = Script::running(vec![probed]);
    script.pass(999);
    assert!(script.take().is_empty());
    script.pass(1);
    script.run("a");
    script.end_helper("a", code(1));
    script.pass(10_000);
    // This one hangs.
    script.run("a");
    script.pass(3000);
    assert_eq!(script.deeds(), ["spawn a ReadyProbe", "spawn a ReadyProbe", "KILL a ReadyProbe"]);
    script.exit_of("a", |role| role == Role::ReadyProbe, Exit::Signal(9));
    script.pass(10_000);
    script.run("a");
    script.end_helper("a", code(0));
    assert_eq!(script.phase("a"), Phase::Up);
}

#[test]
fn daemon_that_ends_well_before_it_was_ready_has_failed() {
    let never = longrun("a").notifies().restart(|restart| restart.policy = Policy::OnFailure);
    let mut script = Script::running(vec![never]);
    script.end("a", code(0));
    assert_eq!(script.phase("a"), Phase::Starting);
    script.run("a");
    script.ready("a");
    script.end("a", code(0));
    assert_eq!(script.phase("a"), Phase::Done);
}

//! What happens after an end: restarts, delays, limits, finish hooks.

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

/// Ends at once whenever it runs; when it starts again, in milliseconds.
fn delays(script: &mut Script, count: usize) -> Vec<u64> {
    (0..count)
        .map(|_| {
            script.end("a", code(1));
            let wait = script.core.deadline().filter(|_| script.phase("a") == Phase::Backoff);
            let wait = wait
                .map_or(0, |at| u64::try_from(at.since(script.now).as_nanos().div_ceil(1_000_000)).unwrap());
            script.pass(wait);
            script.run("a");
            wait
        })
        .collect()
}

#[test]
fn first_restart_is_at_once_and_each_further_one_takes_longer_up_to_the_longest() {
    let def = longrun("a").restart(|restart| restart.max_delay = Duration::from_secs(1));
    let mut script = Script::running(vec![def]);
    assert_eq!(delays(&mut script, 7), [0, 100, 200, 400, 800, 1000, 1000]);
}

#[test]
fn service_that_ran_long_enough_is_forgiven_its_earlier_failures() {
    let mut script = Script::running(vec![longrun("a")]);
    assert_eq!(delays(&mut script, 3), [0, 100, 200]);
    script.pass(10_000);
    assert_eq!(delays(&mut script, 2), [0, 100]);
}

#[test]
fn delays_vary_by_the_jitter_and_no_more() {
    let def = longrun("a").restart(|restart| {
        (restart.jitter_percent, restart.factor_percent) = (20, 100);
    });
    let mut script = Script::running(vec![def]);
    let delays = delays(&mut script, 200).split_off(1);
    assert!(delays.iter().all(|delay| (80..=120).contains(delay)), "{delays:?}");
    assert!(delays.iter().any(|&delay| delay < 90) && delays.iter().any(|&delay| delay > 110));
}

#[test]
fn service_gives_up_after_so_many_restarts_and_a_person_can_start_it_again() {
    let def = longrun("a").restart(|restart| restart.limit = Some((3, Duration::from_secs(60))));
    let mut script = Script::running(vec![def, longrun("b").requires(&["a"])]);
    delays(&mut script, 3);
    script.end("a", code(1));
    assert_eq!(script.phase("a"), Phase::Failed);
    assert_eq!(script.note("a"), "ended with exit code 1; gave up after 3 restarts within 60.0 s");
    assert_eq!(script.phase("b"), Phase::Stopping);
    script.start("a");
    script.run("a");
    assert_eq!(delays(&mut script, 3), [0, 100, 200]);
}

#[test]
fn restarts_further_apart_than_the_interval_do_not_count_together() {
    let def = longrun("a").restart(|restart| restart.limit = Some((1, Duration::from_secs(60))));
    let mut script = Script::running(vec![def]);
    for _ in 0..10 {
        script.end("a", code(1));
        script.run("a");
        script.pass(61_000);
    }
    assert_eq!(script.phase("a"), Phase::Up);
}

#[test]
fn service_killed_by_signal_9_is_restarted() {
    let def = longrun("a").restart(|restart| restart.policy = init_plan::Policy::OnFailure);
    let mut script = Script::running(vec![def]);
    script.end("a", Exit::Signal(9));
    assert_eq!(script.phase("a"), Phase::Starting);
}

#[test]
fn success_codes_are_no_failure() {
    let def = longrun("a").restart(|restart| {
        (restart.policy, restart.success) = (init_plan::Policy::OnFailure, vec![0, 7]);
    });
    let mut script = Script::running(vec![def]);
    script.end("a", code(7));
    assert_eq!(script.phase("a"), Phase::Done);
}

#[test]
fn restart_of_one_service_leaves_its_dependents_up() {
    let mut script = Script::running(vec![longrun("a"), longrun("b").requires(&["a"])]);
    script.run_all();
    script.take();
    script.restart("a");
    script.end("a", code(0));
    script.run("a");
    assert_eq!(script.deeds(), ["TERM a", "spawn a"]);
    assert_eq!(script.phase("b"), Phase::Up);
}

#[test]
fn restart_of_an_essential_service_does_not_end_the_container() {
    let essential = longrun("a").with(|service| service.essential = true);
    let mut script = Script::running(vec![essential.restart(|r| r.policy = init_plan::Policy::Never)]);
    script.restart("a");
    script.end("a", Exit::Signal(15));
    script.run("a");
    assert_eq!(script.phase("a"), Phase::Up);
    assert!(!script.take().iter().any(|what| what.starts_with("halt")));
}

#[test]
fn finish_hook_that_ends_with_125_is_the_last_word_unless_somebody_asked_for_a_restart() {
    let hooked = || longrun("a").with(|service| service.finish = Some(hook(Some(5))));
    let mut script = Script::running(vec![hooked(), longrun("b").requires(&["a"])]);
    script.end("a", code(0));
    script.run("a");
    script.end_helper("a", code(125));
    assert_eq!(script.phase("a"), Phase::Failed);
    assert!(script.note("a").contains("125"), "{}", script.note("a"));
    let mut script = Script::running(vec![hooked()]);
    script.restart("a");
    script.end("a", code(0));
    script.run("a");
    script.end_helper("a", code(125));
    assert_eq!(script.phase("a"), Phase::Starting);
}

#[test]
fn finish_hook_runs_once_after_each_end_and_before_the_next_start() {
    let hooked = longrun("a").with(|service| service.finish = Some(hook(Some(5))));
    let mut script = Script::running(vec![hooked]);
    script.end("a", Exit::Signal(11));
    assert_eq!(script.deeds(), ["spawn a Finish(Signal(11))"]);
    script.run("a");
    script.end_helper("a", code(0));
    assert_eq!(script.deeds(), ["spawn a"]);
    script.run("a");
    script.end("a", code(0));
    script.run("a");
    script.pass(5000);
    assert_eq!(script.deeds(), ["spawn a Finish(Code(0))", "KILL a Finish(Code(0))"]);
    assert_eq!(script.phase("a"), Phase::Backoff);
}

#[test]
fn oneshot_never_runs_twice_by_itself_and_again_when_restarted() {
    let mut script = Script::running(vec![oneshot("a"), longrun("b").requires(&["a"])]);
    script.end("a", code(0));
    script.run("b");
    script.take();
    script.end("b", code(1));
    script.start("a");
    script.start("b");
    assert_eq!(script.deeds(), ["spawn b"]);
    script.restart("a");
    assert_eq!(script.deeds(), ["spawn a"]);
}

#[test]
fn jitter_makes_the_longest_delay_shorter_and_never_longer() {
    let def = longrun("a").restart(|restart| {
        (restart.jitter_percent, restart.max_delay) = (20, Duration::from_millis(100));
    });
    let mut script = Script::running(vec![def]);
    let delays = delays(&mut script, 200).split_off(1);
    assert!(delays.iter().all(|delay| (80..=100).contains(delay)), "{delays:?}");
    assert!(delays.iter().any(|&delay| delay < 85) && delays.iter().any(|&delay| delay > 95));
}

/// The reference values for this seed, as the author's C code gives them.
#[test]
fn random_numbers_are_those_of_splitmix64() {
    let mut core = Supervisor::new(Plan::default(), 1_234_567);
    let expected = [
        6_457_827_717_110_365_317,
        3_203_168_211_198_807_973,
        9_817_491_932_198_370_423,
        4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
    ];
    assert_eq!([0; 5].map(|_| core.random_below(u64::MAX)), expected);
    assert_eq!([0; 3].map(|_| core.random_below(1)), [0; 3]);
    assert_eq!(core.random_below(0), 0);
}

#[test]
fn restarts_are_counted_and_the_limit_allows_exactly_as_many() {
    let def = longrun("a").restart(|restart| {
        (restart.limit, restart.delay) = (Some((2, Duration::from_secs(10))), Duration::ZERO);
    });
    let mut script = Script::running(vec![def.clone()]);
    delays(&mut script, 2);
    assert_eq!(script.core.status(script.id("a"), script.now).restarts, 2);
    // The first restart is just as old as the limit looks back.
    script.pass(10_000);
    script.end("a", code(1));
    assert_eq!(script.phase("a"), Phase::Failed);
    let mut script = Script::running(vec![def]);
    delays(&mut script, 2);
    script.pass(10_001);
    script.end("a", code(1));
    assert_eq!(script.phase("a"), Phase::Starting);
}

#[test]
fn service_that_ran_just_long_enough_is_forgiven_its_earlier_failures() {
    let mut script = Script::running(vec![longrun("a")]);
    delays(&mut script, 3);
    script.pass(9_999);
    assert_eq!(delays(&mut script, 1), [400]);
    script.pass(10_000);
    assert_eq!(delays(&mut script, 1), [0]);
}

use super::*;

fn watched() -> Def {
    longrun("a").notifies().with(|service| service.watchdog = Some(Duration::from_secs(3)))
}

fn says(script: &mut Script, word: crate::core::event::Word) {
    let run = script.main("a");
    script.event(Event::Notify { run, word });
}

#[test]
fn watchdog_bites_a_silent_service_and_spares_one_that_speaks() {
    use crate::core::event::Word::Alive;
    let mut script = Script::running(vec![watched()]);
    script.pass(10_000);
    assert_eq!(script.phase("a"), Phase::Starting, "nothing is expected before it is ready");
    script.ready("a");
    for _ in 0..5 {
        script.pass(2900);
        says(&mut script, Alive);
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
    use crate::core::event::Word::WatchdogInterval;
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
    says(&mut script, crate::core::event::Word::Broken);
    assert_eq!(script.phase("a"), Phase::Stopping);
    script.end("a", Exit::Signal(15));
    assert_eq!(script.phase("a"), Phase::Starting);
}

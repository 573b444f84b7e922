//! Services that ask for more time to start or to stop (`EXTEND_TIMEOUT_USEC=`).

use super::*;
use crate::event::Notification;

fn more(seconds: u64) -> Notification {
    Notification::ExtendTimeout(Duration::from_secs(seconds))
}

fn slow() -> Def {
    longrun("a").notifies().with(|service| service.start_timeout = Some(Duration::from_secs(10)))
}

#[test]
fn start_may_take_as_long_as_the_service_says() {
    let mut script = Script::running(vec![slow()]);
    script.pass(9_000);
    script.says("a", more(20));
    script.pass(19_999);
    assert_eq!(script.phase("a"), Phase::Starting);
    script.pass(1);
    assert_eq!(script.phase("a"), Phase::Stopping);
}

#[test]
fn asking_for_less_than_there_is_takes_nothing_away() {
    let mut script = Script::running(vec![slow()]);
    script.says("a", more(1));
    script.pass(9_999);
    assert_eq!(script.phase("a"), Phase::Starting);
    script.pass(1);
    assert_eq!(script.phase("a"), Phase::Stopping);
}

#[test]
fn stop_may_take_as_long_as_the_service_says_but_not_for_ever() {
    let mut script = Script::running(vec![longrun("a").notifies()]);
    script.ready("a");
    script.stop("a");
    script.take();
    for _ in 0..1000 {
        script.says("a", more(30));
        script.pass(20_000);
        if script.take().contains(&"KILL a".to_owned()) {
            // Its stop timeout of 5 s, and an hour.
            let since = script.now.0 / 1_000_000_000;
            return assert!((3605..3625).contains(&since), "killed after {since} s");
        }
    }
    panic!("a service stopped for ever");
}

#[test]
fn shutdown_leaves_nobody_more_than_its_own_time() {
    let mut script = Script::running(vec![longrun("a").notifies()]);
    script.ready("a");
    script.event(Event::Shutdown(None));
    script.says("a", more(1000));
    script.pass(9_000);
    let done = script.take();
    assert!(done.contains(&"KILL a".to_owned()) && done.contains(&"halt 0".to_owned()), "{done:?}");
}

#[test]
fn stop_that_began_before_a_shutdown_keeps_to_the_time_of_the_shutdown() {
    let mut script = Script::running(vec![longrun("a").notifies()]);
    script.ready("a");
    script.stop("a");
    script.says("a", more(1000));
    script.event(Event::Shutdown(None));
    script.pass(9_000);
    assert!(script.take().contains(&"halt 0".to_owned()));
}

#[test]
fn stop_signal_is_sent_again_until_the_process_has_ended() {
    let repeats = longrun("a").stop(|stop| stop.repeat = Some(Duration::from_secs(2)));
    let mut script = Script::running(vec![repeats]);
    script.stop("a");
    script.pass(3_999);
    assert_eq!(script.deeds(), ["TERM a", "TERM a"]);
    script.pass(60_000);
    assert_eq!(script.deeds(), ["TERM a", "KILL a"], "nothing is sent after KILL");
    script.end("a", Exit::Signal(9));
    assert_eq!(script.core.deadline(), None);
}

#[test]
fn stop_signal_of_a_process_that_obeys_is_not_repeated() {
    let repeats = longrun("a").stop(|stop| stop.repeat = Some(Duration::from_secs(2)));
    let mut script = Script::running(vec![repeats]);
    script.stop("a");
    script.pass(1_000);
    script.end("a", code(0));
    script.pass(60_000);
    assert_eq!(script.deeds(), ["TERM a"]);
}

#[test]
fn signal_in_place_of_a_stop_command_that_failed_is_repeated() {
    let repeats = longrun("a").stop(|stop| {
        stop.repeat = Some(Duration::from_secs(2));
        stop.exec = Some(vec!["stop".into()]);
    });
    let mut script = Script::running(vec![repeats]);
    script.stop("a");
    script.run("a");
    script.pass(3_000);
    assert_eq!(script.deeds(), ["spawn a Stop"]);
    script.end_helper("a", code(1));
    script.pass(1_999);
    assert_eq!(script.deeds(), ["TERM a"]);
}

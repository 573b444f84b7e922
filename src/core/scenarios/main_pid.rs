//! A main process that puts another in its place.

use super::*;
use init_plan::Signal;

fn main_pid_changed() -> (Script, Pid, Pid) {
    let mut script = Script::running(vec![longrun("a").notifies()]);
    let run = script.main("a");
    let id = script.id("a");
    let old = script.core.main_pid(id).unwrap();
    script.event(Event::MainPidChanged { run, pid: 77 });
    (script, old, 77)
}

#[test]
fn heir_is_the_main_process_and_its_readiness_counts() {
    let (mut script, old, new) = main_pid_changed();
    let id = script.id("a");
    assert_eq!(script.core.main_pid(id), Some(new));
    script.event(Event::Exited { pid: old, exit: code(0) });
    assert_eq!(script.phase("a"), Phase::Starting);
    script.ready("a");
    assert_eq!(script.phase("a"), Phase::Up);
    script.event(Event::Exited { pid: new, exit: code(7) });
    assert_eq!(script.phase("a"), Phase::Ending);
}

#[test]
fn heir_is_told_of_although_the_state_stays() {
    let (mut script, ..) = main_pid_changed();
    assert!(script.take().contains(&"a changes its main process".to_owned()));
}

#[test]
fn heir_that_comes_after_the_stop_signal_is_told_too() {
    let mut script = Script::running(vec![longrun("a")]);
    let run = script.main("a");
    script.stop("a");
    assert_eq!(script.deeds(), ["TERM a"]);
    let seen = script.core.step(script.now, Event::MainPidChanged { run, pid: 77 });
    let told = |action: &Action| matches!(action, Action::Signal { pid: 77, signal: Signal::TERM, .. });
    assert!(seen.iter().any(told), "{seen:?}");
}

#[test]
fn predecessor_that_stays_is_killed_with_its_heir() {
    let (mut script, old, new) = main_pid_changed();
    let seen = script.core.step(script.now, Event::Exited { pid: new, exit: code(0) });
    let killed = |pid: Pid| {
        seen.iter().any(
            |action| matches!(action, Action::Signal { pid: it, signal: Signal::KILL, .. } if *it == pid),
        )
    };
    assert!(killed(old));
}

#[test]
fn process_of_another_service_is_no_heir() {
    let mut script = Script::running(vec![longrun("a"), longrun("b")]);
    let (run, b) = (script.main("a"), script.id("b"));
    let taken = script.core.main_pid(b).unwrap();
    script.event(Event::MainPidChanged { run, pid: taken });
    assert_ne!(script.core.main_pid(script.id("a")), Some(taken));
}

/// What is sent to a process that becomes the main one now.
fn sent_to_heir(script: &mut Script) -> Vec<Signal> {
    let run = script.main("a");
    let seen = script.core.step(script.now, Event::MainPidChanged { run, pid: 77 });
    let to_heir = seen.into_iter().filter_map(|action| match action {
        Action::Signal { pid: 77, signal, .. } if signal != Signal::CONT => Some(signal),
        _ => None,
    });
    to_heir.collect()
}

#[test]
fn heir_that_comes_after_the_stop_timeout_is_killed() {
    let mut script = Script::running(vec![longrun("a")]);
    script.stop("a");
    script.pass(3_600_000);
    assert_eq!(script.deeds(), ["TERM a", "KILL a"]);
    assert_eq!(sent_to_heir(&mut script), [Signal::KILL]);
}

#[test]
fn heir_that_comes_while_a_stop_command_runs_gets_the_stop_signal_and_no_second_command() {
    let commanded = longrun("a").stop(|stop| stop.exec = Some(vec!["stop".into()]));
    let mut script = Script::running(vec![commanded]);
    script.stop("a");
    script.run("a");
    assert_eq!(script.deeds(), ["spawn a Stop"]);
    assert_eq!(sent_to_heir(&mut script), [Signal::TERM]);
    assert!(script.deeds().is_empty());
}

#[test]
fn heir_that_comes_when_all_is_killed_is_killed_too() {
    let mut script = Script::running(vec![longrun("a")]);
    script.event(Event::Shutdown(None));
    script.event(Event::Force);
    assert_eq!(script.deeds(), ["TERM a", "KILL a"]);
    assert_eq!(sent_to_heir(&mut script), [Signal::KILL]);
}

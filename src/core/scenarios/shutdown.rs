//! Stopping everything.

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

/// A plan whose services, from the last to the first, each stop before the one before it.
fn chain(length: usize) -> Vec<Def> {
    const NAMES: [&str; 20] =
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"];
    (0..length)
        .map(|at| {
            let def = longrun(NAMES[at]).stop(|stop| stop.timeout = Duration::from_secs(60));
            if at == 0 { def } else { def.requires(&[NAMES[at - 1]]) }
        })
        .collect()
}

#[test]
fn shutdown_leaves_each_of_20_tiers_time_to_stop_though_the_first_ones_ignore_it() {
    let mut script = Script::running(chain(20));
    script.event(Event::Shutdown(None));
    let names: Vec<String> = script.core.plan().services.iter().map(|s| s.name.to_string()).collect();
    for (at, name) in names.iter().rev().enumerate() {
        assert_eq!(script.deeds(), [format!("TERM {name}")], "after {:?}", script.now);
        if at < 10 {
            let wait = script.core.deadline().unwrap().since(script.now);
            assert!(wait > Duration::from_millis(100), "{name} has only {wait:?}");
            script.pass(u64::try_from(wait.as_millis()).unwrap() + 1);
            assert_eq!(script.deeds(), [format!("KILL {name}")]);
        }
        script.end(name, Exit::Signal(9));
    }
    assert_eq!(script.deeds(), ["halt 0"]);
}

#[test]
fn nothing_new_starts_once_everything_is_killed() {
    let hooked = longrun("a").with(|service| service.finish = Some(hook(None)));
    let undone = oneshot("b").with(|service| service.down = Some(hook(None)));
    let mut script = Script::running(vec![undone, hooked]);
    script.end("b", code(0));
    script.event(Event::Shutdown(None));
    script.run("b");
    script.take();
    script.event(Event::Force);
    assert_eq!(script.deeds(), ["KILL b Down", "KILL a"]);
    script.end("a", Exit::Signal(9));
    script.end_helper("b", Exit::Signal(9));
    assert_eq!(script.deeds(), ["halt 0"]);
}

#[test]
fn process_that_appears_after_everything_was_killed_is_killed_too() {
    let hooked = longrun("a").with(|service| service.finish = Some(hook(None)));
    let mut script = Script::running(vec![hooked]);
    script.event(Event::Shutdown(None));
    script.end("a", code(0));
    script.event(Event::Force);
    script.take();
    script.run("a");
    assert_eq!(script.deeds(), ["KILL a Finish(Code(0))"]);
}

#[test]
fn shutdown_while_services_start_wait_and_back_off_is_prompt() {
    let checked = longrun("d").with(|s| s.conditions = vec![init_plan::Condition::Exec(hook(None))]);
    let defs = vec![longrun("a").notifies(), longrun("b").requires(&["a"]), longrun("c"), checked];
    let mut script = Script::running(defs);
    script.end("c", code(1));
    script.run("c");
    script.end("c", code(1));
    assert_eq!((script.phase("c"), script.phase("d")), (Phase::Backoff, Phase::Checking));
    script.take();
    script.event(Event::Shutdown(None));
    assert_eq!(script.deeds(), ["TERM a", "KILL d Condition(0)"]);
    script.end("a", Exit::Signal(15));
    assert_eq!(script.take().last().unwrap(), "halt 0");
}

#[test]
fn shutdown_stops_in_reverse_order() {
    let mut script = Script::running(chain(3));
    script.event(Event::Shutdown(None));
    for name in ["c", "b", "a"] {
        assert_eq!(script.deeds(), [format!("TERM {name}")]);
        script.end(name, code(0));
    }
    assert_eq!(script.deeds(), ["halt 0"]);
}

#[test]
fn shutdown_keeps_its_order_through_oneshots_that_are_done() {
    let services = vec![
        longrun("database"),
        oneshot("migrations").requires(&["database"]),
        oneshot("more").requires(&["migrations"]),
        longrun("api").requires(&["more"]),
    ];
    let mut script = Script::running(services);
    script.end("migrations", code(0));
    script.run("more");
    script.end("more", code(0));
    script.run("api");
    script.take();
    script.event(Event::Shutdown(None));
    assert_eq!(script.deeds(), ["TERM api"], "the database is still of use to it");
    script.end("api", code(0));
    assert_eq!(script.deeds(), ["TERM database"]);
}

#[test]
fn shutdown_ends_in_time_though_a_process_does_not_even_die() {
    let mut script = Script::running(chain(3));
    script.event(Event::Shutdown(None));
    script.pass(8999);
    assert!(!script.take().iter().any(|what| what.starts_with("halt")));
    assert_eq!(script.core.blockers().next().unwrap().0, Id(0));
    script.pass(1);
    assert_eq!(script.take(), ["halt 0"]);
}

#[test]
fn slow_service_of_the_first_tier_leaves_the_next_its_time() {
    let mut script = Script::running(chain(2));
    script.event(Event::Shutdown(None));
    script.pass(7290);
    script.end("b", Exit::Signal(9));
    assert_eq!(script.deeds(), ["TERM b", "KILL b", "TERM a"]);
    script.pass(800);
    script.end("a", code(0));
    assert_eq!(script.deeds(), ["halt 0"]);
}

#[test]
fn service_that_was_stopping_already_keeps_to_the_time_of_the_shutdown() {
    let mut script = Script::running(chain(1));
    script.stop("a");
    script.pass(1000);
    script.event(Event::Shutdown(None));
    script.pass(8099);
    assert_eq!(script.deeds(), ["TERM a"]);
    script.pass(1);
    assert_eq!(script.deeds().first().unwrap(), "KILL a");
}

#[test]
fn first_reason_to_shut_down_decides_the_code() {
    let essential = longrun("a").with(|service| service.essential = true);
    let mut script = Script::running(vec![essential.restart(|r| r.policy = init_plan::Policy::Never)]);
    script.event(Event::Shutdown(Some(0)));
    script.event(Event::Shutdown(Some(9)));
    script.end("a", code(5));
    assert_eq!(script.take().last().unwrap(), "halt 0");
}

#[test]
fn crash_during_a_shutdown_restarts_nothing() {
    let mut script = Script::running(chain(2));
    script.event(Event::Shutdown(None));
    script.end("a", Exit::Signal(11));
    script.start("a");
    script.restart("a");
    script.end("b", code(0));
    assert_eq!(script.deeds(), ["TERM b", "halt 0"]);
}

#[test]
fn hooks_that_hang_in_two_tiers_leave_the_last_service_its_time_to_stop() {
    let undone = oneshot("b").requires(&["a"]).with(|service| service.down = Some(hook(None)));
    let hooked = longrun("c").requires(&["b"]).with(|service| service.finish = Some(hook(Some(600))));
    let mut script = Script::running(vec![longrun("a"), undone, hooked]);
    script.end("b", code(0));
    script.run("c");
    script.take();
    script.event(Event::Shutdown(None));
    script.end("c", code(0));
    let mut told = Vec::new();
    while script.core.deadline().is_some() {
        script.run_all();
        script.pass(100);
        told.extend(script.deeds());
    }
    let hooks =
        ["TERM c", "spawn c Finish(Code(0))", "KILL c Finish(Code(0))", "spawn b Down", "KILL b Down"];
    assert_eq!(told[..5], hooks);
    assert_eq!(told[5..7], ["TERM a", "KILL a"]);
}

#[test]
fn hook_that_runs_already_keeps_to_the_time_of_the_shutdown() {
    let hooked = longrun("b").requires(&["a"]).with(|service| service.finish = Some(hook(None)));
    let mut script = Script::running(vec![longrun("a"), hooked]);
    script.end("b", code(1));
    script.run("b");
    script.event(Event::Shutdown(None));
    script.take();
    let mut told = Vec::new();
    while script.core.deadline().is_some() {
        script.pass(100);
        told.extend(script.deeds());
    }
    assert_eq!(told[..3], ["KILL b Finish(Code(1))", "TERM a", "KILL a"]);
}

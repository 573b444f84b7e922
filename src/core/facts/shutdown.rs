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

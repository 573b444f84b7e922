//! What the supervisor tells those who ask.

use super::*;
use crate::event::Notification;
use crate::status::{Stage, Wellness};
use init_plan::{HealthAction, Policy, Signal};

fn said(text: &str) -> Notification {
    Notification::Status(text.to_owned())
}

impl Script {
    pub(super) fn says(&mut self, name: &str, notification: Notification) {
        let run = self.main(name);
        self.event(Event::Notify { run, notification });
    }

    pub(super) fn problems(&self) -> Vec<String> {
        self.core.problems(self.now)
    }
}

#[test]
fn status_shows_definition_state_and_history_of_a_service() {
    let described = longrun("c").requires(&["a"]).wants(&["b"]).notifies().with(|service| {
        service.description = Some("the last one".into());
        service.essential = true;
    });
    let later = longrun("d").after(&["c"]);
    let mut script = Script::running(vec![longrun("a"), longrun("b"), described, later]);
    script.run_all();
    script.pass(1500);
    script.ready("c");
    script.end("c", Exit::Signal(9));
    script.pass(250);
    let status = script.core.status(script.id("c"), script.now);
    assert_eq!((&*status.name, status.description.as_deref()), ("c", Some("the last one")));
    assert_eq!((status.kind, status.essential, status.wanted), (Kind::Longrun, true, true));
    assert_eq!((status.requires, status.wants, status.after), (vec!["a".into()], vec!["b".into()], vec![]));
    assert_eq!((status.state, status.for_ms, status.pid), (Phase::Starting, 250, None));
    assert_eq!((status.restarts, status.last_exit), (1, Some(Exit::Signal(9))));
    assert_eq!((status.health, status.ready_after_ms, status.changed), (Wellness::Unknown, None, false));
    script.run("c");
    script.ready("c");
    let status = script.core.status(script.id("c"), script.now);
    assert_eq!((status.state, status.for_ms, status.ready_after_ms), (Phase::Up, 0, Some(250)));
    assert_eq!(status.pid, script.core.main_pid(script.id("c")));
    assert!(status.pid.is_some());
    script.stop("d");
    let status = script.core.status(script.id("d"), script.now);
    assert_eq!((status.wanted, status.after), (false, vec!["c".to_owned()]));
}

#[test]
fn service_is_ready_when_it_is_up_skipped_or_a_complete_oneshot() {
    let ends = longrun("c").restart(|restart| restart.policy = Policy::OnFailure);
    let unmet = longrun("d").with(|service| {
        service.conditions = vec![init_plan::Condition::Exec(hook(None))];
    });
    let mut script = Script::running(vec![longrun("a").notifies(), oneshot("b"), ends, unmet]);
    let ready = |script: &Script| ["a", "b", "c", "d"].map(|name| script.core.is_ready(script.id(name)));
    assert_eq!(ready(&script), [false, false, true, false]);
    script.ready("a");
    script.end("b", code(0));
    script.end("c", code(0));
    script.end_helper("d", code(1));
    assert_eq!((script.phase("c"), script.phase("d")), (Phase::Done, Phase::Skipped));
    assert_eq!(ready(&script), [true, true, false, true]);
    let down = ["a", "b", "c", "d"].map(|name| script.core.is_down(script.id(name)));
    assert_eq!(down, [false, true, true, true]);
}

#[test]
fn service_that_was_given_up_has_failed_and_one_that_is_down_has_not() {
    let never = longrun("a").restart(|restart| restart.policy = Policy::Never);
    let mut script = Script::running(vec![never, longrun("b")]);
    script.end("a", code(1));
    script.stop("b");
    script.end("b", code(0));
    let failed = ["a", "b"].map(|name| script.core.has_failed(script.id(name)));
    assert_eq!(failed, [true, false]);
}

#[test]
fn service_that_left_the_plan_is_retired_and_then_forgotten() {
    let mut script = Script::running(vec![longrun("a"), longrun("b")]);
    script.event(Event::Replan(Box::new(plan(vec![longrun("a")]))));
    let b = script.id("b");
    let is = |script: &Script, id: Id| (script.core.is_retired(id), script.core.is_forgotten(id));
    assert_eq!((is(&script, script.id("a")), is(&script, b)), ((false, false), (true, false)));
    script.end("b", code(0));
    assert_eq!((is(&script, script.id("a")), is(&script, b)), ((false, false), (true, true)));
    assert!(!script.core.is_wanted(b));
}

#[test]
fn services_on_their_way_down_hold_up_a_shutdown() {
    let undone = oneshot("b").with(|service| service.down = Some(hook(None)));
    let hooked = longrun("c").with(|service| service.finish = Some(hook(None)));
    let mut script = Script::running(vec![longrun("a"), undone, hooked, longrun("d")]);
    script.end("b", code(0));
    script.pass(10);
    script.stop("a");
    script.pass(10);
    script.stop("b");
    script.stop("c");
    script.end("c", code(0));
    let blockers: Vec<_> =
        script.core.blockers().map(|(id, since)| (id.index(), since.0 / 1_000_000)).collect();
    assert_eq!(blockers, [(0, 10), (1, 20), (2, 20)]);
    let notes = ["a", "b", "c"].map(|name| script.note(name));
    assert_eq!(notes[0], "killed in 5.0 s at the latest");
    assert_eq!(notes[1..], ["its down command runs", "its finish hook runs"]);
}

#[test]
fn problems_are_told_of_services_that_are_wanted_and_not_well() {
    let never = longrun("f").restart(|restart| restart.policy = Policy::Never);
    let idle = longrun("x").with(|service| service.autostart = false);
    let sick = longrun("s").with(|service| service.health = health(1, HealthAction::None));
    let mut script = Script::running(vec![
        longrun("a"),
        oneshot("o"),
        longrun("n").notifies(),
        never,
        idle,
        sick,
        longrun("r"),
    ]);
    script.end("o", code(0));
    script.end("f", code(3));
    script.end("r", code(1));
    script.run("r");
    script.end("r", code(1));
    assert_eq!(
        script.problems(),
        [
            "n: starting: not ready yet",
            "f: failed: ended with exit code 3",
            "r: backoff: ended with exit code 1; next start in 0.1 s",
        ]
    );
    script.ready("n");
    script.pass(1000);
    script.run_all();
    script.stop("f");
    script.end_helper("s", code(1));
    assert_eq!(
        script.problems(),
        ["f: down: stopped by hand", "s: up: 1 health checks in a row failed: check ended with exit code 1"]
    );
    script.event(Event::Shutdown(None));
    assert_eq!(script.core.stage(), Stage::Stopping);
    assert_eq!(script.problems(), ["shutting down"]);
}

#[test]
fn note_says_why_a_service_is_in_its_state() {
    let checked = longrun("c").with(|service| {
        service.conditions = vec![init_plan::Condition::Exec(hook(None))];
    });
    let mut script = Script::running(vec![longrun("a"), oneshot("b"), checked]);
    assert_eq!((&*script.note("a"), &*script.note("b")), ("", ""));
    assert_eq!(script.note("c"), "checks whether it is to start");
    script.says("a", said("3 clients"));
    script.says("b", said("row 7"));
    assert_eq!((&*script.note("a"), &*script.note("b")), ("3 clients", "row 7"));
    script.says("a", Notification::Reloading);
    assert_eq!(script.note("a"), "reloading");
    script.ready("a");
    script.says("a", Notification::Stopping);
    assert_eq!(script.note("a"), "stopping by itself");
    script.exit("a", code(0));
    assert_eq!(script.note("a"), "its processes are being cleared away");
    script.pass(2000);
    assert_eq!(script.warnings(), ["a: killed processes of its group do not vanish: going on without them"]);
    assert_eq!(script.note("a"), "not ready yet");
}

#[test]
fn starting_service_shows_what_it_or_its_probe_said_last() {
    let mut script = Script::running(vec![longrun("a").notifies()]);
    script.says("a", Notification::Reason("connection refused".into()));
    assert_eq!(script.note("a"), "connection refused");
    script.says("a", said("replaying the log"));
    assert_eq!(script.note("a"), "replaying the log");
}

#[test]
fn stopping_service_shows_why_and_until_when() {
    let timed = longrun("b").notifies().with(|service| service.start_timeout = Some(Duration::from_secs(1)));
    let mut script = Script::running(vec![longrun("a"), timed, longrun("c")]);
    script.says("a", Notification::WatchdogTrigger);
    script.pass(1000);
    script.stop("c");
    let killed = "killed in 4.0 s at the latest";
    assert_eq!(script.note("a"), format!("says that it is broken (WATCHDOG=trigger); {killed}"));
    assert_eq!(script.note("b"), "was not ready in time; killed in 5.0 s at the latest");
    assert_eq!(script.note("c"), "killed in 5.0 s at the latest");
    script.pass(4000);
    assert_eq!(script.note("a"), "says that it is broken (WATCHDOG=trigger); was killed");
    assert_eq!(script.warnings(), ["a: did not stop within 5.0 s: killing it"]);
}

#[test]
fn changes_tell_why_where_that_is_not_obvious() {
    let never = longrun("a").restart(|restart| restart.policy = Policy::Never);
    let timed = longrun("b").notifies().with(|service| service.start_timeout = Some(Duration::from_secs(1)));
    let mut script = Script::running(vec![never, timed, longrun("c")]);
    let (a, c) = (script.core.main_pid(Id(0)).unwrap(), script.main("c"));
    let whys = |actions: Vec<Action>| -> Vec<(Phase, Option<Exit>, Option<String>)> {
        let change = |action| match action {
            Action::Changed(change) => Some((change.to, change.exit, change.why)),
            _ => None,
        };
        actions.into_iter().filter_map(change).collect()
    };
    let run = script.main("a");
    let ended = script.core.step(script.now, Event::Exited { pid: a, exit: code(2) });
    assert_eq!(whys(ended), [(Phase::Ending, Some(code(2)), None)]);
    let failed = script.core.step(script.now, Event::Gone { run });
    assert_eq!(whys(failed), [(Phase::Failed, None, Some("ended with exit code 2".into()))]);
    let broken = Event::Notify { run: c, notification: Notification::WatchdogTrigger };
    let why = "says that it is broken (WATCHDOG=trigger)".to_owned();
    assert_eq!(whys(script.core.step(script.now, broken)), [(Phase::Stopping, None, Some(why))]);
    let late = script.core.step(Time(1_000_000_000), Event::Tick);
    assert_eq!(whys(late), [(Phase::Stopping, None, Some("was not ready in time".into()))]);
}

#[test]
fn owner_of_a_process_is_known_until_it_ends() {
    let mut script = Script::running(vec![longrun("a"), longrun("b")]);
    let (b, run) = (script.id("b"), script.main("b"));
    let pid = script.core.main_pid(b).unwrap();
    assert_eq!(script.core.owner(pid), Some((b, run)));
    assert_eq!(script.core.owner(pid + 1000), None);
    script.exit("b", code(0));
    assert_eq!(script.core.owner(pid), None);
}

#[test]
fn process_is_still_wanted_until_its_service_is_not() {
    let checked = longrun("a").with(|service| {
        service.conditions = vec![init_plan::Condition::Exec(hook(None))];
    });
    let mut script = Script::new(vec![checked]);
    let run = script.pending[0].2;
    assert!(script.core.is_still_wanted(run));
    script.stop("a");
    assert!(!script.core.is_still_wanted(run));
}

#[test]
fn phases_and_exits_have_the_words_that_people_see() {
    let phases = [
        (Phase::Down, "down"),
        (Phase::Waiting, "waiting"),
        (Phase::Checking, "checking"),
        (Phase::Starting, "starting"),
        (Phase::Up, "up"),
        (Phase::Stopping, "stopping"),
        (Phase::Ending, "ending"),
        (Phase::Undoing, "undoing"),
        (Phase::Backoff, "backoff"),
        (Phase::Done, "done"),
        (Phase::Skipped, "skipped"),
        (Phase::Failed, "failed"),
    ];
    for (phase, word) in phases {
        assert_eq!(phase.as_str(), word);
        assert_eq!(serde_json::to_value(phase).unwrap(), word);
    }
    let exits = [code(3), Exit::Signal(15), Exit::Signal(200)].map(|exit| exit.to_string());
    assert_eq!(exits, ["exit code 3", &*format!("signal {}", Signal::TERM), "signal 200"]);
    assert_eq!([code(3), Exit::Signal(15)].map(Exit::shell_code), [3, 143]);
}

#[test]
fn health_of_a_service_is_what_its_last_checks_say() {
    let def = longrun("a").with(|service| service.health = health(2, HealthAction::None));
    let mut script = Script::running(vec![def]);
    let wellness = |script: &Script| script.core.status(script.id("a"), script.now).health;
    assert_eq!(wellness(&script), Wellness::Unknown);
    let mut seen = Vec::new();
    for exit in [0, 1, 0, 1, 1, 1, 0] {
        script.pass(if seen.is_empty() { 1000 } else { 10_000 });
        script.run("a");
        script.end_helper("a", code(exit));
        seen.push(wellness(&script));
    }
    use Wellness::{Failing, Healthy, Unhealthy};
    assert_eq!(seen, [Healthy, Failing, Healthy, Failing, Unhealthy, Unhealthy, Healthy]);
    script.end("a", code(1));
    assert_eq!(wellness(&script), Wellness::Unknown, "nothing is known of its next process");
}

#[test]
fn reason_that_a_probe_gives_is_shown_in_place_of_its_exit_code() {
    let def = longrun("a").with(|service| service.health = health(1, HealthAction::None));
    let mut script = Script::running(vec![def]);
    script.pass(1000);
    let run = script.run("a");
    let notification = Notification::Reason("HTTP 503".into());
    script.event(Event::Notify { run, notification });
    script.end_helper("a", code(1));
    assert_eq!(script.note("a"), "1 health checks in a row failed: HTTP 503");
}

#[test]
fn definition_that_changed_is_shown_until_the_restart() {
    let mut script = Script::running(vec![longrun("a"), longrun("b")]);
    let changed =
        |script: &Script| ["a", "b"].map(|name| script.core.status(script.id(name), script.now).changed);
    let other = longrun("a").with(|service| service.exec = vec!["other".into()]);
    script.event(Event::Replan(Box::new(plan(vec![other, longrun("b")]))));
    assert_eq!(changed(&script), [true, false]);
    script.restart("a");
    script.end("a", code(0));
    assert_eq!(changed(&script), [false, false]);
}

#[test]
fn service_that_never_ran_is_down_since_the_boot() {
    let idle = longrun("a").with(|service| service.autostart = false);
    let (core, now) = (Supervisor::new(plan(vec![idle.clone()]), 1), Time(5_000_000_000));
    let mut script = Script { core, now, ..Script::of(plan(Vec::new())) };
    script.event(Event::Boot);
    script.pass(250);
    assert_eq!(script.core.status(Id(0), script.now).for_ms, 250);
    script.event(Event::Replan(Box::new(plan(vec![
        idle.clone(),
        Def { service: idle.service.clone(), ..longrun("b") }.with(|service| service.name = "b".into()),
    ]))));
    script.pass(100);
    assert_eq!(script.core.status(Id(1), script.now).for_ms, 100);
}

#[test]
fn skipped_service_shows_nothing_of_its_earlier_life() {
    let def = longrun("a").with(|service| {
        service.health = health(1, HealthAction::None);
        service.conditions = vec![init_plan::Condition::Exec(hook(None))];
    });
    let mut script = Script::running(vec![def]);
    script.end_helper("a", code(0));
    script.run("a");
    script.pass(1000);
    script.run("a");
    script.end_helper("a", code(0));
    assert_eq!(script.core.status(Id(0), script.now).health, Wellness::Healthy);
    script.restart("a");
    script.end("a", code(0));
    script.run("a");
    script.end_helper("a", code(1));
    let status = script.core.status(Id(0), script.now);
    assert_eq!(
        (status.state, status.health, status.ready_after_ms),
        (Phase::Skipped, Wellness::Unknown, None)
    );
}

#[test]
fn definition_that_changed_is_no_news_of_a_service_that_does_not_run() {
    let checked = |word: &str| {
        longrun("a").with(|service| {
            service.exec = vec![word.into()];
            service.conditions = vec![init_plan::Condition::Exec(hook(None))];
        })
    };
    let mut script = Script::running(vec![checked("one")]);
    script.end_helper("a", code(0));
    script.run("a");
    script.event(Event::Replan(Box::new(plan(vec![checked("two")]))));
    assert!(script.core.status(Id(0), script.now).changed);
    script.restart("a");
    script.end("a", code(0));
    script.run("a");
    script.end_helper("a", code(1));
    assert_eq!((script.phase("a"), script.core.status(Id(0), script.now).changed), (Phase::Skipped, false));
}

#[test]
fn a_service_has_been_in_its_phase_since_that_began() {
    let mut script = Script::running(vec![longrun("a")]);
    script.pass(250);
    let id = script.id("a");
    assert_eq!(script.core.time_in_phase(id, script.now), Duration::from_millis(250));
    assert!(!script.core.ended_by_itself(id));
}

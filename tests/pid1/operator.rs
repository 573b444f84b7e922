//! What an operator asks for: history, definitions, holding, scaling, running a command as a service.

use std::process::Command;

use init_core::status::Phase::{Backoff, Down, Failed, Up};

use crate::harness::{Running, Said, Setup, as_user, exec, svctl};

/// `svctl` as another user.
fn said_by(running: &Running, uid: u32, words: &[&str]) -> Said {
    let before = as_user(uid);
    let mut command = Command::new(&before[0]);
    command.args(&before[1..]).arg(svctl()).args(words);
    command.env("INIT_RUNTIME_DIR", running.setup.dir.path().join("run")).output().unwrap().into()
}

fn rewrite(running: &Running, name: &str, script: &str, rest: &str) {
    let path = running.setup.services().join(format!("{name}.toml"));
    std::fs::write(path, format!("{}{rest}\n", exec(script))).unwrap();
}

#[test]
fn history_knows_what_happened_and_why_also_of_services_that_are_gone() {
    let running = Setup::new()
        .longrun("web", "sleep-forever", "")
        .longrun("broken", "exit 3", "restart = \"never\"\n[ready]\nfd = 3")
        .start();
    running.booted();
    running.reach("broken", Failed);
    std::fs::remove_file(running.setup.services().join("broken.toml")).unwrap();
    rewrite(&running, "a-new", "sleep-forever", "");
    running.ok(&["reload"]);
    running.reach("a-new", Up);
    let history = running.ok(&["history"]);
    for wanted in
        ["web: starting -> up", "broken: ending -> failed (ended with exit code 3)", "a-new: starting -> up"]
    {
        assert!(history.contains(wanted), "{wanted} in {history}");
    }
    let of_one = running.ok(&["history", "web"]);
    assert!(of_one.lines().all(|line| line.contains(" web: ")) && of_one.lines().count() > 1, "{of_one}");
    assert_eq!(running.ok(&["history", "-n", "1", "web"]).lines().count(), 1);
    let json = running.ok(&["history", "--json", "web"]);
    let event: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!((event["is"].as_str(), event["to"].as_str()), (Some("event"), Some("up")));
    assert_eq!(running.fails(4, &["history", "wbe"]).matches("web").count(), 1);
}

#[test]
fn thousand_changes_are_kept_and_others_are_sent_what_their_buffer_holds() {
    if !needs::root() {
        return;
    }
    let running =
        Setup::new().longrun("busy", "exit 1", "[restart]\ndelay = \"0s\"\nmax-delay = \"0s\"").start();
    running.until("many changes", || running.ok(&["history"]).lines().count() == 1000);
    let text = said_by(&running, 33, &["history"]).out;
    assert!(text.starts_with("svctl: ") && text.contains("earlier changes"), "{text}");
    assert!((50..1000).contains(&text.lines().count()), "{}", text.lines().count());
}

#[test]
fn logs_of_the_life_before_are_those_before_the_last_start() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running = setup
        .longrun("web", &format!("say first-life wait-file {gate} exit 1"), "")
        .longrun("calm", "say calm sleep-forever", "")
        .start();
    running.line("first-life");
    running.fails(1, &["logs", "--previous", "web"]);
    rewrite(&running, "web", "say second-life sleep-forever", "");
    running.ok(&["reload"]);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.line("second-life");
    assert_eq!(running.ok(&["logs", "--previous", "web"]), "first-life\n");
    running.fails(1, &["logs", "--previous", "calm"]);
}

#[test]
fn held_service_stays_as_it_ended_until_it_is_released() {
    let running = Setup::new()
        .longrun("web", "say runs sleep-forever", "essential = true\nrestart = \"never\"")
        .longrun("above", "sleep-forever", "requires = [\"web\"]")
        .start();
    running.booted();
    running.ok(&["hold", "web"]);
    assert_eq!(running.note("web"), "held");
    running.ok(&["signal", "KILL", "web"]);
    running.reach("web", Backoff);
    assert_eq!(running.note("web"), "held; ended with signal KILL");
    assert_eq!(running.phase("above"), Up);
    running.ok(&["release", "web"]);
    running.reach("web", Up);
    assert!(!running.status("web").held);
    running.fails(4, &["hold", "wbe"]);
}

#[test]
fn scale_lasts_over_a_reload_and_ends_with_the_default() {
    let running = Setup::new()
        .longrun("w@", "say worker sleep-forever", "instances = 2")
        .longrun("named@", "sleep-forever", "instances = [\"a\"]")
        .file("all.toml", "type = \"bundle\"\ncontents = [\"w\"]\n")
        .start();
    running.booted();
    let workers = || running.services().keys().filter(|name| name.starts_with("w@")).count();
    let said = running.ok(&["scale", "w=4"]);
    assert!(said.contains("new: w@3, w@4"), "{said}");
    assert_eq!((workers(), running.phase("w@4")), (4, Up));
    running.ok(&["reload"]);
    assert_eq!(workers(), 4);
    running.ok(&["scale", "w=0"]);
    running.until("no worker is left", || workers() == 0);
    running.ok(&["scale", "w=default"]);
    assert_eq!((workers(), running.phase("w@2")), (2, Up));
    running.fails(1, &["scale", "w=1001"]);
    running.fails(1, &["scale", "named=3"]);
    running.fails(4, &["scale", "all=3"]);
    running.fails(4, &["scale", "no=3"]);
    running.fails(64, &["scale", "w"]);
    assert_eq!(workers(), 2);
}

#[test]
fn show_says_where_each_key_comes_from_and_diff_what_a_reload_would_change() {
    let running = Setup::new()
        .env("DELAY", "7s")
        .env("DB_PASSWORD", "hunter22")
        .longrun(
            "web",
            "sleep-forever",
            "[restart]\ndelay = \"${DELAY}\"\n[env.set]\nPASSWORD = \"${DB_PASSWORD}\"",
        )
        .start();
    running.booted();
    let shown = running.ok(&["show", "web"]);
    assert!(shown.contains("web.toml\n") && shown.contains("restart.delay = \"7s\"  # DELAY\n"), "{shown}");
    assert!(!shown.contains("hunter22"), "{shown}");
    assert!(running.ok(&["show", "--secrets", "web"]).contains("hunter22"));
    assert_eq!(running.ok(&["diff"]), "a reload would change nothing\n");
    rewrite(&running, "web", "sleep-forever", "nice = 5");
    rewrite(&running, "fresh", "sleep-forever", "");
    let said = running.svctl(&["diff", "--exit-code"]);
    assert_eq!(said.code, 1);
    let place = running.setup.services().join("web.toml").display().to_string();
    let expected = format!(
        "web: changed\n  env.set.PASSWORD = \"***\" -> (default)\n  nice = (default) -> 5  # {place}:2\n  restart.delay = \"7s\" -> \"100ms\"\nfresh: new\n"
    );
    assert_eq!(said.out, expected);
    assert!(!running.services().contains_key("fresh"), "nothing is changed by that");
    rewrite(&running, "web", "sleep-forever", "nice = \"much\"");
    assert!(running.fails(1, &["diff"]).contains("nice"));
}

#[test]
fn command_runs_with_all_that_its_service_has() {
    if !needs::root() {
        return;
    }
    let running = Setup::new()
        .env("OF_THE_CONTAINER", "yes")
        .longrun(
            "web",
            "sleep-forever",
            "autostart = false\nuser = \"4321\"\ngroup = \"1234\"\ngroups = [\"7\"]\ncwd = \"/tmp\"\numask = \"027\"\n\
             [limits]\nnofile = 77\n[env.set]\nOWN = \"value\"",
        )
        .not_in_a_container()
        .start();
    running.booted();
    let script =
        "id -u; id -g; id -G; pwd; umask; ulimit -n; echo $OWN $OF_THE_CONTAINER $INIT_SERVICE; exit 9";
    let said = running.svctl(&["run", "web", "--", "sh", "-c", script]);
    assert_eq!(said.code, 9, "{said:?}");
    assert_eq!(said.out, "4321\n1234\n1234 7\n/tmp\n0027\n77\nvalue yes web\n", "{said:?}");
    let wrong = running.svctl(&["run", "web", "--", "no-such-program"]);
    assert_eq!(wrong.code, 127, "{wrong:?}");
    running.fails(4, &["run", "wbe", "--", "true"]);
    assert_eq!(running.phase("web"), Down, "it has no part in its service");
}

#[test]
fn start_all_brings_back_the_boot_and_nothing_else() {
    let running = Setup::new()
        .longrun("a", "sleep-forever", "")
        .longrun("b", "sleep-forever", "requires = [\"a\"]")
        .longrun("extra", "sleep-forever", "autostart = false")
        .start();
    running.booted();
    running.ok(&["stop", "b"]);
    running.ok(&["stop", "a"]);
    running.ok(&["start", "--all"]);
    assert_eq!((running.phase("a"), running.phase("b"), running.phase("extra")), (Up, Up, Down));
    running.fails(64, &["start"]);
    running.fails(64, &["start", "--all", "a"]);
}

#[test]
fn restart_takes_dependents_along_or_only_what_changed() {
    let running = Setup::new()
        .longrun("a", "sleep-forever", "")
        .longrun("b", "sleep-forever", "requires = [\"a\"]")
        .longrun("c", "sleep-forever", "")
        .start();
    running.booted();
    let pids = || ["a", "b", "c"].map(|name| running.status(name).pid);
    let before = pids();
    running.ok(&["restart", "--with-dependents", "a"]);
    let after = pids();
    assert!(before[0] != after[0] && before[1] != after[1] && before[2] == after[2], "{before:?} {after:?}");
    assert!(running.ok(&["restart", "--changed"]).contains("no service"));
    rewrite(&running, "c", "sleep-forever", "nice = 1");
    running.ok(&["reload"]);
    running.ok(&["restart", "--changed"]);
    let last = pids();
    assert!(last[..2] == after[..2] && last[2] != after[2], "{after:?} {last:?}");
}

#[test]
fn report_has_what_a_ticket_needs_and_no_secret() {
    let running = Setup::new()
        .env("DB_PASSWORD", "hunter22")
        .env("WORKERS", "4")
        .env("ORIGIN", "https://internal.example.org")
        .longrun("web", "sleep-forever hunter22", "")
        .longrun(
            "broken",
            "say 'login with hunter22 failed' say postgres://pulp:geheim@db exit 3",
            "restart = \"never\"\n[ready]\nfd = 3",
        )
        .start();
    running.booted();
    running.reach("broken", Failed);
    let report = running.ok(&["report"]);
    for wanted in ["broken", "ending -> failed", "WORKERS=4", "DB_PASSWORD (set)", "ORIGIN (set)", "kernel"] {
        assert!(report.contains(wanted), "{wanted} in {report}");
    }
    for secret in ["hunter22", "geheim", "internal.example.org", "\x1b"] {
        assert!(!report.contains(secret), "{secret} in {report}");
    }
}

#[test]
fn only_who_may_act_may_hold_scale_run_and_see_definitions() {
    if !needs::root() {
        return;
    }
    let running = Setup::new().longrun("w@", "sleep-forever", "instances = 1").start();
    running.booted();
    for words in [
        &["hold", "w"][..],
        &["release", "w"],
        &["scale", "w=2"],
        &["diff"],
        &["apply"],
        &["show", "w@1"],
        &["run", "w@1", "--", "true"],
        &["start", "--all"],
    ] {
        let said = said_by(&running, 33, words);
        assert_eq!(said.code, 5, "{words:?}: {said:?}");
    }
    assert_eq!(running.services().len(), 1);
}

/// Definition of a timer of `tick`, with these words, whose stamp is in the directory of the test.
fn timer(setup: Setup, words: &str) -> Setup {
    let (program, stamp) = (svctl(), setup.path("stamp"));
    let exec = format!("exec = [{:?}, \"timer\", {words}, \"--stamp\", {stamp:?}, \"tick\"]", program);
    setup
        .oneshot("tick", "say ticked", "autostart = false")
        .file("timer.toml", &format!("{exec}\nnotify = true\nafter = [\"tick\"]\nrestart = \"never\"\n"))
}

#[test]
fn a_timer_runs_a_oneshot_again_and_again_and_says_when_it_is_due() {
    let running = timer(Setup::new(), "\"--every\", \"1s\"").start();
    running.lines("ticked", 3);
    assert!(std::fs::read_to_string(running.setup.work("stamp")).unwrap().ends_with("Z\n"));
    running.until("its status", || running.note("timer").contains("next at 20"));
}

#[test]
fn what_was_missed_while_nothing_ran_is_made_up_for() {
    // At the time that is furthest from now.
    let time = |hours: u64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        format!("\"--at\", \"{:02}:00\"", (now / 3600 + hours) % 24)
    };
    let setup = Setup::new();
    std::fs::write(setup.work("stamp"), "2026-11-20T00:00:00Z").unwrap();
    let running = timer(setup, &time(12)).start();
    running.line("ticked");
    running.until("its status", || running.note("timer").contains("next at 20"));
}

#[test]
fn a_timer_of_a_service_that_is_not_there_fails_at_once() {
    let running = Setup::new().longrun("web", "sleep-forever", "").start();
    running.booted();
    running.fails(4, &["timer", "--every", "1h", "wbe"]);
    running.fails(64, &["timer", "--every", "10ms", "web"]);
    running.fails(64, &["timer", "web"]);
}

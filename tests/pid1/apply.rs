//! `svctl apply`: a new plan in force at once, or the one before again.

use std::process::Stdio;

use init_core::status::Phase::{Down, Failed, Starting, Up};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Running, Setup, exec};

fn rewrite(running: &Running, name: &str, script: &str, rest: &str) {
    let path = running.setup.services().join(format!("{name}.toml"));
    std::fs::write(path, format!("{}{rest}\n", exec(script))).unwrap();
}

fn remove(running: &Running, name: &str) {
    std::fs::remove_file(running.setup.services().join(format!("{name}.toml"))).unwrap();
}

/// Says what it is, and is ready.
fn version(number: u32) -> String {
    format!("say version-{number} ready-fd 3 sleep-forever")
}

const READY: &str = "[ready]\nfd = 3";

fn shop() -> Running {
    let running = Setup::new()
        .longrun("db", &version(1), READY)
        .longrun("app", "ready-fd 3 sleep-forever", &format!("requires = [\"db\"]\n{READY}"))
        .longrun("other", "ready-fd 3 sleep-forever", READY)
        .start();
    running.booted();
    running
}

#[test]
fn only_what_changed_restarts_and_what_is_new_or_gone_starts_or_stops() {
    let running = shop();
    let pids = |names: &[&str]| names.iter().map(|name| running.status(name).pid).collect::<Vec<_>>();
    let before = pids(&["app", "db"]);
    assert_eq!(running.ok(&["apply"]), "nothing to apply: the plan on disk is in force\n");
    rewrite(&running, "db", &version(2), READY);
    rewrite(&running, "fresh", "ready-fd 3 sleep-forever", READY);
    remove(&running, "other");
    let planned = running.ok(&["apply", "--dry-run"]);
    assert_eq!(planned, "db: changed\nother: removed\nfresh: new\n");
    assert_eq!(pids(&["app", "db"]), before);
    let said = running.ok(&["apply"]);
    assert_eq!(said, format!("{planned}all that changed is ready\n"));
    running.line("version-2");
    assert_eq!(running.status("app").pid, before[0]);
    assert_ne!(running.status("db").pid, before[1]);
    assert!(!running.status("db").changed);
    assert_eq!(running.phase("fresh"), Up);
    assert!(!running.services().contains_key("other"));
    running.line("apply: all that changed is ready");
    assert_eq!(running.ok(&["diff"]), "a reload would change nothing\n");
}

#[test]
fn definition_that_does_not_work_is_taken_back() {
    let running = shop();
    let app = running.status("app").pid;
    rewrite(&running, "db", "say version-2 exit 7", READY);
    rewrite(&running, "fresh", "ready-fd 3 sleep-forever", READY);
    remove(&running, "other");
    let said = running.fails(1, &["apply"]);
    assert!(said.contains("db ended with exit code 7: the plan of before is in force again"), "{said}");
    running.lines("version-1", 2);
    assert_eq!((running.phase("db"), running.phase("other")), (Up, Up));
    assert_eq!(running.status("app").pid, app);
    running.until("the new one is gone", || !running.services().contains_key("fresh"));
    let diff = running.ok(&["diff"]);
    let names: Vec<&str> = diff.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(names, ["db: changed", "other: removed", "fresh: new"], "the files are as they were");
    running.line("the plan of before comes back");
    let history = running.ok(&["history"]);
    assert!(history.contains("fresh: up -> stopping") || history.contains("fresh: starting"), "{history}");
    assert!(history.contains("db: starting -> ending"), "{history}");
    // It can be tried again.
    rewrite(&running, "db", &version(3), READY);
    running.ok(&["apply"]);
    running.line("version-3");
}

#[test]
fn definition_that_is_not_ready_in_time_is_taken_back_also_without_svctl() {
    let running = shop();
    rewrite(&running, "db", "say version-2 sleep-forever", READY);
    let mut apply = running.svctl_command(&["apply", "-t", "2s"]).stdout(Stdio::null()).spawn().unwrap();
    running.line("version-2");
    assert_eq!(running.phase("db"), Starting);
    let second = running.fails(1, &["apply"]);
    assert!(second.contains("somebody else applies a plan"), "{second}");
    kill(Pid::from_raw(apply.id().cast_signed()), Signal::SIGKILL).unwrap();
    apply.wait().unwrap();
    running.lines("version-1", 2);
    running.reach("db", Up);
    running.line("db is starting (not ready yet): the plan of before comes back");
}

#[test]
fn what_restarts_comes_down_and_up_in_order_and_no_two_lives_overlap() {
    let running = shop();
    let mut events = running.events();
    rewrite(&running, "db", &version(2), READY);
    rewrite(&running, "app", "say app-2 ready-fd 3 sleep-forever", &format!("requires = [\"db\"]\n{READY}"));
    running.ok(&["apply"]);
    events.reach("app", Down);
    events.reach("db", Down);
    events.reach("db", Up);
    events.reach("app", Up);
}

#[test]
fn wrong_plan_is_not_applied_and_a_service_of_its_own_reload_is_none_of_its_business() {
    let running = shop();
    rewrite(&running, "db", &version(2), "nice = \"much\"");
    assert!(running.fails(1, &["apply"]).contains("nice"));
    assert_eq!(running.phase("db"), Up);
    rewrite(&running, "db", &version(2), READY);
    running.ok(&["reload"]);
    assert!(running.status("db").changed);
    assert_eq!(running.ok(&["apply"]), "db: changed\nall that changed is ready\n");
    assert!(!running.status("db").changed);
}

#[test]
fn failed_service_with_a_mended_definition_comes_up_with_what_requires_it() {
    let running = Setup::new()
        .longrun("db", "exit 1", &format!("restart = \"never\"\n{READY}"))
        .longrun("app", "ready-fd 3 sleep-forever", &format!("requires = [\"db\"]\n{READY}"))
        .start();
    running.reach("app", Failed);
    rewrite(&running, "db", &version(1), &format!("restart = \"never\"\n{READY}"));
    running.ok(&["apply"]);
    running.reach("app", Up);
}

#[test]
fn shutdown_while_a_plan_is_applied_ends_both() {
    let running = shop();
    rewrite(&running, "db", "say version-2 sleep-forever", READY);
    let apply =
        running.svctl_command(&["apply"]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    running.line("version-2");
    let (code, log) = running.stop();
    assert_eq!(code, 0, "{log}");
    let said = String::from_utf8(apply.wait_with_output().unwrap().stderr).unwrap();
    assert!(said.contains("shutting down"), "{said}");
    assert!(!log.contains("comes back"), "{log}");
}

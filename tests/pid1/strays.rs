//! Processes that leave the process group of their service.

use init_core::status::Phase::{Done, Up};

use crate::harness::{Running, Setup, as_user, svctl};

/// Forks twice into a session of its own, as daemons do, and says so; the orphan is a `sleep`.
const FORKS_TWICE: &str = "(setsid sh -c 'exec sleep 3600' &)";

fn sleeps(running: &Running) -> usize {
    running.processes().iter().filter(|process| process.name == "sleep").count()
}

#[test]
fn stray_is_shown_and_killed_at_the_stop() {
    let running = Setup::new()
        .shell("web", "longrun", &format!("{FORKS_TWICE}; exec PUPPET sleep-forever"), "")
        .start();
    running.booted();
    running.until("it runs", || sleeps(&running) == 1);
    let text = running.ok(&["status", "web"]);
    let line =
        text.lines().find(|line| line.trim_start().starts_with("strays")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("(sleep 3600)"), "{text}");
    assert!(!running.ok(&["list"]).contains("sleep 3600"));
    running.ok(&["stop", "web"]);
    assert_eq!(running.processes(), [], "nothing of it is left when stop answers");
    running.ok(&["start", "web"]);
    running.until("it runs again", || sleeps(&running) == 1);
}

#[test]
fn strays_of_a_crash_do_not_pile_up() {
    let script = format!("{FORKS_TWICE}; setsid sleep 3600 & exec PUPPET say runs sleep-forever");
    let running = Setup::new().shell("web", "longrun", &script, "[restart]\ndelay = \"1ms\"").start();
    for count in 1..=5 {
        running.lines("runs", count);
        running.until("its strays run", || sleeps(&running) == 2);
        running.ok(&["signal", "KILL", "web"]);
    }
    running.lines("runs", 6);
    running.until("the strays of the last run are left", || sleeps(&running) == 2);
}

#[test]
fn stray_of_another_user_is_found_without_the_right_to_trace_it() {
    if !needs::root() {
        return;
    }
    let script = format!("{FORKS_TWICE}; exec PUPPET sleep-forever");
    let running = Setup::new()
        .through(&["setpriv", "--bounding-set", "-sys_ptrace"])
        .shell("web", "longrun", &script, "user = 12345\ngroup = 12345")
        .start();
    running.booted();
    running.until("it runs", || sleeps(&running) == 1);
    assert!(running.ok(&["status", "web"]).contains("(sleep 3600)"));
    running.ok(&["stop", "web"]);
    assert_eq!(sleeps(&running), 0);
}

#[test]
fn children_of_strays_are_killed_too() {
    let script = "(setsid sh -c 'setsid sleep 3600 & setsid sleep 3600 & wait' &); exec PUPPET sleep-forever";
    let running = Setup::new().shell("web", "longrun", script, "").start();
    running.booted();
    running.until("they run", || sleeps(&running) == 2);
    running.ok(&["stop", "web"]);
    assert_eq!(running.processes(), []);
}

#[test]
fn nobody_elses_processes_are_taken_for_strays() {
    let script = format!("{FORKS_TWICE}; exec PUPPET sleep-forever");
    // It says that it is another's, which helps nobody: it ends with that one.
    let forger = "INIT_SERVICE=db; export INIT_SERVICE; (setsid sleep 3600 &); exec PUPPET sleep-forever";
    let running = Setup::new()
        .shell("web", "longrun", &script, "")
        .shell("forger", "longrun", forger, "")
        .longrun("db", "sleep-forever", "")
        .start();
    running.booted();
    running.until("they run", || sleeps(&running) == 2);
    let pid = running.status("web").pid;
    running.ok(&["stop", "db"]);
    assert_eq!(sleeps(&running), 1);
    assert_eq!((running.phase("forger"), running.phase("web"), running.status("web").pid), (Up, Up, pid));
    running.ok(&["stop", "forger"]);
    assert_eq!(sleeps(&running), 1);
}

#[test]
fn daemon_that_a_oneshot_started_lives_until_the_oneshot_is_stopped() {
    // It ends when the daemon has a session of its own: what is in its group by then ends with it.
    let script = "(setsid sh -c 'echo up; exec sleep 3600 >/dev/null' &) | read line";
    let running =
        Setup::new().shell("start", "oneshot", script, "").longrun("web", "sleep-forever", "").start();
    running.booted();
    running.until("it runs", || sleeps(&running) == 1);
    running.ok(&["restart", "web"]);
    assert_eq!((running.phase("start"), sleeps(&running)), (Done, 1));
    running.ok(&["stop", "start"]);
    running.until("it is gone", || sleeps(&running) == 0);
}

#[test]
fn program_that_goes_to_the_background_gets_a_hint() {
    // It ends when the daemon has a session of its own, and is a shell that executes nothing else: while a program is
    // executed, it has no environment.
    let script = "(setsid sh -c 'echo up; sleep 3600 >/dev/null & wait' &) | read line";
    let restart = "[restart]\ndelay = \"1h\"\nmax-delay = \"1h\"";
    let running = Setup::new().shell("web", "longrun", script, restart).start();
    let line = running.line("stay in the foreground");
    assert!(line.ends_with("[I0414]"), "{line}");
}

#[test]
fn user_who_may_only_look_makes_init_search_for_nothing() {
    if !needs::root() {
        return;
    }
    let running = Setup::new()
        .shell("web", "longrun", &format!("{FORKS_TWICE}; exec PUPPET sleep-forever"), "")
        .start();
    running.booted();
    running.until("it runs", || sleeps(&running) == 1);
    let words = as_user(33);
    let mut command = std::process::Command::new(&words[0]);
    command.args(&words[1..]).arg(svctl()).args(["status", "web"]);
    let output = command.env("INIT_RUNTIME_DIR", running.setup.dir.path().join("run")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("web") && !text.contains("strays"), "{output:?}");
}

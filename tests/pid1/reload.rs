//! A new plan while everything runs.

use init_core::status::Phase::{Down, Starting, Up};
use nix::sys::signal::Signal;

use crate::harness::{Running, Setup, exec, words};

fn rewrite(running: &Running, name: &str, script: &str, rest: &str) {
    let path = running.setup.services().join(format!("{name}.toml"));
    std::fs::write(path, format!("{}{rest}\n", exec(script))).unwrap();
}

fn remove(running: &Running, name: &str) {
    std::fs::remove_file(running.setup.services().join(format!("{name}.toml"))).unwrap();
}

#[test]
fn hup_starts_what_is_new_stops_what_is_gone_and_leaves_the_rest_alone() {
    let running = Setup::new()
        .longrun("m", "say m-runs sleep-forever", "")
        .longrun("old", "on TERM say old-stops on TERM exit 0 ready-fd 3 sleep-forever", "[ready]\nfd = 3")
        .start();
    running.line("m-runs");
    running.booted();
    let pid = running.status("m").pid;
    let mut events = running.events();
    rewrite(&running, "a-new", "sleep-forever", "");
    rewrite(&running, "z-new", "sleep-forever", "requires = [\"m\"]");
    remove(&running, "old");
    running.signal(Signal::SIGHUP);
    let line = running.line("reloaded the plan");
    assert!(line.contains("a-new") && line.contains("z-new") && line.contains("old"), "{line}");
    running.line("old-stops");
    events.reach("z-new", Up);
    running.reach("a-new", Up);
    assert_eq!(running.status("m").pid, pid);
    running.until("the old one is gone", || !running.services().contains_key("old"));
    running.fails(4, &["status", "old"]);
    assert_eq!(running.processes().len(), 3);
}

#[test]
fn changed_service_goes_on_as_it_is_until_it_is_restarted() {
    let running = Setup::new().longrun("web", "say version-1 sleep-forever", "").start();
    running.line("version-1");
    let pid = running.status("web").pid;
    rewrite(&running, "web", "say version-2 sleep-forever", "");
    assert!(running.ok(&["reload"]).contains("web"));
    let status = running.status("web");
    assert_eq!((status.pid, status.changed), (pid, true));
    running.ok(&["restart", "web"]);
    running.line("version-2");
    assert!(!running.status("web").changed);
}

#[test]
fn reload_of_the_same_plan_changes_nothing() {
    let running = Setup::new()
        .longrun("web", "sleep-forever", "")
        .oneshot("job", "exit 0", "down = [\"true\"]")
        .longrun("idle", "sleep-forever", "autostart = false")
        .start();
    running.booted();
    running.ok(&["stop", "job"]);
    let before: Vec<_> = running.services().into_values().map(|s| (s.name, s.state, s.pid)).collect();
    assert!(running.ok(&["reload"]).contains("nothing changed"));
    let after: Vec<_> = running.services().into_values().map(|s| (s.name, s.state, s.pid)).collect();
    assert_eq!(before, after);
}

#[test]
fn wrong_plan_leaves_the_running_one_as_it_is_and_lists_every_problem() {
    let running = Setup::new().longrun("web", "sleep-forever", "").longrun("db", "sleep-forever", "").start();
    running.booted();
    let pid = running.status("web").pid;
    rewrite(&running, "web", "say never sleep-forever", "requires = [\"nobody\"]");
    rewrite(&running, "new", "sleep-forever", "colour = \"red\"");
    remove(&running, "db");
    let said = running.fails(1, &["reload"]);
    assert!(said.contains("nobody") && said.contains("colour") && said.contains("new.toml:"), "{said}");
    running.signal(Signal::SIGHUP);
    running.line("the running one stays");
    running.line("nobody");
    assert_eq!(running.status("web").pid, pid);
    assert_eq!(running.phase("db"), Up);
    assert_eq!(running.services().len(), 2);
    running.ok(&["restart", "web"]);
    assert!(!running.text().contains("never"));
    assert_eq!(running.stop().0, 0);
}

#[test]
fn cycle_that_a_reload_or_a_before_would_make_is_refused() {
    let running = Setup::new()
        .longrun("a", "sleep-forever", "")
        .longrun("b", "sleep-forever", "requires = [\"a\"]")
        .start();
    running.booted();
    rewrite(&running, "b", "sleep-forever", "requires = [\"a\"]\nbefore = [\"a\"]");
    running.fails(1, &["reload"]);
    rewrite(&running, "b", "sleep-forever", "requires = [\"a\"]");
    rewrite(&running, "a", "sleep-forever", "after = [\"b\"]");
    running.fails(1, &["reload"]);
    rewrite(&running, "a", "sleep-forever", "");
    running.ok(&["reload"]);
    assert_eq!((running.phase("a"), running.phase("b")), (Up, Up));
}

#[test]
fn logs_and_names_stay_right_when_services_are_renumbered() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running = setup
        .longrun("m", &format!("say it-began wait-file {gate} say it-went-on sleep-forever"), "")
        .longrun(
            "n",
            &format!("say it-began wait-file {gate} say it-went-on sleep-forever"),
            "after = [\"m\"]",
        )
        .start();
    running.lines("it-began", 2);
    for name in ["a", "b", "c"] {
        rewrite(&running, name, "sleep-forever", "before = [\"m\"]");
    }
    rewrite(
        &running,
        "n",
        &format!("say it-began wait-file {gate} say it-went-on sleep-forever"),
        "before = [\"a\"]",
    );
    running.ok(&["reload"]);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.lines("it-went-on", 2);
    for name in ["m", "n"] {
        assert_eq!(
            running.ok(&["logs", name]).lines().collect::<Vec<_>>(),
            ["it-began", "it-went-on"],
            "{name}"
        );
        running.ok(&["signal", "KILL", name]);
    }
    running.until("both were restarted", || {
        ["m", "n"].iter().all(|name| running.status(name).restarts == 1 && running.phase(name) == Up)
    });
    for name in ["a", "b", "c"] {
        assert_eq!((running.phase(name), running.status(name).restarts), (Up, 0));
    }
}

#[test]
fn reload_during_the_boot_does_not_lose_it() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running = setup
        .longrun("web", &format!("wait-file {gate} ready-fd 3 sleep-forever"), "[ready]\nfd = 3")
        .longrun("api", "sleep-forever", "requires = [\"web\"]")
        .start();
    running.reach("web", Starting);
    rewrite(&running, "a", "sleep-forever", "");
    running.ok(&["reload"]);
    let mut waiter = running.svctl_command(&["wait", "api"]).spawn().unwrap();
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.line("ready in");
    assert!(waiter.wait().unwrap().success());
    assert_eq!((running.phase("a"), running.phase("api")), (Up, Up));
}

#[test]
fn waiting_clients_and_readiness_survive_a_reload() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running = setup
        .longrun("fd", &format!("wait-file {gate} ready-fd 3 sleep-forever"), "[ready]\nfd = 3")
        .longrun(
            "notify",
            &format!("wait-file {gate} notify READY=1 sleep-forever"),
            "[ready]\nnotify = true",
        )
        .longrun(
            "log",
            &format!("wait-file {gate} say listening sleep-forever"),
            "[ready]\nlog = 'listening'",
        )
        .longrun("exec", "sleep-forever", &format!("[ready]\nexec = {}", words(&format!("wait-file {gate}"))))
        .start();
    running.reach("exec", Starting);
    let mut waiter = running.svctl_command(&["wait", "fd", "notify", "log", "exec"]).spawn().unwrap();
    let mut events = running.events();
    for name in ["a", "b"] {
        rewrite(&running, name, "sleep-forever", "before = [\"fd\"]");
    }
    running.ok(&["reload"]);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    assert!(waiter.wait().unwrap().success());
    events.reach("log", Up);
    assert_eq!(running.services().values().filter(|service| service.state == Up).count(), 6);
}

#[test]
fn number_of_instances_can_be_changed() {
    let file = |count: u32| format!("{}instances = {count}\n", exec("sleep-forever"));
    let running = Setup::new().file("worker@.toml", &file(2)).start();
    running.booted();
    let first = running.status("worker@1").pid;
    std::fs::write(running.setup.services().join("worker@.toml"), file(4)).unwrap();
    running.ok(&["reload"]);
    running.reach("worker@4", Up);
    std::fs::write(running.setup.services().join("worker@.toml"), file(1)).unwrap();
    running.ok(&["reload"]);
    running.until("three are gone", || running.services().len() == 1 && running.processes().len() == 1);
    assert_eq!(running.status("worker@1").pid, first);
}

#[test]
fn service_that_comes_back_while_its_former_self_stops_is_one_service() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running = setup
        .longrun(
            "web",
            "say runs sleep-forever",
            &format!("stop.exec = {}", words(&format!("wait-file {gate} exit 1"))),
        )
        .start();
    running.line("runs");
    let text = std::fs::read(running.setup.services().join("web.toml")).unwrap();
    remove(&running, "web");
    let mut events = running.events();
    running.ok(&["reload"]);
    std::fs::write(running.setup.services().join("web.toml"), text).unwrap();
    running.ok(&["reload"]);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.ok(&["start", "web"]);
    events.reach("web", Up);
    assert_eq!(running.services().len(), 1);
    assert_eq!(running.processes().len(), 1);
}

#[test]
fn new_requirement_of_a_running_service_is_started() {
    let running = Setup::new()
        .longrun("web", "sleep-forever", "")
        .longrun("db", "sleep-forever", "autostart = false")
        .start();
    running.booted();
    assert_eq!(running.phase("db"), Down);
    rewrite(&running, "db", "sleep-forever", "autostart = false");
    rewrite(&running, "web", "sleep-forever", "requires = [\"db\"]");
    running.ok(&["reload"]);
    running.reach("db", Up);
    running.ok(&["stop", "db"]);
    assert_eq!(running.phase("web"), Down);
}

#[test]
fn command_survives_a_reload() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running = setup
        .longrun("web", "sleep-forever", "")
        .command(&format!("say command-runs wait-file {gate} exit 6"))
        .start();
    running.line("command-runs");
    rewrite(&running, "a", "sleep-forever", "");
    running.ok(&["reload"]);
    running.reach("a", Up);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    let (code, text) = running.exit();
    assert_eq!((code, text.matches("command-runs").count()), (6, 1), "{text}");
}

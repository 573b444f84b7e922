//! `svctl`, from end to end: what it says, what it waits for, and its exit codes.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use init_core::status::Phase::{Backoff, Done, Down, Failed, Starting, Up};

use crate::harness::{Running, Said, Setup, away_from_others, svctl, words};

fn demo() -> Running {
    Setup::new()
        .longrun(
            "web",
            "say hello sleep-forever",
            "description = \"the web server\"\nrequires = [\"prepare\"]",
        )
        .oneshot("prepare", "exit 0", "")
        .longrun("extra", "sleep-forever", "autostart = false")
        .longrun("broken", "exit 3", "restart = \"never\"\n[ready]\nfd = 3")
        .longrun("retry", "exit 4", "[restart]\ndelay = \"1h\"\nmax-delay = \"1h\"\n[ready]\nfd = 3")
        .file("site.toml", "type = \"bundle\"\ncontents = [\"web\", \"extra\"]\n")
        .start()
}

#[test]
fn list_shows_what_is_of_interest_and_with_a_everything() {
    let running = demo();
    running.reach("retry", Backoff);
    running.reach("broken", Failed);
    running.reach("web", Up);
    let has = |text: &str, name: &str| text.lines().any(|line| line.contains(name));
    let short = running.ok(&["list"]);
    for (name, shown) in
        [("web", true), ("broken", true), ("retry", true), ("prepare", false), ("extra", false)]
    {
        assert_eq!(has(&short, name), shown, "{name} in {short}");
    }
    let all = running.ok(&["list", "--all"]);
    for name in ["web", "broken", "retry", "prepare", "extra"] {
        assert!(has(&all, name), "{name} in {all}");
    }
    let failed = running.ok(&["list", "--failed"]);
    assert!(has(&failed, "broken") && has(&failed, "retry") && !has(&failed, "web"), "{failed}");
    let one = running.ok(&["ls", "site"]);
    assert!(has(&one, "web") && has(&one, "extra") && !has(&one, "broken"), "{one}");
    assert!(all.contains("exit code 3"), "{all}");
}

#[test]
fn names_for_completion_have_services_and_bundles() {
    let running = demo();
    let names = running.ok(&["names"]);
    for name in ["web", "extra", "site"] {
        assert!(names.lines().any(|line| line == name), "{name} in {names}");
    }
}

#[test]
fn list_as_json_has_everything_for_programs() {
    let running = demo();
    running.reach("web", Up);
    running.reach("broken", Failed);
    let all: Vec<serde_json::Value> = serde_json::from_str(&running.ok(&["list", "--json"])).unwrap();
    let names: Vec<&str> = all.iter().map(|service| service["name"].as_str().unwrap()).collect();
    for name in ["web", "broken", "retry", "prepare", "extra"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let web = all.iter().find(|service| service["name"] == "web").unwrap();
    assert_eq!(web["state"], "up");
    assert_eq!(web["kind"], "longrun");
    assert_eq!(web["wanted"], true);
    assert_eq!(web["requires"], serde_json::json!(["prepare"]));
    assert!(web["pid"].as_i64().unwrap() > 1);
    let broken = all.iter().find(|service| service["name"] == "broken").unwrap();
    assert_eq!(broken["last-exit"], serde_json::json!({ "code": 3 }));
}

#[test]
fn status_tells_all_of_one_service() {
    let running = demo();
    running.reach("web", Up);
    running.line("hello");
    let text = running.ok(&["status", "web"]);
    for wanted in ["web", "the web server", "up", "prepare", "hello"] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
    assert!(text.contains(&running.status("web").pid.unwrap().to_string()), "{text}");
    assert!(running.ok(&["status", "broken"]).contains("exit code 3"));
    running.fails(64, &["status"]);
}

#[test]
fn start_waits_until_the_service_is_ready() {
    let running = Setup::new()
        .longrun("web", "sleep 200 ready-fd 3 sleep-forever", "autostart = false\n[ready]\nfd = 3")
        .oneshot("job", "sleep 100", "autostart = false")
        .start();
    running.booted();
    running.ok(&["start", "web", "job"]);
    assert_eq!((running.phase("web"), running.phase("job")), (Up, Done));
    running.ok(&["start", "web"]);
    running.ok(&["stop", "web"]);
    assert_eq!(running.phase("web"), Down);
    running.ok(&["stop", "web"]);
}

#[test]
fn start_of_a_service_that_fails_fails_and_says_why() {
    let running = Setup::new()
        .longrun("web", "exit 3", "autostart = false\nrestart = \"never\"\n[ready]\nfd = 3")
        .longrun("api", "sleep-forever", "autostart = false\nrequires = [\"web\"]")
        .longrun(
            "retry",
            "exit 4",
            "autostart = false\n[restart]\ndelay = \"1h\"\nmax-delay = \"1h\"\n[ready]\nfd = 3",
        )
        .oneshot("job", "exit 5", "autostart = false")
        .start();
    running.booted();
    assert!(running.fails(1, &["start", "web"]).contains("exit code 3"));
    assert!(running.fails(1, &["start", "api"]).contains("web"));
    assert!(running.fails(1, &["start", "retry"]).contains("exit code 4"));
    assert!(running.fails(1, &["start", "job"]).contains("exit code 5"));
}

#[test]
fn wait_that_takes_too_long_ends_with_3_and_what_was_asked_for_goes_on() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running = setup
        .longrun(
            "web",
            &format!("wait-file {gate} ready-fd 3 sleep-forever"),
            "autostart = false\n[ready]\nfd = 3",
        )
        .longrun("stubborn", "on TERM ignore say runs sleep-forever", "[stop]\ntimeout = \"60s\"")
        .start();
    running.line("runs");
    let said = running.fails(3, &["start", "-t", "50ms", "web"]);
    assert!(said.contains("web"), "{said}");
    assert_eq!(running.phase("web"), Starting);
    running.fails(3, &["wait", "-t", "50ms", "web"]);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.ok(&["wait", "-t", "30s", "web"]);
    running.fails(3, &["stop", "-t", "50ms", "stubborn"]);
    running.fails(3, &["wait", "--down", "-t", "50ms", "stubborn"]);
    running.ok(&["signal", "KILL", "stubborn"]);
    running.ok(&["wait", "--down", "stubborn"]);
}

#[test]
fn wait_without_names_waits_for_the_whole_boot() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running = setup
        .longrun("web", &format!("wait-file {gate} ready-fd 3 sleep-forever"), "[ready]\nfd = 3")
        .longrun("extra", "sleep-forever", "autostart = false")
        .start();
    running.reach("web", Starting);
    running.fails(3, &["wait", "-t", "50ms"]);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.ok(&["wait", "-t", "30s"]);
    assert_eq!(running.phase("web"), Up);
}

#[test]
fn wait_for_what_fails_ends_with_1() {
    let running = demo();
    running.reach("web", Up);
    running.fails(1, &["wait", "broken"]);
    running.ok(&["wait", "prepare", "web"]);
}

#[test]
fn unknown_name_ends_with_4_and_suggests_the_right_one() {
    let running = demo();
    running.reach("web", Up);
    for args in [
        &["status", "wbe"][..],
        &["list", "wbe"],
        &["start", "wbe"],
        &["stop", "web", "wbe"],
        &["restart", "wbe"],
        &["signal", "HUP", "wbe"],
        &["reload", "wbe"],
        &["wait", "wbe"],
        &["logs", "wbe"],
    ] {
        let said = running.fails(4, args);
        assert!(said.contains("wbe") && said.contains("`web`"), "{args:?}: {said}");
    }
    assert_eq!(running.phase("web"), Up, "nothing is stopped if one of the names is wrong");
}

#[test]
fn nonsense_on_the_command_line_ends_with_64() {
    let running = Setup::new().start();
    for args in
        [&["strat", "web"][..], &["start"], &["wait", "-t", "soon"], &["shutdown", "--code", "256"], &[]]
    {
        running.fails(64, args);
    }
    assert!(running.ok(&["--help"]).contains("start"));
}

#[test]
fn svctl_without_init_ends_with_69_and_says_where_it_looked() {
    let dir = tempfile::tempdir().unwrap();
    let list = || {
        let output = away_from_others().args([svctl(), "list"]).env("INIT_RUNTIME_DIR", dir.path()).output();
        Said::from(output.unwrap())
    };
    let said = list();
    assert_eq!(said.code, 69, "{said:?}");
    assert!(said.err.contains(&dir.path().display().to_string()), "{said:?}");
    // A socket that somebody left behind.
    drop(std::os::unix::net::UnixListener::bind(dir.path().join("control")).unwrap());
    assert_eq!(list().code, 69);
}

#[test]
fn reload_of_a_service_does_what_its_definition_says() {
    let setup = Setup::new();
    let log = setup.path("log");
    let running = setup
        .longrun("signal", "on HUP say got-hup say runs sleep-forever", "[reload]\nsignal = \"HUP\"")
        .longrun(
            "exec",
            "sleep-forever",
            &format!("[reload]\nexec = {}", words(&format!("append {log} reloaded"))),
        )
        .longrun("bad", "sleep-forever", &format!("[reload]\nexec = {}", words("exit 3")))
        .longrun("none", "sleep-forever", "")
        .start();
    running.line("runs");
    running.booted();
    running.ok(&["reload", "signal"]);
    running.line("got-hup");
    running.ok(&["reload", "exec"]);
    running.until("the command ran", || running.read("log") == ["reloaded"]);
    assert!(running.fails(1, &["reload", "bad"]).contains("bad: reload command: ended with exit code 3"));
    running.line("reload command");
    let said = running.svctl(&["reload", "none"]);
    assert_ne!(said.code, 0, "{said:?}");
    for name in ["signal", "exec", "bad", "none"] {
        assert_eq!((running.phase(name), running.status(name).restarts), (Up, 0), "{name}");
    }
}

#[test]
fn events_come_as_lines_while_they_happen() {
    let running = Setup::new().longrun("web", "sleep-forever", "autostart = false").start();
    running.booted();
    let mut client = running.svctl_command(&["events", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let (tell, heard) = std::sync::mpsc::channel();
    let lines = BufReader::new(client.stdout.take().unwrap()).lines();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
    // It says nothing until something happens, so something happens until it says so.
    running.until("it hears", || {
        running.ok(&["start", "web"]);
        running.ok(&["stop", "web"]);
        heard.try_recv().is_ok()
    });
    running.ok(&["start", "web"]);
    // The client ends when init does, and has heard of everything up to then.
    assert_eq!(running.stop().0, 0);
    client.wait().unwrap();
    let mut states = Vec::new();
    for line in heard {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["service"], "web");
        states.push(event["to"].as_str().unwrap().to_owned());
    }
    let wanted = ["waiting", "starting", "up", "stopping", "ending", "down"].map(str::to_owned);
    assert!(states.ends_with(&wanted), "{states:?}");
}

#[test]
fn shutdown_ends_the_container_with_the_code_asked_for() {
    let running = Setup::new().longrun("web", "sleep-forever", "").start();
    running.booted();
    running.ok(&["shutdown", "--code", "42"]);
    assert_eq!(running.exit().0, 42);
    let running = Setup::new().longrun("web", "sleep-forever", "").start();
    running.booted();
    running.ok(&["shutdown"]);
    assert_eq!(running.exit().0, 0);
}

//! The variables a service's program sees.

use init_core::status::Phase::{Failed, Up};

use crate::harness::Setup;

/// A oneshot that prints its whole environment to a file.
fn dump(setup: Setup, rest: &str) -> Vec<String> {
    let out = setup.path("env");
    let script = format!("/usr/bin/env > {out}.new; mv {out}.new {out}");
    let running = setup.shell("web", "oneshot", &script, rest).start();
    running.booted();
    let mut lines = running.read("env");
    assert!(!lines.is_empty(), "{}", running.text());
    // The shell's own.
    lines.retain(|line| !["PWD=", "OLDPWD=", "SHLVL=", "_="].iter().any(|own| line.starts_with(own)));
    lines.sort();
    // Whose it is.
    for own in ["INIT_SERVICE=web", "SERVICE=web"] {
        assert!(lines.contains(&own.to_owned()), "{own} in {lines:?}");
    }
    lines.retain(|line| !line.ends_with("SERVICE=web"));
    lines
}

#[test]
fn container_environment_is_inherited() {
    let lines = dump(Setup::new().env("GREETING", "hello world").env("EMPTY", ""), "");
    assert!(
        lines.contains(&"GREETING=hello world".to_owned()) && lines.contains(&"EMPTY=".to_owned()),
        "{lines:?}"
    );
    assert!(lines.iter().any(|line| line.starts_with("PATH=")), "{lines:?}");
}

#[test]
fn environment_can_be_emptied_or_chosen() {
    let rest = "[env]\ninherit = false\nset = { ONLY = \"this\" }";
    assert_eq!(dump(Setup::new().env("GREETING", "hello"), rest), ["ONLY=this"]);
    let rest = "[env]\ninherit = [\"GREETING\", \"MISSING\"]";
    assert_eq!(dump(Setup::new().env("GREETING", "hello").env("OTHER", "x"), rest), ["GREETING=hello"]);
}

#[test]
fn files_and_settings_win_in_their_order() {
    let setup = Setup::new();
    let (one, two) = (setup.path("one.env"), setup.path("two.env"));
    std::fs::write(&one, "# comment\nA=one\nB='one, quoted'\nC=one\n").unwrap();
    std::fs::write(&two, "B=two\n").unwrap();
    let rest = format!(
        "[env]\ninherit = [\"A\"]\nfile = [\"{one}\", \"{two}\", \"-/nonexistent.env\"]\nset = {{ C = \"set ${{A}}\", D = 5 }}"
    );
    let lines = dump(setup.env("A", "container"), &rest);
    assert_eq!(lines, ["A=one", "B=two", "C=set container", "D=5"]);
}

#[test]
fn file_written_by_a_oneshot_is_read_at_the_next_start() {
    let setup = Setup::new();
    let file = setup.path("made.env");
    let running = setup
        .oneshot("make", &format!("append {file} TOKEN=fresh"), "")
        .longrun(
            "web",
            "print-env TOKEN sleep-forever",
            &format!("requires = [\"make\"]\n[env]\nfile = [\"{file}\"]"),
        )
        .start();
    running.line("TOKEN=fresh");
    std::fs::write(running.setup.work("made.env"), "TOKEN=newer\n").unwrap();
    running.ok(&["restart", "web"]);
    running.line("TOKEN=newer");
}

#[test]
fn missing_environment_file_fails_the_service_and_is_named() {
    let running = Setup::new()
        .longrun("web", "sleep-forever", "[env]\nfile = [\"/nonexistent/web.env\"]")
        .longrun("other", "sleep-forever", "")
        .start();
    running.booted();
    assert_eq!((running.phase("web"), running.phase("other")), (Failed, Up));
    assert!(running.note("web").contains("/nonexistent/web.env"), "{}", running.note("web"));
}

#[test]
fn what_a_manager_says_to_init_is_not_passed_on() {
    let private = ["WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "MAINPID"];
    let mut setup = Setup::new().env("NOTIFY_SOCKET", "/nonexistent/manager");
    for name in private {
        setup = setup.env(name, "1");
    }
    let lines = dump(setup, "");
    for name in private.iter().chain(&["NOTIFY_SOCKET"]) {
        assert!(!lines.iter().any(|line| line.starts_with(&format!("{name}="))), "{name} in {lines:?}");
    }
}

#[test]
fn command_sees_the_container_environment() {
    let (code, text) = Setup::new().env("GREETING", "hello").command("print-env GREETING").start().exit();
    assert_eq!(code, 0);
    assert!(text.lines().any(|line| line == "GREETING=hello"), "{text}");
}

#[test]
fn home_and_the_like_follow_the_user() {
    if !needs::root() {
        return;
    }
    let lines = dump(Setup::new().env("HOME", "/root"), "user = \"nobody\"");
    let home = lines.iter().find(|line| line.starts_with("HOME=")).unwrap();
    assert_eq!(home, "HOME=/nonexistent");
    assert!(
        lines.contains(&"USER=nobody".to_owned()) && lines.contains(&"LOGNAME=nobody".to_owned()),
        "{lines:?}"
    );
    let lines = dump(Setup::new().env("HOME", "/root"), "");
    assert!(lines.contains(&"HOME=/root".to_owned()));
}

#[test]
fn path_of_the_service_decides_where_its_program_is_found() {
    let setup = Setup::new();
    let bin = setup.work("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(crate::harness::puppet(), bin.join("mine")).unwrap();
    let bin = bin.display().to_string();
    let running = setup
        .file(
            "web.toml",
            &format!(
                "exec = [\"mine\", \"say\", \"found-it\"]\ntype = \"oneshot\"\n[env.set]\nPATH = \"{bin}\"\n"
            ),
        )
        .file("bare.toml", "exec = [\"true\"]\ntype = \"oneshot\"\n[env]\ninherit = false\n")
        .start();
    running.line("found-it");
    running.booted();
    assert_eq!(running.phase("bare"), init_core::status::Phase::Done, "without PATH there is a usual one");
}

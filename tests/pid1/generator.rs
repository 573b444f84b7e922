//! `$INIT_GENERATOR`: a program that writes definitions, and what it may not do to PID 1.

use std::os::unix::fs::PermissionsExt;

use init_core::status::Phase::Up;
use nix::sys::signal::Signal;

use crate::harness::{Running, Setup};

/// With this shell script as the generator; `$1` is its directory.
fn generated_by(setup: Setup, script: &str) -> Setup {
    let path = setup.work("generator");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let words = format!("{} first", path.display());
    setup.env("INIT_GENERATOR", &words)
}

/// A definition, in a shell script.
fn definition(name: &str, script: &str) -> String {
    format!("cat >\"$2/{name}.toml\" <<'END'\n{}END", crate::harness::exec(script))
}

fn complaint(running: &Running) -> String {
    let line = running.line("INIT_GENERATOR (");
    running.booted();
    assert_eq!(running.phase("web"), Up);
    line
}

fn web() -> Setup {
    Setup::new().longrun("web", "sleep-forever", "")
}

#[test]
fn definitions_that_a_program_writes_are_run_and_replaced_by_those_of_a_person() {
    let script = [
        definition("made", "say made-runs print-env FROM sleep-forever"),
        definition("web", "say generated-web sleep-forever"),
        "echo seen: $1 $INIT_SERVICES".to_owned(),
        "ls -ld \"$2\" | cut -c1-10".to_owned(),
    ];
    let setup = Setup::new().longrun("web", "say own-web sleep-forever", "").env("FROM", "container");
    let services = setup.services().display().to_string();
    let running = generated_by(setup, &script.join("\n")).start();
    running.line("made-runs");
    running.line("FROM=container");
    running.line("own-web");
    running.line(&format!("seen: first {services}"));
    running.line("drwx------");
    running.booted();
    let text = running.text();
    assert!(!text.contains("generated-web") && !text.contains("INIT_GENERATOR ("), "{text}");
}

#[test]
fn generator_that_fails_or_is_missing_is_one_line_and_the_boot_goes_on() {
    let running = generated_by(web(), &format!("{}\nexit 3", definition("half", "sleep-forever"))).start();
    assert!(complaint(&running).contains("failed: ended with"));
    assert!(!running.services().contains_key("half"));
    let running = web().env("INIT_GENERATOR", "/nonexistent/generator x").start();
    assert!(complaint(&running).contains("no such program"));
}

#[test]
fn generator_that_writes_too_much_is_refused() {
    for script in [
        "yes >\"$2/a.toml\"",
        "yes",
        "for i in $(seq 1100); do echo \"exec = ['true']\" >\"$2/s$i.toml\"; done",
        "for i in $(seq 6); do head -c 1000000 /dev/zero >\"$2/s$i.toml\"; done",
        "mkdir \"$2/a.d\"",
        "ln -s /dev/zero \"$2/a.toml\"",
        "mkfifo \"$2/a.toml\"",
    ] {
        let running = generated_by(web(), script).start();
        complaint(&running);
        assert_eq!(running.services().len(), 1, "{script}");
    }
}

#[test]
fn generator_that_hangs_is_killed_with_its_children_and_the_boot_goes_on() {
    let running = generated_by(web(), "trap '' TERM\nsleep 1000 &\nwait\nsleep 1000").start();
    assert!(complaint(&running).contains("killed after 10 s"));
    running.until("nothing of it is left", || running.processes().len() == 1);
}

#[test]
fn term_while_a_generator_hangs_ends_at_once() {
    // Of a container, the harness learns the pid by its first answer only.
    let setup = web().not_in_a_container();
    let begun = setup.path("begun");
    let running = generated_by(setup, &format!("touch {begun}\nsleep 1000")).start();
    running.until("the generator runs", || std::path::Path::new(&begun).exists());
    let begin = std::time::Instant::now();
    running.signal(Signal::SIGTERM);
    let (code, text) = running.exit();
    assert!(code == 0 && begin.elapsed().as_secs() < 8, "{code} after {:?}: {text}", begin.elapsed());
}

#[test]
fn reload_runs_the_generator_again_and_init_answers_meanwhile() {
    let setup = web();
    let [go, hang, asked] = ["go", "hang", "asked"].map(|name| setup.path(name));
    let script = format!(
        "{}\n[ ! -e {go} ] || {{ {}\n}}\nif [ -e {hang} ]; then touch {asked}; sleep 1000; fi",
        definition("first", "sleep-forever"),
        definition("second", "sleep-forever"),
    );
    let running = generated_by(setup, &script).start();
    running.booted();
    assert!(running.services().contains_key("first") && !running.services().contains_key("second"));
    std::fs::write(&go, "").unwrap();
    assert!(running.ok(&["reload"]).contains("new: second"));
    running.reach("second", Up);
    // One that hangs keeps nobody else waiting, and what was written before stays.
    std::fs::write(&hang, "").unwrap();
    let mut reload = running.svctl_command(&["reload"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    running.until("the generator runs again", || std::path::Path::new(&asked).exists());
    assert_eq!(running.services().len(), 3);
    assert!(reload.try_wait().unwrap().is_none());
    std::fs::remove_file(&hang).unwrap();
    assert!(reload.wait().unwrap().success());
    running.line("killed after 10 s");
    assert_eq!(running.services().len(), 3);
    running.signal(Signal::SIGHUP);
    running.lines("reloaded the plan", 3);
}

//! Who may read logs, and who may start.

use std::process::Command;

use crate::harness::{Running, Said, Setup, as_user, init, svctl};

/// A program as another user, with these supplementary groups.
fn said_by(running: &Running, uid: u32, groups: Option<u32>, words: &[&str]) -> Said {
    let mut before = as_user(uid);
    if let Some(group) = groups {
        before.retain(|word| word != "--clear-groups");
        before.extend(["--groups".to_owned(), group.to_string()]);
    }
    let mut command = Command::new(&before[0]);
    command.args(&before[1..]).arg(svctl()).args(words);
    command.env("INIT_RUNTIME_DIR", running.setup.dir.path().join("run")).output().unwrap().into()
}

#[test]
fn logs_are_for_root_inits_user_and_one_group() {
    if !needs::root() {
        return;
    }
    let running = Setup::new()
        .settings("log-group = 4321\n")
        .longrun("web", "say secret-of-web sleep-forever", "")
        .start();
    running.line("secret-of-web");
    running.booted();
    running.until("it is kept", || running.ok(&["logs", "web"]).contains("secret-of-web"));
    let refused = said_by(&running, 33, None, &["logs", "web"]);
    assert_eq!((refused.code, &*refused.out), (5, ""), "{refused:?}");
    assert!(refused.err.contains("4321") && refused.err.contains("log-group"), "{refused:?}");
    let status = said_by(&running, 33, None, &["status", "web"]);
    assert_eq!(status.code, 0, "{status:?}");
    assert!(!status.out.contains("secret-of-web") && status.out.contains("only root"), "{status:?}");
    for member in
        [said_by(&running, 33, Some(4321), &["logs", "web"]), said_by(&running, 4321, None, &["logs", "web"])]
    {
        assert_eq!((member.code, &*member.out), (0, "secret-of-web\n"), "{member:?}");
    }
    assert_eq!(said_by(&running, 33, Some(4321), &["stop", "web"]).code, 5);
}

#[test]
fn group_may_act_and_each_act_is_in_the_log_with_who_did_it() {
    if !needs::root() {
        return;
    }
    let running = Setup::new()
        .settings("act-group = 4321\n")
        .longrun("web", "say secret-of-web sleep-forever", "")
        .start();
    running.line("secret-of-web");
    running.booted();
    let member = |words: &[&str]| said_by(&running, 33, Some(4321), words);
    assert_eq!(said_by(&running, 33, None, &["stop", "web"]).code, 5);
    assert!(!running.text().contains("stop web"));
    let stopped = member(&["stop", "web"]);
    assert_eq!(stopped.code, 0, "{stopped:?}");
    assert!(running.line("stop web").contains("user 33 (process "));
    assert_eq!(member(&["start", "web"]).code, 0);
    assert_eq!(member(&["logs", "web"]).out, "secret-of-web\nsecret-of-web\n");
    assert_eq!(member(&["diff"]).code, 0);
    // What takes the place of PID 1, or shows what is in its environment, is not for them.
    for words in [&["reexec"][..], &["show", "web"], &["set", "web", "nice=1"], &["run", "web", "true"]] {
        let refused = member(words);
        assert_eq!(refused.code, 5, "{words:?}: {refused:?}");
    }
    running.ok(&["signal", "USR1", "web"]);
    assert!(running.line("signal USR1 web").contains("user 0 (process "));
}

#[test]
fn without_a_group_logs_are_for_nobody_else() {
    if !needs::root() {
        return;
    }
    let running = Setup::new().longrun("web", "say hello sleep-forever", "").start();
    running.line("hello");
    running.booted();
    for words in [&["logs"][..], &["logs", "-f"]] {
        let refused = said_by(&running, 33, Some(0), words);
        assert_eq!(refused.code, 5, "{refused:?}");
        assert!(refused.err.contains("log-group"), "{refused:?}");
    }
    assert_eq!(said_by(&running, 33, None, &["list"]).code, 0);
}

#[test]
fn second_init_in_a_container_refuses_and_names_svctl() {
    let running = Setup::new().longrun("web", "say web-runs sleep-forever", "").start();
    running.booted();
    let run = running.setup.dir.path().join("run").display().to_string();
    let services = running.setup.services().display().to_string();
    let before = running.processes().len();
    let second = |words: &[&str]| {
        let variable = format!("INIT_RUNTIME_DIR={run}");
        let words: Vec<&str> = ["env", &variable, init()].into_iter().chain(words.iter().copied()).collect();
        running.inside(&words)
    };
    let said = second(&["--services", &services]);
    assert_eq!((said.code, &*said.out), (73, ""), "{said:?}");
    assert!(said.err.contains("process 1") && said.err.contains("svctl list"), "{said:?}");
    assert_eq!(said.err.lines().count(), 1, "{said:?}");
    assert_eq!(second(&["--services", &services, "--", "true"]).code, 73);
    for harmless in [&["--help"][..], &["--version"], &["schema"], &["check", &services]] {
        assert_eq!(second(harmless).code, 0, "{harmless:?}");
    }
    assert_eq!(running.processes().len(), before);
    running.ok(&["health"]);
}

#[test]
fn command_that_does_not_exist_ends_before_anything_is_started() {
    let plain = |command: &str| {
        let mut setup = Setup::new().longrun("web", "say web-runs sleep-forever", "");
        setup.args = vec!["--".to_owned(), command.to_owned()];
        setup
    };
    for (command, code) in
        [("no-such-program", 127), ("/no/such/program", 127), ("/etc/passwd", 126), ("/etc", 126)]
    {
        let (found, text) = plain(command).start().exit();
        assert_eq!(found, code, "{command}: {text}");
        assert!(
            text.contains(&format!("cannot execute `{command}`")) && !text.contains("web-runs"),
            "{text}"
        );
    }
    assert_eq!(plain("true").start().exit().0, 0);
}

//! `MAINPID=`: a process that puts another in its place.

use init_core::status::Phase::Up;

use crate::harness::Setup;

/// A service whose first process starts `heir` in the background, tells `init` of it, and then does `after`.
fn service(setup: Setup, fork: &str, after: &str, rest: &str) -> Setup {
    let pid = setup.path("pid");
    let script = format!(
        "{fork}; exec PUPPET notify \"MAINPID=$(cat {pid})\\nREADY=1\" {after}",
        fork = fork.replace("PID", &pid)
    );
    setup.shell("web", "longrun", &script, &format!("[ready]\nnotify = true\n{rest}"))
}

/// A process that became a child of `init`, because its parent ended, and that leads a group of its own.
fn orphan(words: &str) -> String {
    let own = "echo \\$\\$ > PID.new; mv PID.new PID";
    format!("(setsid sh -c \"{own}; exec PUPPET {words}\" &); PUPPET wait-file PID")
}

fn heir(running: &crate::harness::Running) -> i32 {
    std::fs::read_to_string(running.setup.work("pid")).unwrap().trim().parse().unwrap()
}

#[test]
fn heir_is_the_service_and_the_end_of_the_first_process_is_not() {
    let running = service(Setup::new(), &orphan("say 'I am the heir' sleep-forever"), "exit 3", "").start();
    running.booted();
    let heir = heir(&running);
    assert_eq!(running.reach("web", Up).pid, Some(heir));
    running.until("the first process has ended", || {
        running.processes().iter().filter(|process| process.pid != 1).count() == 1
    });
    assert_eq!((running.phase("web"), running.status("web").restarts), (Up, 0));
    assert!(running.line("I am the heir").contains("web"));
    running.ok(&["stop", "web"]);
    assert!(running.process(heir).is_none());
}

#[test]
fn code_of_the_heir_is_the_services() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running =
        service(setup, &orphan(&format!("wait-file {gate} exit 7")), "exit 0", "").settings("").start();
    running.booted();
    let mut events = running.events();
    std::fs::write(running.setup.work("gate"), "").unwrap();
    let ended = events.reach("web", init_core::status::Phase::Ending);
    assert!(format!("{ended:?}").contains("Code(7)"), "{ended:?}");
}

#[test]
fn first_process_that_stays_ends_with_its_heir() {
    let running = service(Setup::new(), &orphan("sleep-forever"), "sleep-forever", "").start();
    running.booted();
    running.ok(&["stop", "web"]);
    running.until("nothing is left", || running.processes().iter().all(|process| process.pid == 1));
}

#[test]
fn child_of_somebody_else_is_refused() {
    let fork = "setsid PUPPET sleep-forever & echo $! > PID";
    let running = service(Setup::new(), fork, "sleep-forever", "").start();
    running.booted();
    let line = running.line("it is not a child of init");
    assert!(line.ends_with("[I0412]"), "{line}");
    assert_ne!(running.status("web").pid, Some(heir(&running)));
}

#[test]
fn process_in_another_group_is_refused() {
    let fork = "(PUPPET sleep-forever & echo $! > PID)";
    let running = service(Setup::new(), fork, "sleep-forever", "").start();
    running.booted();
    running.line("it does not lead a process group");
    assert_ne!(running.status("web").pid, Some(heir(&running)));
}

#[test]
fn process_of_another_service_is_refused() {
    let setup = Setup::new();
    let address = setup.path("address");
    let other = format!("echo $$ > {address}.new; mv {address}.new {address}; exec PUPPET sleep-forever");
    let running = service(
        setup.shell("other", "longrun", &other, ""),
        &format!("PUPPET wait-file {address}; cp {address} PID"),
        "sleep-forever",
        "",
    )
    .start();
    running.booted();
    running.line("it is another service's process");
    assert_eq!(running.phase("other"), Up);
}

#[test]
fn service_that_is_ready_in_another_way_may_have_a_notify_socket() {
    let running = Setup::new()
        .longrun(
            "web",
            "notify 'STATUS=half full' say listening sleep-forever",
            "notify = true\n[ready]\nlog = \"listening\"",
        )
        .start();
    running.booted();
    running.until("its status is known", || running.note("web") == "half full");
}

#[test]
fn heir_may_say_that_it_is_ready_right_behind_the_word_that_it_is_the_heir() {
    let setup = Setup::new();
    let [gate, named, said, pid] = ["gate", "named", "said", "pid"].map(|name| setup.path(name));
    let fork = orphan(&format!("wait-file {named} notify READY=1 touch {said} sleep-forever"));
    let script = format!(
        "{fork}; exec PUPPET wait-file {gate} notify \"MAINPID=$(cat {pid})\" touch {named} sleep-forever",
        fork = fork.replace("PID", &pid)
    );
    let running = setup.shell("web", "longrun", &script, "[ready]\nnotify = true\n").start();
    running.until("both run", || running.setup.work("pid").exists());
    // Both messages are there before `init` looks at either.
    running.signal(nix::sys::signal::Signal::SIGSTOP);
    std::fs::write(&gate, "").unwrap();
    let is_said = || std::path::Path::new(&said).exists();
    running.until("the heir has spoken", is_said);
    running.signal(nix::sys::signal::Signal::SIGCONT);
    running.booted();
    assert_eq!(running.status("web").pid, Some(heir(&running)));
    assert_eq!(running.phase("web"), Up);
}

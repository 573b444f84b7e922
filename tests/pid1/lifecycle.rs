//! What `init`'s exit code means, and what it takes to end it.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::harness::{Input, Setup, init};

#[test]
fn clean_stop_exits_with_0() {
    let running = Setup::new().longrun("web", "sleep-forever", "").start();
    running.booted();
    let (code, text) = running.stop();
    assert_eq!(code, 0, "{text}");
}

#[test]
fn stop_by_int_and_pwr_is_clean_too() {
    for signal in [nix::sys::signal::SIGINT, nix::sys::signal::SIGPWR] {
        let running = Setup::new().longrun("web", "sleep-forever", "").start();
        running.booted();
        running.signal(signal);
        let (code, text) = running.exit();
        assert_eq!(code, 0, "{signal}: {text}");
    }
}

#[test]
fn init_with_nothing_to_run_stays_until_it_is_stopped() {
    let running = Setup::new().start();
    running.line("nothing to run");
    assert_eq!(running.stop().0, 0);
}

#[test]
fn exit_code_of_the_command_is_inits() {
    let (code, text) =
        Setup::new().longrun("web", "sleep-forever", "").command("say hello exit 7").start().exit();
    assert_eq!(code, 7, "{text}");
    assert!(text.lines().any(|line| line == "hello"), "the command's output is its own: {text}");
}

#[test]
fn command_that_succeeds_ends_the_container_with_0() {
    let (code, text) = Setup::new().longrun("web", "sleep-forever", "").command("exit 0").start().exit();
    assert_eq!(code, 0, "{text}");
}

#[test]
fn command_killed_by_a_signal_gives_128_plus_its_number() {
    for (signal, wanted) in [("KILL", 137), ("TERM", 143), ("SEGV", 139)] {
        let (code, text) = Setup::new().command(&format!("kill-self {signal}")).start().exit();
        assert_eq!(code, wanted, "{text}");
    }
}

#[test]
fn command_that_does_not_exist_gives_127_and_is_named() {
    for missing in ["no-such-program", "/no/such/program"] {
        let (code, text) = Setup::new().args(&["--", missing]).start().exit();
        assert_eq!(code, 127, "{text}");
        assert!(text.contains(missing), "{text}");
    }
}

#[test]
fn command_that_may_not_be_executed_gives_126() {
    let (code, text) = Setup::new().args(&["--", "/etc/passwd"]).start().exit();
    assert_eq!(code, 126, "{text}");
}

#[test]
fn command_begins_once_services_are_ready() {
    let setup = Setup::new();
    let order = setup.path("order");
    let script = format!("sleep 200 append {order} ready ready-fd 3 sleep-forever");
    let running = setup
        .longrun("web", &script, "[ready]\nfd = 3")
        .oneshot("prepare", &format!("sleep 100 append {order} prepared"), "")
        .command(&format!("append {order} command"))
        .start();
    running.line("shutting down");
    assert_eq!(running.read("order"), ["prepared", "ready", "command"]);
    assert_eq!(running.exit().0, 0);
}

#[test]
fn services_stop_in_reverse_order_after_the_command_ended() {
    let (code, text) = Setup::new()
        .longrun("db", "on TERM say db-stops on TERM exit 0 ready-fd 3 sleep-forever", "[ready]\nfd = 3")
        .longrun(
            "api",
            "on TERM say api-stops on TERM exit 0 ready-fd 3 sleep-forever",
            "requires = [\"db\"]\n[ready]\nfd = 3",
        )
        .command("say command-runs exit 3")
        .start()
        .exit();
    assert_eq!(code, 3, "{text}");
    let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what} in {text}"));
    assert!(place("command-runs") < place("api-stops") && place("api-stops") < place("db-stops"), "{text}");
}

#[test]
fn standard_input_reaches_the_command_and_no_service() {
    let mut running = Setup::new()
        .file("reader.toml", "exec = [\"cat\"]\ntype = \"oneshot\"\n")
        .input(Input::Pipe)
        .args(&["--", "cat"])
        .start();
    running.booted();
    running.type_in("one\ntwo\n");
    running.line("two");
    running.end_input();
    let (code, text) = running.exit();
    assert_eq!(code, 0);
    assert!(text.lines().any(|line| line == "one"), "{text}");
}

#[test]
fn command_runs_where_init_was_started_and_services_at_the_root() {
    let (code, text) = Setup::new()
        .before("cd /usr")
        .oneshot("where", "print-self", "")
        .command("print-self")
        .start()
        .exit();
    assert_eq!(code, 0);
    let ends = |end: &str| text.lines().any(|line| line.contains("pid=") && line.ends_with(end));
    assert!(ends("cwd=/usr") && ends("cwd=/"), "{text}");
}

#[test]
fn arguments_of_the_command_are_passed_on_as_they_are() {
    let setup = Setup::new().args(&["--", "printf", "<%s>\\n", "a b", "", "--help", "$HOME", "${X}"]);
    let (code, text) = setup.start().exit();
    assert_eq!(code, 0, "{text}");
    for word in ["<a b>", "<>", "<--help>", "<$HOME>", "<${X}>"] {
        assert!(text.lines().any(|line| line == word), "{word} in {text}");
    }
}

#[test]
fn command_named_like_a_subcommand_runs_behind_two_dashes() {
    let setup = Setup::new();
    let bin = setup.work("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::write(bin.join("check"), "#!/bin/sh\necho I am a command\nexit 5\n").unwrap();
    std::fs::set_permissions(bin.join("check"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let (code, text) = setup.env("PATH", &path).args(&["--", "check"]).start().exit();
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("I am a command"), "{text}");
}

#[test]
fn essential_service_that_fails_ends_the_container_with_its_code() {
    let running = Setup::new()
        .longrun("web", "sleep-forever", "")
        .longrun("db", "wait-file /nonexistent/never", "essential = true\nrestart = \"never\"")
        .start();
    running.booted();
    // Ends by a signal of somebody else's: 128 + 9.
    running.ok(&["signal", "KILL", "db"]);
    let (code, text) = running.exit();
    assert_eq!(code, 137, "{text}");
    assert!(text.contains("db"), "{text}");
}

#[test]
fn essential_service_ends_the_container_only_after_its_restarts_are_used_up() {
    let setup = Setup::new();
    let runs = setup.path("runs");
    let limit = "essential = true\n[restart]\ndelay = \"1ms\"\nlimit = { count = 3, interval = \"60s\" }";
    let running = setup.longrun("db", &format!("append {runs} run exit 6"), limit).start();
    running.line("FAILED");
    assert_eq!(running.read("runs").len(), 4);
    let (code, text) = running.exit();
    assert_eq!(code, 6, "{text}");
}

#[test]
fn essential_oneshot_that_fails_ends_the_container_with_its_code() {
    let (code, text) = Setup::new()
        .oneshot("migrate", "exit 4", "essential = true")
        .longrun("web", "sleep-forever", "requires = [\"migrate\"]")
        .start()
        .exit();
    assert_eq!(code, 4, "{text}");
}

#[test]
fn essential_service_that_ends_well_ends_the_container_with_0() {
    let (code, text) = Setup::new()
        .longrun("job", "ready-fd 3 exit 0", "essential = true\nrestart = \"on-failure\"\n[ready]\nfd = 3")
        .longrun("web", "sleep-forever", "")
        .start()
        .exit();
    assert_eq!(code, 0, "{text}");
}

#[test]
fn failure_is_never_reported_as_success() {
    // Ends with 0, but before it was ready: that is a failure, and no reason for an exit code of 0.
    let (code, text) = Setup::new()
        .longrun("db", "exit 0", "essential = true\nrestart = \"never\"\n[ready]\nfd = 3")
        .start()
        .exit();
    assert_eq!(code, 1, "{text}");
}

#[test]
fn failure_of_what_is_not_essential_leaves_the_container_up() {
    let running = Setup::new()
        .oneshot("migrate", "exit 4", "")
        .longrun("job", "exit 5", "restart = \"never\"\n[ready]\nfd = 3")
        .longrun("web", "sleep-forever", "")
        .start();
    let line = running.line("not all is well");
    assert!(line.contains("migrate") && line.contains("job"), "{line}");
    assert_eq!(running.stop().0, 0);
}

#[test]
fn failure_before_the_boot_completes_keeps_its_exit_code() {
    let (code, text) = Setup::new()
        .longrun("slow", "sleep-forever", "[ready]\nfd = 3")
        .oneshot("migrate", "exit 44", "essential = true")
        .command("say never-runs")
        .start()
        .exit();
    assert_eq!(code, 44, "{text}");
    assert!(!text.contains("never-runs"), "{text}");
}

#[test]
fn killing_a_service_that_restarts_does_not_end_the_container() {
    let running = Setup::new().longrun("db", "say runs sleep-forever", "essential = true").start();
    // A process that is killed before it says so says it once less.
    running.line("runs");
    running.ok(&["signal", "KILL", "db"]);
    running.lines("runs", 2);
    assert_eq!(running.status("db").restarts, 1);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn first_reason_to_end_keeps_its_code() {
    let running = Setup::new()
        .longrun("db", "on TERM exit 9 sleep-forever", "essential = true\nrestart = \"never\"")
        .start();
    running.booted();
    running.ok(&["shutdown", "--code", "5"]);
    let (code, text) = running.exit();
    assert_eq!(code, 5, "{text}");
}

#[test]
fn wrong_plan_exits_with_78_and_lists_every_problem_of_every_file() {
    let (code, text) = Setup::new()
        .file("a.toml", "exce = [\"x\"]\nexec = [\"true\"]\nrequires = [\"nobody\"]\n")
        .file("b.toml", "type = \"longrum\"\nexec = [\"true\"]\nnice = 99\n")
        .file("c.toml", "exec = [\n")
        .file("init.toml", "shutdown-timeout = \"soon\"\n")
        .command("say never-runs")
        .start()
        .exit();
    assert_eq!(code, 78, "{text}");
    for wanted in
        ["a.toml:1", "a.toml:3", "nobody", "b.toml:1", "longrun", "b.toml:3", "c.toml:", "init.toml:1"]
    {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
    assert!(!text.contains("never-runs"), "{text}");
}

#[test]
fn cycle_is_shown_as_a_path() {
    let (code, text) = Setup::new()
        .longrun("a", "sleep-forever", "requires = [\"b\"]")
        .longrun("b", "sleep-forever", "after = [\"c\"]")
        .longrun("c", "sleep-forever", "after = [\"a\"]")
        .start()
        .exit();
    assert_eq!(code, 78, "{text}");
    assert!(["a", "b", "c"].iter().all(|name| text.contains(name)), "{text}");
}

#[test]
fn wrong_usage_exits_with_64() {
    let (code, text) = Setup::new().args(&["--no-such-option"]).start().exit();
    assert_eq!(code, 64, "{text}");
    assert!(text.contains("--no-such-option"), "{text}");
}

#[test]
fn services_directory_that_is_named_must_exist() {
    let (code, text) = Setup::new().args(&["--services", "/nonexistent/services.d"]).start().exit();
    assert_eq!(code, 78, "{text}");
    assert!(text.contains("/nonexistent/services.d"), "{text}");
}

#[test]
fn check_finds_offline_what_init_would_find() {
    let setup = Setup::new().file("a.toml", "exec = [\"true\"]\nrequires = [\"nobody\"]\n");
    let check = |setup: &Setup| {
        let output = std::process::Command::new(init()).arg("check").arg(setup.services()).output();
        let output = output.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let (code, text) = check(&setup);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("a.toml:2") && text.contains("nobody"), "{text}");
    let setup = setup.file("nobody.toml", "exec = [\"true\"]\n");
    let (code, text) = check(&setup);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn outer_manager_hears_of_readiness_and_of_the_stop() {
    let setup = Setup::new();
    let path = setup.work("manager");
    let socket = UnixDatagram::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let hear = || {
        let mut bytes = [0; 4096];
        let count = socket.recv(&mut bytes).expect("a notification");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    };
    let gate = setup.path("gate");
    let path = path.display().to_string();
    let running = setup
        .env("NOTIFY_SOCKET", &path)
        .longrun(
            "web",
            &format!("print-env NOTIFY_SOCKET wait-file {gate} ready-fd 3 sleep-forever"),
            "[ready]\nfd = 3",
        )
        .start();
    let line = running.line("NOTIFY_SOCKET");
    assert!(line.ends_with("NOTIFY_SOCKET unset"), "a service is not told of the manager's socket: {line}");
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 8]).is_err(), "said to be ready before the boot was complete");
    socket.set_nonblocking(false).unwrap();
    std::fs::write(running.setup.work("gate"), "").unwrap();
    let ready = hear();
    assert!(ready.lines().any(|line| line == "READY=1"), "{ready}");
    running.signal(nix::sys::signal::SIGTERM);
    let stopping = hear();
    assert!(stopping.lines().any(|line| line == "STOPPING=1"), "{stopping}");
    assert_eq!(running.exit().0, 0);
}

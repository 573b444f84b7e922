//! The container's terminal: `podman run -it`.

use init_core::status::Phase::Up;
use nix::sys::signal::Signal;
use nix::unistd::tcgetpgrp;

use crate::harness::{Input, Running, Setup};

fn ctrl_c(running: &mut Running) {
    running.type_in("\x03");
}

#[test]
fn ctrl_c_reaches_the_command_and_no_service() {
    let mut running = Setup::new()
        .longrun("web", "on INT say web-interrupted say web-runs sleep-forever", "")
        .input(Input::Terminal)
        .command("on INT say command-interrupted on INT exit 9 say command-runs sleep-forever")
        .start();
    running.line("command-runs");
    ctrl_c(&mut running);
    running.line("command-interrupted");
    let (code, text) = running.exit();
    assert_eq!(code, 9, "{text}");
    assert!(!text.contains("web-interrupted"), "{text}");
}

#[test]
fn command_that_handles_ctrl_c_goes_on_and_so_does_everything_else() {
    let mut running = Setup::new()
        .longrun("web", "sleep-forever", "")
        .input(Input::Terminal)
        .command("on INT say interrupted say command-runs sleep-forever")
        .start();
    running.line("command-runs");
    for count in 1..=3 {
        ctrl_c(&mut running);
        running.lines("interrupted", count);
    }
    assert_eq!(running.phase("web"), Up);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn shell_has_the_terminal_and_its_jobs() {
    let mut running = Setup::new()
        .longrun("web", "sleep-forever", "")
        .input(Input::Terminal)
        .args(&["--", "sh", "-im"])
        .start();
    running.booted();
    running.type_in("tty < /dev/tty && echo has-$((1+1))-tty\n");
    running.line("has-2-tty");
    // A job in the foreground is interrupted; the shell is not.
    running.type_in("echo sleeping-$((2+2)); sleep 600\n");
    running.line("sleeping-4");
    running.until("the job runs", || running.processes().iter().any(|process| process.name == "sleep"));
    ctrl_c(&mut running);
    running.until("the job is gone", || !running.processes().iter().any(|process| process.name == "sleep"));
    running.type_in("exit 4\n");
    let (code, text) = running.exit();
    assert_eq!(code, 4, "{text}");
    assert!(!text.contains("can't access tty") && !text.contains("no job control"), "{text}");
}

#[test]
fn terminal_is_given_back_when_its_service_ends() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running = setup
        .longrun(
            "console",
            &format!("say console-runs wait-file {gate} exit 0"),
            "stdin = \"tty\"\nrestart = \"on-failure\"",
        )
        // podman stands between this terminal and the container's.
        .not_in_a_container()
        .input(Input::Terminal)
        .start();
    running.line("console-runs");
    let init = running.pid();
    let console = running.main("console").outside;
    let foreground = || tcgetpgrp(running.terminal()).unwrap().as_raw();
    assert_eq!(foreground(), console);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.until("it has the terminal back", || foreground() == init);
    // Now Ctrl-C is init's.
    let mut running = running;
    ctrl_c(&mut running);
    let (code, text) = running.exit();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("shutting down"), "{text}");
}

#[test]
fn ctrl_c_without_a_command_stops_the_container_and_a_second_one_forces() {
    let mut running = Setup::new()
        .longrun("web", "on TERM ignore say runs sleep-forever", "[stop]\ntimeout = \"60s\"")
        .input(Input::Terminal)
        .start();
    running.line("runs");
    let mut events = running.events();
    ctrl_c(&mut running);
    events.reach("web", init_core::status::Phase::Stopping);
    ctrl_c(&mut running);
    let (code, text) = running.exit();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("interrupted again"), "{text}");
}

#[test]
fn ctrl_z_and_a_stopped_command_do_not_stop_init() {
    let mut running = Setup::new()
        .longrun("web", "sleep-forever", "")
        .input(Input::Terminal)
        .command("say command-runs sleep-forever")
        .start();
    running.line("command-runs");
    running.type_in("\x1a");
    running.until("the command is stopped", || running.main("cmd").state == 'T');
    running.ok(&["restart", "web"]);
    running.ok(&["signal", "CONT", "cmd"]);
    running.until("it goes on", || running.main("cmd").state == 'S');
    assert_eq!(running.stop().0, 0);
}

#[test]
fn names_are_coloured_on_a_terminal_unless_nobody_wants_that() {
    let colourful =
        Setup::new().oneshot("web", "say hello", "").input(Input::Terminal).env("TERM", "xterm").start();
    assert!(colourful.line("hello").contains("\x1b["), "{}", colourful.text());
    let plain =
        Setup::new().oneshot("web", "say hello", "").input(Input::Terminal).env("NO_COLOR", "1").start();
    assert!(!plain.line("hello").contains('\x1b'), "{}", plain.text());
    let pipe = Setup::new().oneshot("web", "say hello", "").start();
    assert!(!pipe.line("hello").contains('\x1b'), "{}", pipe.text());
}

#[test]
fn services_have_no_terminal() {
    let running = Setup::new()
        .shell("web", "oneshot", "(: < /dev/tty) 2> /dev/null && echo has-a-tty || echo has-no-tty", "")
        .input(Input::Terminal)
        .start();
    running.line("has-no-tty");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.exit().0, 0);
}

#[test]
fn signal_of_a_terminal_that_hangs_up_does_not_end_init() {
    let running = Setup::new().longrun("web", "sleep-forever", "").input(Input::Terminal).start();
    running.booted();
    running.signal(Signal::SIGHUP);
    running.signal(Signal::SIGCONT);
    running.line("reloaded the plan");
    assert_eq!(running.phase("web"), Up);
    assert_eq!(running.stop().0, 0);
}

//! Signals that `init` gets, and what its services get of them.

use nix::sys::signal::Signal;

use init_core::status::Phase::Done;

use crate::harness::{Running, Setup};

/// Says which signal it got.
const ECHO: &str = "on USR1 say got-USR1 on USR2 say got-USR2 on WINCH say got-WINCH on QUIT say got-QUIT on HUP say got-HUP say runs";

const ALL: [Signal; 4] = [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGWINCH, Signal::SIGQUIT];

fn send_all(running: &Running) {
    for signal in ALL {
        running.signal(signal);
        // One after the other, so that each has an effect of its own.
        running.line(&format!("got-{}", &signal.as_str()[3..]));
    }
}

#[test]
fn signals_are_passed_on_to_the_services_that_asked_for_them() {
    let running = Setup::new()
        .longrun(
            "web",
            &format!("{ECHO} sleep-forever"),
            "forward-signals = [\"USR1\", \"USR2\", \"WINCH\", \"QUIT\"]",
        )
        .longrun("deaf", &format!("{ECHO} sleep-forever"), "")
        .start();
    running.lines("runs", 2);
    send_all(&running);
    for line in running.lines("got-", 4) {
        assert!(line.contains("web"), "{line}");
    }
}

#[test]
fn signals_nobody_asked_for_go_to_the_command() {
    let running = Setup::new()
        .longrun("deaf", &format!("{ECHO} sleep-forever"), "")
        .command(&format!("{ECHO} sleep-forever"))
        .start();
    running.lines("runs", 2);
    send_all(&running);
    assert!(running.lines("got-", 4).iter().all(|line| !line.contains("deaf")));
    assert_eq!(running.stop().0, 0);
}

#[test]
fn signals_nobody_asked_for_do_no_harm_without_a_command() {
    let running = Setup::new().longrun("web", "say runs sleep-forever", "").start();
    running.line("runs");
    for signal in ALL {
        running.signal(signal);
    }
    for signal in [Signal::SIGALRM, Signal::SIGPIPE, Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGIO] {
        running.signal(signal);
    }
    running.ok(&["health"]);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn init_that_inherits_ignored_child_signals_still_sees_how_processes_end() {
    let running = Setup::new()
        .through(&["env", "--ignore-signal=CHLD"])
        .longrun("web", "exit 1", "[restart]\ndelay = \"1ms\"\nmax-delay = \"1ms\"")
        .oneshot("job", "exit 0", "")
        .start();
    running.reach("job", Done);
    running.until("it was restarted", || running.status("web").restarts > 3);
    running.ok(&["stop", "web"]);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn service_begins_with_default_signals_and_none_blocked() {
    let running = Setup::new()
        .before("trap '' PIPE TTIN TTOU TSTP INT QUIT HUP USR1")
        .oneshot("web", "print-status SigBlk print-status SigIgn print-status SigCgt", "")
        .start();
    running.line("SigBlk=0000000000000000");
    let ignored = running.line("SigIgn=");
    let ignored = u64::from_str_radix(ignored.rsplit('=').next().unwrap(), 16).unwrap();
    // 32 and 33 are libc's own: it ignores them itself in whatever it spawns, so in `unshare`, and so on.
    assert_eq!(ignored & !(1 << 31 | 1 << 32), 0, "{ignored:x}");
}

#[test]
fn svctl_sends_signals_to_main_processes() {
    let running = Setup::new()
        .longrun("web", &format!("{ECHO} sleep-forever"), "")
        .longrun("db", &format!("{ECHO} sleep-forever"), "")
        .file("both.toml", "type = \"bundle\"\ncontents = [\"web\", \"db\"]\n")
        .start();
    running.lines("runs", 2);
    running.ok(&["signal", "USR1", "web"]);
    running.line("got-USR1");
    running.ok(&["signal", "sigwinch", "both"]);
    running.lines("got-WINCH", 2);
    running.fails(64, &["signal", "NONSENSE", "web"]);
    running.fails(4, &["signal", "USR1", "nobody"]);
}

//! How a service says that it is ready, and what is not taken for it.

use init_core::status::Phase::{Backoff, Down, Ending, Failed, Starting, Stopping, Up, Waiting};

use crate::harness::{Setup, free_port};

const FD: &str = "[ready]\nfd = 3";

#[test]
fn newline_on_the_descriptor_is_readiness_and_nothing_less() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let script = format!("printf x >&4; PUPPET wait-file {gate}; echo >&4; exec PUPPET sleep-forever");
    let running = setup.shell("web", "longrun", &script, "[ready]\nfd = 4").start();
    running.reach("web", Starting);
    let mut events = running.events();
    std::fs::write(running.setup.work("gate"), "").unwrap();
    events.reach("web", Up);
}

#[test]
fn descriptor_of_any_number_reaches_the_service_and_nothing_else_does() {
    // Any of these may be the number of one of init's own descriptors.
    let numbers = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 20, 63, 255];
    let mut setup = Setup::new();
    for number in numbers {
        let script = format!("print-fds ready-fd {number} sleep-forever");
        setup = setup.longrun(&format!("fd{number}"), &script, &format!("[ready]\nfd = {number}"));
    }
    let running = setup.start();
    running.booted();
    for number in numbers {
        assert_eq!(running.phase(&format!("fd{number}")), Up, "{number}");
        let name = format!("fd{number} ");
        let line =
            running.lines("fds=", numbers.len()).into_iter().find(|line| line.contains(&name)).unwrap();
        assert!(line.ends_with(&format!("fds=0,1,2,{number}")), "{line}");
    }
}

#[test]
fn ready_notification_is_readiness() {
    let running = Setup::new()
        .longrun("web", "notify 'STATUS=warming up\\nREADY=1' sleep-forever", "[ready]\nnotify = true")
        .start();
    running.booted();
    assert_eq!(running.phase("web"), Up);
    assert_eq!(running.note("web"), "warming up");
}

#[test]
fn notification_of_a_child_that_is_dead_already_counts() {
    let running =
        Setup::new().longrun("web", "notify-child READY=1 sleep-forever", "[ready]\nnotify = true").start();
    running.booted();
    assert_eq!(running.phase("web"), Up);
}

#[test]
fn notification_of_another_service_is_ignored() {
    let setup = Setup::new();
    let address = setup.path("address");
    let victim =
        format!("echo $NOTIFY_SOCKET > {address}.new; mv {address}.new {address}; exec PUPPET sleep-forever");
    let forger = format!(
        "PUPPET wait-file {address}; NOTIFY_SOCKET=$(cat {address}) PUPPET notify 'READY=1\\nMAINPID=1' sleep-forever"
    );
    let running = setup
        .shell("victim", "longrun", &victim, "[ready]\nnotify = true")
        .shell("forger", "longrun", &forger, "")
        .start();
    running.line("ignored");
    assert_eq!(running.phase("victim"), Starting);
}

#[test]
fn main_pid_cannot_be_forged() {
    let running = Setup::new()
        .longrun("web", "notify 'READY=1\\nMAINPID=1' sleep-forever", "[ready]\nnotify = true")
        .start();
    running.booted();
    let pid = running.status("web").pid.unwrap();
    assert_ne!(pid, 1);
    running.ok(&["stop", "web"]);
    assert!(running.process(pid).is_none());
}

#[test]
fn line_that_matches_is_readiness() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running = setup
        .longrun(
            "web",
            &format!("say 'not listening' wait-file {gate} err 'web: listening on 80' sleep-forever"),
            "[ready]\nlog = '(?i)^web: Listening on \\d+$'",
        )
        .start();
    running.line("not listening");
    assert_eq!(running.phase("web"), Starting);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.reach("web", Up);
}

#[test]
fn accepted_tcp_connection_is_readiness() {
    let setup = Setup::new();
    let (gate, port) = (setup.path("gate"), free_port());
    let ready = format!("[ready]\ntcp = \"127.0.0.1:{port}\"\ninterval = \"20ms\"");
    let running =
        setup.longrun("web", &format!("wait-file {gate} listen-tcp {port} sleep-forever"), &ready).start();
    running.reach("web", Starting);
    let mut events = running.events();
    std::fs::write(running.setup.work("gate"), "").unwrap();
    events.reach("web", Up);
    running.until("the probe's process is gone", || running.processes().len() == 2);
}

#[test]
fn accepted_unix_connection_is_readiness() {
    let setup = Setup::new();
    let (gate, socket) = (setup.path("gate"), setup.path("socket"));
    let ready = format!("[ready]\nunix = \"{socket}\"\ninterval = \"20ms\"");
    let running =
        setup.longrun("web", &format!("wait-file {gate} listen-unix {socket} sleep-forever"), &ready).start();
    running.reach("web", Starting);
    let mut events = running.events();
    std::fs::write(running.setup.work("gate"), "").unwrap();
    events.reach("web", Up);
}

#[test]
fn http_answer_as_expected_is_readiness_and_another_is_not() {
    let (good, bad, body) = (free_port(), free_port(), free_port());
    let ready = |port, more: &str| {
        format!(
            "start-timeout = \"1s\"\nrestart = \"never\"\n[ready]\nhttp = \"http://127.0.0.1:{port}/status\"\ninterval = \"20ms\"\n{more}"
        )
    };
    let running = Setup::new()
        .longrun(
            "good",
            &format!("http {good} 201 fine sleep-forever"),
            &ready(good, "status = \"200-299\"\nbody = \"^fi\""),
        )
        .longrun("bad", &format!("http {bad} 503 fine sleep-forever"), &ready(bad, ""))
        .longrun("body", &format!("http {body} 200 fine sleep-forever"), &ready(body, "body = \"bad\""))
        .start();
    running.booted();
    assert_eq!((running.phase("good"), running.phase("bad"), running.phase("body")), (Up, Failed, Failed));
}

#[test]
fn command_that_succeeds_is_readiness_and_its_last_line_is_the_reason_until_then() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let check = format!(
        "[ready]\ninterval = \"20ms\"\nexec = [\"sh\", \"-c\", \"test -e {gate} || {{ echo 'database is empty'; exit 1; }}\"]"
    );
    let running = setup.longrun("web", "sleep-forever", &check).start();
    running.until("the reason is shown", || running.note("web").contains("database is empty"));
    assert_eq!(running.phase("web"), Starting);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.reach("web", Up);
    running.until("no probe is left", || running.processes().len() == 1);
}

#[test]
fn probe_that_hangs_is_killed_and_tried_again() {
    let setup = Setup::new();
    let count = setup.path("count");
    let hang = format!(
        "[ready]\ntimeout = \"100ms\"\ninterval = \"10ms\"\nexec = [\"sh\", \"-c\", \"echo x >> {count}; [ $$(wc -l < {count}) -ge 3 ] || sleep 60\"]"
    );
    let running = setup.longrun("web", "sleep-forever", &hang).start();
    running.reach("web", Up);
    // More on a machine so busy that the one that would answer is too late, too.
    assert!(running.read("count").len() >= 3);
    running.until("no probe is left", || running.processes().len() == 1);
}

#[test]
fn service_that_is_not_ready_in_time_is_stopped_and_tried_again() {
    let running = Setup::new()
        .longrun(
            "web",
            "sleep-forever",
            "start-timeout = \"100ms\"\n[restart]\ndelay = \"1h\"\nmax-delay = \"1h\"\n[ready]\nfd = 3",
        )
        .start();
    let status = running.reach("web", Backoff);
    assert!(status.note.as_deref().unwrap_or_default().contains("not ready in time"), "{status:?}");
    assert_eq!(status.restarts, 2, "at once after the first time, later after the second");
    running.until("it is stopped", || running.processes().is_empty());
}

#[test]
fn restarted_service_is_ready_only_when_it_says_so_again() {
    let setup = Setup::new();
    let (first, gate) = (setup.path("first"), setup.path("gate"));
    let script = format!(
        "[ -e {first} ] && PUPPET wait-file {gate}; touch {first}; exec PUPPET ready-fd 3 sleep-forever"
    );
    let running = setup.shell("web", "longrun", &script, FD).start();
    running.booted();
    let mut events = running.events();
    running.ok(&["signal", "KILL", "web"]);
    events.pass("web", &[Ending, Waiting, Starting]);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    events.pass("web", &[Up]);
}

#[test]
fn readiness_and_death_at_once_are_seen_in_that_order() {
    let setup = Setup::new();
    let count = setup.path("count");
    let running = setup
        .longrun(
            "web",
            &format!("ready-fd 3 fail-times {count} 1 5 sleep-forever"),
            &format!("autostart = false\n{FD}"),
        )
        .start();
    running.booted();
    let mut events = running.events();
    running.ok(&["start", "--no-wait", "web"]);
    events.pass("web", &[Waiting, Starting, Up, Ending, Waiting, Starting, Up]);
}

#[test]
fn daemon_that_ends_before_it_is_ready_has_failed_whatever_its_code() {
    let running = Setup::new().longrun("web", "exit 0", &format!("restart = \"never\"\n{FD}")).start();
    running.booted();
    assert_eq!(running.phase("web"), Failed);
}

#[test]
fn readiness_of_an_earlier_process_does_not_count_for_a_later_one() {
    let setup = Setup::new();
    let (first, gate, sent) = (setup.path("first"), setup.path("gate"), setup.path("sent"));
    // The first one leaves behind, in a session of its own, somebody who will speak for it and hides whose it is.
    let script = format!(
        "[ -e {first} ] && exec PUPPET sleep-forever\n\
         unset INIT_SERVICE; setsid sh -c 'touch {first}; PUPPET wait-file {gate}; PUPPET notify READY=1; touch {sent}' > /dev/null 2>&1 &\n\
         PUPPET wait-file {first}; exit 1"
    );
    let running = setup.shell("web", "longrun", &script, "[ready]\nnotify = true").start();
    let mut events = running.events();
    while running.status("web").restarts == 0 || running.phase("web") != Starting {
        events.of("web");
    }
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.until("it has spoken", || running.setup.work("sent").exists());
    assert_eq!(running.phase("web"), Starting);
}

#[test]
fn stop_of_a_service_that_is_not_ready_yet_does_not_wait_for_its_readiness() {
    let running =
        Setup::new().longrun("web", "sleep-forever", &format!("start-timeout = \"1h\"\n{FD}")).start();
    running.reach("web", Starting);
    running.ok(&["stop", "web"]);
    assert_eq!(running.phase("web"), Down);
}

#[test]
fn initial_delay_is_kept_before_the_first_probe() {
    let ready = "autostart = false\n[ready]\ninitial-delay = \"300ms\"\nexec = [\"true\"]";
    let running = Setup::new().longrun("web", "sleep-forever", ready).start();
    running.booted();
    let mut events = running.events();
    running.ok(&["start", "web"]);
    let begin = events.reach("web", Starting).time_ms;
    let took = events.reach("web", Up).time_ms - begin;
    assert!(took >= 299, "{took} ms");
}

#[test]
fn reload_that_a_service_announces_is_shown_until_it_is_over() {
    let setup = Setup::new();
    let (gate, gate2) = (setup.path("gate"), setup.path("gate2"));
    let script = format!(
        "notify READY=1 wait-file {gate} notify RELOADING=1 wait-file {gate2} notify READY=1 sleep-forever"
    );
    let running = setup.longrun("web", &script, "[ready]\nnotify = true").start();
    running.booted();
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.until("it reloads", || running.note("web") == "reloading");
    assert_eq!(running.phase("web"), Up);
    std::fs::write(running.setup.work("gate2"), "").unwrap();
    running.until("it has reloaded", || running.note("web").is_empty());
}

#[test]
fn words_of_a_service_that_stops_by_itself_are_kept() {
    let running = Setup::new()
        .longrun("web", "notify 'READY=1\\nSTATUS=half full' sleep-forever", "[ready]\nnotify = true")
        .start();
    running.booted();
    let mut events = running.events();
    assert!(running.ok(&["status", "web"]).contains("half full"));
    running.ok(&["stop", "web"]);
    events.pass("web", &[Stopping, Ending, Down]);
}

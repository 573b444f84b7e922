//! Checks of running services, watchdogs, and what `svctl health` makes of it all.

use init_core::status::Phase::{Ending, Failed, Starting, Stopping, Up, Waiting};
use init_core::status::Wellness;

use crate::harness::Setup;

/// A health check that succeeds as long as the file exists.
fn check(path: &str, more: &str) -> String {
    format!(
        "[health]\ninterval = \"20ms\"\nfailures = 2\n{more}\nexec = [\"sh\", \"-c\", \"test -e {path} || {{ echo 'gone bad'; exit 1; }}\"]"
    )
}

fn with_good(setup: &Setup) -> String {
    std::fs::write(setup.work("good"), "").unwrap();
    setup.path("good")
}

#[test]
fn unhealthy_service_is_restarted() {
    let setup = Setup::new();
    let good = with_good(&setup);
    let running = setup.longrun("web", "sleep-forever", &check(&good, "")).start();
    running.booted();
    running.until("it is healthy", || running.status("web").health == Wellness::Healthy);
    let mut events = running.events();
    std::fs::remove_file(running.setup.work("good")).unwrap();
    let event = events.of("web");
    assert_eq!(event.to, Stopping);
    assert!(event.note.as_deref().unwrap_or_default().contains("gone bad"), "{event:?}");
    std::fs::write(running.setup.work("good"), "").unwrap();
    events.pass("web", &[Ending, Waiting, Starting, Up]);
    running.line("gone bad");
}

#[test]
fn checks_find_the_number_of_the_main_process() {
    let setup = Setup::new();
    let log = setup.path("pids");
    let check =
        format!("[health]\ninterval = \"20ms\"\nexec = [\"sh\", \"-c\", \"echo $$MAINPID >> {log}\"]");
    let running = setup.longrun("web", "sleep-forever", &check).start();
    running.booted();
    running.until("it was checked", || !running.read("pids").is_empty());
    let pid = running.status("web").pid.unwrap().to_string();
    assert!(running.read("pids").iter().all(|said| *said == pid), "{pid}: {:?}", running.read("pids"));
}

#[test]
fn single_failure_below_the_threshold_does_nothing() {
    let setup = Setup::new();
    let count = setup.path("count");
    // Fails every second time.
    let every_second = format!(
        "[health]\ninterval = \"5ms\"\nfailures = 2\nexec = [\"sh\", \"-c\", \"echo x >> {count}; [ $$(( $$(wc -l < {count}) % 2 )) = 0 ]\"]"
    );
    let running = setup.longrun("web", "sleep-forever", &every_second).start();
    running.booted();
    let pid = running.status("web").pid;
    running.until("it was checked often", || running.read("count").len() >= 12);
    assert_eq!((running.status("web").pid, running.phase("web")), (pid, Up));
}

#[test]
fn unhealthy_service_is_stopped_for_good_if_so_configured() {
    let setup = Setup::new();
    let running = setup.longrun("web", "sleep-forever", &check("/nonexistent", "action = \"stop\"")).start();
    running.reach("web", Failed);
    assert!(running.note("web").contains("gone bad"), "{}", running.note("web"));
    running.until("it is gone", || running.processes().is_empty());
}

#[test]
fn unhealthy_service_ends_the_container_if_so_configured() {
    let setup = Setup::new();
    let (code, text) =
        setup.longrun("web", "sleep-forever", &check("/nonexistent", "action = \"exit\"")).start().exit();
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("web is unhealthy") && text.contains("gone bad"), "{text}");
}

#[test]
fn unhealthy_service_is_only_shown_if_so_configured() {
    let setup = Setup::new();
    let good = with_good(&setup);
    let running = setup.longrun("web", "sleep-forever", &check(&good, "action = \"none\"")).start();
    running.booted();
    running.ok(&["health"]);
    let pid = running.status("web").pid;
    std::fs::remove_file(running.setup.work("good")).unwrap();
    running.until("it is unhealthy", || running.status("web").health == Wellness::Unhealthy);
    let said = running.svctl(&["health"]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("web") || said.err.contains("web"), "{said:?}");
    assert!(running.ok(&["list", "--failed"]).contains("web"));
    std::fs::write(running.setup.work("good"), "").unwrap();
    running.until("it is healthy again", || running.status("web").health == Wellness::Healthy);
    running.ok(&["health"]);
    assert_eq!(running.status("web").pid, pid);
}

#[test]
fn check_that_hangs_counts_as_failed_and_leaves_no_process() {
    let running = Setup::new()
        .longrun("web", "sleep-forever", "[health]\ninterval = \"10ms\"\ntimeout = \"50ms\"\nfailures = 2\naction = \"none\"\nexec = [\"sleep\", \"60\"]")
        .start();
    running.until("it is unhealthy", || running.status("web").health == Wellness::Unhealthy);
    assert!(running.processes().len() <= 2, "{:?}", running.processes());
}

#[test]
fn thousand_checks_leave_no_process_and_no_open_file() {
    let setup = Setup::new();
    let count = setup.path("count");
    let often = format!("[health]\ninterval = \"1ms\"\nexec = [\"sh\", \"-c\", \"echo x >> {count}\"]");
    let running = setup.longrun("web", "sleep-forever", &often).start();
    running.until("it was checked", || running.read("count").len() > 10);
    let open = || std::fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap().count();
    let before = open();
    running.until("it was checked often", || running.read("count").len() > 1000);
    assert!(running.processes().len() <= 2, "{:?}", running.processes());
    // A check under way has some, and so has whoever asks.
    running.until("as few files are open as before", || open() <= before + 2);
}

#[test]
fn silence_longer_than_the_watchdog_allows_restarts_the_service() {
    let running = Setup::new()
        .longrun(
            "web",
            "print-env WATCHDOG_USEC notify READY=1 sleep-forever",
            "watchdog = \"150ms\"\n[ready]\nnotify = true",
        )
        .start();
    running.line("WATCHDOG_USEC=150000");
    running.line("missed its watchdog");
    running.lines("WATCHDOG_USEC", 2);
}

#[test]
fn service_that_keeps_talking_to_its_watchdog_stays() {
    let setup = Setup::new();
    let done = setup.path("done");
    let talk = "notify WATCHDOG=1 sleep 100 ".repeat(30);
    let running = setup
        .longrun(
            "web",
            &format!("notify READY=1 {talk} touch {done} exit 0"),
            "watchdog = \"2s\"\nrestart = \"on-failure\"\n[ready]\nnotify = true",
        )
        .longrun(
            "own",
            &format!("notify 'WATCHDOG_USEC=20000000\\nREADY=1' wait-file {done} sleep-forever"),
            "watchdog = \"1s\"\n[ready]\nnotify = true",
        )
        .start();
    running.reach("web", init_core::status::Phase::Done);
    assert_eq!(running.status("own").restarts, 0, "it chose a longer interval itself");
    assert_eq!(running.phase("own"), Up);
}

#[test]
fn service_that_reports_itself_broken_is_restarted_at_once() {
    let setup = Setup::new();
    let once = setup.path("once");
    let script = format!(
        "[ -e {once} ] || {{ touch {once}; PUPPET notify READY=1 notify WATCHDOG=trigger sleep-forever; }}; exec PUPPET notify READY=1 sleep-forever"
    );
    let running = setup.shell("web", "longrun", &script, "watchdog = \"1h\"\n[ready]\nnotify = true").start();
    running.line("says that it is broken");
    running.until("it is up again", || running.status("web").restarts == 1 && running.phase("web") == Up);
}

#[test]
fn health_says_what_is_wrong_and_only_that() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running = setup
        .longrun("slow", &format!("wait-file {gate} ready-fd 3 sleep-forever"), "[ready]\nfd = 3")
        .longrun("web", "sleep-forever", "")
        .start();
    running.reach("slow", Starting);
    let said = running.svctl(&["health"]);
    let text = format!("{}{}", said.out, said.err);
    assert!(said.code == 1 && text.contains("slow") && !text.contains("web"), "{said:?}");
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.booted();
    running.ok(&["health"]);
    running.ok(&["health", "--quiet"]);
}

#[test]
fn health_answers_while_services_flood_the_log_and_others_follow_it() {
    let running = Setup::new()
        .longrun("flood", "spew 100000000 80", "log = \"ring\"")
        .longrun("flood2", "spew 100000000 80", "log = \"ring\"")
        .start();
    running.booted();
    let followers: Vec<_> = (0..4)
        .map(|_| {
            let mut command = running.svctl_command(&["logs", "-f"]);
            // A pipe that nobody reads.
            command.stdout(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for _ in 0..20 {
        running.ok(&["health"]);
    }
    for mut follower in followers {
        follower.kill().unwrap();
        follower.wait().unwrap();
    }
    assert_eq!(running.stop().0, 0);
}

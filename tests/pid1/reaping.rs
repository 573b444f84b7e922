//! PID 1's oldest duty, and that no signal ever reaches a process that got somebody else's number.

use std::collections::BTreeSet;

use init_core::status::Phase::{Done, Up};
use init_core::status::ServiceStatus;

use crate::harness::{Setup, words};

#[test]
fn storm_of_orphans_leaves_no_zombie() {
    let setup = Setup::new();
    let done = setup.path("done");
    let running = setup
        .longrun("web", "sleep-forever", "")
        .oneshot("storm", &format!("{} touch {done}", "orphan 1000 ".repeat(20)), "")
        .start();
    running.booted();
    assert_eq!(running.phase("storm"), Done);
    running.until("only the service is left", || running.processes().len() == 1);
    running.ok(&["health"]);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn orphans_that_outlive_their_service_are_reaped_when_they_end() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let stray = format!("touch {gate}.stray; PUPPET wait-file {gate}; exit 3");
    let script = format!("setsid sh -c '{stray}' > /dev/null 2>&1 & PUPPET wait-file {gate}.stray");
    let running = setup.shell("leaver", "oneshot", &script, "").longrun("web", "sleep-forever", "").start();
    running.booted();
    running.until("the orphan is there", || running.processes().len() >= 2);
    std::fs::write(running.setup.work("gate"), "").unwrap();
    running.until("it is gone, and no zombie", || running.processes().len() == 1);
}

#[test]
fn children_that_ended_before_init_was_executed_are_reaped() {
    // Shells reap their children as they please.
    let zombie = "import os, sys\n\
                  pid = os.fork() or os._exit(0)\n\
                  os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)\n\
                  os.execv(sys.argv[1], sys.argv[1:])";
    let through = ["python3", "-c", zombie];
    let running = Setup::new().through(&through).longrun("web", "sleep-forever", "").start();
    running.booted();
    running.until("only the service is left", || running.processes().len() == 1);
}

#[test]
fn thousand_programs_that_end_at_once_are_all_seen_to_end() {
    let mut setup = Setup::new();
    for number in 0..1000 {
        setup = setup.file(&format!("true{number}.toml"), "type = \"oneshot\"\nexec = [\"/bin/true\"]\n");
    }
    let running = setup.start();
    running.booted();
    let services = running.services();
    assert_eq!(services.len(), 1000);
    assert!(services.values().all(|service| service.state == Done));
    assert!(running.processes().is_empty());
}

#[test]
fn thousand_services_boot_and_stop() {
    let mut setup = Setup::new();
    for number in 0..1000 {
        setup = setup.file(&format!("s{number}.toml"), "exec = [\"sleep\", \"600\"]\n");
    }
    let running = setup.start();
    running.booted();
    assert!(running.services().values().all(|service| service.state == Up));
    assert_eq!(running.processes().len(), 1000);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn no_signal_hits_a_process_that_got_the_number_of_an_earlier_one() {
    // An older kernel has one limit for all namespaces: it would be this machine's.
    if !needs::root() || !needs::kernel(6, 14) {
        return;
    }
    // Once 340 is reached, numbers begin at 300 again: 40 of them, used up many times over by a service that is
    // restarted all the time, while bystanders note whatever signal reaches them.
    let setup = Setup::new();
    let hit = setup.path("hit");
    let bystander = format!("on TERM touch {hit} on CONT touch {hit} on HUP touch {hit} sleep-forever");
    let mut setup = setup.before("echo 340 > /proc/sys/kernel/pid_max").longrun(
        "busy",
        "orphan 3 exit 1",
        "[restart]\ndelay = \"0s\"\nmax-delay = \"0s\"\nreset-after = \"0s\"",
    );
    for number in 0..10 {
        setup = setup.longrun(&format!("by{number}"), &bystander, "autostart = false");
    }
    let running = setup.start();
    running.booted();
    let mut pids = BTreeSet::new();
    for round in 1..=10u32 {
        running.ok(&["start", &format!("by{}", round - 1)]);
        pids.insert(running.status(&format!("by{}", round - 1)).pid);
        running.until("it was restarted often", || running.status("busy").restarts > round * 100);
    }
    running.ok(&["stop", "busy"]);
    assert!(!running.setup.work("hit").exists());
    let untouched = |service: &&ServiceStatus| service.state == Up && service.restarts == 0;
    assert_eq!(running.services().values().filter(untouched).count(), 10);
    assert_eq!(pids.len(), 10);
    assert!(running.zombies().is_empty());
}

#[test]
fn process_that_just_ended_is_not_mistaken_for_a_helper_that_got_its_number() {
    // As above, with so few numbers that all but one are in use.
    if !needs::root() || !needs::kernel(6, 14) {
        return;
    }
    // It finds itself to be broken and ends: its stop command is started before init knows of the end.
    let mut setup = Setup::new().before("echo 310 > /proc/sys/kernel/pid_max").longrun(
        "busy",
        "notify WATCHDOG=trigger exit 1",
        &format!(
            "notify = true\nstop.exec = {}\n[restart]\ndelay = \"0s\"\nmax-delay = \"0s\"\nreset-after = \"0s\"",
            words("exit 0")
        ),
    );
    for number in 0..9 {
        setup = setup.longrun(&format!("by{number}"), "sleep-forever", "autostart = false");
    }
    let running = setup.start();
    running.booted();
    let often = |times| running.until("it was restarted", || running.status("busy").restarts > times);
    often(400);
    for number in 0..9 {
        // The one free number may be in use at this moment: then it is started a little later.
        let name = format!("by{number}");
        running.ok(&["start", "--no-wait", &name]);
        running.reach(&name, Up);
    }
    often(running.status("busy").restarts + 200);
    running.ok(&["stop", "busy"]);
    let untouched = |service: &&ServiceStatus| service.state == Up && service.restarts == 0;
    assert_eq!(running.services().values().filter(untouched).count(), 9);
}

#[test]
fn reaping_goes_on_while_a_service_stops() {
    let running = Setup::new()
        .longrun("web", "on TERM ignore say runs sleep-forever", "[stop]\ntimeout = \"60s\"")
        .longrun("storm", "orphan 100 sleep 10 exit 0", "[restart]\ndelay = \"0s\"\nmax-delay = \"0s\"")
        .start();
    running.line("runs");
    let mut events = running.events();
    running.ok(&["stop", "--no-wait", "web"]);
    events.reach("web", init_core::status::Phase::Stopping);
    let before = running.status("storm").restarts;
    running.until("the storm goes on", || running.status("storm").restarts > before + 5);
    running.ok(&["signal", "KILL", "web"]);
    events.reach("web", init_core::status::Phase::Down);
    running.ok(&["stop", "storm"]);
    running.until("nobody is left", || running.processes().is_empty());
}

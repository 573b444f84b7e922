//! Real shortages: of processes, of open files. PID 1 stays up, says what is short and what helps, and goes on when
//! there is enough again. Those that cannot be had for real are injected in `tests/faults.rs`.

use init_core::status::Phase::{Backoff, Up};

use crate::harness::Setup;

#[test]
fn limit_on_processes_is_said_with_its_cure_and_services_start_once_there_is_room() {
    if !needs::root() {
        return;
    }
    // The limit counts all processes of a user, so this one is nobody else's.
    let running = Setup::new()
        .uid(61_234)
        .before("prlimit --pid $$ --nproc=3:3")
        .longrun("a", "sleep-forever", "")
        .longrun("b", "sleep-forever", "")
        .longrun("c", "sleep-forever", "after = [\"a\", \"b\"]\n[restart]\nmax-delay = \"100ms\"")
        .start();
    let line = running.line("limit on processes");
    assert!(line.contains("c") && line.contains("--pids-limit"), "{line}");
    running.reach("c", Backoff);
    running.fails(1, &["health"]);
    running.ok(&["stop", "b"]);
    running.reach("c", Up);
    assert!(running.fails(1, &["start", "b"]).contains("limit on processes"));
    running.ok(&["stop", "b"]);
    assert_eq!(running.svctl(&["health"]).out, "b: down: stopped by hand\n");
    assert_eq!(running.stop().0, 0);
}

#[test]
fn limit_on_open_files_is_said_and_does_not_end_init() {
    let mut setup = Setup::new().before("ulimit -n 24");
    for number in 0..40 {
        setup = setup.longrun(&format!("s{number}"), "sleep-forever", "[restart]\nmax-delay = \"100ms\"");
    }
    let running = setup.start();
    running.line("limit on open files");
    assert!(!running.is_gone());
    assert_eq!(running.stop().0, 0);
}

#[test]
fn more_services_than_open_files_run_and_are_looked_after() {
    let mut setup = Setup::new().before("ulimit -n 40");
    for number in 0..60 {
        let rest = "log = \"none\"\n[restart]\nmax-delay = \"100ms\"";
        setup = setup.longrun(&format!("s{number}"), "sleep-forever", rest);
    }
    let running = setup.longrun("probed", "sleep-forever", "ready.exec = [\"true\"]").start();
    running.booted();
    running.ok(&["health"]);
    // One that was started while there were descriptors, and one for which there were none.
    for name in ["s0", "s59"] {
        running.ok(&["restart", name]);
        running.ok(&["signal", "KILL", name]);
        running.until("it was restarted", || running.status(name).restarts == 1);
        running.reach(name, Up);
    }
    assert!(running.zombies().is_empty());
    assert_eq!(running.stop().0, 0);
}

#[test]
fn services_start_when_processes_of_a_cgroup_are_to_be_had_again() {
    let pids = std::path::Path::new("/sys/fs/cgroup/pids");
    if !needs::root() {
        return;
    }
    let setup = Setup::new();
    let name = format!("pulp-init-test-{}", setup.dir.path().file_name().unwrap().to_string_lossy());
    let group = pids.join(name);
    if std::fs::create_dir(&group).is_err() {
        return needs::skip("cgroup-v1-pids", &format!("cannot make a cgroup in {}", pids.display()));
    }
    std::fs::write(group.join("pids.max"), "3").unwrap();
    let join = format!("echo $$ > {}/cgroup.procs", group.display());
    let running = setup
        .before(&join)
        .longrun("a", "sleep-forever", "")
        .longrun("b", "sleep-forever", "requires = [\"a\"]")
        .longrun("c", "sleep-forever", "requires = [\"b\"]\n[restart]\nmax-delay = \"100ms\"")
        .start();
    let line = running.line("limit on processes");
    assert!(line.contains("c") && line.contains("--pids-limit"), "{line}");
    assert_eq!((running.phase("a"), running.phase("b")), (Up, Up));
    running.fails(1, &["health"]);
    std::fs::write(group.join("pids.max"), "max").unwrap();
    running.reach("c", Up);
    running.ok(&["health"]);
    let (code, text) = running.stop();
    // Before anything can fail: it would stay for ever.
    let _ = std::fs::remove_dir(&group);
    assert_eq!(code, 0, "{text}");
}

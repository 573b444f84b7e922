//! What PID 1 must do when it has no handles on its processes, as on a kernel before 6.9 or under an old seccomp
//! profile: the tests of `tests/pid1` that depend on how processes end and are signalled, once more.

#![allow(missing_docs, reason = "the names of tests say it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]
#![allow(dead_code, unused_imports, reason = "the harness has more than these tests need")]

#[path = "pid1/dependencies.rs"]
mod dependencies;
#[path = "pid1/harness/mod.rs"]
mod harness;
#[path = "pid1/lifecycle.rs"]
mod lifecycle;
#[path = "pid1/main_pid.rs"]
mod main_pid;
#[path = "pid1/reaping.rs"]
mod reaping;
#[path = "pid1/restarts.rs"]
mod restarts;
#[path = "pid1/shutdown.rs"]
mod shutdown;
#[path = "pid1/signals.rs"]
mod signals;
#[path = "pid1/stop.rs"]
mod stop;

/// What every `init` of these tests finds to be broken.
const FAULTS: &str = "handle=EMFILEx*";

#[test]
fn init_holds_no_handle_here_and_one_a_service_elsewhere() {
    let handles = |faults: &str| {
        let setup = harness::Setup::new().env("PULP_INIT_FAULTS", faults);
        let running = setup.longrun("web", "sleep-forever", "").longrun("db", "sleep-forever", "").start();
        running.booted();
        let open = std::fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap().flatten();
        let targets = open.filter_map(|file| std::fs::read_link(file.path()).ok());
        targets.filter(|target| target.display().to_string().contains("pidfd")).count()
    };
    assert_eq!(handles(FAULTS), 0);
    if needs::kernel(6, 9) {
        assert_eq!(handles(""), 2);
    }
}

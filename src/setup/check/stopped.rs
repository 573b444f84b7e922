//! Processes that were stopped (SIGSTOP) and that nobody continues.
//!
//! A process that is stopped keeps its connections and its locks and does nothing: those that wait for it wait for ever.
//! Asking the service says little, since others of its processes may answer, or its listen queue takes the question. So
//! health checks look at every process of the service, and let those go on that are stopped. That loses nothing, unlike
//! a restart, which follows if they are found so again and again. Who debugs a process is left alone: the kernel calls
//! that another state (proc_pid_stat(5): `t`, not `T`).

use std::collections::BTreeSet;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};

use crate::ask::processes::{self, Process};
use crate::{Context, Problem};

/// The main process of the service whose check this is, as `init` says it.
const MAIN: &str = "MAINPID";

/// Lets every process go on that `init` has started, directly or not, and that is stopped: also those of services that
/// only start yet, which nobody checks. If one is of this service, that is a problem.
pub fn go_on(context: &Context) -> Result<(), Problem> {
    let Some(main) = context.var(MAIN).and_then(|number| number.parse().ok()) else { return Ok(()) };
    let all = processes::all();
    // Our parent is `init`. What somebody else has started, and may have stopped with ^Z, is not below it.
    for pid in stopped_below(getppid().as_raw(), &all) {
        // One that is gone by now is no longer in the way; one that we may not continue is another check's.
        let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
    }
    let stopped = stopped_below(main, &all);
    if stopped.is_empty() {
        return Ok(());
    }
    let numbers: Vec<String> = stopped.iter().map(i32::to_string).collect();
    Err(Problem::new(
        "S2516",
        format!("process {} was stopped (SIGSTOP) and is told to go on", numbers.join(", ")),
        "find out who stops it; `kill -CONT` by hand lets it go on, too",
    ))
}

/// The stopped ones among a process and all that it has started.
fn stopped_below(main: i32, processes: &[Process]) -> Vec<i32> {
    let mut family = BTreeSet::from([main]);
    loop {
        let before = family.len();
        family.extend(
            processes
                .iter()
                .filter(|one| family.contains(&one.parent))
                .map(|one| one.pid)
                .collect::<Vec<_>>(),
        );
        if family.len() == before {
            break;
        }
    }
    processes.iter().filter(|one| one.stopped && family.contains(&one.pid)).map(|one| one.pid).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn only_the_services_own_are_looked_at_however_deep() {
        let process = |pid, parent, stopped| Process { pid, parent, name: String::new(), stopped };
        let all = [
            process(5, 4, true),
            process(4, 2, false),
            process(2, 1, false),
            process(3, 1, true),
            process(6, 2, true),
        ];
        assert_eq!(stopped_below(2, &all), [5, 6]);
        assert_eq!(stopped_below(3, &all), [3]);
    }

    #[test]
    fn a_stopped_process_is_told_and_goes_on() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let main = child.id().cast_signed();
        let number = main.to_string();
        let context = Context::for_test(std::path::Path::new("/"), [(MAIN, number.as_str())]);
        go_on(&context).unwrap();
        kill(Pid::from_raw(main), Signal::SIGSTOP).unwrap();
        let limit = Instant::now() + Duration::from_secs(10);
        let problem = loop {
            match go_on(&context) {
                Err(problem) => break problem,
                Ok(()) => assert!(Instant::now() < limit, "never seen"),
            }
        };
        assert!(problem.what().contains(&number), "{problem}");
        while go_on(&context).is_err() {
            assert!(Instant::now() < limit, "still stopped");
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn without_a_main_process_there_is_nothing_to_say() {
        go_on(&Context::for_test(std::path::Path::new("/"), [])).unwrap();
    }
}

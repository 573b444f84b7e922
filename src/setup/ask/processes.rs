//! The processes of this container, as /proc shows them.

use std::fs;

/// A process, as far as we look at it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Who started it, or has it now.
    pub parent: i32,
    /// What it calls itself: anything.
    pub name: String,
    /// Whether it was stopped (SIGSTOP), and not by a debugger.
    pub stopped: bool,
}

/// All that there are now.
pub fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            parse(pid, &String::from_utf8_lossy(&fs::read(entry.path().join("stat")).ok()?))
        })
        .collect()
}

/// proc_pid_stat(5): `PID (NAME) STATE PARENT …`; the name may hold anything.
fn parse(pid: i32, stat: &str) -> Option<Process> {
    let (before, after) = stat.rsplit_once(") ")?;
    let mut words = after.split(' ');
    let stopped = words.next()? == "T";
    let name = before.split_once('(')?.1.to_owned();
    Some(Process { pid, parent: words.next()?.parse().ok()?, name, stopped })
}

/// A process and those above it, the nearest first.
pub fn upwards(pid: i32, all: &[Process]) -> Vec<&Process> {
    let find = |pid: i32| all.iter().find(|one| one.pid == pid);
    // They change while they are read, so that a circle is thinkable.
    std::iter::successors(find(pid), |one| find(one.parent)).take(all.len()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_proc_may_hold_anything() {
        let odd = parse(7, "7 (a) T 1 (b) T 3 0 0").unwrap();
        assert_eq!(odd, Process { pid: 7, parent: 3, name: "a) T 1 (b".to_owned(), stopped: true });
        assert!(!parse(7, "7 (x) t 3 0").unwrap().stopped);
        assert_eq!(parse(7, ""), None);
    }

    #[test]
    fn who_is_above_is_found_also_in_a_circle() {
        let process = |pid, parent| Process { pid, parent, name: String::new(), stopped: false };
        let all = [process(5, 4), process(4, 1), process(1, 0), process(8, 9), process(9, 8)];
        let pids = |pid| upwards(pid, &all).iter().map(|one| one.pid).collect::<Vec<_>>();
        assert_eq!((pids(5), pids(77)), (vec![5, 4, 1], vec![]));
        assert!(pids(8).contains(&9));
    }
}

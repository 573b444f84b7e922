//! What /proc knows of the processes below `init`.

use std::fs;
use std::path::PathBuf;

use super::Running;

/// A process as /proc shows it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Process {
    /// Its id in `init`'s namespace.
    pub pid: i32,
    /// Its id here.
    pub outside: i32,
    /// Its state letter; `Z` is a zombie.
    pub state: char,
    pub name: String,
}

impl Process {
    fn read(path: PathBuf) -> Option<Process> {
        let outside = path.file_name()?.to_str()?.parse().ok()?;
        let status = fs::read_to_string(path.join("status")).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some(Process {
            pid: field("NSpid:")?.split_whitespace().last()?.parse().ok()?,
            outside,
            state: field("State:")?.chars().next()?,
            name: field("Name:")?.to_owned(),
        })
    }

    /// A file of its directory in /proc.
    pub fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.outside)).unwrap_or_default()
    }

    /// A line of its /proc status.
    pub fn status(&self, name: &str) -> String {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name} in {status}")).trim().to_owned()
    }
}

impl Running {
    /// Every process of `init`'s namespace, itself apart. Zombies too: they are their parents' children, though they
    /// have no namespace left.
    pub fn processes(&self) -> Vec<Process> {
        let init = self.pid();
        let mut found = Vec::new();
        let mut parents = vec![init];
        // Everything in the namespace descends from `init`, which adopts what loses its parent.
        while let Some(parent) = parents.pop() {
            let Ok(tasks) = fs::read_dir(format!("/proc/{parent}/task")) else { continue };
            for task in tasks.flatten() {
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                parents.extend(children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
            }
            if parent != init {
                found.extend(Process::read(PathBuf::from(format!("/proc/{parent}"))));
            }
        }
        found.sort();
        found
    }

    /// The process of that id in `init`'s namespace.
    pub fn process(&self, pid: i32) -> Option<Process> {
        self.processes().into_iter().find(|process| process.pid == pid)
    }

    /// The main process of a service.
    pub fn main(&self, service: &str) -> Process {
        let pid = self.status(service).pid.unwrap_or_else(|| panic!("{service} has no process"));
        self.process(pid).unwrap_or_else(|| panic!("{service}'s process {pid} is gone"))
    }

    pub fn zombies(&self) -> Vec<Process> {
        self.processes().into_iter().filter(|process| process.state == 'Z').collect()
    }
}

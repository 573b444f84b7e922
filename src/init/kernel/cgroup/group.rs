//! One service's cgroup.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Rounds of signals where the kernel cannot kill a cgroup as a whole; forks may add processes meanwhile.
const KILLS: usize = 16;

/// A cgroup that holds the processes of one service, whatever groups and sessions they make.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cgroup {
    dir: PathBuf,
}

impl Cgroup {
    /// The one at this directory.
    pub fn new(dir: PathBuf) -> Cgroup {
        Cgroup { dir }
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Opened for a child that is to join by writing `0` before it drops its privileges and execs. Close-on-exec.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn procs_fd(&self) -> Result<OwnedFd, String> {
        let path = self.dir.join("cgroup.procs");
        let opened = OpenOptions::new().write(true).open(&path);
        opened.map(OwnedFd::from).map_err(|error| format!("cannot open {}: {error}", path.display()))
    }

    /// Puts a process of ours into it.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn add(&self, pid: i32) -> Result<(), String> {
        let path = self.dir.join("cgroup.procs");
        let file = OpenOptions::new().write(true).open(&path);
        file.and_then(|mut file| file.write_all(pid.to_string().as_bytes()))
            .map_err(|error| format!("cannot put process {pid} into {}: {error}", self.dir.display()))
    }

    /// Opened for clone3(2) with CLONE_INTO_CGROUP, which puts a child there at birth. Close-on-exec.
    ///
    /// # Errors
    /// One line that names the directory.
    pub fn dir_fd(&self) -> Result<OwnedFd, String> {
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(&self.dir);
        opened.map(OwnedFd::from).map_err(|error| format!("cannot open {}: {error}", self.dir.display()))
    }

    /// `cgroup.events`, on which epoll reports EPOLLPRI when the cgroup becomes empty. Close-on-exec.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn events_fd(&self) -> Result<OwnedFd, String> {
        let path = self.dir.join("cgroup.events");
        File::open(&path)
            .map(OwnedFd::from)
            .map_err(|error| format!("cannot open {}: {error}", path.display()))
    }

    /// Sends KILL to everything in it and below. Does not wait: see [`Cgroup::is_empty`].
    ///
    /// # Errors
    /// One line if some process could not be killed.
    pub fn kill(&self) -> Result<(), String> {
        let file = OpenOptions::new().write(true).open(self.dir.join("cgroup.kill"));
        match file.and_then(|mut file| file.write_all(b"1")) {
            Ok(()) => Ok(()),
            // Before Linux 5.14 there is no such file; or the whole cgroup is gone, and has no processes either.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self
                .kill_each()
                .map_err(|errno| format!("cannot kill {}: {}", self.dir.display(), errno.desc())),
            Err(error) => Err(format!("cannot kill {}: {error}", self.dir.display())),
        }
    }

    fn kill_each(&self) -> Result<(), Errno> {
        let mut done = Vec::new();
        for _ in 0..KILLS {
            let mut found: Vec<i32> = tree(&self.dir).iter().flat_map(|dir| pids(dir)).collect();
            // 0 is a process that our pid namespace does not show: kill(0) would be our own group.
            found.retain(|pid| *pid > 0 && !done.contains(pid));
            if found.is_empty() {
                break;
            }
            for pid in found {
                match kill(Pid::from_raw(pid), Signal::SIGKILL) {
                    Ok(()) | Err(Errno::ESRCH) => done.push(pid),
                    Err(errno) => return Err(errno),
                }
            }
        }
        Ok(())
    }

    /// Whether no live process is in it or below. One that is gone is empty.
    pub fn is_empty(&self) -> bool {
        match fs::read_to_string(self.dir.join("cgroup.events")) {
            Ok(text) => !text.lines().any(|line| line == "populated 1"),
            Err(_) => pids(&self.dir).is_empty(),
        }
    }

    /// Removes it and what the service made below. One that is already gone is removed.
    ///
    /// # Errors
    /// One line, if processes are left in it.
    pub fn remove(&self) -> Result<(), String> {
        for dir in tree(&self.dir).iter().rev() {
            match fs::remove_dir(dir) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(format!("cannot remove cgroup {}: {error}", dir.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The processes directly in a cgroup; none if it cannot be read.
pub fn pids(dir: &Path) -> Vec<i32> {
    let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// A cgroup and all below, parents first.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    let mut next = 0;
    while let Some(dir) = found.get(next) {
        let below = fs::read_dir(dir).into_iter().flatten().flatten();
        let below: Vec<PathBuf> = below
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect();
        found.extend(below);
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn old_kernel_without_cgroup_kill_has_each_process_killed() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("below");
        fs::create_dir(&below).unwrap();
        let mut children = [(); 2].map(|()| Command::new("sleep").arg("60").spawn().unwrap());
        fs::write(dir.path().join("cgroup.procs"), format!("0\n{}\n", children[0].id())).unwrap();
        fs::write(below.join("cgroup.procs"), format!("{}\n", children[1].id())).unwrap();
        Cgroup::new(dir.path().to_owned()).kill().unwrap();
        for child in &mut children {
            assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
        }
    }

    #[test]
    fn cgroup_that_is_gone_has_nothing_to_kill() {
        let gone = Cgroup::new("/nonexistent/x.service".into());
        assert_eq!((gone.kill(), gone.is_empty(), gone.remove()), (Ok(()), true, Ok(())));
        assert!(gone.procs_fd().is_err());
    }
}

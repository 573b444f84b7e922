//! Whether a process may become a service's main one (`MAINPID=`).

use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, getpgid};

use super::Sender;

/// Checks that `pid` may take the place of `main`, which must be who says so. `owned`: it is a process of some service
/// already.
///
/// It must be a child of ours, so that we learn how it ends and no other process gets its number before that; lead its
/// process group, so that it can be killed with all it started; and belong to the user of who says so, so that no
/// service can have another's processes killed.
///
/// # Errors
/// Why not, for a person.
pub fn check_main_pid(pid: i32, owned: bool, sender: Sender, main: Option<i32>) -> Result<(), String> {
    if main != Some(sender.pid) {
        return Err(format!("only the main process may say so, not process {}", sender.pid));
    }
    if owned {
        return Err("it is another service's process".to_owned());
    }
    let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(Id::Pid(Pid::from_raw(pid)), ended) {
        Ok(_) => {}
        Err(Errno::ECHILD) => {
            return Err("it is not a child of init (fork twice, and let the process between end)".to_owned());
        }
        Err(error) => return Err(format!("cannot look at it: {error}")),
    }
    if getpgid(Some(Pid::from_raw(pid))) != Ok(Pid::from_raw(pid)) {
        return Err("it does not lead a process group (setsid makes it)".to_owned());
    }
    let owner = std::fs::metadata(format!("/proc/{pid}")).map(|process| process.uid());
    match owner {
        Ok(uid) if sender.uid == 0 || uid == sender.uid => Ok(()),
        Ok(uid) => Err(format!("it is user {uid}'s, and not user {}'s", sender.uid)),
        Err(error) => Err(format!("cannot tell whose it is: /proc/{pid}: {error}")),
    }
}

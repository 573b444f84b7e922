//! Handles on processes (pidfd_open(2)): a signal sent through one reaches the process it is meant for, or nobody.
//!
//! A number belongs to a process until it is reaped; after that it may be another's. So without handles a zombie is
//! looked at, acted upon, and reaped last. A handle stays the same process's for ever, and since Linux 6.9 it reaches
//! the group that the process leads, too, even once the process is reaped. Where every process of ours has one, a
//! zombie is taken with one system call in place of two: in a storm of orphans hardly anything else counts.
//!
//! Both ways are safe, and both are tested: an older kernel or a seccomp profile leaves us without handles, and a limit
//! on open files may at any time.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use crate::kernel::kept::Kept;
use crate::kernel::sys;
use init_core::Pid;
use init_plan::{Scope, Signal};

/// The handles on our processes.
pub struct Handles {
    /// The kernel lets us signal groups through them.
    able: bool,
    /// Their numbers are below this: nobody needs them, while logs, checks and `svctl` need theirs.
    below: RawFd,
    /// Our processes that are not reaped, by number, and their handles. Numbers grow, so the newest is mostly the last.
    ours: Vec<(Pid, Option<OwnedFd>)>,
    /// How many of them have none.
    bare: usize,
    /// The process whose end is being dealt with. Its number may be in `ours` again, as a later process's.
    leaving: Option<(Pid, Option<Remains>)>,
}

/// What a process of ours leaves behind when it is reaped: its group, and the handle that still reaches it.
#[derive(Debug)]
pub struct Remains {
    handle: OwnedFd,
    /// A signal found nobody in the group any more. Nobody can join it then.
    empty: bool,
}

impl Remains {
    /// The number of the handle, and whether nobody is left in the group.
    pub fn pack(self) -> (Kept, bool) {
        (Kept::new(self.handle), self.empty)
    }

    /// The same again.
    pub fn unpack((handle, empty): (Kept, bool)) -> Remains {
        Remains { handle: handle.own(), empty }
    }

    /// Whether anybody is left of it.
    pub fn is_group_alive(&self) -> bool {
        !self.empty && is_anybody(sys::signal_by_handle(self.handle.as_fd(), 0, sys::WHOLE_GROUP))
    }
}

impl Handles {
    /// Finds out what the kernel can do. Half of the descriptors are left for other purposes.
    pub fn detect() -> Handles {
        Handles::with(sys::can_signal_groups_by_handle(), sys::open_files() / 2)
    }

    fn with(able: bool, below: RawFd) -> Handles {
        Handles { able, below, ours: Vec::new(), bare: 0, leaving: None }
    }

    /// Our processes and the numbers of their handles. No end may be being dealt with.
    pub fn pack(self) -> Vec<(Pid, Option<Kept>)> {
        self.ours.into_iter().map(|(pid, handle)| (pid, handle.map(Kept::new))).collect()
    }

    /// The same again.
    pub fn unpack(packed: Vec<(Pid, Option<Kept>)>) -> Handles {
        let mut handles = Handles::detect();
        for (pid, handle) in packed {
            handles.add(pid, handle.map(Kept::own));
        }
        handles
    }

    /// Whether new processes are to have one.
    pub fn wanted(&self) -> bool {
        self.able
    }

    /// Whether each process of ours has one, so that a child may be reaped before it is known whose it was.
    pub fn cover_all(&self) -> bool {
        self.able && self.bare == 0
    }

    /// How many processes of ours there are.
    pub fn count(&self) -> usize {
        self.ours.len()
    }

    /// Takes note of a process of ours, with its handle if it has one. A handle that takes what others need is closed.
    pub fn add(&mut self, pid: Pid, handle: Option<OwnedFd>) {
        let handle = handle.filter(|handle| handle.as_raw_fd() < self.below);
        // An earlier process of that number has been reaped.
        self.take(pid);
        let at = self.find(pid).unwrap_or_else(|at| at);
        self.bare += usize::from(handle.is_none());
        self.ours.insert(at, (pid, handle));
    }

    /// Takes note of a process that became ours while it ran. It must be a child of ours that is not reaped.
    pub fn adopt(&mut self, pid: Pid) {
        let handle = if self.able { sys::open_handle(pid).ok() } else { None };
        self.add(pid, handle);
    }

    /// A process of ours has ended, and its end will be dealt with now: until `leave` is called, signals meant for its
    /// number are still meant for it, unless a later process of ours gets that number first.
    pub fn ending(&mut self, pid: Pid) {
        self.leaving = Some((pid, self.take(pid).map(|handle| Remains { handle, empty: false })));
    }

    /// A child has ended that belongs to no service. It should have no handle either.
    pub fn forget(&mut self, pid: Pid) {
        self.take(pid);
    }

    fn take(&mut self, pid: Pid) -> Option<OwnedFd> {
        let (_, handle) = self.ours.remove(self.find(pid).ok()?);
        self.bare -= usize::from(handle.is_none());
        handle
    }

    /// The end of the process given to [`Handles::ending`] was dealt with: returns its group, if it had a handle.
    pub fn leave(&mut self) -> Option<Remains> {
        self.leaving.take().and_then(|(_, remains)| remains)
    }

    /// Sends a signal to a process of ours, or to its group.
    ///
    /// # Errors
    /// `ESRCH` if nobody is left or the process is none of ours, `EPERM` if we may not signal it.
    pub fn signal(&mut self, pid: Pid, signal: Signal, scope: Scope) -> std::io::Result<()> {
        let signal = signal.number();
        if let Some((_, handle)) = self.find(pid).ok().and_then(|at| self.ours.get(at)) {
            return send(pid, handle.as_ref(), signal, scope);
        }
        let Some((_, remains)) = self.leaving.as_mut().filter(|(left, _)| *left == pid) else {
            return Err(std::io::Error::from_raw_os_error(libc::ESRCH));
        };
        let result = send(pid, remains.as_ref().map(|remains| &remains.handle), signal, scope);
        if let Some(remains) = remains
            && scope == Scope::Group
        {
            remains.empty = result.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH));
        }
        result
    }

    fn find(&self, pid: Pid) -> Result<usize, usize> {
        self.ours.binary_search_by_key(&pid, |&(other, _)| other)
    }
}

fn send(pid: Pid, handle: Option<&OwnedFd>, signal: i32, scope: Scope) -> std::io::Result<()> {
    match (handle, scope) {
        (Some(handle), Scope::Leader) => sys::signal_by_handle(handle.as_fd(), signal, 0),
        (Some(handle), Scope::Group) => sys::signal_by_handle(handle.as_fd(), signal, sys::WHOLE_GROUP),
        (None, Scope::Leader) => sys::kill(pid, signal),
        (None, Scope::Group) => sys::kill(-pid, signal),
    }
}

/// Whether anybody is left in the group that a process of ours led. Without a handle the number may be another group's
/// by now; only signal 0 is sent, so that does no harm.
pub fn is_group_alive(pgid: Pid, remains: Option<&Remains>) -> bool {
    remains.map_or_else(|| is_anybody(sys::kill(-pgid, 0)), Remains::is_group_alive)
}

/// Whether signal 0 found a process, even one that we may not signal.
fn is_anybody(asked: std::io::Result<()>) -> bool {
    asked.map_or_else(|error| error.raw_os_error() == Some(libc::EPERM), |()| true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A leader of a group that ends when its input does, and a member of its group that does not.
    fn group(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        command.spawn().unwrap()
    }

    fn pid(child: &Child) -> Pid {
        child.id().cast_signed()
    }

    /// Reads until the last process that holds the other end is gone.
    fn all_ended(child: &mut Child) {
        use std::io::Read;
        child.stdout.take().unwrap().read_to_end(&mut Vec::new()).unwrap();
    }

    #[test]
    fn without_a_handle_nothing_may_be_reaped_before_it_is_known_whose_it_was() {
        let mut handles = Handles::with(true, RawFd::MAX);
        assert!(handles.cover_all());
        for pid in [30, 10, 20] {
            handles.add(pid, None);
        }
        handles.ending(10);
        handles.ending(30);
        assert!(!handles.cover_all());
        handles.ending(99);
        handles.add(20, None);
        handles.forget(20);
        assert!(handles.cover_all());
        assert!(!Handles::with(false, RawFd::MAX).cover_all());
    }

    #[test]
    fn handle_whose_number_is_too_high_is_not_kept() {
        let mut handles = Handles::with(true, 100);
        let null = std::fs::File::open("/dev/null").unwrap();
        for (number, kept) in [(50, true), (150, false)] {
            let handle = sys::duplicate(null.as_fd(), number).unwrap();
            handles.add(number, Some(handle));
            assert_eq!(handles.cover_all(), kept);
        }
        handles.ending(150);
        assert!(handles.cover_all());
    }

    /// Whether this kernel signals groups by handle (Linux 6.9, unless seccomp forbids it); if not, the test is skipped.
    fn can_signal_groups() -> bool {
        let able = sys::can_signal_groups_by_handle();
        if !able {
            needs::skip("group-handles", "this kernel cannot signal groups by handle");
        }
        able
    }

    #[test]
    fn handle_reaches_the_group_of_a_process_that_is_reaped() {
        if !can_signal_groups() {
            return;
        }
        let mut leader = group("sleep 600 & read line");
        let mut handles = Handles::with(true, RawFd::MAX);
        handles.adopt(pid(&leader));
        assert!(handles.cover_all());
        drop(leader.stdin.take());
        leader.wait().unwrap();
        handles.ending(pid(&leader));
        handles.signal(pid(&leader), Signal::KILL, Scope::Group).unwrap();
        all_ended(&mut leader);
        assert!(handles.leave().is_some());
    }

    #[test]
    fn number_that_is_a_later_process_of_ours_is_that_ones() {
        if !can_signal_groups() {
            return;
        }
        let mut first = group("read line");
        let mut second = group("read line");
        let mut handles = Handles::with(true, RawFd::MAX);
        handles.adopt(pid(&first));
        handles.ending(pid(&first));
        // As if the first one's number had been given to the second.
        handles.add(pid(&first), sys::open_handle(pid(&second)).ok());
        handles.signal(pid(&first), Signal::KILL, Scope::Leader).unwrap();
        drop(second.stdin.take());
        assert_eq!(second.wait().unwrap().signal(), Some(libc::SIGKILL));
        assert!(handles.leave().is_some());
        drop(first.stdin.take());
        assert_eq!(first.wait().unwrap().signal(), None);
    }

    #[test]
    fn nobody_is_signalled_in_place_of_a_process_that_is_reaped() {
        if !can_signal_groups() {
            return;
        }
        let mut gone = group("true");
        let mut handles = Handles::with(true, RawFd::MAX);
        handles.adopt(pid(&gone));
        gone.wait().unwrap();
        for scope in [Scope::Leader, Scope::Group] {
            let error = handles.signal(pid(&gone), Signal::KILL, scope).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ESRCH));
        }
    }

    #[test]
    fn process_that_is_none_of_ours_gets_no_signal() {
        let mut other = group("read line");
        for able in [false, true] {
            let error = Handles::with(able, RawFd::MAX).signal(pid(&other), Signal::KILL, Scope::Group);
            assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::ESRCH));
        }
        drop(other.stdin.take());
        assert_eq!(other.wait().unwrap().signal(), None);
    }

    #[test]
    fn process_without_a_handle_is_signalled_by_number_until_it_is_reaped() {
        let mut leader = group("read line");
        let mut handles = Handles::with(false, RawFd::MAX);
        handles.adopt(pid(&leader));
        handles.ending(pid(&leader));
        handles.signal(pid(&leader), Signal::KILL, Scope::Group).unwrap();
        drop(leader.stdin.take());
        assert_eq!(leader.wait().unwrap().signal(), Some(libc::SIGKILL));
        assert!(handles.leave().is_none());
    }

    #[test]
    fn group_is_gone_when_its_last_member_is() {
        for able in [false, sys::can_signal_groups_by_handle()] {
            let mut leader = group("read line");
            let handle = if able { sys::open_handle(pid(&leader)).ok() } else { None };
            let remains = handle.map(|handle| Remains { handle, empty: false });
            assert!(is_group_alive(pid(&leader), remains.as_ref()));
            drop(leader.stdin.take());
            leader.wait().unwrap();
            assert!(!is_group_alive(pid(&leader), remains.as_ref()));
        }
    }

    #[test]
    fn group_is_known_to_be_empty_only_if_a_signal_to_the_group_said_so() {
        if !can_signal_groups() {
            return;
        }
        for (scope, member, empty) in [
            (Scope::Group, "", true),
            (Scope::Leader, "sleep 600 & ", false),
            (Scope::Group, "sleep 600 & ", false),
        ] {
            let mut leader = group(&format!("{member}read line"));
            let mut handles = Handles::with(true, RawFd::MAX);
            handles.adopt(pid(&leader));
            drop(leader.stdin.take());
            leader.wait().unwrap();
            handles.ending(pid(&leader));
            let _ = handles.signal(pid(&leader), Signal::CONT, scope);
            let remains = handles.leave().unwrap();
            assert_eq!((remains.empty, remains.is_group_alive()), (empty, !empty), "{scope:?} {member}");
            let _ = sys::signal_by_handle(remains.handle.as_fd(), libc::SIGKILL, sys::WHOLE_GROUP);
        }
    }
}

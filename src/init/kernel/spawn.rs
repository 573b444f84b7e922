//! Starting a process, the way PID 1 must: nothing of ours may leak into it, and every failure has a name.
//!
//! The child is made by clone(2) with `CLONE_VM | CLONE_VFORK`: it runs on a stack of its own in our memory until it
//! executes its program, while we wait. That costs the same however large we are, cannot fail for want of memory to
//! copy, and lets the child leave word of what went wrong right where we read it. In return the code between clone
//! and exec may only make system calls: no allocation, no lock, no libc function that keeps state.
#![allow(unsafe_code, reason = "each block says why it is sound")]

use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{null, null_mut};

use nix::sys::prctl;

use crate::kernel::fault::{self, Call};
pub use pid_variable::PidVariable;

mod pid_variable;
mod privileges;

/// Everything about a process that is to be started, prepared so that the child needs no memory of its own.
pub struct Spec<'a> {
    /// Paths to try, in order: one, or one for each directory of PATH.
    pub programs: Vec<CString>,
    /// Arguments, the program's name first.
    pub arguments: Vec<CString>,
    /// `NAME=value`.
    pub environment: Vec<Cow<'a, CStr>>,
    /// Which of these is [`PidVariable`], if one is.
    pub pid_variable: Option<usize>,
    /// Our descriptors that it gets, and the number of each in the process. Exec closes all others.
    pub descriptors: Vec<(BorrowedFd<'a>, RawFd)>,
    /// Whether it gets a session of its own.
    pub session: Session,
    /// Signals that we ignore and it must not.
    pub unignore: &'a [i32],
    /// An open cgroup.procs to enter.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Resource, soft and hard limit, as setrlimit(2) wants them.
    pub limits: Vec<(u32, libc::rlimit)>,
    /// −20 to 19.
    pub nice: Option<i32>,
    /// What to write to /proc/self/oom_score_adj.
    pub oom_score_adj: Option<CString>,
    /// File mode creation mask.
    pub umask: Option<u32>,
    /// Supplementary groups, group, user: set in that order; `None`: stay who we are.
    pub credentials: Option<(Vec<u32>, u32, u32)>,
    /// Capabilities to take from it.
    pub drop_capabilities: &'a [u8],
    /// PR_SET_NO_NEW_PRIVS.
    pub no_new_privileges: bool,
    /// Where it starts.
    pub cwd: CString,
    /// Whether a handle on it is wanted.
    pub handle: bool,
}

/// The session that a process belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Session {
    /// A new session, without a terminal.
    New,
    /// Ours.
    Ours,
    /// A group of its own in ours, in the terminal's foreground if this descriptor is one.
    Foreground(RawFd),
}

/// A process that was started.
#[derive(Debug)]
pub struct Spawned {
    /// Its process id.
    pub pid: i32,
    /// A handle on it, if one was asked for and could be had.
    pub handle: Option<OwnedFd>,
}

/// Why a process could not be started.
#[derive(Debug)]
pub struct Failure {
    /// What was being done: the name of a system call, or of what it sets.
    pub what: &'static str,
    /// Its error.
    pub error: io::Error,
}

/// What the child needs, all of it allocated before the clone.
struct Plan<'a> {
    spec: &'a Spec<'a>,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    programs: Vec<*const libc::c_char>,
    /// Source and target of each descriptor; the child overwrites the sources.
    descriptors: Vec<(RawFd, RawFd)>,
    /// Written by the child, where its program wants it.
    pid: PidVariable,
    /// Written by the child: what failed, and errno.
    failed: Option<(&'static str, i32)>,
}

impl<'a> Plan<'a> {
    fn of(spec: &'a Spec<'a>) -> Plan<'a> {
        let arguments = spec.arguments.iter().map(|argument| argument.as_ptr());
        let variables = spec.environment.iter().map(|variable| variable.as_ptr());
        Plan {
            spec,
            argv: arguments.chain([null()]).collect(),
            envp: variables.chain([null()]).collect(),
            programs: spec.programs.iter().map(|s| s.as_ptr()).collect(),
            descriptors: spec
                .descriptors
                .iter()
                .map(|(fd, to)| (std::os::fd::AsRawFd::as_raw_fd(fd), *to))
                .collect(),
            pid: PidVariable::default(),
            failed: None,
        }
    }

    /// Becomes what it says, then its program. Returns what failed, and errno.
    fn follow(&mut self) -> (&'static str, i32) {
        match become_it(self) {
            Ok(()) => run(self),
            Err(what) => (what, errno()),
        }
    }
}

/// Becomes the program instead of starting it; returns only if that fails.
pub fn replace_us(spec: &Spec<'_>) -> Failure {
    let (what, errno) = Plan::of(spec).follow();
    Failure { what, error: io::Error::from_raw_os_error(errno) }
}

/// The child's stack. What runs on it is a few frames deep; a signal cannot come, all are blocked.
const STACK: usize = 64 * 1024;

/// Sources of descriptors are moved to this number or above, out of the way of any target (255 at most).
const ABOVE_TARGETS: RawFd = 256;

/// Starts processes; owns the stack on which each begins.
pub struct Spawner {
    stack: Box<[u8]>,
    /// Whether we are open to who may look at us (PR_SET_DUMPABLE).
    is_open: bool,
}

impl Spawner {
    /// Allocates the stack.
    pub fn new() -> Spawner {
        let is_open = prctl::get_dumpable().unwrap_or(false);
        Spawner { stack: vec![0; STACK].into_boxed_slice(), is_open }
    }

    /// Starts a process. All signals must be blocked in the calling thread.
    ///
    /// # Errors
    /// What failed, in us or in the child before its program ran; the child is reaped then.
    pub fn spawn(&mut self, spec: &Spec<'_>) -> Result<Spawned, Failure> {
        let mut plan = Plan::of(spec);
        let spawned = self.clone(&mut plan).map_err(|error| Failure { what: "fork", error })?;
        if self.is_open && spec.credentials.is_some() {
            // The child had our memory when it became another user, and the kernel closes that to everybody then: root of a container
            // could not read how we were started, which `svctl show`, `set`, `run` and `reexec` do.
            let _ = prctl::set_dumpable(true);
        }
        match plan.failed {
            None => Ok(spawned),
            Some((what, errno)) => {
                // SAFETY: waits for the child that just ended; no answer is asked for.
                while unsafe { libc::waitpid(spawned.pid, null_mut(), 0) } == -1
                    && io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
                {}
                Err(Failure { what, error: io::Error::from_raw_os_error(errno) })
            }
        }
    }

    fn clone(&mut self, plan: &mut Plan<'_>) -> io::Result<Spawned> {
        if !plan.spec.handle {
            return self.clone_with(plan, 0);
        }
        match fault::point(Call::Handle).and_then(|()| self.clone_with(plan, libc::CLONE_PIDFD)) {
            // It is the handle that cannot be had. The process can do without.
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::EINVAL)) =>
            {
                self.clone_with(plan, 0)
            }
            result => result,
        }
    }

    /// `extra`: nothing, or `CLONE_PIDFD`.
    fn clone_with(&mut self, plan: &mut Plan<'_>, extra: libc::c_int) -> io::Result<Spawned> {
        fault::point(Call::Clone)?;
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD | extra;
        let mut handle: RawFd = -1;
        let top = self.stack.as_mut_ptr_range().end;
        // The stack grows down from an address that the ABI wants aligned to 16 bytes.
        let top = top.wrapping_sub(top.addr() % 16);
        // SAFETY: `child` gets the plan, which outlives it: CLONE_VFORK suspends us until it executed a program or
        // ended. It runs on its own stack, of which nobody else has a part at that time.
        // Only with CLONE_PIDFD is `handle` written to; it is a descriptor of ours alone then.
        unsafe {
            let pid = libc::clone(child, top.cast(), flags, std::ptr::from_mut(plan).cast(), &raw mut handle);
            if pid == -1 {
                return Err(io::Error::last_os_error());
            }
            Ok(Spawned { pid, handle: (handle != -1).then(|| OwnedFd::from_raw_fd(handle)) })
        }
    }
}

impl Default for Spawner {
    fn default() -> Spawner {
        Spawner::new()
    }
}

/// Runs in the child: becomes what the plan says, then its program.
extern "C" fn child(argument: *mut libc::c_void) -> libc::c_int {
    // SAFETY: it is the plan that `clone` passed, and its owner is suspended.
    let plan = unsafe { &mut *argument.cast::<Plan<'_>>() };
    plan.failed = Some(plan.follow());
    // SAFETY: ends this process without running anything of the parent's.
    unsafe { libc::_exit(127) }
}

fn errno() -> i32 {
    // SAFETY: the thread's own errno; the parent, whose it is too, is suspended and saves nothing in it.
    unsafe { *libc::__errno_location() }
}

/// Names what failed.
fn ok(result: libc::c_long, what: &'static str) -> Result<(), &'static str> {
    if result < 0 { Err(what) } else { Ok(()) }
}

/// Everything up to the exec, in the order in which it must happen: what needs privileges before they go.
fn become_it(plan: &mut Plan<'_>) -> Result<(), &'static str> {
    let spec = plan.spec;
    for &signal in spec.unignore {
        // SAFETY: no handler is installed, so nothing is called.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    enter_session(spec.session)?;
    // Before the service's descriptors are placed: one of them may get the number of the cgroup's file.
    enter_cgroup(spec)?;
    place_descriptors(&mut plan.descriptors)?;
    for (resource, limit) in &spec.limits {
        // SAFETY: reads the limit, which outlives the call, and writes nothing.
        let result = unsafe { libc::syscall(libc::SYS_prlimit64, 0, *resource, &raw const *limit, 0) };
        ok(result, "setrlimit")?;
    }
    if let Some(nice) = spec.nice {
        // SAFETY: takes no memory.
        ok(unsafe { libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, nice) }, "nice")?;
    }
    if let Some(text) = &spec.oom_score_adj {
        write_oom_score(text)?;
    }
    if let Some(umask) = spec.umask {
        // SAFETY: takes no memory.
        unsafe { libc::syscall(libc::SYS_umask, umask) };
    }
    privileges::drop(spec)?;
    // SAFETY: reads a path that ends in a zero and was prepared before.
    ok(unsafe { libc::syscall(libc::SYS_chdir, spec.cwd.as_ptr()) }, "chdir")?;
    if spec.no_new_privileges {
        ok(
            // SAFETY: takes no memory.
            unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) },
            "no-new-privileges",
        )?;
    }
    if let Some(place) = spec.pid_variable.and_then(|at| plan.envp.get_mut(at)) {
        *place = plan.pid.of_this_process();
    }
    unblock_signals();
    Ok(())
}

fn enter_session(session: Session) -> Result<(), &'static str> {
    match session {
        Session::Ours => Ok(()),
        // SAFETY: takes no memory.
        Session::New => ok(unsafe { libc::syscall(libc::SYS_setsid) }, "setsid"),
        Session::Foreground(terminal) => {
            // SAFETY: takes no memory.
            ok(unsafe { libc::syscall(libc::SYS_setpgid, 0, 0) }, "setpgid")?;
            // SAFETY: reads one pid_t. Fails where the descriptor is no terminal of ours, which is no matter;
            // SIGTTOU, which it may cause, is blocked.
            unsafe {
                let group = libc::syscall(libc::SYS_getpid) as libc::pid_t;
                libc::syscall(libc::SYS_ioctl, terminal, libc::TIOCSPGRP, &raw const group);
            }
            Ok(())
        }
    }
}

/// Puts descriptors under their numbers. A source that bears the number of another's target moves away first.
fn place_descriptors(descriptors: &mut [(RawFd, RawFd)]) -> Result<(), &'static str> {
    for at in 0..descriptors.len() {
        let Some(&(source, target)) = descriptors.get(at) else { continue };
        if source != target && descriptors.iter().any(|&(_, other)| other == source) {
            // SAFETY: takes no memory.
            let moved =
                unsafe { libc::syscall(libc::SYS_fcntl, source, libc::F_DUPFD_CLOEXEC, ABOVE_TARGETS) };
            ok(moved, "dup")?;
            if let Some(place) = descriptors.get_mut(at) {
                place.0 = moved as RawFd;
            }
        }
    }
    for &(source, target) in descriptors.iter() {
        // SAFETY: takes no memory.
        let placed = unsafe {
            if source == target {
                libc::syscall(libc::SYS_fcntl, target, libc::F_SETFD, 0)
            } else {
                libc::syscall(libc::SYS_dup3, source, target, 0)
            }
        };
        ok(placed, "dup3")?;
    }
    Ok(())
}

fn enter_cgroup(spec: &Spec<'_>) -> Result<(), &'static str> {
    let Some(procs) = &spec.cgroup else { return Ok(()) };
    let fd = std::os::fd::AsRawFd::as_raw_fd(procs);
    // SAFETY: writes one byte of constant memory; "0" is the writer itself.
    ok(unsafe { libc::syscall(libc::SYS_write, fd, c"0".as_ptr(), 1) }, "entering its cgroup")
}

fn write_oom_score(text: &CString) -> Result<(), &'static str> {
    let path = c"/proc/self/oom_score_adj";
    let flags = libc::O_WRONLY | libc::O_CLOEXEC;
    // SAFETY: reads constant strings; the descriptor is closed by exec.
    unsafe {
        let fd = libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0);
        ok(fd, "oom-score-adj")?;
        ok(libc::syscall(libc::SYS_write, fd, text.as_ptr(), text.as_bytes().len()), "oom-score-adj")
    }
}

fn unblock_signals() {
    let none: u64 = 0;
    // SAFETY: reads eight bytes, the kernel's size of a signal set.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const none, null_mut::<u64>(), 8)
    };
}

/// Whether a file is there: not so in a directory that may not be searched.
fn is_there(path: *const libc::c_char) -> bool {
    // SAFETY: reads a string that outlives this.
    unsafe { libc::syscall(libc::SYS_faccessat, libc::AT_FDCWD, path, libc::F_OK) == 0 }
}

/// Executes the first program that can be, as execvp(3) does; returns only if none could.
fn run(plan: &Plan<'_>) -> (&'static str, i32) {
    let mut result = libc::ENOENT;
    for &program in &plan.programs {
        // SAFETY: the arrays end with a null pointer and point to strings that outlive this.
        unsafe { libc::syscall(libc::SYS_execve, program, plan.argv.as_ptr(), plan.envp.as_ptr()) };
        match errno() {
            // Not in this directory of PATH. One that may not be executed is worth telling, unless another may.
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES if is_there(program) => result = libc::EACCES,
            libc::EACCES => {}
            other => return ("execute", other),
        }
    }
    ("execute", result)
}

#[cfg(test)]
mod tests;

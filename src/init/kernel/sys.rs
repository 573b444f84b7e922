//! System calls that the standard library and nix do not offer as we need them. With `spawn`, all the unsafe code.
#![allow(unsafe_code, reason = "each block says why it is sound")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::kernel::fault::{self, Call};
use init_core::Time;
use init_core::status::Exit;

/// Turns the −1 of a system call into its error.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// CLOCK_MONOTONIC.
pub fn now() -> Time {
    let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `at` is a valid place for the answer. This clock cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut at) };
    let seconds = u64::try_from(at.tv_sec).unwrap_or(0);
    Time(seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(at.tv_nsec).unwrap_or(0)))
}

/// A zombie child.
#[derive(Clone, Copy, Debug)]
pub struct Zombie {
    /// Its process id.
    pub pid: i32,
    /// How it ended.
    pub exit: Exit,
}

/// What waitid(2) found.
#[derive(Clone, Copy, Debug)]
pub enum Children {
    /// One has ended, and is not reaped by this.
    Ended(Zombie),
    /// There are some, none has ended.
    Running,
    /// There are none.
    None,
}

/// Looks for a child that has ended, without reaping it: its pid and its group's id stay its own.
pub fn peek_zombie() -> Children {
    loop {
        // SAFETY: all zeroes is a valid siginfo_t, and waitid fills it.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: `info` is a valid place for the answer.
        match check(unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, options) }) {
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
            Err(_) => return Children::None,
            Ok(_) => {
                // SAFETY: waitid fills these fields (si_pid 0: nobody ended).
                let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
                let exit =
                    if info.si_code == libc::CLD_EXITED { Exit::Code(status) } else { Exit::Signal(status) };
                return if pid == 0 { Children::Running } else { Children::Ended(Zombie { pid, exit }) };
            }
        }
    }
}

/// Reaps one zombie.
pub fn reap(pid: i32) {
    use nix::sys::wait::{WaitPidFlag, waitpid};
    let pid = nix::unistd::Pid::from_raw(pid);
    while waitpid(pid, Some(WaitPidFlag::WNOHANG)) == Err(nix::errno::Errno::EINTR) {}
}

/// Reaps this child if it has ended. One that is not there any more has ended somehow.
pub fn reap_child(pid: i32) -> Option<Exit> {
    match wait_for(pid) {
        Children::Ended(zombie) => Some(zombie.exit),
        Children::Running => None,
        Children::None => Some(Exit::Code(-1)),
    }
}

/// Reaps any child that has ended.
pub fn reap_any() -> Children {
    wait_for(-1)
}

/// Reaps a child that has ended: this one, or any for -1.
fn wait_for(pid: i32) -> Children {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place for the answer.
        match check(unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) }) {
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
            Err(_) => return Children::None,
            Ok(0) => return Children::Running,
            Ok(pid) if libc::WIFEXITED(status) => {
                return Children::Ended(Zombie { pid, exit: Exit::Code(libc::WEXITSTATUS(status)) });
            }
            Ok(pid) => return Children::Ended(Zombie { pid, exit: Exit::Signal(libc::WTERMSIG(status)) }),
        }
    }
}

/// With [`signal_by_handle`]: the process group that the process leads, also when it was reaped (Linux 6.9).
pub const WHOLE_GROUP: u32 = 1 << 2;

/// pidfd_open(2): a handle on a process, close-on-exec. It must not be reaped yet.
///
/// # Errors
/// `ESRCH`, `EMFILE`, `ENFILE`; `ENOSYS` before Linux 5.3; `EPERM` from an old seccomp profile.
pub fn open_handle(pid: i32) -> io::Result<OwnedFd> {
    fault::point(Call::Handle)?;
    // SAFETY: takes no memory; the new descriptor is ours alone.
    unsafe {
        let handle = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        let handle = check(libc::c_int::try_from(handle).unwrap_or(-1))?;
        Ok(OwnedFd::from_raw_fd(handle))
    }
}

/// pidfd_send_signal(2), with flags 0 (the process) or [`WHOLE_GROUP`].
///
/// # Errors
/// `ESRCH` if there is no such process or group any more, `EPERM` if it is not ours to signal.
pub fn signal_by_handle(handle: BorrowedFd<'_>, signal: i32, flags: u32) -> io::Result<()> {
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: reads no memory, as it gets none.
    let result =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, handle.as_raw_fd(), signal, nothing, flags) };
    check(libc::c_int::try_from(result).unwrap_or(-1)).map(drop)
}

/// Whether the kernel (from 6.9 on) and whoever filters our system calls let handles be used for groups.
pub fn can_signal_groups_by_handle() -> bool {
    open_handle(std::process::id().cast_signed()).is_ok_and(|handle| {
        let asked = signal_by_handle(handle.as_fd(), 0, WHOLE_GROUP);
        // There is nobody if we lead no group. EPERM can only be a filter's: we may signal ourselves.
        asked.map_or_else(|error| error.raw_os_error() == Some(libc::ESRCH), |()| true)
    })
}

/// kill(2): a process, or with `-pid` its group, or with −1 everybody.
///
/// # Errors
/// `ESRCH` if there is no such process or group, `EPERM` if it is not ours to signal.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: takes and gives no memory.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// A pipe whose ends are close-on-exec: read end, write end.
///
/// # Errors
/// `EMFILE`, `ENFILE`.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    fault::point(Call::Pipe)?;
    Ok(nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?)
}

/// Makes reads and writes through this descriptor's description return instead of wait.
///
/// # Errors
/// What fcntl(2) says.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Blocks every signal for this thread: the kernel keeps them from now on, and drops none.
///
/// # Errors
/// What sigprocmask(2) says.
pub fn block_signals() -> io::Result<()> {
    // SAFETY: the set is initialised by sigfillset before use.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        check(libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())).map(drop)
    }
}

/// A descriptor from which these signals can be read, which must be blocked.
///
/// # Errors
/// What signalfd(2) says.
pub fn signal_fd(handled: &[i32]) -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by sigemptyset before use.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for &signal in handled {
            libc::sigaddset(&raw mut set, signal);
        }
        let fd = check(libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Sets a signal's disposition: ignored or default.
pub fn ignore_signal(signal: i32, ignored: bool) {
    let handler = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: neither disposition runs code of ours.
    unsafe { libc::signal(signal, handler) };
}

/// Which signals are ignored at this moment: a child would inherit that through exec.
pub fn ignored_signals() -> Vec<i32> {
    (1..=64)
        .filter(|&signal| {
            // SAFETY: only asks; all zeroes is a valid sigaction.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
                    && action.sa_sigaction == libc::SIG_IGN
            }
        })
        .collect()
}

/// More kinds of signals than are handled, so that one read takes all that are pending.
const MOST_PENDING: usize = 16;

/// A process of more groups than this is taken for one of none.
const MOST_GROUPS: usize = 1024;

/// The supplementary groups of the process at the other end of a Unix socket, as they were when it connected.
///
/// # Errors
/// `ERANGE` if there are too many, `ENOPROTOOPT` before Linux 4.13.
pub fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut groups = vec![0_u32; MOST_GROUPS];
    let mut size = libc::socklen_t::try_from(size_of_val(groups.as_slice())).unwrap_or(0);
    // SAFETY: `groups` has room for as many bytes as `size` says, and the kernel writes no more.
    check(unsafe {
        let (level, option) = (libc::SOL_SOCKET, libc::SO_PEERGROUPS);
        libc::getsockopt(socket.as_raw_fd(), level, option, groups.as_mut_ptr().cast(), &raw mut size)
    })?;
    groups.truncate(usize::try_from(size).unwrap_or(0) / size_of::<u32>());
    Ok(groups)
}

/// The signals that are pending; each kind is there once, however often it was sent.
pub fn read_signals(fd: BorrowedFd<'_>) -> Vec<i32> {
    // SAFETY: all zeroes is a valid signalfd_siginfo.
    let mut infos: [libc::signalfd_siginfo; MOST_PENDING] = unsafe { std::mem::zeroed() };
    // SAFETY: `infos` is a valid place of that many bytes.
    let read = unsafe { libc::read(fd.as_raw_fd(), infos.as_mut_ptr().cast(), size_of_val(&infos)) };
    let count = usize::try_from(read).unwrap_or(0) / size_of::<libc::signalfd_siginfo>();
    infos.iter().take(count).map(|info| info.ssi_signo.cast_signed()).collect()
}

/// Sleeps without being woken by anything.
pub fn nap(duration: std::time::Duration) {
    std::thread::sleep(duration);
}

/// Makes orphans in this process's tree its children, as they are PID 1's.
///
/// # Errors
/// What prctl(2) says.
pub fn become_subreaper() -> io::Result<()> {
    Ok(nix::sys::prctl::set_child_subreaper(true)?)
}

/// Raises the soft limit on open files to the hard one, and returns what it was if that changed it.
pub fn raise_open_files() -> Option<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place, and a valid value for the second call.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised);
    }
    (limit.rlim_cur != limit.rlim_max).then_some(limit)
}

/// The soft limit on open files: descriptors have smaller numbers.
pub fn open_files() -> RawFd {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    RawFd::try_from(limit.rlim_cur).unwrap_or(RawFd::MAX)
}

/// Keeps descriptors that we were given, from this number on, from our children.
pub fn close_on_exec_from(first: u32) {
    // SAFETY: takes and gives no memory. On a kernel before 5.11 it does nothing, and children inherit what we were
    // given, as they would from a shell.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

/// The limit on open files that [`raise_open_files`] returned, written down.
pub fn limit((soft, hard): (u64, u64)) -> libc::rlimit {
    libc::rlimit { rlim_cur: soft, rlim_max: hard }
}

/// Whether a descriptor is open at all.
pub fn is_open(fd: RawFd) -> bool {
    // SAFETY: takes and gives no memory.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}

/// Duplicates a descriptor, close-on-exec, to a number not below `least`.
///
/// # Errors
/// `EMFILE`, `EBADF`.
pub fn duplicate(fd: BorrowedFd<'_>, least: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the new descriptor is ours alone.
    unsafe {
        let new = check(libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least))?;
        Ok(OwnedFd::from_raw_fd(new))
    }
}

/// Writes all of `bytes`, and gives up at the first error.
pub fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match nix::unistd::write(fd, bytes) {
            Ok(0) => return,
            Ok(written) => bytes = bytes.get(written..).unwrap_or(&[]),
            Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

/// pwritev2(2) with RWF_NOWAIT: a write that fails with `EAGAIN` where it would wait, whatever the flags of the
/// description.
///
/// # Errors
/// As write(2); `EOPNOTSUPP` where the kernel cannot do that for this file.
pub fn write_nowait(fd: BorrowedFd<'_>, bytes: &[u8]) -> nix::Result<usize> {
    let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: one iovec that describes `bytes`, which outlives the call; the kernel only reads from it.
    let done = unsafe { libc::pwritev2(fd.as_raw_fd(), &raw const part, 1, -1, libc::RWF_NOWAIT) };
    nix::errno::Errno::result(done).map(|len| usize::try_from(len).unwrap_or(0))
}

/// Makes our own process group the foreground one of the terminal that is our standard input. Does nothing where there
/// is no terminal. SIGTTOU, which this may cause since we are in the background, must be ignored.
pub fn take_terminal() {
    let _ = nix::unistd::tcsetpgrp(crate::kernel::given(0), nix::unistd::getpgrp());
}

/// Gives memory back that only the start needed: what the allocator holds free, and the pages of our own program that
/// were read in so far. The kernel keeps those cached; what is used again is mapped again at its first use.
pub fn give_back_memory() {
    // SAFETY: takes and gives no memory of ours.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
    for (start, end) in program_text() {
        // SAFETY: the range is a mapping of our program that is never written to (see `is_unwritten`), so that what is
        // dropped is read again from the file, unchanged.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
    }
}

/// The address ranges of our program's code and constants.
fn program_text() -> Vec<(usize, usize)> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_default().display().to_string();
    let ours = maps.lines().filter(|line| line.ends_with(&program) && is_unwritten(line));
    ours.filter_map(|line| {
        let (start, end) = line.split_whitespace().next()?.split_once('-')?;
        Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
    })
    .collect()
}

/// Code, or the constants before it at the start of the file. Other read-only mappings may have been relocated before
/// they were made read-only, and would come back as they are in the file.
fn is_unwritten(line: &str) -> bool {
    let mut fields = line.split_whitespace().skip(1);
    let (permissions, offset) = (fields.next(), fields.next());
    permissions == Some("r-xp") || (permissions == Some("r--p") && offset == Some("00000000"))
}

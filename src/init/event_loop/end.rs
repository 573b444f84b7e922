//! The end: whatever is left besides services, and the last lines of the log.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::event_loop::Init;
use crate::kernel::poll::Poll;
use crate::kernel::sys::{self, Children};

/// How long processes that belong to no service may take to end by themselves, and then to die.
const STRAY_PATIENCE: Duration = Duration::from_millis(1000);
const KILL_PATIENCE: Duration = Duration::from_millis(500);
/// Children reaped before the time is looked at again.
const MAX_REAPED: usize = 1 << 20;
/// How long a log reader may take for the last lines.
const LOG_PATIENCE: Duration = Duration::from_millis(1000);

impl Init {
    /// Ends what is left, writes out the log, and returns the exit code.
    pub(crate) fn finish(&mut self, code: i32) -> i32 {
        if self.has_children() {
            self.end_strays(libc::SIGTERM, STRAY_PATIENCE);
        }
        if self.has_children() {
            self.end_strays(libc::SIGKILL, KILL_PATIENCE);
        }
        let pipes: Vec<_> = self
            .service_io
            .iter()
            .chain(&self.leaving)
            .filter_map(|io| io.pipe.as_ref().map(|(read, ..)| (io.log, read.as_fd())))
            .collect();
        self.logs.final_flush(&pipes, Instant::now() + LOG_PATIENCE);
        code
    }

    /// Reaps what has ended, and says whether anything is left. In a storm of orphans it may say so too early.
    fn has_children(&mut self) -> bool {
        for _ in 0..MAX_REAPED {
            match sys::peek_zombie() {
                Children::Ended(zombie) => sys::reap(zombie.pid),
                Children::Running => return true,
                Children::None => return false,
            }
        }
        true
    }

    /// Signals every process that is left, and waits until none is, for so long at most.
    fn end_strays(&mut self, signal: i32, patience: Duration) {
        signal_strays(signal);
        let until = sys::now().plus(patience);
        let Ok(mut poll) = Poll::new() else { return };
        let token = poll.token();
        if poll.add(&self.signals, token, crate::kernel::poll::Interest::Read).is_err() {
            return;
        }
        let mut ready = Vec::new();
        while self.has_children() && sys::now() < until {
            self.read_all_logs();
            poll.wait(Some(until.since(sys::now())), &mut ready);
            sys::read_signals(self.signals.as_fd());
        }
    }

    /// A stray that waits for room in a log pipe could not end.
    fn read_all_logs(&mut self) {
        for index in 0..self.service_io.len() {
            self.read_log(init_plan::Id(u32::try_from(index).unwrap_or(u32::MAX)));
        }
        self.logs.flush();
    }
}

/// Signals every process of the namespace if we are PID 1. Otherwise others share the namespace, so only our own children.
fn signal_strays(signal: i32) {
    if std::process::id() == 1 {
        let _ = sys::kill(-1, signal);
        let _ = sys::kill(-1, libc::SIGCONT);
        return;
    }
    for pid in children() {
        let _ = sys::kill(pid, signal);
        let _ = sys::kill(pid, libc::SIGCONT);
    }
}

/// Our children, read from /proc; none if it is not mounted.
fn children() -> Vec<i32> {
    let path = format!("/proc/self/task/{}/children", std::process::id());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

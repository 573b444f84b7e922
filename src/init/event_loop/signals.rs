//! What signals to `init` itself mean.

use crate::event_loop::Init;
use init_core::Event;
use init_core::status::Stage;
use init_plan::{Scope, Signal};

/// The number of every signal that `init` receives, which are those that the plan knows of. All others stay blocked and
/// are lost on it.
pub fn received() -> Vec<i32> {
    Signal::ACTED_ON.iter().chain(&Signal::PASSED_ON).map(|signal| signal.number()).collect()
}

/// Signals that must not stop or end PID 1 when a terminal or a closed pipe sends them.
pub const IGNORED: &[i32] = &[libc::SIGPIPE, libc::SIGTTIN, libc::SIGTTOU, libc::SIGTSTP];

impl Init {
    /// Handles a signal other than SIGCHLD.
    pub(crate) fn handle_signal(&mut self, number: i32) {
        let Some(signal) = Signal::from_number(number) else { return };
        match number {
            libc::SIGTERM | libc::SIGPWR => self.feed(Event::Shutdown(None)),
            libc::SIGINT if self.supervisor.stage() == Stage::Stopping => {
                self.log("interrupted again: killing what is left");
                self.feed(Event::Force);
            }
            libc::SIGINT => self.feed(Event::Shutdown(None)),
            libc::SIGHUP if !self.is_forwarded(signal) => self.begin_reload(None),
            _ => self.forward_signal(signal),
        }
    }

    fn is_forwarded(&self, signal: Signal) -> bool {
        self.supervisor.plan().services.iter().any(|service| service.forward.contains(&signal))
    }

    /// Sends a signal to the services that asked for it; if none did, to the command that `init` was given.
    fn forward_signal(&mut self, signal: Signal) {
        if self.is_forwarded(signal) {
            return self.feed(Event::Forward(signal));
        }
        if let Some(pid) = self.command().and_then(|id| self.supervisor.main_pid(id)) {
            let _ = self.handles.signal(pid, signal, Scope::Leader);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_signals_are_those_of_the_c_library() {
        let names: Vec<&str> = Signal::names().collect();
        let known = |name: &&str| name.parse::<Signal>().unwrap().number();
        let numbers: Vec<i32> = names.iter().map(known).collect();
        let expected = [
            ("HUP", libc::SIGHUP),
            ("INT", libc::SIGINT),
            ("QUIT", libc::SIGQUIT),
            ("ILL", libc::SIGILL),
            ("TRAP", libc::SIGTRAP),
            ("ABRT", libc::SIGABRT),
            ("BUS", libc::SIGBUS),
            ("FPE", libc::SIGFPE),
            ("KILL", libc::SIGKILL),
            ("USR1", libc::SIGUSR1),
            ("SEGV", libc::SIGSEGV),
            ("USR2", libc::SIGUSR2),
            ("PIPE", libc::SIGPIPE),
            ("ALRM", libc::SIGALRM),
            ("TERM", libc::SIGTERM),
            ("STKFLT", libc::SIGSTKFLT),
            ("CHLD", libc::SIGCHLD),
            ("CONT", libc::SIGCONT),
            ("STOP", libc::SIGSTOP),
            ("TSTP", libc::SIGTSTP),
            ("TTIN", libc::SIGTTIN),
            ("TTOU", libc::SIGTTOU),
            ("URG", libc::SIGURG),
            ("XCPU", libc::SIGXCPU),
            ("XFSZ", libc::SIGXFSZ),
            ("VTALRM", libc::SIGVTALRM),
            ("PROF", libc::SIGPROF),
            ("WINCH", libc::SIGWINCH),
            ("IO", libc::SIGIO),
            ("PWR", libc::SIGPWR),
            ("SYS", libc::SIGSYS),
        ];
        assert_eq!(names.iter().copied().zip(numbers).collect::<Vec<_>>(), expected);
        let real_time = |text: &str| text.parse::<Signal>().unwrap().number();
        assert_eq!((real_time("RTMIN"), real_time("RTMIN+30")), (libc::SIGRTMIN(), libc::SIGRTMAX()));
        for (constant, number) in [
            (Signal::CHLD, libc::SIGCHLD),
            (Signal::HUP, libc::SIGHUP),
            (Signal::INT, libc::SIGINT),
            (Signal::QUIT, libc::SIGQUIT),
            (Signal::KILL, libc::SIGKILL),
            (Signal::USR1, libc::SIGUSR1),
            (Signal::USR2, libc::SIGUSR2),
            (Signal::TERM, libc::SIGTERM),
            (Signal::CONT, libc::SIGCONT),
            (Signal::STOP, libc::SIGSTOP),
            (Signal::WINCH, libc::SIGWINCH),
            (Signal::PWR, libc::SIGPWR),
        ] {
            assert_eq!(constant.number(), number);
        }
    }
}

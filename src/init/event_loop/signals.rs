//! What signals to `init` itself mean.

use crate::event_loop::Init;
use init_core::Event;
use init_core::status::Stage;
use init_plan::{Scope, Signal};

/// Every signal that `init` takes in. All others stay blocked and are lost on it.
pub const HANDLED: &[i32] = &[
    libc::SIGCHLD,
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGPWR,
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGQUIT,
    libc::SIGWINCH,
];

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
            libc::SIGHUP if !self.is_forwarded(signal) => {
                if let Err(problems) = self.reload_plan() {
                    self.log(&format!(
                        "reload: the plan on disk is wrong, the running one stays:\n{problems}"
                    ));
                }
            }
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

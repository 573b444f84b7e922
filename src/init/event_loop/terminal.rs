//! The container's terminal, where there is one (`podman run -it`).
//!
//! A service with `stdin = "tty"`, and the command of `init CMD`, is the terminal's foreground job: it reads from it
//! and gets its Ctrl-C. When it ends the terminal goes back to `init`'s own group, so that the next one can have it.

use crate::event_loop::Init;
use crate::kernel::sys;
use init_plan::{Id, Stdin};

impl Init {
    /// Takes the terminal back from a service that had it.
    pub(crate) fn give_terminal_back(&self, id: Id) {
        let had_it =
            self.supervisor.plan().services.get(id.index()).is_some_and(|s| s.process.stdin == Stdin::Tty);
        if had_it {
            sys::take_terminal();
        }
    }
}

//! The container's terminal, where there is one (`podman run -it`).
//!
//! A service with `stdin = "tty"`, and the command of `init CMD`, is the terminal's foreground job: it reads from it
//! and gets its Ctrl-C. When it ends the terminal goes back to `init`'s own group, so that the next one can have it.
#![allow(unsafe_code, reason = "each block says why it is sound")]

use crate::event_loop::Init;
use init_plan::{Id, Stdin};

impl Init {
    /// Takes the terminal back from a service that had it.
    pub(crate) fn give_terminal_back(&self, id: Id) {
        let had_it =
            self.supervisor.plan().services.get(id.index()).is_some_and(|s| s.process.stdin == Stdin::Tty);
        if had_it {
            // SAFETY: takes and gives no memory. Fails where there is no terminal, which is no matter; SIGTTOU, which
            // it may cause since we are in the background, is ignored.
            unsafe { libc::tcsetpgrp(0, libc::getpgrp()) };
        }
    }
}

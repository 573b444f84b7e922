//! What `init` says of its own progress: the boot, the shutdown, and what either waits for.

use std::time::Duration;

use crate::event_loop::{Init, messages};
use crate::kernel::sys;
use crate::service::notify;
use init_core::Time;
use init_core::status::Stage;
use init_plan::id;

/// A shutdown is shorter; a person watches it.
const SHUTDOWN_REMINDER: Duration = Duration::from_secs(2);

impl Init {
    pub(super) fn booted(&mut self) {
        self.remind_at = None;
        let complete = self.supervisor.booted_at().unwrap_or_else(sys::now);
        let line = messages::of_boot(&self.supervisor, complete.since(self.booted_at));
        self.log(&line);
        if let Err(error) = notify::notify_manager(&format!("READY=1\nSTATUS={line}")) {
            self.log(&id!("I0421").after(&error));
        }
        self.logs.flush();
        self.logs.trim();
        sys::give_back_memory();
    }

    pub(super) fn shutting_down(&mut self, why: Option<String>) {
        self.remind_at = Some(sys::now().plus(SHUTDOWN_REMINDER));
        let why = why.unwrap_or_else(|| "on request".to_owned());
        self.log(&format!("shutting down: {why}"));
        let _ = notify::notify_manager(&format!("STOPPING=1\nSTATUS=shutting down: {why}"));
    }

    pub(super) fn remind(&mut self, now: Time) {
        let (line, next) = match self.supervisor.stage() {
            Stage::Booting => {
                let so_far = now.since(self.booted_at);
                (messages::of_wait(&self.supervisor, now), so_far.min(Duration::from_secs(60)))
            }
            Stage::Stopping => (messages::of_shutdown(&self.supervisor, now), SHUTDOWN_REMINDER),
            Stage::Running => return self.remind_at = None,
        };
        self.remind_at = Some(now.plus(next));
        if let Some(line) = line {
            self.log(&line);
        }
    }
}

//! What happens when a time that a state holds has come.

use super::health::CheckResult;
use super::state::{Cause, ProbeState, State};
use super::supervisor::Supervisor;
use init_plan::Id;

impl Supervisor {
    /// Lets every service act whose time has come.
    pub(super) fn tick(&mut self) {
        self.force_if_due();
        let due = self.timers.iter().take_while(|&&(at, _)| at <= self.now);
        let due: Vec<Id> = due.map(|&(_, id)| id).collect();
        for id in due {
            self.expire(id);
        }
    }

    fn expire(&mut self, id: Id) {
        let now = self.now;
        match self.unit(id).state.clone() {
            State::Checking { .. } => self.fail(id, "start-if command took too long".into(), 1),
            State::Starting { main, .. } if main.timeout.is_due(now) => {
                self.stop_main(id, Cause::StartTimeout);
            }
            State::Starting { probe: ProbeState::Idle(_), .. } => self.start_readiness_probe(id),
            State::Starting { probe: ProbeState::Running(_), .. } => {
                self.kill_probe(id);
                self.readiness_probe_ended(id, false);
            }
            State::Up { watchdog: Some(at), .. } if at <= now => {
                self.stop_unhealthy(id, "missed its watchdog".into(), false);
            }
            State::Up { helper: Some(helper), .. } if helper.timeout.is_due(now) => {
                self.kill_reload_command(id);
            }
            State::Up { probe: ProbeState::Idle(_), .. } => self.start_health_probe(id),
            State::Up { probe: ProbeState::Running(_), .. } => {
                self.kill_probe(id);
                self.health_checked(id, CheckResult::Failed("check took too long".into()));
            }
            State::Stopping { .. } => self.kill_main(id),
            State::Ending { .. } => {
                let message = "killed processes of its group do not vanish: going on without them";
                self.warn(id, message.into());
                self.run_finish_hook(id);
            }
            State::Finishing { exit, cause, .. } => {
                self.warn(id, "the finish hook took too long".into());
                self.decide_after_exit(id, exit, cause);
            }
            State::Undoing { .. } => {
                self.warn(id, "the down command took too long".into());
                self.down_command_ended(id);
            }
            State::Backoff { .. } => self.transition(id, State::Waiting),
            // These have no deadline; a state without probes has only those above.
            State::Starting { probe: ProbeState::Off, .. } | State::Up { probe: ProbeState::Off, .. } => {}
            State::Down | State::Waiting | State::Done | State::Skipped { .. } | State::Failed { .. } => {}
        }
    }
}

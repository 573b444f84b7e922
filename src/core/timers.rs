//! What happens when a time that a state holds has come.

use std::time::Duration;

use super::event::Run;
use super::health::CheckResult;
use super::state::{Cause, ProbeState, State, Timeout};
use super::supervisor::Supervisor;
use init_plan::Id;

/// A service that asks for more time to start or to stop gets no more than this beyond its timeout.
pub(super) const LONGEST_EXTENSION: Duration = Duration::from_secs(3600);

impl Supervisor {
    /// Lets every service act whose time has come.
    pub(super) fn tick(&mut self) {
        self.roll_back_if_condemned();
        self.force_if_due();
        let due = self.timers.iter().take_while(|&&(at, _)| at <= self.now);
        let due: Vec<Id> = due.map(|&(_, id)| id).collect();
        for id in due {
            self.expire(id);
        }
    }

    /// A service says that it needs so much longer to start or to stop. It never gets less than it had, and during a
    /// shutdown no more than the shutdown leaves it.
    pub(super) fn extend_timeout(&mut self, id: Id, run: Run, time: Duration) {
        let (service, unit) = (self.service(id), self.unit(id));
        let usual = match unit.state {
            State::Starting { .. } => service.start_timeout,
            State::Stopping { .. } => Some(service.stop.timeout),
            _ => None,
        };
        let Some(usual) = usual else { return };
        let latest = unit.since.plus(usual.saturating_add(LONGEST_EXTENSION)).min(self.latest_kill(id));
        let wanted = self.now.plus(time).min(latest);
        if let Some(main) = self.unit_mut(id).state.child_mut(run)
            && let Timeout::At(at) = main.timeout
        {
            main.timeout = Timeout::At(at.max(wanted));
        }
        self.update_timer(id);
    }

    fn expire(&mut self, id: Id) {
        let (now, held) = (self.now, self.unit(id).held);
        match self.unit(id).state.clone() {
            State::Checking { .. } => self.fail(id, "start-if command took too long".into(), 1),
            State::Starting { main, .. } if main.timeout.is_due(now) && !held => {
                self.stop_main(id, Cause::StartTimeout);
            }
            State::Starting { probe: ProbeState::Idle(_), .. } => self.start_readiness_probe(id),
            State::Starting { probe: ProbeState::Running(_), .. } => {
                self.kill_probe(id);
                self.readiness_probe_ended(id, false);
            }
            State::Up { watchdog: Some(at), .. } if at <= now && !held => {
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
            State::Stopping { main, .. } if main.timeout.is_due(now) => self.kill_main(id),
            State::Stopping { .. } => self.send_stop_signal(id),
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

//! What happens when a time that stands in a state has come.

use super::event::{Action, Role};
use super::planted::Bug;
use super::state::{Cause, ProbeState, State};
use super::supervisor::Supervisor;
use init_plan::{Check, Id, Ready, Scope, Signal};

impl Supervisor {
    /// Lets every service act whose time has come.
    pub(super) fn tick(&mut self) {
        if self.force_is_due(self.now) {
            self.force();
        }
        let due: Vec<Id> =
            self.timers.iter().take_while(|&&(at, _)| at <= self.now).map(|&(_, id)| id).collect();
        for id in due {
            self.expire(id);
        }
    }

    fn expire(&mut self, id: Id) {
        let now = self.now;
        match self.unit(id).state.clone() {
            State::Checking { .. } => self.fail(id, "start-if command took too long".into(), 1),
            State::Starting { main, .. } if main.timeout.is_due(now) => self.start_timed_out(id),
            State::Starting { probe: ProbeState::Idle(_), .. } => self.start_readiness_probe(id),
            State::Starting { probe: ProbeState::Running(_), .. } => {
                self.kill_probe(id);
                self.readiness_probe_ended(id, false);
            }
            State::Up { watchdog: Some(at), .. } if at <= now => {
                self.stop_unhealthy(id, "missed its watchdog".into(), false)
            }
            State::Up { helper: Some(helper), .. } if helper.timeout.is_due(now) => {
                self.kill_reload_command(id)
            }
            State::Up { probe: ProbeState::Idle(_), .. } => self.start_health_probe(id),
            State::Up { probe: ProbeState::Running(_), .. } => {
                self.kill_probe(id);
                self.tried_health(id, Err("check took too long".into()));
            }
            State::Stopping { .. } if self.planted(Bug::NeverKills) => {}
            State::Stopping { .. } => self.kill_main(id),
            State::Ending { .. } => {
                self.warn(id, "killed processes of its group do not vanish: going on without them".into());
                self.after_ending(id);
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
            // These have no deadline; `Starting` with its probes off has none but the one above.
            State::Starting { probe: ProbeState::Off, .. } | State::Up { probe: ProbeState::Off, .. } => {}
            State::Down | State::Waiting | State::Done | State::Skipped { .. } | State::Failed { .. } => {}
        }
    }

    fn start_timed_out(&mut self, id: Id) {
        self.stop_main(id, Cause::StartTimeout);
    }

    fn start_readiness_probe(&mut self, id: Id) {
        // A new plan may say that it is to be known in another way.
        let Ready::Probe(probe) = &self.service(id).ready else { return self.set_probe(id, ProbeState::Off) };
        // A command is tried anew each time; the others go on trying until the start timeout ends them.
        let patience = matches!(probe.check, Check::Exec(_)).then_some(probe.timeout);
        let child = self.spawn(id, Role::ReadyProbe, patience);
        self.set_probe(id, ProbeState::Running(child));
    }

    fn start_health_probe(&mut self, id: Id) {
        let Some(patience) = self.service(id).health.as_ref().map(|health| health.probe.timeout) else {
            return self.set_probe(id, ProbeState::Off);
        };
        let child = self.spawn(id, Role::HealthProbe, Some(patience));
        self.set_probe(id, ProbeState::Running(child));
    }

    /// Kills a probe that takes too long.
    pub(super) fn kill_probe(&mut self, id: Id) {
        let (State::Starting { probe: ProbeState::Running(child), .. }
        | State::Up { probe: ProbeState::Running(child), .. }) = self.unit(id).state
        else {
            return;
        };
        if let Some(pid) = child.pid {
            self.emit(Action::Signal { id, pid, signal: Signal::KILL, scope: Scope::Group });
        }
    }

    fn kill_reload_command(&mut self, id: Id) {
        let State::Up { helper, .. } = &mut self.unit_mut(id).state else { return };
        let pid = helper.take().and_then(|child| child.pid);
        self.update_timer(id);
        self.warn(id, "the reload command took too long".into());
        if let Some(pid) = pid {
            self.emit(Action::Signal { id, pid, signal: Signal::KILL, scope: Scope::Group });
        }
    }
}

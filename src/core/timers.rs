//! What happens when a time that stands in a state has come.

use super::event::{Action, Role};
use super::planted::Bug;
use super::state::{Cause, State, Trial};
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
            State::Starting { main, .. } if main.until.is_some_and(|at| at <= now) => self.late(id),
            State::Starting { probe: Trial::Idle(_), .. } => self.try_ready(id),
            State::Starting { probe: Trial::Running(_), .. } => {
                self.drop_trial(id);
                self.tried_ready(id, false);
            }
            State::Up { watchdog: Some(at), .. } if at <= now => {
                self.sick(id, "missed its watchdog".into(), false)
            }
            State::Up { helper: Some(helper), .. } if helper.until.is_some_and(|at| at <= now) => {
                self.drop_helper(id)
            }
            State::Up { probe: Trial::Idle(_), .. } => self.try_health(id),
            State::Up { probe: Trial::Running(_), .. } => {
                self.drop_trial(id);
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
                self.conclude(id, exit, cause);
            }
            State::Undoing { .. } => {
                self.warn(id, "the down command took too long".into());
                self.undone(id);
            }
            State::Backoff { .. } => self.go(id, State::Waiting),
            // These have no deadline; `Starting` with its probes off has none but the one above.
            State::Starting { probe: Trial::Off, .. } | State::Up { probe: Trial::Off, .. } => {}
            State::Down | State::Waiting | State::Done | State::Skipped { .. } | State::Failed { .. } => {}
        }
    }

    fn late(&mut self, id: Id) {
        self.halt_main(id, Cause::Late);
    }

    fn try_ready(&mut self, id: Id) {
        // A new plan may say that it is to be known in another way.
        let Ready::Probe(probe) = &self.service(id).ready else { return self.set_trial(id, Trial::Off) };
        // A command is tried anew each time; the others go on trying until the start timeout ends them.
        let patience = matches!(probe.check, Check::Exec(_)).then_some(probe.timeout);
        let child = self.spawn(id, Role::ReadyProbe, patience);
        self.set_trial(id, Trial::Running(child));
    }

    fn try_health(&mut self, id: Id) {
        let Some(patience) = self.service(id).health.as_ref().map(|health| health.probe.timeout) else {
            return self.set_trial(id, Trial::Off);
        };
        let child = self.spawn(id, Role::HealthProbe, Some(patience));
        self.set_trial(id, Trial::Running(child));
    }

    /// Kills a probe that takes too long.
    pub(super) fn drop_trial(&mut self, id: Id) {
        let (State::Starting { probe: Trial::Running(child), .. }
        | State::Up { probe: Trial::Running(child), .. }) = self.unit(id).state
        else {
            return;
        };
        if let Some(pid) = child.pid {
            self.act(Action::Signal { id, pid, signal: Signal::KILL, scope: Scope::Group });
        }
    }

    fn drop_helper(&mut self, id: Id) {
        let State::Up { helper, .. } = &mut self.unit_mut(id).state else { return };
        let pid = helper.take().and_then(|child| child.pid);
        self.retime(id);
        self.warn(id, "the reload command took too long".into());
        if let Some(pid) = pid {
            self.act(Action::Signal { id, pid, signal: Signal::KILL, scope: Scope::Group });
        }
    }
}

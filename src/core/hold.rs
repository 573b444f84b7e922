//! A service that a person holds, for a debugger: nothing checks it, nothing hurries it, and when it ends it stays so.
//!
//! What it is asked for is done as ever: it can be stopped, started and restarted, and a shutdown takes it down. Only what
//! would happen by itself does not: health checks, the watchdog, the start timeout, restarts, and what follows from its
//! failure. A held service that ends waits in backoff, without a time, until it is released.

use super::state::{ProbeState, State, Unit};
use super::supervisor::Supervisor;
use super::time::Time;
use init_plan::Id;

impl Unit {
    /// The earliest time at which the service wants to act.
    pub(super) fn deadline(&self) -> Option<Time> {
        match &self.state {
            state if !self.held => state.deadline(),
            State::Backoff { .. } => None,
            State::Starting { probe: ProbeState::Idle(at), .. } => Some(*at),
            State::Starting { probe: ProbeState::Running(child), .. } => child.timeout.at(),
            State::Starting { probe: ProbeState::Off, .. } => None,
            State::Up { helper, .. } => helper.as_ref().and_then(|helper| helper.timeout.at()),
            state => state.deadline(),
        }
    }
}

impl Supervisor {
    /// Holds a service from now on.
    pub(super) fn hold(&mut self, id: Id) {
        self.unit_mut(id).held = true;
        if let State::Up { probe: ProbeState::Running(_), .. } = self.unit(id).state {
            self.kill_probe(id);
            self.set_probe(id, ProbeState::Idle(self.now));
        }
        self.update_timer(id);
    }

    /// Holds a service no longer. What was to happen to it happens from now on, with its whole time before it.
    pub(super) fn release(&mut self, id: Id) {
        if !std::mem::take(&mut self.unit_mut(id).held) {
            return;
        }
        let (now, patience) = (self.now, self.service(id).start_timeout);
        match &mut self.unit_mut(id).state {
            State::Starting { main, .. } => {
                if let (Some(patience), Some(_)) = (patience, main.timeout.at()) {
                    main.timeout = super::state::Timeout::At(now.plus(patience));
                }
            }
            State::Up { watchdog: Some(_), .. } => self.restart_watchdog(id),
            State::Backoff { .. } => {
                self.unit_mut(id).restarts += 1;
                self.transition(id, State::Waiting);
            }
            _ => {}
        }
        self.update_timer(id);
    }

    /// A held service ended: nothing more happens to it until it is released.
    pub(super) fn wait_for_release(&mut self, id: Id, why: String) {
        self.unit_mut(id).said = Some(why);
        self.transition(id, State::Backoff { until: self.now });
    }
}

//! Starting a service: its conditions, its process, and what happens when it is ready.

use super::dependencies::DependencyState;
use super::event::{Role, Run, SpawnError};
use super::restart::LEAST_RETRY;
use super::state::{Child, Goal, ProbeState, State, Timeout};
use super::status::{Exit, Wellness};
use super::supervisor::Supervisor;
use init_plan::{Condition, Id, Kind, Ready};

impl Supervisor {
    /// Starts a waiting service if its dependencies allow that.
    pub(super) fn start_if_possible(&mut self, id: Id) {
        let (state, at) = self.search_dependencies(id, self.unit(id).blocked_at);
        self.unit_mut(id).blocked_at = at;
        match state {
            DependencyState::Met => {
                self.unit_mut(id).said = None;
                self.unit_mut(id).reason = None;
                self.check_conditions(id, 0);
            }
            DependencyState::Pending(on) => {
                if let Some(first_start) = &mut self.unit_mut(id).first_start {
                    first_start.wait_for(on);
                }
            }
            DependencyState::Failed(on) => self.fail_for_dependency(id, on),
        }
    }

    // ---- start conditions ----

    /// Checks the start conditions from position `at` on, one after the other, then starts the service.
    fn check_conditions(&mut self, id: Id, at: usize) {
        let Some(condition) = self.service(id).conditions.get(at) else {
            // A dependency may have gone while the conditions were checked.
            let is_met = at == 0 || self.dependency_state(id) == DependencyState::Met;
            return if is_met { self.launch(id) } else { self.transition(id, State::Waiting) };
        };
        let patience = match condition {
            Condition::Exec(hook) => hook.timeout,
            Condition::Env { .. } | Condition::File { .. } => None,
        };
        let child = self.spawn(id, Role::Condition(at), patience);
        self.transition(id, State::Checking { child, at });
    }

    /// A condition that needs no process was checked.
    pub(super) fn condition_checked(&mut self, run: Run, unmet: Option<String>) {
        let holder = self.holder(run);
        self.runs.remove(&run);
        let Some(id) = holder else { return };
        let State::Checking { at, .. } = self.unit(id).state else { return };
        match unmet {
            None => self.check_conditions(id, at + 1),
            Some(why) => self.skip(id, why),
        }
    }

    /// The command of condition `at` ended.
    pub(super) fn condition_ended(&mut self, id: Id, at: usize, exit: Exit) {
        let why = format!("start-if command ended with {exit}");
        match exit {
            Exit::Code(0) => self.check_conditions(id, at + 1),
            Exit::Code(_) => {
                let why = self.unit_mut(id).reason.take().unwrap_or(why);
                self.skip(id, why);
            }
            Exit::Signal(_) => self.fail(id, why, exit.shell_code()),
        }
    }

    fn skip(&mut self, id: Id, why: String) {
        self.transition(id, State::Skipped { why });
        self.recover_dependents(id);
    }

    // ---- the process ----

    fn launch(&mut self, id: Id) {
        let patience = self.service(id).start_timeout;
        let now = self.now;
        let unit = self.unit_mut(id);
        unit.started = now;
        unit.ready_after = None;
        unit.watchdog = None;
        unit.failures = 0;
        unit.wellness = Wellness::Unknown;
        unit.changed = false;
        let main = self.spawn(id, Role::Main, patience);
        self.transition(id, State::Starting { main, probe: ProbeState::Off });
    }

    /// The program of a service, or of one of its conditions, could not be started.
    pub(super) fn could_not_start(&mut self, id: Id, error: &SpawnError) {
        if self.unit(id).goal != Goal::Up {
            return self.become_inactive(id);
        }
        if error.lasting {
            return self.fail(id, error.message.clone(), error.code);
        }
        // A lack of processes or memory passes. It is nobody's failure, so no limit counts it.
        self.warn(id, error.message.clone());
        self.unit_mut(id).said = Some(error.message.clone());
        self.back_off(id, LEAST_RETRY);
    }

    /// The main process runs. Does whatever is necessary to learn when the service is ready.
    pub(super) fn main_started(&mut self, id: Id) {
        let service = self.service(id);
        match (&service.ready, service.kind) {
            (_, Kind::Oneshot) => {}
            (Ready::Started, Kind::Longrun) => self.now_up(id),
            (Ready::Probe(probe), Kind::Longrun) => {
                let at = self.now.plus(probe.initial_delay);
                self.set_probe(id, ProbeState::Idle(at));
            }
            (Ready::Fd(_) | Ready::Notify | Ready::Log(_), Kind::Longrun) => {}
        }
    }

    /// A process said that it is ready, or that its reload is complete.
    pub(super) fn said_ready(&mut self, run: Run) {
        let Some(id) = self.holder_of_main(run) else { return };
        let kind = self.service(id).kind;
        match &mut self.unit_mut(id).state {
            State::Starting { .. } if kind == Kind::Longrun => self.now_up(id),
            State::Up { reloading, .. } => *reloading = false,
            _ => {}
        }
    }

    /// A starting service is ready.
    pub(super) fn now_up(&mut self, id: Id) {
        let State::Starting { main, .. } = self.unit(id).state else { return };
        let took = self.now.since(self.unit(id).started);
        let watchdog = self.watchdog_deadline(id);
        let probe = match &self.service(id).health {
            Some(health) => ProbeState::Idle(self.now.plus(health.probe.initial_delay)),
            None => ProbeState::Off,
        };
        let unit = self.unit_mut(id);
        unit.ready_after = Some(took);
        unit.failures = 0;
        // It is why earlier probes failed.
        unit.reason = None;
        unit.wellness = Wellness::Unknown;
        let main = Child { timeout: Timeout::Never, ..main };
        self.transition(id, State::Up { main, probe, watchdog, reloading: false, helper: None });
        self.recover_dependents(id);
    }
}

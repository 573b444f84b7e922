//! What people ask for: start, restart, reload, and signals that are passed on.

use std::collections::BTreeSet;

use super::event::{Action, Role};
use super::state::{Cause, Goal, State};
use super::status::Stage;
use super::supervisor::Supervisor;
use init_plan::{Hook, Id, Kind, Reload, Scope, Signal};

impl Supervisor {
    /// Wants a service up, and with it what it requires and wants. A service that had failed is tried again.
    pub(super) fn start(&mut self, id: Id) {
        if self.stage == Stage::Stopping {
            return;
        }
        // Dependencies have smaller ids, so they come first.
        for next in self.to_be_started(id, |_| false) {
            self.start_one(next);
        }
    }

    /// A service, and everything that it requires and wants and that has to be started for its sake. What it wants may
    /// be spared.
    pub(super) fn to_be_started(&self, id: Id, is_spared: impl Fn(Id) -> bool) -> BTreeSet<Id> {
        let (mut queue, mut found) = (vec![id], BTreeSet::new());
        while let Some(next) = queue.pop() {
            if found.insert(next) {
                let service = self.service(next);
                let wants = service.wants.iter().filter(|&&on| self.must_be_started(on, false));
                queue.extend(wants.filter(|&&on| !is_spared(on)));
                queue.extend(service.requires.iter().filter(|&&on| self.must_be_started(on, true)));
            }
        }
        found
    }

    /// Whether a dependency has to be started for the sake of its dependent.
    pub(super) fn must_be_started(&self, on: Id, required: bool) -> bool {
        let unit = self.unit(on);
        let has_ended = match unit.state {
            State::Failed { .. } => true,
            State::Done => required && self.service(on).kind == Kind::Longrun,
            _ => false,
        };
        unit.goal != Goal::Up || has_ended
    }

    pub(super) fn start_one(&mut self, id: Id) {
        let before = self.unit(id).goal;
        if before != Goal::Up {
            self.forget_why_it_ends(id);
        }
        let unit = self.unit_mut(id);
        unit.tries = 0;
        unit.history.clear();
        let again = match unit.state {
            State::Down | State::Backoff { .. } | State::Skipped { .. } | State::Failed { .. } => true,
            State::Done => self.service(id).kind == Kind::Longrun,
            _ => false,
        };
        self.set_goal(id, Goal::Up);
        if again {
            self.transition(id, State::Waiting);
        }
        if matches!(before, Goal::DependencyFailed(_)) {
            // The service may be up still, and would never report that it came up again.
            self.recover_dependents(id);
        }
    }

    /// The service was to be down, so whatever ended it does not matter now that it is to be up. A oneshot that
    /// completed has done what is asked for, though.
    fn forget_why_it_ends(&mut self, id: Id) {
        let completed = match &self.unit(id).state {
            State::Ending { exit, cause, .. } | State::Finishing { exit, cause, .. } => {
                self.has_completed(id, *exit, cause)
            }
            _ => false,
        };
        if !completed {
            self.note_request(id);
        }
    }

    /// Wants a service stopped and started, and nothing else disturbed.
    pub(super) fn restart(&mut self, id: Id) {
        if self.stage == Stage::Stopping {
            return;
        }
        self.start_on_request(id);
        match self.unit(id).state {
            State::Starting { .. } | State::Up { .. } => self.stop_main(id, Cause::Requested),
            State::Stopping { .. } | State::Ending { .. } | State::Finishing { .. } => self.note_request(id),
            State::Done if self.service(id).down.is_some() => self.run_down_command(id),
            State::Done => self.transition(id, State::Waiting),
            State::Down | State::Waiting | State::Checking { .. } | State::Undoing { .. } => {}
            State::Backoff { .. } | State::Skipped { .. } | State::Failed { .. } => {}
        }
    }

    /// Whatever a service is stopping for, somebody now wants it started again without delay.
    fn note_request(&mut self, id: Id) {
        if let State::Stopping { cause, .. } | State::Ending { cause, .. } | State::Finishing { cause, .. } =
            &mut self.unit_mut(id).state
        {
            *cause = Cause::Requested;
        }
    }

    // ---- reload ----

    /// Wants a service to read its configuration again, in the way that its definition says.
    pub(super) fn reload(&mut self, id: Id) {
        let State::Up { main, .. } = self.unit(id).state else { return };
        match self.service(id).reload.clone() {
            None => {}
            Some(Reload::Signal(signal)) => {
                if let Some(pid) = main.pid {
                    self.emit(Action::Signal { id, pid, signal, scope: Scope::Leader });
                }
            }
            Some(Reload::Exec(hook)) => self.start_reload_command(id, &hook),
        }
    }

    /// Starts the reload command. Only one runs at a time, and the newest request counts.
    fn start_reload_command(&mut self, id: Id, hook: &Hook) {
        let child = self.spawn(id, Role::Reload, hook.timeout);
        self.unit_mut(id).reload_failure = None;
        let State::Up { helper, .. } = &mut self.unit_mut(id).state else { return };
        if let Some(pid) = helper.replace(child).and_then(|old| old.pid) {
            self.kill(id, pid);
        }
        self.update_timer(id);
    }

    pub(super) fn reload_command_failed(&mut self, id: Id, how: &str) {
        let why = format!("reload command: {how}");
        self.unit_mut(id).reload_failure = Some(why.clone());
        self.warn(id, why);
        self.clear_reload_command(id);
    }

    pub(super) fn clear_reload_command(&mut self, id: Id) {
        if let State::Up { helper, .. } = &mut self.unit_mut(id).state {
            *helper = None;
        }
        self.update_timer(id);
    }

    pub(super) fn kill_reload_command(&mut self, id: Id) {
        let State::Up { helper, .. } = &mut self.unit_mut(id).state else { return };
        let pid = helper.take().and_then(|child| child.pid);
        self.update_timer(id);
        let why = "the reload command took too long".to_owned();
        self.unit_mut(id).reload_failure = Some(why.clone());
        self.warn(id, why);
        if let Some(pid) = pid {
            self.kill(id, pid);
        }
    }

    // ---- signals ----

    /// Passes a signal that `init` got on to the services that asked for it.
    pub(super) fn forward(&mut self, signal: Signal) {
        for id in self.ids() {
            if self.service(id).forward.contains(&signal)
                && let Some(pid) = self.main_pid(id)
            {
                self.emit(Action::Signal { id, pid, signal, scope: Scope::Leader });
            }
        }
    }
}

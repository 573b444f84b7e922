//! What people ask for.

use std::collections::BTreeSet;

use super::event::{Action, Role};
use super::planted::Bug;
use super::state::{Cause, Goal, State};
use super::status::{Exit, Stage};
use super::supervisor::Supervisor;
use init_plan::{Id, Kind, Reload, Scope, Signal};

impl Supervisor {
    /// Wants a service up, and with it what it requires and wants. One that had failed is tried afresh.
    pub(super) fn start(&mut self, id: Id) {
        if self.stage == Stage::Stopping {
            return;
        }
        let (mut queue, mut found) = (vec![id], BTreeSet::new());
        while let Some(next) = queue.pop() {
            if found.insert(next) {
                let service = self.service(next);
                queue.extend(service.requires.iter().filter(|&&on| self.must_be_started(on, true)));
                queue.extend(service.wants.iter().filter(|&&on| self.must_be_started(on, false)));
            }
        }
        // In the order of ids: what others need comes first.
        for next in found {
            self.start_one(next);
        }
    }

    /// Whether a dependency has to be started for its dependent's sake.
    pub(super) fn must_be_started(&self, on: Id, required: bool) -> bool {
        let unit = self.unit(on);
        let over = match unit.state {
            State::Failed { .. } => true,
            State::Done => required && self.service(on).kind == Kind::Longrun,
            _ => false,
        };
        unit.goal != Goal::Up || over
    }

    fn start_one(&mut self, id: Id) {
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
            // It may be up still, and would never say that it came up again.
            self.recover_dependents(id);
        }
    }

    /// It was to be down, so whatever ended it is no matter now that it is to be up. A oneshot that completed did
    /// what is asked for, though.
    fn forget_why_it_ends(&mut self, id: Id) {
        let complete = match &self.unit(id).state {
            State::Ending { exit, cause, .. } | State::Finishing { exit, cause, .. } => {
                self.service(id).kind == Kind::Oneshot
                    && *cause == Cause::ExitedByItself
                    && *exit == Exit::Code(0)
            }
            _ => false,
        };
        if !complete {
            self.note_request(id);
        }
    }

    /// Wants a service down, and before it what requires it.
    pub(super) fn stop(&mut self, id: Id) {
        let mut queue = vec![id];
        while let Some(next) = queue.pop() {
            self.set_goal(next, Goal::Down);
            let above = self.dependents_that_require(next).into_iter();
            queue.extend(above.filter(|&dependent| self.unit(dependent).goal != Goal::Down));
        }
    }

    /// Wants a service stopped and started, and nothing else disturbed.
    pub(super) fn restart(&mut self, id: Id) {
        if self.stage == Stage::Stopping {
            return;
        }
        self.start(id);
        match self.unit(id).state {
            State::Starting { .. } | State::Up { .. } if self.planted(Bug::RestartsWithoutStopping) => {
                self.transition(id, State::Waiting);
            }
            State::Starting { .. } | State::Up { .. } => self.stop_main(id, Cause::Requested),
            State::Stopping { .. } | State::Ending { .. } | State::Finishing { .. } => self.note_request(id),
            State::Done if self.service(id).down.is_some() => self.run_down_command(id),
            State::Done => self.transition(id, State::Waiting),
            State::Down | State::Waiting | State::Checking { .. } | State::Undoing { .. } => {}
            State::Backoff { .. } | State::Skipped { .. } | State::Failed { .. } => {}
        }
    }

    /// Whatever it is stopping for, somebody now wants it started again without delay.
    fn note_request(&mut self, id: Id) {
        if let State::Stopping { cause, .. } | State::Ending { cause, .. } | State::Finishing { cause, .. } =
            &mut self.unit_mut(id).state
        {
            *cause = Cause::Requested;
        }
    }

    /// Wants a service to read its configuration again, the way its definition says.
    pub(super) fn reload(&mut self, id: Id) {
        let State::Up { main, .. } = self.unit(id).state else { return };
        match self.service(id).reload.clone() {
            None => {}
            Some(Reload::Signal(signal)) => {
                if let Some(pid) = main.pid {
                    self.emit(Action::Signal { id, pid, signal, scope: Scope::Leader });
                }
            }
            Some(Reload::Exec(hook)) => {
                let child = self.spawn(id, Role::Reload, hook.timeout);
                if let State::Up { helper, .. } = &mut self.unit_mut(id).state {
                    // One at a time: the newest request counts.
                    let before = helper.replace(child).and_then(|old| old.pid);
                    if let Some(pid) = before {
                        self.emit(Action::Signal { id, pid, signal: Signal::KILL, scope: Scope::Group });
                    }
                }
                self.update_timer(id);
            }
        }
    }

    /// Passes a signal of `init` on to the services that asked for it.
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

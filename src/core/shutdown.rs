//! Stopping everything.

use super::event::Action;
use super::shutdown_budget::ShutdownBudget;
use super::state::{Cause, Child, Goal, Reason, State, Timeout, Unit};
use super::status::Stage;
use super::supervisor::{Shutdown, Supervisor};

impl Supervisor {
    /// Stops everything, in reverse order. The first exit code stays: what fails on the way down is no news.
    pub(super) fn begin_shutdown(&mut self, code: i32, why: Option<String>) {
        if self.shutdown.is_some() {
            return;
        }
        let budget = ShutdownBudget::new(&self.plan, self.now);
        self.shutdown = Some(Shutdown { budget, code, is_over: false, up_from: 0 });
        self.stage = Stage::Stopping;
        self.end_trial("init is shutting down");
        self.emit(Action::ShuttingDown { why });
        for id in self.ids() {
            self.set_goal(id, Goal::Down(Reason::Unasked));
            self.hurry(id);
        }
    }

    /// A service that was on its way down already must keep to the shutdown's time, and so must its hooks.
    fn hurry(&mut self, id: init_plan::Id) {
        let (State::Stopping { main: child, .. } | State::Finishing { child, .. } | State::Undoing { child }) =
            self.unit(id).state
        else {
            return;
        };
        let hurried = self.within_shutdown(id, child);
        if let Some(child) = self.unit_mut(id).state.child_mut(child.run) {
            *child = hurried;
        }
        self.update_timer(id);
    }

    /// Kills everything that is left if the time for that has come.
    pub(super) fn force_if_due(&mut self) {
        if self.shutdown.as_ref().is_some_and(|shutdown| shutdown.budget.force_is_due(self.now)) {
            self.force();
        }
    }

    /// Kills everything that is left, in no order. Does nothing unless a shutdown is under way.
    pub(super) fn force(&mut self) {
        let Some(shutdown) = &mut self.shutdown else { return };
        shutdown.budget.force();
        // Services that waited for others to stop need not wait any more.
        self.dirty.extend(self.ids());
        for id in self.ids() {
            let pids: Vec<_> = self.unit(id).state.children().filter_map(|child| child.pid).collect();
            for pid in pids {
                self.kill(id, pid);
            }
            if let State::Starting { main, .. } | State::Up { main, .. } = self.unit(id).state {
                let main = Child { timeout: Timeout::Expired, ..main };
                let cause = Cause::Requested;
                self.transition(id, State::Stopping { main, helper: None, again: None, cause });
            }
        }
    }

    /// Orders the exit once everything is down, or once the time is over.
    pub(super) fn end_shutdown(&mut self) {
        let Some(shutdown) = &mut self.shutdown else { return };
        let is_up = |unit: &Unit| unit.state != State::Down;
        let next = self.units.iter().skip(shutdown.up_from).position(is_up);
        shutdown.up_from = next.map_or(self.units.len(), |steps| shutdown.up_from + steps);
        if next.is_none() || self.now >= shutdown.budget.end() {
            let code = shutdown.code;
            shutdown.is_over = true;
            self.emit(Action::Halt { code });
        }
    }
}

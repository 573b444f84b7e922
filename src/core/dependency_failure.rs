//! What happens to the dependents of a service that failed for good, and what happens when it recovers.
//!
//! Every service that requires the failed one, directly or not, gets the goal [`Goal::DependencyFailed`], which names
//! the service that failed first, however many stand between. Chains of dependencies may be long, so these functions
//! walk the graph with a list of their own and do not recurse.

use std::collections::BTreeSet;

use super::dependencies::DependencyState;
use super::state::{Goal, State};
use super::status::{Exit, Phase};
use super::supervisor::Supervisor;
use init_plan::{Id, Kind};

impl Supervisor {
    /// A service failed for good with this exit code, so everything that requires it fails, too.
    pub(super) fn fail_dependents(&mut self, id: Id, code: i32) {
        let dependents = self.dependents_that_require(id);
        self.spread_failure(dependents, id, code);
    }

    /// A service cannot start because `failed`, which it requires, failed before it came to that.
    pub(super) fn fail_for_dependency(&mut self, id: Id, failed: Id) {
        let code = self.unit(failed).last_exit.map_or(1, Exit::shell_code);
        self.spread_failure(vec![id], failed, code);
    }

    fn spread_failure(&mut self, mut queue: Vec<Id>, failed: Id, code: i32) {
        let mut essential = None;
        while let Some(next) = queue.pop() {
            if self.can_fail_with_dependency(next) {
                self.set_goal(next, Goal::DependencyFailed(failed));
                queue.extend(self.dependents_that_require(next));
                essential = essential.or(self.service(next).essential.then_some(next));
            }
        }
        if let Some(id) = essential {
            // What an essential service requires is essential to it.
            let (name, on) = (&self.service(id).name, &self.service(failed).name);
            let why = format!("{name} failed: it requires {on}, which failed");
            self.end_container(code, why);
        }
    }

    /// A service that gave up or ended by itself has its own reason to be down, and the recovery of another must not
    /// bring it back.
    fn can_fail_with_dependency(&self, id: Id) -> bool {
        let unit = self.unit(id);
        let over = match unit.state.phase() {
            Phase::Failed => true,
            Phase::Done => self.service(id).kind == Kind::Longrun,
            _ => false,
        };
        unit.goal == Goal::Up && !over
    }

    /// A service is well again: dependents that failed because of it come back, unless something else that they
    /// require has failed, too.
    pub(super) fn recover_dependents(&mut self, id: Id) {
        let mut failed: BTreeSet<Id> = self.failed_dependents(id).collect();
        // Requirements have smaller ids, so whoever is next has had all of its own rechecked.
        while let Some(next) = failed.pop_first() {
            let before = self.unit(next).goal;
            self.recheck_failed_dependency(next);
            if self.unit(next).goal != before {
                failed.extend(self.failed_dependents(next));
            }
        }
    }

    /// The services that require this one and are down because it, or something that it requires, failed.
    fn failed_dependents(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        let required = self.dependents_of(id).iter().filter(|&&(_, required)| required);
        let dependents = required.map(|&(dependent, _)| dependent);
        dependents.filter(|&dependent| matches!(self.unit(dependent).goal, Goal::DependencyFailed(_)))
    }

    /// Finds out again whether something that a service requires has failed, and sets its goal accordingly.
    pub(super) fn recheck_failed_dependency(&mut self, id: Id) {
        let failed = self.service(id).requires.iter().find_map(|&on| match self.required_state(on) {
            DependencyState::Failed(first) => Some(first),
            DependencyState::Met | DependencyState::Pending(_) => None,
        });
        self.set_goal(id, failed.map_or(Goal::Up, Goal::DependencyFailed));
        let is_failed = matches!(self.unit(id).state, State::Failed { .. });
        match failed {
            // The reason it shows must be the present one.
            Some(_) if is_failed => self.become_inactive(id),
            None if is_failed => self.transition(id, State::Waiting),
            _ => {}
        }
    }
}

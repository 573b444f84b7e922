//! What a failure takes with it, and what a recovery gives back.
//!
//! A service whose requirement failed for good is *lost* with it: [`Goal::Lost`] names the one that failed, however
//! many stand between. Chains may be long, so these walk the graph with a list of their own, not by recursion.

use std::collections::BTreeSet;

use super::needs::Needs;
use super::planted::Bug;
use super::state::{Goal, State};
use super::status::Phase;
use super::supervisor::Supervisor;
use crate::plan::{Id, Kind};

impl Supervisor {
    /// It failed for good: so does everything that requires it, directly or not.
    pub(super) fn lose_above(&mut self, id: Id, cause: Id) {
        let mut queue = vec![id];
        while let Some(from) = queue.pop() {
            for dependent in self.hard_above(from) {
                if self.can_be_lost(dependent) {
                    self.aim(dependent, Goal::Lost(cause));
                    queue.push(dependent);
                }
            }
        }
    }

    /// What it requires failed before it came to start.
    pub(super) fn lose(&mut self, id: Id, cause: Id) {
        self.aim(id, Goal::Lost(cause));
        self.lose_above(id, cause);
    }

    /// Those that require it.
    pub(super) fn hard_above(&self, id: Id) -> Vec<Id> {
        self.above(id).iter().filter(|&&(_, required)| required).map(|&(on, _)| on).collect()
    }

    /// One that gave up or ended by itself has its own reason to be down, and no other's recovery takes it back.
    fn can_be_lost(&self, id: Id) -> bool {
        let unit = self.unit(id);
        let over = match unit.state.phase() {
            Phase::Failed => true,
            Phase::Done => self.service(id).kind == Kind::Longrun,
            _ => false,
        };
        unit.goal == Goal::Up && !over && !self.planted(Bug::KeepsDependents)
    }

    /// It is well again: what was lost with it comes back, unless it is lost with something else too.
    pub(super) fn recover_lost(&mut self, id: Id) {
        if self.planted(Bug::NeverRecovers) {
            return;
        }
        let mut lost: BTreeSet<Id> = self.lost_with(id, id).collect();
        // Requirements have smaller ids: whoever is next has had all of its own looked at.
        while let Some(next) = lost.pop_first() {
            lost.extend(self.lost_with(next, id));
            self.find_lost(next);
        }
    }

    fn lost_with(&self, id: Id, cause: Id) -> impl Iterator<Item = Id> + '_ {
        let above = self.above(id).iter().map(|&(dependent, _)| dependent);
        above.filter(move |&dependent| self.unit(dependent).goal == Goal::Lost(cause))
    }

    /// Looks afresh at what a lost service is lost with, if it still is.
    pub(super) fn find_lost(&mut self, id: Id) {
        let missing = self.service(id).requires.iter().find_map(|&on| match self.needs_hard(on) {
            Needs::Lost(first) => Some(first),
            Needs::Met | Needs::Blocked(_) => None,
        });
        self.aim(id, missing.map_or(Goal::Up, Goal::Lost));
        let failed = matches!(self.unit(id).state, State::Failed { .. });
        match missing {
            // So that the reason it shows is the present one.
            Some(_) if failed => self.rest(id),
            None if failed => self.go(id, State::Waiting),
            _ => {}
        }
    }
}

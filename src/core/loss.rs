//! What a failure takes with it, and what a recovery gives back.
//!
//! A service whose requirement failed for good is *lost* with it: [`Goal::Lost`] names the one that failed, however
//! many stand between. Chains may be long, so these walk the graph with a list of their own, not by recursion.

use std::collections::BTreeSet;

use super::needs::Needs;
use super::planted::Bug;
use super::state::{Goal, State};
use super::status::{Exit, Phase};
use super::supervisor::Supervisor;
use init_plan::{Id, Kind};

impl Supervisor {
    /// It failed for good, with this exit code: so does everything that requires it, directly or not.
    pub(super) fn lose_above(&mut self, id: Id, code: i32) {
        let above = self.hard_above(id);
        self.lose_all(above, id, code);
    }

    /// What it requires failed before it came to start.
    pub(super) fn lose(&mut self, id: Id, cause: Id) {
        let code = self.unit(cause).last_exit.map_or(1, Exit::shell_code);
        self.lose_all(vec![id], cause, code);
    }

    fn lose_all(&mut self, mut queue: Vec<Id>, cause: Id, code: i32) {
        let mut essential = None;
        while let Some(next) = queue.pop() {
            if self.can_be_lost(next) {
                self.aim(next, Goal::Lost(cause));
                queue.extend(self.hard_above(next));
                essential = essential.or(self.service(next).essential.then_some(next));
            }
        }
        if let Some(id) = essential {
            // What an essential service requires is essential to it.
            let (name, on) = (&self.service(id).name, &self.service(cause).name);
            let last_words = format!("{name} failed: it requires {on}, which failed");
            self.end_container(code, last_words);
        }
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
        let mut lost: BTreeSet<Id> = self.lost_above(id).collect();
        // Requirements have smaller ids: whoever is next has had all of its own looked at.
        while let Some(next) = lost.pop_first() {
            let before = self.unit(next).goal;
            self.find_lost(next);
            if self.unit(next).goal != before {
                lost.extend(self.lost_above(next));
            }
        }
    }

    /// Those that require it and are lost, with it or with something below it.
    fn lost_above(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        let hard = self.above(id).iter().filter(|&&(_, required)| required).map(|&(dependent, _)| dependent);
        hard.filter(|&dependent| matches!(self.unit(dependent).goal, Goal::Lost(_)))
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

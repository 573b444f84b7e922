//! What a person stops, what that takes along, and how it comes back.
//!
//! A stop of a service stops everything that requires it, too. The goal of each remembers whose stop it was
//! ([`Reason`]), so that a start of that service brings all of them back. What a person stopped by its own name stays
//! down until somebody starts it, and so does whatever requires that.

use std::collections::BTreeSet;

use super::state::{Goal, Reason};
use super::status::Stage;
use super::supervisor::Supervisor;
use init_plan::Id;

impl Supervisor {
    /// Wants a service down because a person asked for that, and before it what requires it.
    pub(super) fn stop(&mut self, id: Id) {
        self.take_down(id, Reason::Stopped, Reason::StoppedWith(id));
    }

    /// Wants a service down that the plan has no more.
    pub(super) fn retire(&mut self, id: Id) {
        self.take_down(id, Reason::Unasked, Reason::Unasked);
    }

    /// Wants a service down that was to start, because a person stopped another that it requires.
    pub(super) fn stop_with(&mut self, id: Id, on: Id) {
        self.take_down(id, Reason::StoppedWith(on), Reason::StoppedWith(on));
    }

    fn take_down(&mut self, id: Id, reason: Reason, reason_of_dependents: Reason) {
        self.set_goal(id, Goal::Down(reason));
        let mut queue = self.dependents_that_require(id);
        while let Some(next) = queue.pop() {
            if self.unit(next).goal.is_wanted() {
                self.set_goal(next, Goal::Down(reason_of_dependents));
                queue.extend(self.dependents_that_require(next));
            }
        }
    }

    /// Wants a service up because a person asked for that, and with it what its stop took along.
    pub(super) fn start_on_request(&mut self, id: Id) {
        if self.stage == Stage::Stopping {
            return;
        }
        self.start(id);
        // Requirements have smaller ids, so what becomes of them is known before their dependents are looked at.
        let taken: Vec<Id> = self.stopped_with(id).collect();
        for next in taken {
            match self.stopped_requirement(next) {
                Some(on) => self.set_goal(next, Goal::Down(Reason::StoppedWith(on))),
                None => self.start_sparing_stopped(next),
            }
        }
    }

    /// The services that the stop of this one took along, and that are still down for that.
    pub fn stopped_with(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        let goal = Goal::Down(Reason::StoppedWith(id));
        self.stopped.iter().copied().filter(move |&other| self.unit(other).goal == goal)
    }

    /// The service whose stop keeps one down that is to be started: it is required, directly or not, and a start would
    /// have to start it against the wish of whoever stopped it.
    pub(super) fn stopped_requirement(&self, id: Id) -> Option<Id> {
        let (mut queue, mut found) = (vec![id], BTreeSet::new());
        while let Some(next) = queue.pop() {
            for &on in &self.service(next).requires {
                match self.unit(on).goal {
                    Goal::Down(Reason::Stopped) => return Some(on),
                    Goal::Down(Reason::StoppedWith(other)) => return Some(other),
                    Goal::Up => {}
                    Goal::Down(Reason::Unasked | Reason::Restarting) | Goal::DependencyFailed(_) => {
                        if found.insert(on) {
                            queue.push(on);
                        }
                    }
                }
            }
        }
        None
    }

    /// Wants a service up, and with it what it requires, and of what it wants all that nobody has stopped.
    pub(super) fn start_sparing_stopped(&mut self, id: Id) {
        let is_spared = |on: Id| self.unit(on).goal.is_stopped() || self.stopped_requirement(on).is_some();
        for next in self.to_be_started(id, is_spared) {
            self.start_one(next);
        }
    }

    /// The services that start at boot, and what these need.
    pub(super) fn of_boot(&self) -> BTreeSet<Id> {
        let mut queue: Vec<Id> = self.ids().filter(|&id| self.service(id).autostart).collect();
        let mut found = BTreeSet::new();
        while let Some(next) = queue.pop() {
            if found.insert(next) {
                let service = self.service(next);
                queue.extend(service.requires.iter().chain(&service.wants));
            }
        }
        found
    }
}

//! What a service waits for: dependencies before it starts, and dependents before it stops.

use super::state::{Goal, Reason, State};
use super::status::Phase;
use super::supervisor::Supervisor;
use init_plan::{Id, Kind};

/// How far the dependencies of a waiting service are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum DependencyState {
    /// The service may start.
    Met,
    /// The service has to wait, because this dependency has not settled.
    Pending(Id),
    /// The service cannot start, because this dependency failed for good.
    Failed(Id),
}

impl Supervisor {
    /// What a service that wants to start still waits for.
    pub(super) fn dependency_state(&self, id: Id) -> DependencyState {
        self.search_dependencies(id, 0).0
    }

    /// The first unmet dependency from position `from` on, all the way round, and its position. Failed dependencies need
    /// no search of all: whoever requires one is told at once ([`super::dependency_failure`]).
    pub(super) fn search_dependencies(&self, id: Id, from: usize) -> (DependencyState, usize) {
        let service = self.service(id);
        let count = service.dependencies().count();
        let required = service.requires.len();
        let from = from.min(count);
        let all = || service.dependencies().enumerate();
        for (at, on) in all().skip(from).chain(all().take(from)) {
            let state = if at < required { self.required_state(on) } else { self.ordering_state(on) };
            if state != DependencyState::Met {
                return (state, at);
            }
        }
        (DependencyState::Met, 0)
    }

    /// What a dependency that is wanted, or only started after, means for its dependent.
    fn ordering_state(&self, on: Id) -> DependencyState {
        if self.has_settled(on) { DependencyState::Met } else { DependencyState::Pending(on) }
    }

    /// What a required dependency means for its dependent.
    pub(super) fn required_state(&self, on: Id) -> DependencyState {
        let unit = self.unit(on);
        match (&unit.goal, &unit.state, self.service(on).kind) {
            (Goal::DependencyFailed(first), _, _) => DependencyState::Failed(*first),
            (Goal::Down(Reason::Restarting), _, _) => DependencyState::Pending(on),
            (_, State::Up { .. } | State::Skipped { .. }, _) => DependencyState::Met,
            (_, State::Done, Kind::Oneshot) => DependencyState::Met,
            (_, State::Failed { .. }, _) | (_, State::Done, Kind::Longrun) => DependencyState::Failed(on),
            _ => DependencyState::Pending(on),
        }
    }

    /// Whether nobody has to wait any longer for a dependency that may fail. A service in a crash loop has settled. One
    /// that could not be started for want of memory or processes has not crashed.
    fn has_settled(&self, on: Id) -> bool {
        let unit = self.unit(on);
        let crashed = matches!(unit.state, State::Backoff { .. }) && unit.last_exit.is_some();
        let on_its_way = !unit.state.is_inactive() && !matches!(unit.state, State::Up { .. }) && !crashed;
        let is_restarting = unit.goal == Goal::Down(Reason::Restarting);
        !is_restarting && (unit.goal != Goal::Up || !(on_its_way || unit.state == State::Down))
    }

    /// The services that require this one directly.
    pub(super) fn dependents_that_require(&self, id: Id) -> Vec<Id> {
        self.dependents_of(id).iter().filter(|&&(_, required)| required).map(|&(on, _)| on).collect()
    }

    /// Whether something that depends on a service has to come down before it.
    pub(super) fn is_needed(&mut self, id: Id) -> bool {
        let dependents = self.dependents_of(id);
        let from = self.unit(id).needed_at.min(dependents.len());
        let (before, after) = dependents.split_at(from);
        let mut round = after.iter().chain(before);
        let found = round.position(|&(dependent, _)| self.must_come_down(dependent));
        let at = found.map_or(0, |steps| (from + steps) % dependents.len());
        self.unit_mut(id).needed_at = at;
        found.is_some()
    }

    fn must_come_down(&self, id: Id) -> bool {
        let unit = self.unit(id);
        unit.goal != Goal::Up
            && match unit.state.phase() {
                Phase::Starting | Phase::Up | Phase::Stopping | Phase::Ending | Phase::Undoing => true,
                // A complete oneshot stands for what it did until nothing needs that any more. So the database outlives
                // whoever started after its migrations, although those ended long ago.
                Phase::Done | Phase::Skipped | Phase::Failed if unit.goal.is_down() => true,
                Phase::Done => self.has_down_command_to_run(id),
                Phase::Skipped | Phase::Failed => false,
                Phase::Down | Phase::Waiting | Phase::Checking | Phase::Backoff => false,
            }
    }

    /// Whether a complete oneshot has a `down` command to run. Nothing is started once everything is killed.
    pub(super) fn has_down_command_to_run(&self, id: Id) -> bool {
        self.service(id).down.is_some() && !self.is_forced()
    }
}

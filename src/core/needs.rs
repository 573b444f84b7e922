//! The rules that move a service: what it waits for, and when it may start or must come down.

use super::ending::LEAST_RETRY;
use super::event::{Role, SpawnError};
use super::planted::Bug;
use super::state::{Cause, Goal, ProbeState, State};
use super::status::{Exit, Phase, Wellness};
use super::supervisor::Supervisor;
use init_plan::{Condition, Id, Kind};

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
    /// Applies the one rule that holds for a service, if any does.
    pub(super) fn apply_rules(&mut self, id: Id) {
        match (self.unit(id).goal, self.unit(id).state.phase()) {
            (Goal::Up, Phase::Down) => self.transition(id, State::Waiting),
            (Goal::Up, Phase::Waiting) => self.start_if_possible(id),
            (Goal::Up, _) => {}
            (Goal::Down | Goal::DependencyFailed(_), phase) => self.bring_down(id, phase),
        }
    }

    fn start_if_possible(&mut self, id: Id) {
        let (state, at) = self.search_dependencies(id, self.unit(id).blocked_at);
        self.unit_mut(id).blocked_at = at;
        match state {
            DependencyState::Met => {
                self.unit_mut(id).said = None;
                self.unit_mut(id).reason = None;
                self.check_conditions(id, 0);
            }
            DependencyState::Pending(_) if self.planted(Bug::StartsTooEarly) => self.check_conditions(id, 0),
            DependencyState::Pending(on) => self.unit_mut(id).note_wait(on),
            DependencyState::Failed(on) => self.fail_for_dependency(id, on),
        }
    }

    /// What a service that wants to start still waits for.
    pub(super) fn dependency_state(&self, id: Id) -> DependencyState {
        self.search_dependencies(id, 0).0
    }

    /// The first thing it waits for from place `from` on, all the way round, and where that was. Failures need no
    /// search: whoever fails with a dependency is told so at once ([`super::dependency_failure`]).
    fn search_dependencies(&self, id: Id, from: usize) -> (DependencyState, usize) {
        let service = self.service(id);
        let count = service.dependencies().count();
        let hard = service.requires.len();
        let from = from.min(count);
        let all = || service.dependencies().enumerate();
        for (at, on) in all().skip(from).chain(all().take(from)) {
            let state = if at < hard { self.required_state(on) } else { self.ordering_state(on) };
            if state != DependencyState::Met {
                return (state, at);
            }
        }
        (DependencyState::Met, 0)
    }

    fn ordering_state(&self, on: Id) -> DependencyState {
        if self.has_settled(on) { DependencyState::Met } else { DependencyState::Pending(on) }
    }

    pub(super) fn required_state(&self, on: Id) -> DependencyState {
        let unit = self.unit(on);
        match (&unit.goal, &unit.state, self.service(on).kind) {
            (Goal::DependencyFailed(first), _, _) => DependencyState::Failed(*first),
            (_, State::Up { .. } | State::Skipped { .. }, _) => DependencyState::Met,
            (_, State::Done, Kind::Oneshot) => DependencyState::Met,
            (_, State::Failed { .. }, _) | (_, State::Done, Kind::Longrun) => DependencyState::Failed(on),
            _ => DependencyState::Pending(on),
        }
    }

    /// Whether one that may fail has done what can be waited for. A crash loop is not; that it could not be started
    /// for want of memory or processes is no crash.
    fn has_settled(&self, on: Id) -> bool {
        let unit = self.unit(on);
        let crashed = matches!(unit.state, State::Backoff { .. }) && unit.last_exit.is_some();
        let on_its_way = !unit.state.is_inactive() && !matches!(unit.state, State::Up { .. }) && !crashed;
        unit.goal != Goal::Up || !(on_its_way || unit.state == State::Down)
    }

    /// Looks at the start conditions from number `at` on, then starts the service.
    fn check_conditions(&mut self, id: Id, at: usize) {
        let Some(condition) = self.service(id).conditions.get(at) else {
            // What it needs may have gone while the conditions were looked at.
            let ready = at == 0 || self.dependency_state(id) == DependencyState::Met;
            return if ready { self.launch(id) } else { self.transition(id, State::Waiting) };
        };
        let patience = match condition {
            Condition::Exec(hook) => hook.timeout,
            Condition::Env { .. } | Condition::File { .. } => None,
        };
        let child = self.spawn(id, Role::Condition(at), patience);
        self.transition(id, State::Checking { child, at });
    }

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

    /// A condition that needs no process was looked at.
    pub(super) fn condition(&mut self, run: super::event::Run, unmet: Option<String>) {
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
    pub(super) fn checked(&mut self, id: Id, at: usize, exit: Exit) {
        match exit {
            Exit::Code(0) => self.check_conditions(id, at + 1),
            Exit::Code(_) => {
                let why = self
                    .unit_mut(id)
                    .reason
                    .take()
                    .unwrap_or_else(|| format!("start-if command ended with {exit}"));
                self.skip(id, why);
            }
            Exit::Signal(_) => {
                self.fail(id, format!("start-if command ended with {exit}"), exit.shell_code())
            }
        }
    }

    fn skip(&mut self, id: Id, why: String) {
        self.transition(id, State::Skipped { why });
        self.recover_dependents(id);
    }

    /// Neither the program nor a condition's could be started.
    pub(super) fn could_not_start(&mut self, id: Id, error: &SpawnError) {
        if self.unit(id).goal != Goal::Up {
            return self.become_inactive(id);
        }
        if error.lasting {
            return self.fail(id, error.message.clone(), error.code);
        }
        // A lack of processes or memory passes; it is nobody's failure, so no limit counts it.
        self.warn(id, error.message.clone());
        self.unit_mut(id).said = Some(error.message.clone());
        self.back_off(id, LEAST_RETRY);
    }

    /// Moves a service that is not to be up one step further down.
    fn bring_down(&mut self, id: Id, phase: Phase) {
        match phase {
            Phase::Down | Phase::Stopping | Phase::Ending | Phase::Undoing => {}
            Phase::Waiting | Phase::Backoff | Phase::Checking => self.become_inactive(id),
            Phase::Starting | Phase::Up | Phase::Done | Phase::Skipped | Phase::Failed
                if self.is_needed(id) => {}
            Phase::Skipped | Phase::Failed if self.unit(id).goal == Goal::Down => self.become_inactive(id),
            Phase::Skipped | Phase::Failed => {}
            Phase::Starting | Phase::Up => self.stop_main(id, Cause::Requested),
            Phase::Done if self.has_down_command_to_run(id) => self.run_down_command(id),
            Phase::Done if self.unit(id).goal == Goal::Down => self.become_inactive(id),
            Phase::Done => {}
        }
    }

    /// Puts a service without processes into `Down`, or into `Failed` if a dependency of it failed.
    pub(super) fn become_inactive(&mut self, id: Id) {
        match self.unit(id).goal {
            Goal::DependencyFailed(on) => {
                let why = format!("requires {}, which failed", self.service(on).name);
                self.transition(id, State::Failed { why });
            }
            Goal::Down | Goal::Up => self.transition(id, State::Down),
        }
    }

    /// Whether something that depends on it has still to come down before it.
    pub(super) fn is_needed(&mut self, id: Id) -> bool {
        if self.planted(Bug::StopsTooEarly) {
            return false;
        }
        let above = self.dependents_of(id);
        let from = self.unit(id).needed_at.min(above.len());
        let (before, after) = above.split_at(from);
        let mut round = after.iter().chain(before);
        let found = round.position(|&(dependent, _)| self.must_come_down(dependent));
        let at = found.map_or(0, |steps| (from + steps) % above.len());
        self.unit_mut(id).needed_at = at;
        found.is_some()
    }

    fn must_come_down(&self, id: Id) -> bool {
        let unit = self.unit(id);
        unit.goal != Goal::Up
            && match unit.state.phase() {
                Phase::Starting | Phase::Up | Phase::Stopping | Phase::Ending | Phase::Undoing => true,
                // A oneshot that is done stands for what it did until nothing needs that any more: so the database
                // outlives whoever came after its migrations, though those ended long ago.
                Phase::Done | Phase::Skipped | Phase::Failed if unit.goal == Goal::Down => true,
                Phase::Done => self.has_down_command_to_run(id),
                Phase::Skipped | Phase::Failed => false,
                Phase::Down | Phase::Waiting | Phase::Checking | Phase::Backoff => false,
            }
    }
}

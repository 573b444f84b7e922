//! The rules that move a service: what it waits for, and when it may start or must come down.

use super::ending::LEAST_RETRY;
use super::event::{Role, SpawnError};
use super::planted::Bug;
use super::state::{Cause, Goal, State, Trial};
use super::status::{Exit, Phase, Wellness};
use super::supervisor::Supervisor;
use init_plan::{Condition, Id, Kind};

/// Whether a waiting service may start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Needs {
    /// It may.
    Met,
    /// Not yet: this one has not settled.
    Blocked(Id),
    /// Never, as things are: this one failed for good.
    Lost(Id),
}

impl Supervisor {
    /// Applies the one rule that holds for a service, if any does.
    pub(super) fn advance(&mut self, id: Id) {
        match (self.unit(id).goal, self.unit(id).state.phase()) {
            (Goal::Up, Phase::Down) => self.go(id, State::Waiting),
            (Goal::Up, Phase::Waiting) => self.advance_waiting(id),
            (Goal::Up, _) => {}
            (Goal::Down | Goal::Lost(_), phase) => self.bring_down(id, phase),
        }
    }

    fn advance_waiting(&mut self, id: Id) {
        let (needs, at) = self.search_needs(id, self.unit(id).blocked_at);
        self.unit_mut(id).blocked_at = at;
        match needs {
            Needs::Met => {
                self.unit_mut(id).said = None;
                self.unit_mut(id).reason = None;
                self.begin(id, 0);
            }
            Needs::Blocked(_) if self.planted(Bug::StartsTooEarly) => self.begin(id, 0),
            Needs::Blocked(on) => self.unit_mut(id).note_wait(on),
            Needs::Lost(on) => self.lose(id, on),
        }
    }

    /// What a service that wants to start still waits for.
    pub(super) fn needs(&self, id: Id) -> Needs {
        self.search_needs(id, 0).0
    }

    /// The first thing it waits for from place `from` on, all the way round, and where that was. Losses need no
    /// search: whoever is lost is told so at once ([`super::loss`]).
    fn search_needs(&self, id: Id, from: usize) -> (Needs, usize) {
        let service = self.service(id);
        let count = service.dependencies().count();
        let hard = service.requires.len();
        let from = from.min(count);
        let all = || service.dependencies().enumerate();
        for (at, on) in all().skip(from).chain(all().take(from)) {
            let needs = if at < hard { self.needs_hard(on) } else { self.needs_soft(on) };
            if needs != Needs::Met {
                return (needs, at);
            }
        }
        (Needs::Met, 0)
    }

    fn needs_soft(&self, on: Id) -> Needs {
        if self.has_settled(on) { Needs::Met } else { Needs::Blocked(on) }
    }

    pub(super) fn needs_hard(&self, on: Id) -> Needs {
        let unit = self.unit(on);
        match (&unit.goal, &unit.state, self.service(on).kind) {
            (Goal::Lost(first), _, _) => Needs::Lost(*first),
            (_, State::Up { .. } | State::Skipped { .. }, _) => Needs::Met,
            (_, State::Done, Kind::Oneshot) => Needs::Met,
            (_, State::Failed { .. }, _) | (_, State::Done, Kind::Longrun) => Needs::Lost(on),
            _ => Needs::Blocked(on),
        }
    }

    /// Whether one that may fail has done what can be waited for. A crash loop is not; that it could not be started
    /// for want of memory or processes is no crash.
    fn has_settled(&self, on: Id) -> bool {
        let unit = self.unit(on);
        let crashed = matches!(unit.state, State::Backoff { .. }) && unit.last_exit.is_some();
        let on_its_way = !unit.state.is_at_rest() && !matches!(unit.state, State::Up { .. }) && !crashed;
        unit.goal != Goal::Up || !(on_its_way || unit.state == State::Down)
    }

    /// Looks at the start conditions from number `at` on, then starts the service.
    fn begin(&mut self, id: Id, at: usize) {
        let Some(condition) = self.service(id).conditions.get(at) else {
            // What it needs may have gone while the conditions were looked at.
            let ready = at == 0 || self.needs(id) == Needs::Met;
            return if ready { self.launch(id) } else { self.go(id, State::Waiting) };
        };
        let patience = match condition {
            Condition::Exec(hook) => hook.timeout,
            Condition::Env { .. } | Condition::File { .. } => None,
        };
        let child = self.spawn(id, Role::Condition(at), patience);
        self.go(id, State::Checking { child, at });
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
        self.go(id, State::Starting { main, probe: Trial::Off });
    }

    /// A condition that needs no process was looked at.
    pub(super) fn condition(&mut self, run: super::event::Run, unmet: Option<String>) {
        let holder = self.holder(run);
        self.runs.remove(&run);
        let Some(id) = holder else { return };
        let State::Checking { at, .. } = self.unit(id).state else { return };
        match unmet {
            None => self.begin(id, at + 1),
            Some(why) => self.skip(id, why),
        }
    }

    /// The command of condition `at` ended.
    pub(super) fn checked(&mut self, id: Id, at: usize, exit: Exit) {
        match exit {
            Exit::Code(0) => self.begin(id, at + 1),
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
        self.go(id, State::Skipped { why });
        self.recover_lost(id);
    }

    /// Neither the program nor a condition's could be started.
    pub(super) fn could_not_start(&mut self, id: Id, error: &SpawnError) {
        if self.unit(id).goal != Goal::Up {
            return self.rest(id);
        }
        if error.lasting {
            return self.fail(id, error.message.clone(), error.code);
        }
        // A lack of processes or memory passes; it is nobody's failure, so no limit counts it.
        self.warn(id, error.message.clone());
        self.unit_mut(id).said = Some(error.message.clone());
        self.back_off(id, LEAST_RETRY);
    }

    /// Wanted down, or up but lost: one step further that way.
    fn bring_down(&mut self, id: Id, phase: Phase) {
        match phase {
            Phase::Down | Phase::Stopping | Phase::Ending | Phase::Undoing => {}
            Phase::Waiting | Phase::Backoff | Phase::Checking => self.rest(id),
            Phase::Starting | Phase::Up | Phase::Done | Phase::Skipped | Phase::Failed
                if self.is_needed(id) => {}
            Phase::Skipped | Phase::Failed if self.unit(id).goal == Goal::Down => self.rest(id),
            Phase::Skipped | Phase::Failed => {}
            Phase::Starting | Phase::Up => self.halt_main(id, Cause::Asked),
            Phase::Done if self.is_to_undo(id) => self.undo(id),
            Phase::Done if self.unit(id).goal == Goal::Down => self.rest(id),
            Phase::Done => {}
        }
    }

    /// Down, or, if it was lost, failed for want of what it requires.
    pub(super) fn rest(&mut self, id: Id) {
        match self.unit(id).goal {
            Goal::Lost(on) => {
                let why = format!("requires {}, which failed", self.service(on).name);
                self.go(id, State::Failed { why });
            }
            Goal::Down | Goal::Up => self.go(id, State::Down),
        }
    }

    /// Whether something that depends on it has still to come down before it.
    pub(super) fn is_needed(&mut self, id: Id) -> bool {
        if self.planted(Bug::StopsTooEarly) {
            return false;
        }
        let above = self.above(id);
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
                Phase::Done => self.is_to_undo(id),
                Phase::Skipped | Phase::Failed => false,
                Phase::Down | Phase::Waiting | Phase::Checking | Phase::Backoff => false,
            }
    }
}

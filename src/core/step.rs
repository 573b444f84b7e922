//! One step: takes in an event, then applies the rules until none applies to any service.

use super::event::{Action, Event};
use super::state::{Goal, State};
use super::status::{Phase, Stage};
use super::supervisor::Supervisor;
use super::time::Time;
use init_plan::Id;

impl Supervisor {
    /// Takes in what happened, and returns what is to be done, in that order. After `Halt` it returns nothing.
    pub fn step(&mut self, now: Time, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        if self.is_over() {
            return Vec::new();
        }
        self.observe(event);
        loop {
            while let Some(id) = self.dirty.pop_front() {
                self.apply_rules(id);
            }
            // Nearly always nothing is being applied.
            let is_calm = self.restarting.is_empty() && self.trial.is_none();
            if is_calm || !(self.start_next_restarting() || self.judge_trial()) {
                break;
            }
        }
        self.end_boot();
        self.end_shutdown();
        std::mem::take(&mut self.actions)
    }

    fn observe(&mut self, event: Event) {
        match event {
            Event::Boot => self.boot(),
            Event::Spawned { run, pid } => self.spawned(run, pid),
            Event::SpawnFailed { run, error } => self.spawn_failed(run, &error),
            Event::Condition { run, unmet } => self.condition_checked(run, unmet),
            Event::MainPidChanged { run, pid } => self.main_pid_changed(run, pid),
            Event::Ready { run } => self.said_ready(run),
            Event::Notify { run, notification } => self.notified(run, notification),
            Event::Exited { pid, exit } => self.exited(pid, exit),
            Event::Gone { run } => self.group_vanished(run),
            // These are ids of a plan that was replaced meanwhile.
            Event::Start(id)
            | Event::Stop(id)
            | Event::Restart(id)
            | Event::Reload(id)
            | Event::Hold { id, .. }
                if id.index() >= self.units.len() => {}
            Event::Start(id) => self.start_on_request(id),
            Event::Stop(id) => self.stop(id),
            Event::Restart(id) => self.restart(id),
            Event::Reload(id) => self.reload(id),
            Event::Hold { id, held: true } => self.hold(id),
            Event::Hold { id, held: false } => self.release(id),
            Event::Forward(signal) => self.forward(signal),
            Event::Shutdown(code) => self.begin_shutdown(code.unwrap_or(0), None),
            Event::Force => self.force(),
            Event::Replan(plan) => self.replan(*plan),
            Event::Apply { plan, patience } => self.apply(*plan, patience),
            Event::Tick => self.tick(),
        }
    }

    /// Applies the one rule that holds for a service, if any does.
    fn apply_rules(&mut self, id: Id) {
        match (self.unit(id).goal, self.phase(id)) {
            (Goal::Up, Phase::Down) => self.transition(id, State::Waiting),
            (Goal::Up, Phase::Waiting) => self.start_if_possible(id),
            (Goal::Up, _) => {}
            (Goal::Down(_) | Goal::DependencyFailed(_), _) => self.bring_down(id),
        }
    }

    /// Wants every service up that starts at boot, and what these need.
    fn boot(&mut self) {
        for id in self.ids() {
            self.unit_mut(id).since = self.now;
        }
        let ids: Vec<Id> = self.ids().filter(|&id| self.service(id).autostart).collect();
        for id in ids {
            self.start(id);
        }
        self.booting = self.ids().filter(|&id| self.unit(id).goal == Goal::Up).collect();
    }

    /// The boot is complete once every service of it has settled.
    fn end_boot(&mut self) {
        if self.stage == Stage::Booting && self.booting.is_empty() {
            self.stage = Stage::Running;
            self.booted_at = Some(self.now);
            self.emit(Action::Booted);
        }
    }
}

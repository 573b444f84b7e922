//! What happens once a process has ended: its remains, its finish hook, and whether it starts again.

use std::time::Duration;

use super::event::{Role, Run};
use super::halt::seconds;
use super::planted::Bug;
use super::state::{Cause, Goal, ProbeState, State};
use super::status::{Exit, Wellness};
use super::supervisor::Supervisor;
use init_plan::{HealthAction, Id, Kind, Policy, Ready};

/// How long a killed group may take to vanish before its service goes on without it: only a process in an
/// uninterruptible sleep takes longer.
const GROUP_PATIENCE: Duration = Duration::from_secs(2);

/// Before a start that failed for want of processes or memory is tried again, at least: without it, a policy
/// without delay would spin just when the machine has nothing to spare.
pub(super) const LEAST_RETRY: Duration = Duration::from_millis(100);

impl Supervisor {
    /// The main process ended.
    pub(super) fn main_ended(&mut self, id: Id, run: Run, exit: Exit, cause: Cause) {
        self.unit_mut(id).last_exit = Some(exit);
        let until = self.now.plus(GROUP_PATIENCE);
        self.transition(id, State::Ending { run, exit, cause, until });
    }

    /// Nothing is left of it.
    pub(super) fn gone(&mut self, run: Run) {
        let Some(&id) = self.runs.get(&run) else { return };
        if matches!(self.unit(id).state, State::Ending { run: ended, .. } if ended == run) {
            self.after_ending(id);
        }
    }

    /// Runs the finish hook, if there is one.
    pub(super) fn after_ending(&mut self, id: Id) {
        let State::Ending { run, exit, cause, .. } = &self.unit(id).state else { return };
        let (run, exit, cause) = (*run, *exit, cause.clone());
        self.runs.remove(&run);
        match self.service(id).finish.as_ref().map(|hook| hook.timeout) {
            Some(patience) if !self.is_forced() && !self.skips_finish(exit) => {
                let child = self.spawn(id, Role::Finish(exit), patience);
                self.transition(id, State::Finishing { child, exit, cause });
            }
            _ => self.decide_after_exit(id, exit, cause),
        }
    }

    fn skips_finish(&self, exit: Exit) -> bool {
        self.planted(Bug::SkipsFinish) && matches!(exit, Exit::Signal(_))
    }

    /// Decides what becomes of a service whose process has ended.
    pub(super) fn decide_after_exit(&mut self, id: Id, exit: Exit, cause: Cause) {
        if self.unit(id).goal != Goal::Up {
            let completed = self.service(id).kind == Kind::Oneshot
                && exit == Exit::Code(0)
                && cause == Cause::ExitedByItself;
            // A oneshot that completed while its stop was being decided has something to undo, in its turn.
            return if completed && self.has_down_command_to_run(id) {
                self.transition(id, State::Done)
            } else {
                self.become_inactive(id)
            };
        }
        match cause {
            Cause::Requested => {
                self.unit_mut(id).tries = 0;
                self.transition(id, State::Waiting);
            }
            Cause::ExitedByItself if self.is_success(id, exit) => self.ended_with_success(id, exit),
            Cause::ExitedByItself => self.ended_with_failure(id, exit, format!("ended with {exit}")),
            Cause::StartTimeout => self.ended_with_failure(id, exit, "was not ready in time".into()),
            Cause::Unhealthy { why, fatal: true } => self.fail(id, why, exit.shell_code()),
            Cause::Unhealthy { why, fatal: false } => self.ended_with_failure(id, exit, why),
        }
    }

    fn is_success(&self, id: Id, exit: Exit) -> bool {
        let expected = matches!(exit, Exit::Code(code) if self.service(id).restart.success.contains(&code));
        // A daemon that ends before it was ready has not done what it was started for.
        expected && (self.service(id).kind == Kind::Oneshot || self.unit(id).ready_after.is_some())
    }

    fn ended_with_success(&mut self, id: Id, exit: Exit) {
        let service = self.service(id);
        match (service.kind, service.restart.policy) {
            (Kind::Oneshot, _) => self.complete(id),
            (Kind::Longrun, Policy::Always) => {
                self.restart_or_give_up(id, exit, format!("ended with {exit}"))
            }
            (Kind::Longrun, Policy::OnFailure | Policy::Never) => {
                let essential = service.essential;
                self.transition(id, State::Done);
                self.fail_dependents(id, exit.shell_code());
                if essential {
                    self.shutdown(exit.shell_code(), Some(format!("{} ended", self.service(id).name)));
                }
            }
        }
    }

    fn complete(&mut self, id: Id) {
        let now = self.now;
        let unit = self.unit_mut(id);
        unit.ready_after = Some(now.since(unit.started));
        unit.tries = 0;
        if self.planted(Bug::RepeatsOneshot) {
            return self.transition(id, State::Waiting);
        }
        self.transition(id, State::Done);
        self.recover_dependents(id);
    }

    fn ended_with_failure(&mut self, id: Id, exit: Exit, why: String) {
        match self.service(id).restart.policy {
            Policy::Never => self.fail(id, why, exit.shell_code()),
            Policy::Always | Policy::OnFailure => self.restart_or_give_up(id, exit, why),
        }
    }

    fn restart_or_give_up(&mut self, id: Id, exit: Exit, why: String) {
        let now = self.now;
        if let Some((most, interval)) = self.service(id).restart.limit {
            let history = &mut self.unit_mut(id).history;
            history.push_back(now);
            while history.front().is_some_and(|&first| now.since(first) > interval) {
                history.pop_front();
            }
            if history.len() > most as usize && !self.planted(Bug::NeverGivesUp) {
                let why = format!("{why}; gave up after {most} restarts within {}", seconds(interval));
                return self.fail(id, why, exit.shell_code());
            }
        }
        if now.since(self.unit(id).started) >= self.service(id).restart.reset_after {
            self.unit_mut(id).tries = 0;
        }
        self.unit_mut(id).restarts += 1;
        self.unit_mut(id).said = Some(why);
        if self.unit(id).tries == 0 {
            // The first restart is at once: most services that end do so once.
            self.unit_mut(id).tries = 1;
            return self.transition(id, State::Waiting);
        }
        self.back_off(id, Duration::ZERO);
    }

    /// Puts the next start off, each time for longer.
    pub(super) fn back_off(&mut self, id: Id, least: Duration) {
        let mut delay = self.next_delay(id).max(least);
        if self.planted(Bug::IgnoresBackoff) {
            delay = Duration::ZERO;
        }
        self.unit_mut(id).tries += 1;
        let until = self.now.plus(delay);
        self.transition(id, State::Backoff { until });
    }

    fn next_delay(&mut self, id: Id) -> Duration {
        let policy = self.service(id).restart.clone();
        let steps = self.unit(id).tries.saturating_sub(1).min(64);
        let factor = u128::from(policy.factor_percent);
        let longest = policy.max_delay.as_nanos();
        let mut nanos = policy.delay.as_nanos();
        for _ in 0..steps {
            nanos = (nanos.saturating_mul(factor) / 100).min(longest);
        }
        let nanos = u64::try_from(nanos.min(longest)).unwrap_or(u64::MAX);
        let spread = nanos / 100 * u64::from(policy.jitter_percent.min(100));
        let offset = self.random_below(spread.saturating_mul(2).saturating_add(1));
        Duration::from_nanos((nanos - spread).saturating_add(offset))
    }

    /// Gives a service up, and with it what requires it and, if it is essential, the container.
    pub(super) fn fail(&mut self, id: Id, why: String, code: i32) {
        if self.unit(id).goal != Goal::Up {
            // Within this very step something it requires failed before it, or its stop was decided.
            return self.become_inactive(id);
        }
        let name = &self.service(id).name;
        let last_words = self.service(id).essential.then(|| format!("{name} failed: {why}"));
        self.transition(id, State::Failed { why });
        if let Some(last_words) = last_words {
            self.end_container(code, last_words);
        }
        self.fail_dependents(id, code);
    }

    /// The container ends for a failure, which is never reported as success, whatever code it came with.
    pub(super) fn end_container(&mut self, code: i32, last_words: String) {
        self.shutdown(if code == 0 { 1 } else { code }, Some(last_words));
    }

    // ---- oneshots that are undone ----

    /// Whether a completed oneshot has something to undo. Once everything is killed nothing new starts.
    pub(super) fn has_down_command_to_run(&self, id: Id) -> bool {
        self.service(id).down.is_some() && !self.is_forced()
    }

    /// Starts a completed oneshot's `down` command.
    pub(super) fn run_down_command(&mut self, id: Id) {
        let patience = self.service(id).down.as_ref().and_then(|hook| hook.timeout);
        let child = self.spawn(id, Role::Down, patience);
        self.transition(id, State::Undoing { child });
    }

    /// It ended.
    pub(super) fn down_command_ended(&mut self, id: Id) {
        match self.unit(id).goal {
            Goal::Up => self.transition(id, State::Waiting),
            Goal::Down | Goal::DependencyFailed(_) => self.become_inactive(id),
        }
    }

    // ---- probes ----

    /// A readiness probe ended.
    pub(super) fn readiness_probe_ended(&mut self, id: Id, success: bool) {
        if success {
            return self.now_up(id);
        }
        let Ready::Probe(probe) = &self.service(id).ready else { return self.set_probe(id, ProbeState::Off) };
        let at = self.now.plus(probe.interval);
        self.set_probe(id, ProbeState::Idle(at));
    }

    /// A health check ended: well, badly with a reason, or (`Ok(None)`) it could not be made.
    pub(super) fn tried_health(&mut self, id: Id, result: Result<Option<()>, String>) {
        let Some(health) = self.service(id).health.clone() else {
            return self.set_probe(id, ProbeState::Off);
        };
        let next = self.now.plus(health.probe.interval);
        self.set_probe(id, ProbeState::Idle(next));
        let unit = self.unit_mut(id);
        match result {
            Ok(None) => {}
            Ok(Some(())) => {
                unit.failures = 0;
                unit.wellness = Wellness::Healthy;
            }
            Err(why) => {
                unit.failures += 1;
                let bad = unit.failures >= health.threshold;
                unit.wellness = if bad { Wellness::Unhealthy } else { Wellness::Failing };
                let count = unit.failures;
                if bad {
                    self.unhealthy(
                        id,
                        format!("{count} health checks in a row failed: {why}"),
                        health.action,
                    );
                }
            }
        }
    }

    fn unhealthy(&mut self, id: Id, why: String, action: HealthAction) {
        match action {
            HealthAction::None => self.unit_mut(id).said = Some(why),
            HealthAction::Restart => self.stop_unhealthy(id, why, false),
            HealthAction::Stop => self.stop_unhealthy(id, why, true),
            HealthAction::Exit => {
                let last_words = format!("{} is unhealthy: {why}", self.service(id).name);
                self.shutdown(1, Some(last_words));
            }
        }
    }

    /// It was found broken: it is stopped, and started again unless that is `fatal`. One that is to stop anyway
    /// does so in its turn: a dependency is often not well while its dependents stop, and still of use to them.
    pub(super) fn stop_unhealthy(&mut self, id: Id, why: String, fatal: bool) {
        if let State::Up { watchdog, .. } = &mut self.unit_mut(id).state {
            *watchdog = None;
            self.update_timer(id);
        }
        if self.unit(id).goal != Goal::Up {
            return self.unit_mut(id).said = Some(why);
        }
        self.stop_main(id, Cause::Unhealthy { why, fatal });
    }
}

//! Readiness probes, health checks, the watchdog, and what a service says of itself.

use super::event::{Notification, Role, Run};
use super::state::{Cause, Goal, ProbeState, State};
use super::status::{Exit, Wellness};
use super::supervisor::Supervisor;
use super::time::Time;
use init_plan::{Check, HealthAction, Id, Ready};

/// What came of a health check.
pub(super) enum CheckResult {
    /// The service is healthy.
    Passed,
    /// The service is not healthy, for this reason.
    Failed(String),
    /// The check could not be made, which says nothing about the service.
    NotMade,
}

impl Supervisor {
    // ---- readiness ----

    pub(super) fn start_readiness_probe(&mut self, id: Id) {
        // A new plan may have replaced the probe by another kind of readiness.
        let Ready::Probe(probe) = &self.service(id).ready else { return self.set_probe(id, ProbeState::Off) };
        // A command is started anew for each attempt. The other probes repeat the attempt themselves until the start
        // timeout ends them.
        let patience = matches!(probe.check, Check::Exec(_)).then_some(probe.timeout);
        let child = self.spawn(id, Role::ReadyProbe, patience);
        self.set_probe(id, ProbeState::Running(child));
    }

    pub(super) fn readiness_probe_ended(&mut self, id: Id, success: bool) {
        if success {
            return self.now_up(id);
        }
        let Ready::Probe(probe) = &self.service(id).ready else { return self.set_probe(id, ProbeState::Off) };
        let at = self.now.plus(probe.interval);
        self.set_probe(id, ProbeState::Idle(at));
    }

    /// A new plan says that a starting service is known to be ready in another way than when it was started. If that way
    /// does not work for the present process, the start timeout ends it.
    pub(super) fn replace_readiness(&mut self, id: Id) {
        let State::Starting { main, .. } = self.unit(id).state else { return };
        if main.pid.is_some() {
            self.kill_probe(id);
            self.set_probe(id, ProbeState::Off);
            self.main_started(id);
        }
    }

    // ---- health ----

    pub(super) fn start_health_probe(&mut self, id: Id) {
        let Some(patience) = self.service(id).health.as_ref().map(|health| health.probe.timeout) else {
            return self.set_probe(id, ProbeState::Off);
        };
        let child = self.spawn(id, Role::HealthProbe, Some(patience));
        self.set_probe(id, ProbeState::Running(child));
    }

    pub(super) fn health_probe_ended(&mut self, id: Id, exit: Exit) {
        let why = self.unit_mut(id).reason.take().unwrap_or_else(|| format!("check ended with {exit}"));
        let passed = exit == Exit::Code(0);
        self.health_checked(id, if passed { CheckResult::Passed } else { CheckResult::Failed(why) });
    }

    /// A health check is over: plans the next one, and acts on enough failures in a row.
    pub(super) fn health_checked(&mut self, id: Id, result: CheckResult) {
        let Some(health) = self.service(id).health.clone() else {
            return self.set_probe(id, ProbeState::Off);
        };
        let next = self.now.plus(health.probe.interval);
        self.set_probe(id, ProbeState::Idle(next));
        let unit = self.unit_mut(id);
        match result {
            CheckResult::NotMade => {}
            CheckResult::Passed => {
                unit.failures = 0;
                unit.wellness = Wellness::Healthy;
            }
            CheckResult::Failed(why) => {
                unit.failures += 1;
                let count = unit.failures;
                let is_unhealthy = count >= health.threshold;
                unit.wellness = if is_unhealthy { Wellness::Unhealthy } else { Wellness::Failing };
                if is_unhealthy {
                    let why = format!("{count} health checks in a row failed: {why}");
                    self.act_on_health(id, why, health.action);
                }
            }
        }
    }

    fn act_on_health(&mut self, id: Id, why: String, action: HealthAction) {
        match action {
            HealthAction::None => self.unit_mut(id).said = Some(why),
            HealthAction::Restart => self.stop_unhealthy(id, why, false),
            HealthAction::Stop => self.stop_unhealthy(id, why, true),
            HealthAction::Exit => {
                let why = format!("{} is unhealthy: {why}", self.service(id).name);
                self.begin_shutdown(1, Some(why));
            }
        }
    }

    /// A service was found broken: it is stopped, and started again unless that is `fatal`. A service that is to stop
    /// anyway stops in its turn: a dependency is often not healthy while its dependents stop, and still of use to them.
    pub(super) fn stop_unhealthy(&mut self, id: Id, why: String, fatal: bool) {
        if self.unit(id).held {
            return self.unit_mut(id).said = Some(why);
        }
        self.set_watchdog(id, None);
        if self.unit(id).goal != Goal::Up {
            return self.unit_mut(id).said = Some(why);
        }
        self.stop_main(id, Cause::Unhealthy { why, fatal });
    }

    /// Kills the probe that runs, if one does.
    pub(super) fn kill_probe(&mut self, id: Id) {
        if let State::Starting { probe: ProbeState::Running(child), .. }
        | State::Up { probe: ProbeState::Running(child), .. } = self.unit(id).state
            && let Some(pid) = child.pid
        {
            self.kill(id, pid);
        }
    }

    // ---- the watchdog, and what a service says of itself ----

    /// A process of a service said something.
    pub(super) fn notified(&mut self, run: Run, notification: Notification) {
        let Some(id) = self.holder(run) else { return };
        let unit = self.unit_mut(id);
        match notification {
            Notification::Status(text) => unit.said = Some(text),
            Notification::Reason(text) => unit.reason = Some(text),
            Notification::Stopping => unit.said = Some("stopping by itself".into()),
            Notification::WatchdogInterval(interval) => {
                unit.watchdog = Some(interval);
                self.restart_watchdog(id);
            }
            Notification::Reloading => {
                if let State::Up { reloading, .. } = &mut unit.state {
                    *reloading = true;
                }
            }
            Notification::ExtendTimeout(time) => self.extend_timeout(id, run, time),
            Notification::WatchdogPing => self.restart_watchdog(id),
            Notification::WatchdogTrigger => {
                self.stop_unhealthy(id, "says that it is broken (WATCHDOG=trigger)".into(), false);
            }
        }
    }

    /// When the watchdog finds a service broken if nothing is heard of it from now on. An interval of zero switches the
    /// watchdog off.
    pub(super) fn watchdog_deadline(&self, id: Id) -> Option<Time> {
        let interval = self.unit(id).watchdog.or(self.service(id).watchdog)?;
        (!interval.is_zero()).then(|| self.now.plus(interval))
    }

    pub(super) fn restart_watchdog(&mut self, id: Id) {
        self.set_watchdog(id, self.watchdog_deadline(id));
    }

    fn set_watchdog(&mut self, id: Id, deadline: Option<Time>) {
        if let State::Up { watchdog, .. } = &mut self.unit_mut(id).state {
            *watchdog = deadline;
            self.update_timer(id);
        }
    }
}

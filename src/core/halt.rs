//! Stopping one service, and stopping them all.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Action, Role};
use super::planted::Bug;
use super::state::{Cause, Child, Goal, State, Timeout, Unit};
use super::status::Stage;
use super::supervisor::Supervisor;
use super::time::Time;
use init_plan::{Id, Plan, Scope, Signal};

/// A shutdown under way.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Shutdown {
    /// When it began.
    since: Time,
    /// When everything left is killed, in whatever order; `None`: it was.
    kill_at: Option<Time>,
    /// When `init` exits even so: a process in an uninterruptible sleep obeys nobody.
    end_at: Time,
    /// The exit code.
    code: i32,
    /// The exit was ordered.
    over: bool,
    /// All services before this one are down, and stay so.
    up_from: usize,
    /// For each service the length of the longest chain of services that stop after it.
    tiers: Vec<u32>,
}

impl Shutdown {
    pub(super) fn deadline(&self) -> Option<Time> {
        self.kill_at.or(Some(self.end_at))
    }
}

/// The last tenth of the shutdown's time is for what had to be killed.
const KILL_PERCENT: u32 = 90;
/// Each tier of services that stop after a service keeps so much of the time from it …
const TIER_PERCENT: u32 = 10;
/// … and all of them together no more than this.
const TIERS_PERCENT: u32 = 50;

impl Supervisor {
    /// Tells a service's process to stop.
    pub(super) fn stop_main(&mut self, id: Id, cause: Cause) {
        let (State::Starting { main, .. } | State::Up { main, .. }) = self.unit(id).state else { return };
        if main.pid.is_none() && self.planted(Bug::ForgetsPendingSpawn) {
            return self.become_inactive(id);
        }
        let patience = self.service(id).stop.timeout;
        let kill_at = self.now.plus(patience).min(self.latest_kill(id));
        let main = Child { timeout: Timeout::At(kill_at), ..main };
        self.transition(id, State::Stopping { main, helper: None, cause });
        if main.pid.is_some() {
            self.tell_to_stop(id);
        }
    }

    /// Sends the stop signal, or starts the stop command.
    pub(super) fn tell_to_stop(&mut self, id: Id) {
        if self.service(id).stop.exec.is_none() || self.unit(id).retired {
            return self.send_stop(id);
        }
        let command = self.spawn(id, Role::Stop, None);
        if let State::Stopping { helper, .. } = &mut self.unit_mut(id).state {
            *helper = Some(command);
        }
    }

    pub(super) fn send_stop(&mut self, id: Id) {
        let Some(pid) = self.main_pid(id) else { return };
        let (mut signal, scope) = (self.service(id).stop.signal, self.service(id).stop.scope);
        if self.planted(Bug::KillsAtOnce) {
            signal = Signal::KILL;
        }
        self.emit(Action::Signal { id, pid, signal, scope });
        // A stopped process acts on no signal but KILL and CONT.
        self.emit(Action::Signal { id, pid, signal: Signal::CONT, scope: Scope::Group });
    }

    /// A stop command that failed stopped nothing: the signal has to.
    pub(super) fn stop_command_ended(&mut self, id: Id, success: bool) {
        if let State::Stopping { helper, .. } = &mut self.unit_mut(id).state {
            *helper = None;
        }
        self.update_timer(id);
        if !success {
            self.warn(id, "the stop command failed: sending the stop signal".into());
            self.send_stop(id);
        }
    }

    /// It had its time.
    pub(super) fn kill_main(&mut self, id: Id) {
        if let State::Stopping { main, .. } = &mut self.unit_mut(id).state {
            main.timeout = Timeout::Expired;
        }
        self.update_timer(id);
        // Word that it runs is still to come, and finds it without a time to wait for.
        let Some(pid) = self.main_pid(id) else { return };
        let took = self.now.since(self.unit(id).since);
        self.warn(id, format!("did not stop within {}: killing it", seconds(took)));
        self.emit(Action::Signal { id, pid, signal: Signal::KILL, scope: Scope::Group });
        self.emit(Action::Signal { id, pid, signal: Signal::CONT, scope: Scope::Group });
    }

    // ---- the whole ----

    /// Stops everything, in reverse order. The first code stays: what fails on the way down is no news.
    pub(super) fn shutdown(&mut self, code: i32, why: Option<String>) {
        let wrong = self.planted(Bug::ExitsWithLastCode);
        if let Some(shutdown) = &mut self.shutdown {
            if wrong {
                shutdown.code = code;
            }
            return;
        }
        let all = self.plan.settings.shutdown_timeout;
        self.shutdown = Some(Shutdown {
            since: self.now,
            kill_at: Some(self.now.plus(percent(all, KILL_PERCENT))),
            end_at: self.now.plus(all),
            code,
            over: false,
            up_from: 0,
            tiers: tiers(&self.plan),
        });
        self.stage = Stage::Stopping;
        self.emit(Action::ShuttingDown { why });
        for id in self.ids() {
            self.set_goal(id, Goal::Down);
            self.hurry(id);
        }
    }

    /// A service that was stopping already must keep to the shutdown's time.
    fn hurry(&mut self, id: Id) {
        let latest = self.latest_kill(id);
        if let State::Stopping { main, .. } = &mut self.unit_mut(id).state {
            main.timeout = main.timeout.at_most(latest);
        }
        self.update_timer(id);
    }

    /// The latest time at which a service must be killed for those below it to have theirs; never, while the
    /// container is to stay.
    fn latest_kill(&self, id: Id) -> Time {
        let (Some(shutdown), false) = (&self.shutdown, self.planted(Bug::ForgetsBudget)) else {
            return Time(u64::MAX);
        };
        let tiers = shutdown.tiers.get(id.index()).copied().unwrap_or_default();
        let kept = TIER_PERCENT.saturating_mul(tiers).min(TIERS_PERCENT);
        let all = percent(self.plan.settings.shutdown_timeout, KILL_PERCENT);
        let planned = shutdown.since.plus(percent(all, 100 - kept));
        // If those above took more than their time, what is left is shared: nobody is killed as soon as told.
        let left = shutdown.kill_at.map_or(Duration::ZERO, |at| at.since(self.now));
        planned.max(self.now.plus(left / tiers.saturating_add(2)))
    }

    /// Kills whatever is left, in no order.
    pub(super) fn force(&mut self) {
        let Some(shutdown) = &mut self.shutdown else { return };
        shutdown.kill_at = None;
        // Whatever waited for others to stop need not any more.
        self.dirty.extend(self.ids());
        for id in self.ids() {
            let pids: Vec<_> = self.unit(id).state.children().filter_map(|child| child.pid).collect();
            for pid in pids {
                self.emit(Action::Signal { id, pid, signal: Signal::KILL, scope: Scope::Group });
            }
            if let State::Starting { main, .. } | State::Up { main, .. } = self.unit(id).state {
                let main = Child { timeout: Timeout::Expired, ..main };
                self.transition(id, State::Stopping { main, helper: None, cause: Cause::Requested });
            }
        }
    }

    /// Whether `init` was told to exit.
    pub(super) fn is_over(&self) -> bool {
        self.shutdown.as_ref().is_some_and(|shutdown| shutdown.over)
    }

    /// Whether everything was killed: what is left to do is to exit.
    pub(super) fn is_forced(&self) -> bool {
        self.shutdown.as_ref().is_some_and(|shutdown| shutdown.kill_at.is_none())
    }

    pub(super) fn finish_halt(&mut self) {
        let Some(shutdown) = &mut self.shutdown else { return };
        let up = |unit: &Unit| unit.state != State::Down;
        let next = self.units.iter().skip(shutdown.up_from).position(up);
        shutdown.up_from = next.map_or(self.units.len(), |steps| shutdown.up_from + steps);
        if next.is_none() || self.now >= shutdown.end_at {
            let code = shutdown.code;
            shutdown.over = true;
            if self.planted(Bug::HaltsTwice) {
                self.emit(Action::Halt { code });
            }
            self.emit(Action::Halt { code });
        }
    }

    /// Whether the time has come to kill what is left.
    pub(super) fn force_is_due(&self, now: Time) -> bool {
        self.shutdown.as_ref().and_then(|h| h.kill_at).is_some_and(|at| at <= now)
    }
}

/// For each service the length of the longest chain of services that stop after it.
fn tiers(plan: &Plan) -> Vec<u32> {
    let mut tiers: Vec<u32> = Vec::with_capacity(plan.services.len());
    // Dependencies have smaller ids, so theirs are known.
    for service in &plan.services {
        let below = service.dependencies().filter_map(|on| tiers.get(on.index()));
        tiers.push(below.max().map_or(0, |tier| tier.saturating_add(1)));
    }
    tiers
}

/// So much of it; of an endless time, too.
fn percent(all: Duration, percent: u32) -> Duration {
    all.saturating_mul(percent) / 100
}

/// A duration for people, to a tenth of a second.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

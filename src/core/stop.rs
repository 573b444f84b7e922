//! Stopping one service.

use std::time::Duration;

use super::event::{Action, Role};
use super::state::{Cause, Child, Goal, State, Timeout};
use super::status::Phase;
use super::supervisor::Supervisor;
use super::time::{Time, seconds};
use init_plan::{Id, Scope, Signal};

impl Supervisor {
    /// Moves a service that is not to be up one step further down.
    pub(super) fn bring_down(&mut self, id: Id) {
        match self.phase(id) {
            Phase::Down | Phase::Stopping | Phase::Ending | Phase::Undoing => {}
            Phase::Waiting | Phase::Backoff | Phase::Checking => self.become_inactive(id),
            Phase::Starting | Phase::Up | Phase::Done | Phase::Skipped | Phase::Failed
                if self.is_needed(id) => {}
            Phase::Skipped | Phase::Failed if self.unit(id).goal.is_down() => self.become_inactive(id),
            Phase::Skipped | Phase::Failed => {}
            Phase::Starting | Phase::Up => self.stop_main(id, Cause::Requested),
            Phase::Done if self.has_down_command_to_run(id) => self.run_down_command(id),
            Phase::Done if self.unit(id).goal.is_down() => self.become_inactive(id),
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
            Goal::Down(_) | Goal::Up => self.transition(id, State::Down),
        }
    }

    // ---- the main process ----

    /// Tells a service's process to stop, for this reason.
    pub(super) fn stop_main(&mut self, id: Id, cause: Cause) {
        let (State::Starting { main, .. } | State::Up { main, .. }) = self.unit(id).state else { return };
        let patience = self.service(id).stop.timeout;
        let kill_at = self.now.plus(patience).min(self.latest_kill(id));
        let main = Child { timeout: Timeout::At(kill_at), ..main };
        self.transition(id, State::Stopping { main, helper: None, again: None, cause });
        if main.pid.is_some() {
            self.tell_to_stop(id);
        }
    }

    /// Starts a command that a service runs on its way down. During a shutdown it may take no longer than the service.
    pub(super) fn spawn_hook(&mut self, id: Id, role: Role, patience: Option<Duration>) -> Child {
        let child = self.spawn(id, role, patience);
        self.within_shutdown(id, child)
    }

    /// The same process, with a timeout that keeps to the time of the shutdown, if one is under way.
    pub(super) fn within_shutdown(&self, id: Id, child: Child) -> Child {
        if self.shutdown.is_none() {
            return child;
        }
        let latest = self.latest_kill(id);
        let timeout = match child.timeout {
            Timeout::Never => Timeout::At(latest),
            Timeout::At(_) | Timeout::Expired => child.timeout.at_most(latest),
        };
        Child { timeout, ..child }
    }

    /// The latest time at which a process that is told to stop is killed: the shutdown's, if there is one.
    pub(super) fn latest_kill(&self, id: Id) -> Time {
        let shutdown = self.shutdown.as_ref();
        shutdown.map_or(Time(u64::MAX), |shutdown| shutdown.budget.latest_kill(id, self.now))
    }

    /// Sends the stop signal, or starts the stop command.
    pub(super) fn tell_to_stop(&mut self, id: Id) {
        if self.service(id).stop.exec.is_none() || self.unit(id).retired {
            return self.send_stop_signal(id);
        }
        let command = self.spawn(id, Role::Stop, None);
        if let State::Stopping { helper, .. } = &mut self.unit_mut(id).state {
            *helper = Some(command);
        }
    }

    pub(super) fn send_stop_signal(&mut self, id: Id) {
        let Some(pid) = self.main_pid(id) else { return };
        let stop = &self.service(id).stop;
        let (signal, scope, repeat) = (stop.signal, stop.scope, stop.repeat);
        self.emit(Action::Signal { id, pid, signal, scope });
        self.wake(id);
        self.signal_again_after(id, repeat);
    }

    /// A process may miss a signal: one that has just forked still has its parent's signal handlers.
    fn signal_again_after(&mut self, id: Id, repeat: Option<Duration>) {
        let at = repeat.map(|repeat| self.now.plus(repeat));
        if let State::Stopping { main: Child { timeout: Timeout::At(_), .. }, again, .. } =
            &mut self.unit_mut(id).state
        {
            *again = at;
        }
        self.update_timer(id);
    }

    /// A process that SIGSTOP has stopped acts on no signal but KILL and CONT.
    fn wake(&mut self, id: Id) {
        let Some(pid) = self.main_pid(id) else { return };
        self.emit(Action::Signal { id, pid, signal: Signal::CONT, scope: Scope::Group });
    }

    /// The stop command ended. If it failed it has stopped nothing, so the signal has to.
    pub(super) fn stop_command_ended(&mut self, id: Id, success: bool) {
        if let State::Stopping { helper, .. } = &mut self.unit_mut(id).state {
            *helper = None;
        }
        self.update_timer(id);
        if !success {
            self.warn(id, "the stop command failed: sending the stop signal".into());
            self.send_stop_signal(id);
        }
    }

    /// Kills a process that had its time to stop.
    pub(super) fn kill_main(&mut self, id: Id) {
        if let State::Stopping { main, again, .. } = &mut self.unit_mut(id).state {
            main.timeout = Timeout::Expired;
            *again = None;
        }
        self.update_timer(id);
        // A process that is not known to run yet is killed as soon as it is.
        let Some(pid) = self.main_pid(id) else { return };
        let took = self.now.since(self.unit(id).since);
        self.warn(id, format!("did not stop within {}: killing it", seconds(took)));
        self.kill(id, pid);
        self.wake(id);
    }

    // ---- oneshots that are undone ----

    /// Starts a complete oneshot's `down` command.
    pub(super) fn run_down_command(&mut self, id: Id) {
        let patience = self.service(id).down.as_ref().and_then(|hook| hook.timeout);
        let child = self.spawn_hook(id, Role::Down, patience);
        self.transition(id, State::Undoing { child });
    }

    /// The `down` command ended, in whatever way.
    pub(super) fn down_command_ended(&mut self, id: Id) {
        match self.unit(id).goal {
            Goal::Up => self.transition(id, State::Waiting),
            Goal::Down(_) | Goal::DependencyFailed(_) => self.become_inactive(id),
        }
    }
}

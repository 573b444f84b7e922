//! What happens to processes: they were started, could not be started, ended, or named another main process.
//!
//! Each function finds out which process of which service an event is about, and hands over to the file that has the
//! rules for it.

use super::event::{Action, Pid, Run, SpawnError};
use super::health::CheckResult;
use super::state::{Cause, ProbeState, State, Timeout};
use super::status::Exit;
use super::supervisor::Supervisor;
use init_plan::Id;

impl Supervisor {
    /// A process that was asked for runs.
    pub(super) fn spawned(&mut self, run: Run, pid: Pid) {
        self.pids.insert(pid, run);
        let Some(id) = self.holder(run) else {
            // The service no longer wants it: that changed before the process was known to run.
            let id = self.runs.get(&run).copied().unwrap_or(Id(0));
            return self.kill(id, pid);
        };
        if let Some(child) = self.unit_mut(id).state.child_mut(run) {
            child.pid = Some(pid);
        }
        if self.is_forced() {
            return self.kill(id, pid);
        }
        match &self.unit(id).state {
            State::Starting { main, .. } if main.run == run => self.main_started(id),
            State::Stopping { main, .. } if main.run == run && main.timeout == Timeout::Expired => {
                self.kill_main(id);
            }
            State::Stopping { main, .. } if main.run == run => self.tell_to_stop(id),
            _ => {}
        }
    }

    /// A main process named another process as the service's main process. Readiness, health and timeouts are the
    /// service's, and go on. The old process gets a new name, so that its end is not taken for the service's.
    pub(super) fn main_pid_changed(&mut self, run: Run, pid: Pid) {
        let Some(id) = self.holder_of_main(run) else { return };
        let Some(old) = self.main_pid(id).filter(|_| !self.pids.contains_key(&pid)) else { return };
        let old_run = self.new_run(id);
        self.pids.insert(old, old_run);
        self.pids.insert(pid, run);
        let Some(main) = self.unit_mut(id).state.child_mut(run) else { return };
        let before = main.predecessor.replace((old_run, old));
        main.pid = Some(pid);
        let expired = main.timeout == Timeout::Expired;
        self.emit(Action::MainPidChanged { id, pid });
        self.kill_predecessor(id, before);
        // If the old process was told to stop, or killed, so is the new one.
        match &self.unit(id).state {
            _ if self.is_forced() => self.kill(id, pid),
            State::Stopping { .. } if expired => self.kill_main(id),
            State::Stopping { helper: None, .. } => self.tell_to_stop(id),
            // A stop command that runs already may have missed the new process.
            State::Stopping { .. } => self.send_stop_signal(id),
            _ => {}
        }
    }

    /// A process that was asked for could not be started.
    pub(super) fn spawn_failed(&mut self, run: Run, error: &SpawnError) {
        let holder = self.holder(run);
        self.runs.remove(&run);
        let Some(id) = holder else { return };
        let state = &self.unit(id).state;
        let is_main = state.main().is_some_and(|main| main.run == run);
        match state {
            State::Starting { .. } if is_main => self.could_not_start(id, error),
            State::Stopping { cause, .. } if is_main => {
                let cause = cause.clone();
                self.decide_after_exit(id, Exit::Code(error.code), cause);
            }
            State::Starting { .. } => {
                // A probe that was made gives its reason itself.
                self.unit_mut(id).reason = Some(error.message.clone());
                self.readiness_probe_ended(id, false);
            }
            State::Up { probe: ProbeState::Running(child), .. } if child.run == run => {
                // A machine without processes to spare says nothing about the service.
                let failed = CheckResult::Failed(error.message.clone());
                self.health_checked(id, if error.lasting { failed } else { CheckResult::NotMade });
            }
            State::Up { .. } => self.reload_command_failed(id, &error.message),
            State::Stopping { .. } => self.stop_command_ended(id, false),
            State::Checking { .. } => self.could_not_start(id, error),
            State::Finishing { exit, cause, .. } => {
                let (exit, cause) = (*exit, cause.clone());
                self.warn(id, format!("finish: {}", error.message));
                self.decide_after_exit(id, exit, cause);
            }
            State::Undoing { .. } => {
                self.warn(id, format!("down: {}", error.message));
                self.down_command_ended(id);
            }
            // These hold no process.
            State::Down | State::Waiting | State::Ending { .. } | State::Backoff { .. } => {}
            State::Done | State::Skipped { .. } | State::Failed { .. } => {}
        }
    }

    /// A process ended.
    pub(super) fn exited(&mut self, pid: Pid, exit: Exit) {
        let Some(run) = self.pids.remove(&pid) else { return };
        let holder = self.holder(run);
        let Some(&id) = self.runs.get(&run) else { return };
        // What it leaves behind in its group must not outlive it. Its pid is still its own.
        self.kill(id, pid);
        if holder.is_some() {
            self.child_ended(id, run, exit);
        }
        // The run of a main process counts until its group has vanished.
        if !matches!(self.unit(id).state, State::Ending { run: ended, .. } if ended == run) {
            self.runs.remove(&run);
        }
    }

    /// A process that a state holds ended.
    fn child_ended(&mut self, id: Id, run: Run, exit: Exit) {
        let success = exit == Exit::Code(0);
        match self.unit(id).state.clone() {
            State::Starting { main, .. } | State::Up { main, .. } if main.run == run => {
                self.main_ended(id, run, exit, Cause::ExitedByItself);
            }
            State::Stopping { main, cause, .. } if main.run == run => self.main_ended(id, run, exit, cause),
            State::Starting { .. } => self.readiness_probe_ended(id, success),
            State::Up { probe: ProbeState::Running(child), .. } if child.run == run => {
                self.health_probe_ended(id, exit);
            }
            State::Up { .. } if success => self.clear_reload_command(id),
            State::Up { .. } => self.reload_command_failed(id, &format!("ended with {exit}")),
            State::Stopping { .. } => self.stop_command_ended(id, success),
            State::Checking { at, .. } => self.condition_ended(id, at, exit),
            State::Finishing { exit: ended, cause, .. } => self.finish_hook_ended(id, exit, ended, cause),
            State::Undoing { .. } => {
                if !success {
                    self.warn(id, format!("down command ended with {exit}"));
                }
                self.down_command_ended(id);
            }
            // These hold no process, so `holder` did not name them.
            State::Down | State::Waiting | State::Ending { .. } | State::Backoff { .. } => {}
            State::Done | State::Skipped { .. } | State::Failed { .. } => {}
        }
    }
}

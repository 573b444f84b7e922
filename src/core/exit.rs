//! What happens once a main process has ended: its process group, its finish hook, and what becomes of the service.

use std::time::Duration;

use super::event::{Role, Run};
use super::state::{Cause, Goal, State};
use super::status::Exit;
use super::supervisor::Supervisor;
use init_plan::{Id, Kind, Policy};

/// How long a killed process group may take to vanish before its service goes on without waiting for it. Only a process
/// in an uninterruptible sleep takes longer.
const GROUP_PATIENCE: Duration = Duration::from_secs(2);

/// The exit code by which a finish hook says that its service must not be started again; s6 has it so.
const FINAL: i32 = 125;

impl Supervisor {
    /// The main process ended.
    pub(super) fn main_ended(&mut self, id: Id, run: Run, exit: Exit, cause: Cause) {
        self.unit_mut(id).last_exit = Some(exit);
        let until = self.now.plus(GROUP_PATIENCE);
        self.transition(id, State::Ending { run, exit, cause, until });
    }

    /// Nothing is left of the process group of a main process that ended.
    pub(super) fn group_vanished(&mut self, run: Run) {
        let Some(&id) = self.runs.get(&run) else { return };
        if matches!(self.unit(id).state, State::Ending { run: ended, .. } if ended == run) {
            self.run_finish_hook(id);
        }
    }

    /// Runs the finish hook of a service whose process has ended, if it has one.
    pub(super) fn run_finish_hook(&mut self, id: Id) {
        let State::Ending { run, exit, cause, .. } = &self.unit(id).state else { return };
        let (run, exit, cause) = (*run, *exit, cause.clone());
        self.runs.remove(&run);
        match self.service(id).finish.as_ref().map(|hook| hook.timeout) {
            Some(patience) if !self.is_forced() => {
                let child = self.spawn_hook(id, Role::Finish(exit), patience);
                self.transition(id, State::Finishing { child, exit, cause });
            }
            _ => self.decide_after_exit(id, exit, cause),
        }
    }

    /// The finish hook ended. With 125 it says that starting the service again is of no use.
    pub(super) fn finish_hook_ended(&mut self, id: Id, hook: Exit, exit: Exit, cause: Cause) {
        let (goal, held) = (self.unit(id).goal, self.unit(id).held);
        let failed = hook == Exit::Code(FINAL) && cause != Cause::Requested && goal == Goal::Up && !held;
        if failed && !self.has_completed(id, exit, &cause) {
            let why = format!("ended with {exit}, and its finish hook with {FINAL}: not to be started again");
            return self.fail(id, why, exit.shell_code());
        }
        self.decide_after_exit(id, exit, cause);
    }

    /// Decides what becomes of a service whose process has ended.
    pub(super) fn decide_after_exit(&mut self, id: Id, exit: Exit, cause: Cause) {
        if self.unit(id).goal != Goal::Up {
            // A oneshot that completed while its stop was being decided has something to undo, in its turn.
            let undo = self.has_completed(id, exit, &cause) && self.has_down_command_to_run(id);
            return if undo { self.transition(id, State::Done) } else { self.become_inactive(id) };
        }
        let succeeded = cause == Cause::ExitedByItself && self.is_success(id, exit);
        let completed = succeeded && self.service(id).kind == Kind::Oneshot;
        if self.unit(id).held && cause != Cause::Requested && !completed {
            return self.wait_for_release(id, format!("ended with {exit}"));
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

    /// Whether this exit means that a oneshot has done its work.
    pub(super) fn has_completed(&self, id: Id, exit: Exit, cause: &Cause) -> bool {
        self.service(id).kind == Kind::Oneshot && exit == Exit::Code(0) && *cause == Cause::ExitedByItself
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
                self.restart_or_give_up(id, exit, format!("ended with {exit}"));
            }
            (Kind::Longrun, Policy::OnFailure | Policy::Never) => {
                let essential = service.essential;
                self.transition(id, State::Done);
                self.fail_dependents(id, exit.shell_code());
                if essential {
                    let why = format!("{} ended", self.service(id).name);
                    self.begin_shutdown(exit.shell_code(), Some(why));
                }
            }
        }
    }

    fn complete(&mut self, id: Id) {
        let now = self.now;
        let unit = self.unit_mut(id);
        unit.ready_after = Some(now.since(unit.started));
        unit.tries = 0;
        self.transition(id, State::Done);
        self.recover_dependents(id);
    }

    fn ended_with_failure(&mut self, id: Id, exit: Exit, why: String) {
        match self.service(id).restart.policy {
            Policy::Never => self.fail(id, why, exit.shell_code()),
            Policy::Always | Policy::OnFailure => self.restart_or_give_up(id, exit, why),
        }
    }

    /// Gives a service up, and with it what requires it and, if the service is essential, the container.
    pub(super) fn fail(&mut self, id: Id, why: String, code: i32) {
        if self.unit(id).goal != Goal::Up {
            // Earlier in this step something that it requires failed, or its stop was decided.
            return self.become_inactive(id);
        }
        let service = self.service(id);
        let last_words = service.essential.then(|| format!("{} failed: {why}", service.name));
        self.transition(id, State::Failed { why });
        if let Some(why) = last_words {
            self.end_container(code, why);
        }
        self.fail_dependents(id, code);
    }

    /// Ends the container for a failure, which is never reported as success, whatever code it came with.
    pub(super) fn end_container(&mut self, code: i32, why: String) {
        self.begin_shutdown(if code == 0 { 1 } else { code }, Some(why));
    }
}

//! Clients that wait for services, and what they are answered once the wait is over, one way or the other.

use std::time::Duration;

use crate::event_loop::Init;
use crate::kernel::poll::Token;
use crate::kernel::sys;
use crate::server::clients::{Mode, Wait, WaitGoal, done, failure, shutting_down};
use init_control::wire::{FailureKind, Response};
use init_core::Time;
use init_core::status::{Phase, Stage};
use init_plan::{Id, Kind, MessageId, Ready, id};

/// A daemon that does not say when it is ready counts as started once it has run for so long: a program that finds its
/// settings wrong ends sooner.
const TRIAL: Duration = Duration::from_millis(100);

impl Init {
    /// Answers those whose wait is over.
    pub(crate) fn finish_waits(&mut self) {
        let now = sys::now();
        let Some(server) = &self.server else { return };
        let waits = server.clients.iter().filter_map(|(&token, client)| match &client.mode {
            Mode::Waiting(wait) => Some((token, wait)),
            Mode::Asking | Mode::Watching | Mode::Reading { .. } | Mode::Answered => None,
        });
        let results: Vec<(Token, Result<Response, Option<Time>>)> =
            waits.map(|(token, wait)| (token, self.wait_result(wait, now))).collect();
        for (token, result) in results {
            match result {
                Ok(response) => self.reply(token, &response),
                Err(at) => self.look_again(token, at),
            }
        }
    }

    /// Answers a client when the plan that is being applied has come up, or the one of before has come back.
    pub(crate) fn wait_until_applied(&mut self, token: Token) {
        if let Some(client) = self.client(token) {
            client.mode = Mode::Waiting(Wait::new(WaitGoal::Applied, Vec::new()));
        }
    }

    fn look_again(&mut self, token: Token, at: Option<Time>) {
        if let Some(client) = self.client(token)
            && let Mode::Waiting(wait) = &mut client.mode
        {
            wait.look_again = at;
        }
    }

    /// What a wait has come to; in error, when to look again although nothing changes.
    fn wait_result(&self, wait: &Wait, now: Time) -> Result<Response, Option<Time>> {
        if wait.gone && matches!(wait.goal, WaitGoal::Ready { .. }) {
            return Ok(with_note(
                FailureKind::Failed,
                id!("I0209"),
                "the plan that was read meanwhile has it no more",
                wait,
            ));
        }
        let failed = self.failed(wait);
        if !failed.is_empty() {
            return Ok(with_note(FailureKind::Failed, id!("I0210"), &failed.join("\n"), wait));
        }
        let trial = self.end_of_trial(wait, now);
        let is_over = self.is_reached(wait);
        if is_over && trial.is_none() {
            return Ok(done(wait.note.clone()));
        }
        if self.supervisor.stage() == Stage::Stopping && wait.goal != WaitGoal::Down {
            return Ok(shutting_down());
        }
        if wait.deadline.is_some_and(|at| at <= now) {
            let lines: Vec<String> = wait
                .ids
                .iter()
                .filter(|&&id| self.is_waited_for(id, wait.goal))
                .map(|&id| self.line(id))
                .collect();
            return Ok(with_note(FailureKind::TimedOut, id!("I0211"), &lines.join("\n"), wait));
        }
        Err(trial.filter(|_| is_over))
    }

    fn is_reached(&self, wait: &Wait) -> bool {
        let supervisor = &self.supervisor;
        match wait.goal {
            WaitGoal::Ready { .. } => wait.ids.iter().all(|&id| supervisor.is_ready(id)),
            WaitGoal::Down => wait.ids.iter().all(|&id| supervisor.is_down(id)),
            WaitGoal::Reloaded => wait.ids.iter().all(|&id| supervisor.reload_result(id).is_some()),
            WaitGoal::Booted => supervisor.stage() == Stage::Running,
            WaitGoal::Applied => !supervisor.is_applying(),
        }
    }

    /// A line for each service that makes the wait one in vain.
    fn failed(&self, wait: &Wait) -> Vec<String> {
        let lines = |is_failed: &dyn Fn(Id) -> bool| {
            wait.ids.iter().filter(|&&id| is_failed(id)).map(|&id| self.line(id)).collect()
        };
        match wait.goal {
            WaitGoal::Ready { asked } => lines(&|id| self.cannot_become_ready(id, asked)),
            WaitGoal::Booted if self.is_reached(wait) => lines(&|id| self.supervisor.has_failed(id)),
            WaitGoal::Reloaded if self.is_reached(wait) => {
                let why = |&id: &Id| Some((id, self.supervisor.reload_result(id)?.err()?));
                wait.ids.iter().filter_map(why).map(|(id, why)| format!("{}: {why}", self.name(id))).collect()
            }
            WaitGoal::Applied => match self.supervisor.applied() {
                Some(Err(why)) => vec![why.to_owned()],
                Some(Ok(())) | None => Vec::new(),
            },
            WaitGoal::Down | WaitGoal::Booted | WaitGoal::Reloaded => Vec::new(),
        }
    }

    /// Until when a service that was started has to prove that it stays, if that is still to come.
    fn end_of_trial(&self, wait: &Wait, now: Time) -> Option<Time> {
        let ends = wait.ids.iter().filter(|_| wait.trial).filter_map(|&id| {
            let service = self.supervisor.plan().services.get(id.index())?;
            let is_on_trial = service.ready == Ready::Started
                && service.kind == Kind::Longrun
                && self.supervisor.phase(id) == Phase::Up;
            let left = TRIAL.checked_sub(self.supervisor.time_in_phase(id, now))?;
            (is_on_trial && !left.is_zero()).then(|| now.plus(left))
        });
        ends.max()
    }

    fn is_waited_for(&self, id: Id, goal: WaitGoal) -> bool {
        match goal {
            WaitGoal::Down => !self.supervisor.is_down(id),
            WaitGoal::Ready { .. } | WaitGoal::Booted => {
                self.supervisor.is_wanted(id) && !self.supervisor.is_ready(id)
            }
            WaitGoal::Reloaded => self.supervisor.reload_result(id).is_none(),
            WaitGoal::Applied => false,
        }
    }

    /// Whether waiting for the readiness of a service is in vain: it failed for good, or a longrun ended. A client that
    /// `asked` for the start also wants to hear of the first failure, though there will be another try.
    fn cannot_become_ready(&self, id: Id, asked: bool) -> bool {
        if self.supervisor.is_retired(id) {
            return true;
        }
        let kind = self.supervisor.plan().services.get(id.index()).map(|service| service.kind);
        match self.supervisor.phase(id) {
            Phase::Failed => true,
            Phase::Backoff => asked,
            Phase::Done => kind == Some(Kind::Longrun),
            Phase::Down => !self.supervisor.is_wanted(id) && asked,
            _ => false,
        }
    }

    fn line(&self, id: Id) -> String {
        let status = self.supervisor.status(id, sys::now());
        let note = status.note.map(|note| format!(": {note}")).unwrap_or_default();
        format!("{} is {}{note}", status.name, status.state.as_str())
    }
}

/// A failure, and what there is to say beside it.
fn with_note(kind: FailureKind, id: MessageId, message: &str, wait: &Wait) -> Response {
    let both = [message, &*wait.note].map(str::trim).into_iter().filter(|part| !part.is_empty());
    failure(kind, id, both.collect::<Vec<_>>().join("\n"))
}

//! What clients are told without asking again: events, lines of logs, and that their wait is over.

use crate::event_loop::Init;
use crate::kernel::poll::{Interest, Token};
use crate::kernel::sys;
use crate::server::clients::{Mode, Server, WaitGoal, done, encode, failure};
use crate::service::log;
use init_control::wire::{self, FailureKind, Response};
use init_core::status::{Phase, Stage};
use init_core::{Change, Time};
use init_plan::{Id, Kind};

impl Init {
    /// Tells those who want to know that a service changed.
    pub(crate) fn publish(&mut self, change: &Change) {
        let Some(server) = &mut self.server else { return };
        let Some(service) = self.supervisor.plan().services.get(change.id.index()) else { return };
        let event = encode(&Response::Event(wire::Event {
            service: service.name.to_string(),
            time_ms: log::now_ms(),
            from: change.from,
            to: change.to,
            pid: change.pid,
            exit: change.exit,
            note: change.why.clone(),
        }));
        for client in server.clients.values_mut() {
            if matches!(client.mode, Mode::Watching | Mode::Waiting { .. }) {
                client.send_event(&event);
            }
        }
    }

    /// Answers those whose wait is over, one way or the other.
    pub(crate) fn finish_waits(&mut self) {
        let now = sys::now();
        let Some(server) = &self.server else { return };
        let results: Vec<(Token, Response)> = server
            .clients
            .iter()
            .filter_map(|(&token, client)| match &client.mode {
                Mode::Waiting { goal: WaitGoal::Ready { .. }, gone: true, .. } => {
                    let why = "the plan that was read meanwhile has it no more";
                    Some((token, failure(FailureKind::Failed, why)))
                }
                Mode::Waiting { goal, ids, deadline, .. } => {
                    Some((token, self.wait_result(*goal, ids, *deadline, now)?))
                }
                Mode::Asking | Mode::Watching | Mode::Reading { .. } | Mode::Answered => None,
            })
            .collect();
        for (token, response) in results {
            self.reply(token, &response);
        }
    }

    fn wait_result(&self, goal: WaitGoal, ids: &[Id], deadline: Option<Time>, now: Time) -> Option<Response> {
        let supervisor = &self.supervisor;
        let over = match goal {
            WaitGoal::Ready { .. } => ids.iter().all(|&id| supervisor.is_ready(id)),
            WaitGoal::Down => ids.iter().all(|&id| supervisor.is_down(id)),
            WaitGoal::Booted => supervisor.stage() == Stage::Running,
        };
        let failed: Vec<String> = match goal {
            WaitGoal::Down => Vec::new(),
            WaitGoal::Ready { asked } => ids
                .iter()
                .filter(|&&id| self.cannot_become_ready(id, asked))
                .map(|&id| self.line(id))
                .collect(),
            WaitGoal::Booted if over => {
                ids.iter().filter(|&&id| supervisor.has_failed(id)).map(|&id| self.line(id)).collect()
            }
            WaitGoal::Booted => Vec::new(),
        };
        if !failed.is_empty() {
            return Some(failure(FailureKind::Failed, failed.join("\n")));
        }
        if over {
            return Some(done(""));
        }
        if supervisor.stage() == Stage::Stopping && goal != WaitGoal::Down {
            return Some(failure(FailureKind::ShuttingDown, "init is shutting down"));
        }
        if deadline.is_some_and(|at| at <= now) {
            let waiting = ids.iter().filter(|&&id| match goal {
                WaitGoal::Down => !supervisor.is_down(id),
                WaitGoal::Ready { .. } | WaitGoal::Booted => {
                    supervisor.is_wanted(id) && !supervisor.is_ready(id)
                }
            });
            let lines: Vec<String> = waiting.map(|&id| self.line(id)).collect();
            return Some(failure(FailureKind::TimedOut, lines.join("\n")));
        }
        None
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

    /// Writes what is pending for everybody, and does what time asks for.
    pub(crate) fn update_clients(&mut self, now: Time) {
        let Some(server) = &mut self.server else { return };
        if server.resting_until.is_some_and(|at| at <= now) {
            server.resting_until = None;
            self.poll.change(&server.listener, server.token, Interest::Read);
        }
        if server.has_readers() {
            self.send_logs();
        }
        if self.server.as_ref().and_then(Server::deadline).is_some_and(|at| at <= now) {
            self.finish_waits();
        }
        let Some(server) = &self.server else { return };
        let pending: Vec<Token> = server
            .clients
            .iter()
            .filter(|(_, client)| client.closing || client.behind || !client.output.is_empty())
            .map(|(&token, _)| token)
            .collect();
        for token in pending {
            self.flush_client(token);
        }
        self.limit_memory();
    }
}

//! What clients are told without asking again: events, and whatever is pending for them.

use crate::event_loop::Init;
use crate::kernel::poll::{Interest, Token};
use crate::server::clients::{Mode, Server, encode};
use crate::service::log;
use init_control::wire::{self, Response};
use init_core::{Change, Time};
use init_plan::Id;

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
            if matches!(client.mode, Mode::Watching | Mode::Waiting(_)) {
                client.send_event(&event);
            }
        }
    }

    /// Tells those who want to know that another process is the main one of a service, in the same state.
    pub(crate) fn publish_main_pid(&mut self, id: Id, pid: i32) {
        let phase = self.supervisor.phase(id);
        self.publish(&Change { id, from: phase, to: phase, pid: Some(pid), exit: None, why: None });
    }

    /// Writes what is pending for everybody, and does what time asks for.
    pub(crate) fn update_clients(&mut self, now: Time) {
        let Some(server) = &mut self.server else { return };
        if server.resting_until.is_some_and(|at| at <= now) {
            server.resting_until = None;
            for (token, listener) in &server.listeners {
                self.poll.change(listener, *token, Interest::Read);
            }
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

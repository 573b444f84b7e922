//! `svctl logs`: lines of logs, from the rings to clients.
//!
//! A client's buffer holds a few lines only; the rest stays in the rings until it has read those. So a client that reads
//! slowly costs no memory. It loses the lines that its services push out of their rings meanwhile, and is told how many.

use std::iter::Peekable;

use crate::event_loop::Init;
use crate::kernel::poll::Token;
use crate::server::clients::{Client, Cursor, Mode, done, failure, text};
use crate::service::io::ServiceIo;
use crate::service::log::Logs;
use crate::service::log::ring::Records;
use init_control::wire::{FailureKind, Response};
use init_core::Supervisor;
use init_plan::id;

/// The lines of one service that a client has not got.
struct Unread<'a> {
    service: &'a str,
    cursor: &'a mut Cursor,
    records: Peekable<Records<'a>>,
}

impl Unread<'_> {
    /// When the next line came, in milliseconds since 1970; `None` if there is none.
    fn next_time(&mut self) -> Option<u64> {
        let end = self.cursor.end.unwrap_or(u64::MAX);
        self.records.peek().filter(|record| record.seq < end).map(|record| record.time_ms)
    }
}

impl Init {
    pub(crate) fn handle_logs(&mut self, token: Token, names: &[String], lines: Option<usize>, follow: bool) {
        if !self.may_read_logs(token) {
            let message = self.who_may_read_logs();
            return self.reply(token, &failure(FailureKind::Denied, id!("I0214"), message));
        }
        let Some(ids) = self.resolve_or_all(token, names) else { return };
        let mut cursors = Vec::new();
        for id in ids {
            let Some(io) = self.service_io.get(id.index()) else { continue };
            let end = self.logs.next_seq(io.log);
            cursors.push(Cursor { id, next: 0, end: (!follow).then_some(end) });
        }
        self.skip_to_last(&mut cursors, lines);
        if let Some(client) = self.client(token) {
            client.mode = Mode::Reading { cursors, follow };
        }
        self.send_logs();
    }

    /// Services may print what is no business of other users: root, our own user and the members of one group read it.
    fn may_read_logs(&mut self, token: Token) -> bool {
        let group = self.supervisor.plan().settings.log_group.clone();
        self.may_act(token) || group.is_some_and(|group| self.is_member(token, &group))
    }

    /// Whether the client may act: it is root or our own user, or of the group that may.
    pub(crate) fn may_act(&mut self, token: Token) -> bool {
        let group = self.supervisor.plan().settings.act_group.clone();
        self.client(token).is_some_and(|client| client.may_act)
            || group.is_some_and(|group| self.is_member(token, &group))
    }

    /// Whether the client is a member of this group. One that does not exist has none.
    fn is_member(&mut self, token: Token, group: &str) -> bool {
        let group = self.launcher.group(group).ok();
        let Some(client) = self.client(token) else { return false };
        group.is_some_and(|group| client.is_member(group))
    }

    fn who_may_read_logs(&self) -> String {
        match &self.supervisor.plan().settings.log_group {
            Some(group) => {
                format!("only root, the user init runs as and the group `{group}` may read logs (`log-group` of init.toml)")
            }
            None => "only root and the user init runs as may read logs; `log-group` in init.toml lets a group read them, too"
                .to_owned(),
        }
    }

    /// Moves cursors forward until only the last lines of all services together are left.
    fn skip_to_last(&self, cursors: &mut [Cursor], lines: Option<usize>) {
        let mut times = Vec::new();
        for (index, cursor) in cursors.iter_mut().enumerate() {
            let Some(io) = self.service_io.get(cursor.id.index()) else { continue };
            cursor.next = self.logs.first_seq(io.log);
            let Some(lines) = lines else { continue };
            cursor.next = cursor.next.max(self.logs.next_seq(io.log).saturating_sub(lines as u64));
            let kept = self.logs.tail(io.log, lines).into_iter().flatten();
            times.extend(kept.map(|record| (record.time_ms, index)));
        }
        // Each service's lines are in order already; a stable sort keeps them so.
        times.sort_by_key(|&(time_ms, _)| time_ms);
        let surplus = times.len().saturating_sub(lines.unwrap_or(usize::MAX));
        for &(_, index) in times.iter().take(surplus) {
            if let Some(cursor) = cursors.get_mut(index) {
                cursor.next += 1;
            }
        }
    }

    /// Sends each client that reads logs what its output has room for.
    pub(crate) fn send_logs(&mut self) {
        let Some(server) = &mut self.server else { return };
        for client in server.clients.values_mut() {
            if let Mode::Reading { cursors, follow } = &mut client.mode {
                let (mut cursors, follow) = (std::mem::take(cursors), *follow);
                send_lines(client, &mut cursors, &self.service_io, &self.logs, &self.supervisor);
                client.mode = Mode::Reading { cursors, follow };
                if !follow && !client.behind {
                    client.finish(&done(""));
                }
            }
        }
    }
}

/// Sends lines, the oldest first, until the output is full or there are no more.
fn send_lines(
    client: &mut Client,
    cursors: &mut [Cursor],
    service_io: &[ServiceIo],
    logs: &Logs,
    supervisor: &Supervisor,
) {
    let mut unread = Vec::new();
    for cursor in cursors {
        let (Some(io), Some(service)) =
            (service_io.get(cursor.id.index()), supervisor.plan().services.get(cursor.id.index()))
        else {
            continue;
        };
        let end = cursor.end.unwrap_or(u64::MAX).min(logs.next_seq(io.log));
        if cursor.next >= end {
            continue;
        }
        let Some((lost, records)) = logs.lines_since(io.log, cursor.next) else { continue };
        let lost = lost.min(end - cursor.next);
        client.dropped += lost;
        cursor.next += lost;
        unread.push(Unread { service: &service.name, cursor, records: records.peekable() });
    }
    client.behind = loop {
        let times = unread.iter_mut().enumerate().filter_map(|(at, one)| Some((one.next_time()?, at)));
        let Some((_, oldest)) = times.min() else { break false };
        if client.is_full() {
            break true;
        }
        let Some(one) = unread.get_mut(oldest) else { break false };
        let Some(record) = one.records.next() else { break false };
        one.cursor.next = record.seq + 1;
        client.send_line(&Response::Log {
            service: one.service.to_owned(),
            time_ms: record.time_ms,
            line: text(&record.line),
        });
    };
}

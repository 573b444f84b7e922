//! What happened lately: the last changes of state, for `svctl history`.
//!
//! All memory for it is taken at the beginning but for the words of a change, which are cut; so however much a service
//! changes, and for whatever reason, it fills no more than some 300 KiB.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::event_loop::Init;
use crate::kernel::poll::Token;
use crate::kernel::sys;
use crate::server::clients::{done, encode};
use init_control::wire::{self, Response};
use init_core::status::{Exit, Phase};
use init_core::{Change, Time};
use init_plan::{Id, Plan};

/// How many changes are kept.
const KEPT: usize = 1000;
/// The longest reason that is kept, in bytes.
const LONGEST: usize = 200;
/// What the message takes that says how many changes are left out.
const DROPPED: usize = 64;

/// Whose change it was.
#[derive(Debug, Deserialize, Serialize)]
enum Service {
    /// That of a service of the plan.
    Known(Id),
    /// That of a service of an earlier plan, or of the same as it was numbered then.
    Named(Box<str>),
}

#[derive(Debug, Deserialize, Serialize)]
struct Record {
    at: Time,
    service: Service,
    pid: Option<i32>,
    exit: Option<Exit>,
    why: Option<String>,
    from: Phase,
    to: Phase,
}

/// The last changes, oldest first.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct History(VecDeque<Record>);

impl History {
    pub(crate) fn new() -> History {
        History(VecDeque::with_capacity(KEPT))
    }

    /// One that was written down has no more room than it needed.
    pub(crate) fn unpack(mut self) -> History {
        self.0.reserve_exact(KEPT.saturating_sub(self.0.len()));
        self
    }

    /// Keeps a change, in place of the oldest one.
    pub(crate) fn push(&mut self, at: Time, change: Change) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        let Change { id, from, to, pid, exit, why } = change;
        let why = why.map(|mut why| {
            if why.len() > LONGEST {
                why.truncate((0..=LONGEST).rev().find(|&end| why.is_char_boundary(end)).unwrap_or(0));
                why.shrink_to_fit();
            }
            why
        });
        self.0.push_back(Record { at, service: Service::Known(id), pid, exit, why, from, to });
    }

    /// Ids are about to get a new meaning: from now on names stand for them.
    #[inline(never)]
    pub(crate) fn name_all(&mut self, plan: &Plan) {
        for record in &mut self.0 {
            if let Service::Known(id) = record.service {
                record.service = Service::Named(name(plan, id).into());
            }
        }
    }
}

impl Record {
    /// As it is sent, with the time of day that it is now.
    fn event(&self, plan: &Plan, (today, now): (Duration, Time)) -> Response {
        let service = match &self.service {
            Service::Known(id) => name(plan, *id),
            Service::Named(name) => name,
        };
        Response::Event(wire::Event {
            service: service.to_owned(),
            time_ms: u64::try_from(today.saturating_sub(now.since(self.at)).as_millis()).unwrap_or(u64::MAX),
            from: self.from,
            to: self.to,
            pid: self.pid,
            exit: self.exit,
            note: self.why.clone(),
        })
    }
}

fn name(plan: &Plan, id: Id) -> &str {
    plan.services.get(id.index()).map_or("?", |service| &service.name)
}

impl Init {
    /// Sends the last changes: as many as the client's buffer may hold, which for one that may only look is not all.
    pub(crate) fn handle_history(&mut self, token: Token) {
        let Some(server) = &mut self.server else { return };
        let Some(client) = server.clients.get_mut(&token) else { return };
        let plan = self.supervisor.plan();
        let mut room = client.most_streamed() - DROPPED;
        // The clock of the core is another one.
        let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let clocks = (today, sys::now());
        let newest = self.history.0.iter().rev().map(|record| encode(&record.event(plan, clocks)));
        let mut kept: Vec<Vec<u8>> = newest
            .take_while(|event| {
                let fits = event.len() <= room;
                room = room.saturating_sub(event.len());
                fits
            })
            .collect();
        client.dropped += (self.history.0.len() - kept.len()) as u64;
        kept.reverse();
        for event in kept {
            client.send_event(&event);
        }
        client.finish(&done(""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(id: u32, why: Option<String>) -> Change {
        Change { id: Id(id), from: Phase::Up, to: Phase::Ending, pid: None, exit: Some(Exit::Code(1)), why }
    }

    #[test]
    fn memory_is_bounded_whatever_happens_and_why() {
        let mut history = History::new();
        let capacity = history.0.capacity();
        for number in 0..5000 {
            history.push(Time(number), change(0, Some("ü".repeat(100_000))));
        }
        assert_eq!((history.0.len(), history.0.capacity()), (KEPT, capacity));
        assert_eq!(history.0.front().map(|record| record.at), Some(Time(4000)));
        let words: usize = history.0.iter().map(|record| record.why.as_deref().map_or(0, str::len)).sum();
        assert!(words <= KEPT * LONGEST && capacity * size_of::<Record>() <= 100_000, "{words}");
    }

    #[test]
    fn services_keep_their_names_when_ids_get_a_new_meaning() {
        let plan = |file: &str| {
            let source = init_plan::Source::new(file, "exec = [\"x\"]");
            init_plan::compile(&[source], &init_plan::Environment::new()).unwrap()
        };
        let mut history = History::new();
        history.push(Time(1), change(0, None));
        history.name_all(&plan("before.toml"));
        history.push(Time(2), change(0, None));
        let names: Vec<String> = history
            .0
            .iter()
            .map(|record| match record.event(&plan("after.toml"), (Duration::ZERO, Time(3))) {
                Response::Event(event) => event.service,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(names, ["before", "after"]);
    }
}

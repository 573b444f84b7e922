//! Reading `services.d`: at the start, and again while everything runs.

use std::time::Duration;

use crate::event_loop::{Init, Options};
use crate::kernel::sys;
use crate::service::io::ServiceIo;
use init_core::Event;
use init_plan::{Environment, Id, Plan};

/// The plan on disk, with the command in it.
///
/// # Errors
/// Every problem, a line each.
pub fn read_plan(options: &Options, environment: &Environment) -> Result<Plan, String> {
    let plan = init_plan::load::load_scaled(&options.services, environment, &options.scale)
        .map_err(|problems| problems.to_string())?;
    let plan = match options.log {
        Some(log) => plan.with_log(log),
        None => plan,
    };
    Ok(plan.with_command(options.command.clone()))
}

/// So many forgotten services may wait for room in the output.
const MAX_LEAVING: usize = 64;

impl Init {
    /// The service that is the command `init` was given.
    pub(crate) fn command(&self) -> Option<Id> {
        if self.options.command.is_empty() {
            return None;
        }
        self.supervisor.plan().lookup(init_plan::COMMAND).and_then(|ids| ids.first().copied())
    }

    /// Reads the plan again and puts it in force.
    ///
    /// # Errors
    /// Every problem of the plan on disk, which then changes nothing.
    pub(crate) fn reload_plan(&mut self) -> Result<String, String> {
        let environment = self.launcher.container().text();
        let plan = read_plan(&self.options, &environment)?;
        let before = self.names();
        self.history.name_all(self.supervisor.plan());
        self.feed(Event::Replan(Box::new(plan)));
        let message = self.describe_reload(&before);
        self.log(&message);
        Ok(message)
    }

    /// Reads the plan again, puts it in force, and restarts what it changes.
    ///
    /// # Errors
    /// Every problem of the plan on disk, which then changes nothing.
    pub(crate) fn apply_plan(&mut self, patience: Duration) -> Result<String, String> {
        let plan = read_plan(&self.options, &self.launcher.container().text())?;
        self.history.name_all(self.supervisor.plan());
        self.log(&format!("apply: puts a plan of {} services in force", plan.services.len()));
        self.feed(Event::Apply { plan: Box::new(plan), patience });
        Ok(String::new())
    }

    fn names(&self) -> Vec<Box<str>> {
        self.all_ids()
            .iter()
            .filter_map(|id| self.supervisor.plan().services.get(id.index()))
            .map(|s| s.name.clone())
            .collect()
    }

    fn describe_reload(&self, before: &[Box<str>]) -> String {
        let now = sys::now();
        let ids = self.all_ids();
        let statuses: Vec<_> = ids.iter().map(|&id| self.supervisor.status(id, now)).collect();
        let list = |what: &str, names: Vec<&str>| {
            if names.is_empty() { None } else { Some(format!("{what}: {}", names.join(", "))) }
        };
        let new = statuses
            .iter()
            .filter(|s| !before.iter().any(|b| **b == *s.name))
            .map(|s| s.name.as_str())
            .collect();
        let removed = before
            .iter()
            .filter(|name| {
                let id = self.supervisor.plan().lookup(name).and_then(|ids| ids.first().copied());
                id.is_none_or(|id| self.supervisor.is_retired(id))
            })
            .map(|name| &**name)
            .collect();
        let changed = statuses.iter().filter(|s| s.changed).map(|s| s.name.as_str()).collect();
        let parts: Vec<String> = [
            list("new", new),
            list("removed", removed),
            list("changed, to be applied by `svctl restart`", changed),
        ]
        .into_iter()
        .flatten()
        .collect();
        let parts = if parts.is_empty() { "nothing changed".to_owned() } else { parts.join("; ") };
        format!("reloaded the plan: {parts}")
    }

    /// Services were renumbered: moves everything that belongs to them along.
    pub(crate) fn renumber_services(&mut self, new: &[Option<Id>]) {
        let mut old: Vec<_> = std::mem::take(&mut self.service_io).into_iter().map(Some).collect();
        let count = self.supervisor.plan().services.len();
        let mut service_io: Vec<_> = (0..count).map(|_| None).collect();
        for (io, id) in old.iter_mut().zip(new) {
            if let Some(place) = id.and_then(|id| service_io.get_mut(id.index())) {
                *place = io.take();
            }
        }
        for mut io in old.into_iter().flatten() {
            io.close_run(&mut self.poll);
            self.let_go(io);
        }
        self.sources.retain(|_, source| source.renumber(new));
        if let Some(server) = &mut self.server {
            server.renumber(new);
        }
        self.renumber_lingering(new);
        self.service_io = service_io
            .into_iter()
            .enumerate()
            .map(|(i, io)| io.unwrap_or_else(|| self.new_service_io(i)))
            .collect();
    }

    /// Forgets a service, but not before its last lines have found room in the output.
    fn let_go(&mut self, io: ServiceIo) {
        let Some((read, ..)) = io.pipe.as_ref().filter(|_| io.unfinished) else {
            return self.logs.forget(io.log);
        };
        self.poll.remove(read);
        if self.leaving.len() == MAX_LEAVING {
            let oldest = self.leaving.remove(0);
            self.logs.forget(oldest.log);
        }
        self.leaving.push(io);
    }

    /// A service that left the plan and is down gives back what it held.
    pub(crate) fn forget_if_retired(&mut self, id: Id) {
        if !self.supervisor.is_forgotten(id) {
            return;
        }
        if let Some(io) = self.service_io.get_mut(id.index()) {
            io.close_run(&mut self.poll);
            // Its last lines are still in the pipe: once they have found room, this is called again.
            if io.unfinished {
                return;
            }
            if let Some((read, _, token)) = io.pipe.take() {
                self.poll.remove(&read);
                self.sources.remove(&token);
            }
        }
    }
}

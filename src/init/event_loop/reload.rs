//! Reading `services.d`: at the start, and again while everything runs.

use std::time::Duration;

use crate::event_loop::{Init, Options};
use crate::service::io::ServiceIo;
use init_core::Event;
use init_plan::{Environment, Id, Plan, id};

/// The plan on disk, with the command in it.
///
/// # Errors
/// Every problem, a line each.
#[inline(never)]
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

    /// Reads the plan again and puts it in force; what it changes restarts, if there is a time for that.
    ///
    /// # Errors
    /// Every problem of the plan on disk, which then changes nothing.
    #[inline(never)]
    pub(crate) fn reload_plan(&mut self, patience: Option<Duration>) -> Result<String, String> {
        // Here and not where it is asked for: the generator may run in between. A plan on trial is nothing to go back to.
        if patience.is_some() && self.supervisor.is_applying() {
            let message = "somebody else applies a plan: wait until that is done";
            return Err(id!("I0220").after(message));
        }
        let environment = self.launcher.container().text();
        let plan = Box::new(read_plan(&self.options, &environment)?);
        let before = self.names();
        self.history.name_all(self.supervisor.plan());
        if let Some(patience) = patience {
            self.log("apply: the plan on disk is put in force");
            self.feed(Event::Apply { plan, patience });
            return Ok(String::new());
        }
        self.feed(Event::Replan(plan));
        let message = self.describe_reload(&before);
        self.log(&message);
        Ok(message)
    }

    fn names(&self) -> Vec<Box<str>> {
        self.all_ids()
            .iter()
            .filter_map(|id| self.supervisor.plan().services.get(id.index()))
            .map(|s| s.name.clone())
            .collect()
    }

    fn describe_reload(&self, before: &[Box<str>]) -> String {
        let kinds = ["new", "removed", "changed, to be applied by `svctl restart`"];
        let mut lists = kinds.map(|kind| format!("{kind}: "));
        let empty = lists.each_ref().map(String::len);
        let mut add = |kind: usize, name: &str| {
            if let (Some(list), Some(empty)) = (lists.get_mut(kind), empty.get(kind)) {
                list.push_str(if list.len() == *empty { "" } else { ", " });
                list.push_str(name);
            }
        };
        for name in before {
            let found = self.supervisor.plan().lookup(name).and_then(|ids| ids.first().copied());
            match found.filter(|&id| !self.supervisor.is_retired(id)) {
                None => add(1, name),
                Some(id) if self.supervisor.is_changed(id) => add(2, name),
                Some(_) => {}
            }
        }
        for name in self.names().iter().filter(|name| !before.contains(name)) {
            add(0, name);
        }
        let said = lists.iter().zip(empty).filter(|(list, empty)| list.len() > *empty);
        let said: Vec<&str> = said.map(|(list, _)| list.as_str()).collect();
        let said = if said.is_empty() { "nothing changed".to_owned() } else { said.join("; ") };
        format!("reloaded the plan: {said}")
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

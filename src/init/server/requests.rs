//! What each request does, and what it is answered.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::event_loop::Init;
use crate::event_loop::reload::read_plan;
use crate::kernel::poll::Token;
use crate::kernel::sys;
use crate::server::acts;
use crate::server::clients::{Mode, Wait, WaitGoal, bad_plan, done, failure, shutting_down};
use init_control::wire::{FailureKind, Request, Response, Until, Verb};
use init_core::status::{Phase, Stage};
use init_core::{Event, Time};
use init_plan::{Id, Scope, id};

/// How long a plan that is applied may take to come up, unless its client says so.
const PATIENCE: Duration = Duration::from_secs(120);
/// So many first starts fit in a message, however long the names are.
const STARTS: usize = 1000;

impl Init {
    /// Carries out a request, or starts to.
    pub(crate) fn handle_request(&mut self, token: Token, request: Request) {
        let allowed = match request {
            Request::Definitions { .. } => self.client(token).is_some_and(|client| client.may_act),
            Request::Reexec { .. } => {
                self.client(token).is_some_and(|client| client.may_act) && self.log_act(token, "reexec")
            }
            Request::Diff => self.may_act(token),
            _ => match acts::words(&request) {
                Some(words) => self.may_act(token) && self.log_act(token, &words),
                None => true,
            },
        };
        if !allowed {
            let remedy =
                "only root and the user init runs as may do this: use `podman exec` or `docker exec` as root";
            return self.reply(token, &failure(FailureKind::Denied, id!("I0202"), remedy));
        }
        match request {
            Request::List { names } => self.handle_list(token, &names),
            Request::Names => self.handle_names(token),
            Request::Change { verb: Verb::Apply, timeout_ms, .. } => self.handle_apply(token, timeout_ms),
            Request::Change { verb, names, wait, timeout_ms } => {
                self.handle_change(token, verb, &names, wait, timeout_ms)
            }
            Request::Signal { names, signal } => self.signal_services(token, &names, signal),
            Request::Reload { names } if names.is_empty() => self.begin_reload(Some((token, None))),
            Request::Reload { names } => self.handle_reload(token, &names),
            Request::Diff => self.handle_diff(token),
            Request::Scale { template, instances } => self.handle_scale(token, template, instances),
            Request::Reexec { program, reads } => self.handle_reexec(token, &program, &reads),
            Request::Definitions { names } => self.handle_definitions(token, &names),
            Request::History => self.handle_history(token),
            Request::Wait { names, until, timeout_ms } => self.handle_wait(token, &names, until, timeout_ms),
            Request::Logs { names, lines, follow } => self.handle_logs(token, &names, lines, follow),
            Request::Events => self.set_mode(token, Mode::Watching),
            Request::Health => self.handle_health(token),
            Request::Boot => self.handle_boot(token),
            Request::Shutdown { code } => {
                self.feed(Event::Shutdown(code));
                self.reply(token, &done("shutting down"));
            }
        }
    }

    fn set_mode(&mut self, token: Token, mode: Mode) {
        if let Some(client) = self.client(token) {
            client.mode = mode;
        }
    }

    /// The services of these names, bundles resolved; answers the client itself if one is unknown.
    fn resolve(&mut self, token: Token, names: &[String]) -> Option<Vec<Id>> {
        // Not a list: a request that names a bundle a thousand times would make it long.
        let mut ids = BTreeSet::new();
        for name in names {
            let found = self.supervisor.plan().lookup(name);
            match found.filter(|found| found.iter().any(|&id| !self.supervisor.is_forgotten(id))) {
                Some(found) => ids.extend(found),
                None => {
                    let suggestion = self.supervisor.plan().suggest(name);
                    let hint = suggestion.map(|s| format!("; did you mean `{s}`?")).unwrap_or_default();
                    let message = format!("there is no service `{name}`{hint}");
                    self.reply(token, &failure(FailureKind::UnknownName, id!("I0203"), message));
                    return None;
                }
            }
        }
        Some(ids.into_iter().collect())
    }

    fn resolve_some(&mut self, token: Token, names: &[String]) -> Option<Vec<Id>> {
        if names.is_empty() {
            let message = "name at least one service";
            self.reply(token, &failure(FailureKind::BadRequest, id!("I0204"), message));
            return None;
        }
        self.resolve(token, names)
    }

    pub(crate) fn resolve_or_all(&mut self, token: Token, names: &[String]) -> Option<Vec<Id>> {
        if names.is_empty() { Some(self.all_ids()) } else { self.resolve(token, names) }
    }

    pub(crate) fn all_ids(&self) -> Vec<Id> {
        let all =
            (0..self.supervisor.plan().services.len()).filter_map(|index| u32::try_from(index).ok()).map(Id);
        all.filter(|&id| !self.supervisor.is_forgotten(id)).collect()
    }

    fn handle_list(&mut self, token: Token, names: &[String]) {
        let Some(ids) = self.resolve_or_all(token, names) else { return };
        let now = sys::now();
        let mut services: Vec<_> = ids.iter().map(|&id| self.supervisor.status(id, now)).collect();
        // Looking for them is work, which nobody may ask for without bounds.
        let may_act = self.client(token).is_some_and(|client| client.may_act);
        if may_act && !names.is_empty() && self.has_orphans() {
            for (service, &id) in services.iter_mut().zip(&ids) {
                service.strays = self.shown_strays(id);
            }
        }
        let response = Response::Services { services, stage: self.supervisor.stage() };
        if let Some(client) = self.client(token) {
            client.send(&response);
            client.finish(&done(""));
        }
    }

    fn handle_definitions(&mut self, token: Token, names: &[String]) {
        let Some(ids) = self.resolve_some(token, names) else { return };
        let found = ids.iter().filter_map(|id| self.supervisor.plan().services.get(id.index()));
        let all: Vec<_> = found.map(|service| Box::new(service.clone())).collect();
        if let Some(client) = self.client(token) {
            for service in all {
                client.send(&Response::Definition { service });
            }
            client.finish(&done(""));
        }
    }

    fn handle_names(&mut self, token: Token) {
        let (ids, plan) = (self.all_ids(), self.supervisor.plan());
        let services = ids.iter().filter_map(|id| plan.services.get(id.index())).map(|s| s.name.to_string());
        let names = services.chain(plan.bundles.keys().cloned()).collect();
        if let Some(client) = self.client(token) {
            client.send(&Response::Names { names });
            client.finish(&done(""));
        }
    }

    fn handle_change(
        &mut self,
        token: Token,
        verb: Verb,
        names: &[String],
        wait: bool,
        timeout_ms: Option<u64>,
    ) {
        let all = verb == Verb::Start && names.is_empty();
        let ids = if all { Some(self.of_boot()) } else { self.resolve_some(token, names) };
        let Some(ids) = ids else { return };
        if self.supervisor.stage() == Stage::Stopping && verb != Verb::Stop {
            return self.reply(token, &shutting_down());
        }
        let wait = wait && !matches!(verb, Verb::Hold | Verb::Release);
        let goal = if verb == Verb::Stop { WaitGoal::Down } else { WaitGoal::Ready { asked: true } };
        let deadline = timeout_ms.map(|ms| sys::now().plus(Duration::from_millis(ms)));
        if wait {
            // It hears of every change from here on.
            let trial = verb == Verb::Start;
            self.set_mode(token, Mode::Waiting(Wait { deadline, trial, ..Wait::new(goal, ids.clone()) }));
        }
        let before = self.stopped_along(&ids);
        for &id in &ids {
            self.feed(match verb {
                Verb::Start => Event::Start(id),
                Verb::Stop => Event::Stop(id),
                Verb::Restart => Event::Restart(id),
                Verb::Hold | Verb::Release => Event::Hold { id, held: verb == Verb::Hold },
                // It is about the whole plan, and has been taken care of.
                Verb::Apply => continue,
            });
        }
        let (others, note) = self.describe_others(verb, &ids, &before);
        if !wait {
            return self.reply(token, &done(note));
        }
        if let Some(client) = self.client(token)
            && let Mode::Waiting(wait) = &mut client.mode
        {
            wait.ids.extend(others);
            wait.note = note;
        }
        self.finish_waits();
    }

    /// The services that start at boot.
    fn of_boot(&self) -> Vec<Id> {
        let starts = |id: &Id| self.supervisor.plan().services.get(id.index()).is_some_and(|it| it.autostart);
        self.all_ids().into_iter().filter(starts).filter(|&id| !self.supervisor.is_retired(id)).collect()
    }

    /// Reads the definitions again, with another number of instances of a template; negative: as they say.
    fn handle_scale(&mut self, token: Token, name: String, instances: i32) {
        let instance = format!("{name}@");
        let members = self.supervisor.plan().bundles.get(&name);
        if !members.is_some_and(|all| all.iter().all(|&id| self.name(id).starts_with(&instance))) {
            let message = format!("`{name}` is no template, so there are no instances of it");
            return self.reply(token, &failure(FailureKind::UnknownName, id!("I0205"), message));
        }
        let before = self.options.scale.clone();
        self.options.scale.retain(|(known, _)| *known != name);
        self.options.scale.extend(usize::try_from(instances).ok().map(|count| (name, count)));
        let answer = match self.reload_plan(None) {
            Ok(message) => done(message),
            Err(problems) => {
                self.options.scale = before;
                bad_plan(problems)
            }
        };
        self.reply(token, &answer);
    }

    /// Puts the plan on disk in force and restarts what it changes.
    fn handle_apply(&mut self, token: Token, timeout_ms: Option<u64>) {
        let problem = if self.supervisor.stage() == Stage::Stopping {
            shutting_down()
        } else {
            return self
                .begin_reload(Some((token, Some(timeout_ms.map_or(PATIENCE, Duration::from_millis)))));
        };
        self.reply(token, &problem);
    }

    /// What the plan on disk would change.
    fn handle_diff(&mut self, token: Token) {
        match read_plan(&self.options, &self.launcher.container().text()) {
            Err(problems) => self.reply(token, &bad_plan(problems)),
            Ok(plan) => {
                let names = self.supervisor.differences(&plan);
                if let Some(client) = self.client(token) {
                    client.send(&Response::Names { names });
                    client.finish(&done(""));
                }
            }
        }
    }

    /// The services that are down because these were stopped.
    fn stopped_along(&self, ids: &[Id]) -> BTreeSet<Id> {
        ids.iter().flat_map(|&id| self.supervisor.stopped_with(id)).collect()
    }

    /// What a stop took along, or a start brought back; and the words for it. `before` were down because of `ids` before.
    fn describe_others(&self, verb: Verb, ids: &[Id], before: &BTreeSet<Id>) -> (Vec<Id>, String) {
        if verb != Verb::Stop && before.is_empty() {
            return (Vec::new(), String::new());
        }
        let now = self.stopped_along(ids);
        let names = |of: &[Id]| of.iter().map(|&id| self.name(id)).collect::<Vec<_>>().join(", ");
        let own = names(ids);
        if verb == Verb::Stop {
            let taken: Vec<Id> = now.difference(before).copied().filter(|id| !ids.contains(id)).collect();
            let note =
                format!("stopped, too: {}; svctl start {own} brings back what it took along", names(&taken));
            return if taken.is_empty() { (taken, String::new()) } else { (taken, note) };
        }
        let left = before.difference(&now).copied().filter(|id| !ids.contains(id));
        let (back, still): (Vec<Id>, Vec<Id>) = left.partition(|&id| self.supervisor.is_wanted(id));
        let why = |&id: &Id| {
            format!("{} ({})", self.name(id), self.supervisor.note(id, sys::now()).unwrap_or_default())
        };
        let still = still.iter().map(why).collect::<Vec<_>>().join(", ");
        let back_note =
            if back.is_empty() { String::new() } else { format!("started, too: {}", names(&back)) };
        let still_note = if still.is_empty() { String::new() } else { format!("still down: {still}") };
        let notes: Vec<String> =
            [back_note, still_note].into_iter().filter(|note| !note.is_empty()).collect();
        (back, notes.join("\n"))
    }

    pub(crate) fn name(&self, id: Id) -> &str {
        self.supervisor.plan().services.get(id.index()).map_or("?", |service| &service.name)
    }

    fn signal_services(&mut self, token: Token, names: &[String], signal: init_plan::Signal) {
        let Some(ids) = self.resolve_some(token, names) else { return };
        let mut sent = 0;
        for id in ids {
            if let Some(pid) = self.supervisor.main_pid(id) {
                sent += u32::from(self.handles.signal(pid, signal, Scope::Leader).is_ok());
            }
        }
        if sent == 0 {
            let message = "none of them is running";
            return self.reply(token, &failure(FailureKind::Failed, id!("I0206"), message));
        }
        self.reply(token, &done(""));
    }

    fn handle_reload(&mut self, token: Token, names: &[String]) {
        let Some(ids) = self.resolve_some(token, names) else { return };
        for &id in &ids {
            let Some(service) = self.supervisor.plan().services.get(id.index()) else { continue };
            let name = &service.name;
            let (id, message) = if service.reload.is_none() {
                let cure = "give it a [reload] section, or restart it";
                (id!("I0207"), format!("{name} does not say how to reload: {cure}"))
            } else if self.supervisor.phase(id) != Phase::Up {
                (id!("I0208"), format!("{name} is not up"))
            } else {
                continue;
            };
            return self.reply(token, &failure(FailureKind::Failed, id, message));
        }
        // A signal is sent; a command is waited for.
        for &id in &ids {
            self.feed(Event::Reload(id));
        }
        self.set_mode(token, Mode::Waiting(Wait::new(WaitGoal::Reloaded, ids)));
        self.finish_waits();
    }

    fn handle_wait(&mut self, token: Token, names: &[String], until: Until, timeout_ms: Option<u64>) {
        let Some(ids) = self.resolve(token, names) else { return };
        let goal = match until {
            Until::Ready if names.is_empty() => WaitGoal::Booted,
            Until::Ready => WaitGoal::Ready { asked: false },
            Until::Down => WaitGoal::Down,
        };
        let ids = if names.is_empty() { self.all_ids() } else { ids };
        let deadline = timeout_ms.map(|ms| sys::now().plus(Duration::from_millis(ms)));
        self.set_mode(token, Mode::Waiting(Wait { deadline, ..Wait::new(goal, ids) }));
        self.finish_waits();
    }

    fn handle_health(&mut self, token: Token) {
        let stage = self.supervisor.stage();
        let problems = self.supervisor.problems(sys::now());
        let healthy = stage == Stage::Running && problems.is_empty();
        if let Some(client) = self.client(token) {
            client.send(&Response::Health { healthy, stage, problems });
            client.finish(&done(""));
        }
    }

    fn handle_boot(&mut self, token: Token) {
        let origin = self.booted_at;
        let millis = |time: Time| u64::try_from(time.since(origin).as_millis()).unwrap_or(u64::MAX);
        let now_ms = millis(sys::now());
        let complete_ms = self.supervisor.booted_at().map(millis);
        let first_starts =
            self.all_ids().into_iter().filter_map(|id| self.supervisor.first_start(id, origin));
        let mut first_starts: Vec<_> = first_starts.collect();
        let Some(client) = self.client(token) else { return };
        loop {
            let rest = first_starts.split_off(first_starts.len().min(STARTS));
            client.send(&Response::Boot { services: first_starts, now_ms, complete_ms });
            first_starts = rest;
            if first_starts.is_empty() {
                break;
            }
        }
        client.finish(&done(""));
    }
}

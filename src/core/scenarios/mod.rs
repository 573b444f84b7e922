//! What the core does, fact by fact: scripted histories, each named after what it shows.
//!
//! [`Script`] plays the world. A test says what happens and looks at what was done about it, in words:
//! `spawn a`, `TERM a`, `a: up`. Time stands still unless the script says otherwise.

mod boot;
mod dependency_failure;
mod first_start;
mod health;
mod hold;
mod main_pid;
mod messages;
mod more_time;
mod ready;
mod replan;
mod restart;
mod shutdown;
mod start_stop;
mod stopped;
mod trial;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::event::{Action, Event, Pid, Role, Run, SpawnError};
use super::status::{Exit, Phase};
use super::supervisor::Supervisor;
use super::time::Time;
use init_plan::{Health, HealthAction, Hook, Id, Kind, Plan, Probe, Ready, Restart, Service, Stop};

/// A service and what it depends on by name.
#[derive(Clone)]
struct Def {
    service: Service,
    requires: Vec<&'static str>,
    wants: Vec<&'static str>,
    after: Vec<&'static str>,
}

fn longrun(name: &'static str) -> Def {
    let service = super::simulation::plain(name);
    Def { service, requires: Vec::new(), wants: Vec::new(), after: Vec::new() }
}

fn oneshot(name: &'static str) -> Def {
    longrun(name).with(|service| {
        service.kind = Kind::Oneshot;
        service.start_timeout = None;
        Arc::make_mut(&mut service.restart).policy = init_plan::Policy::Never;
    })
}

impl Def {
    fn requires(mut self, names: &[&'static str]) -> Def {
        self.requires.extend(names);
        self
    }

    fn wants(mut self, names: &[&'static str]) -> Def {
        self.wants.extend(names);
        self
    }

    fn after(mut self, names: &[&'static str]) -> Def {
        self.after.extend(names);
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Service)) -> Def {
        change(&mut self.service);
        self
    }

    fn restart(self, change: impl FnOnce(&mut Restart)) -> Def {
        self.with(|service| change(Arc::make_mut(&mut service.restart)))
    }

    fn stop(self, change: impl FnOnce(&mut Stop)) -> Def {
        self.with(|service| change(Arc::make_mut(&mut service.stop)))
    }

    /// Says itself when it is ready.
    fn notifies(self) -> Def {
        self.with(|service| service.ready = Ready::Notify)
    }
}

fn hook(timeout: Option<u64>) -> Hook {
    Hook { exec: vec!["hook".into()], timeout: timeout.map(Duration::from_secs) }
}

fn probe() -> Probe {
    Probe {
        check: init_plan::Check::Exec(vec!["check".into()]),
        initial_delay: Duration::from_secs(1),
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(3),
    }
}

fn health(threshold: u32, action: HealthAction) -> Option<Box<Health>> {
    Some(Box::new(Health { probe: probe(), threshold, action }))
}

/// In dependency order.
fn plan(defs: Vec<Def>) -> Plan {
    let ids: BTreeMap<&str, Id> =
        defs.iter().zip(0..).map(|(def, at)| (Box::leak(def.service.name.clone()) as &str, Id(at))).collect();
    let find = |names: &[&str]| names.iter().map(|name| ids[name]).collect();
    let services = defs
        .iter()
        .map(|def| Service {
            requires: find(&def.requires),
            wants: find(&def.wants),
            after: find(&def.after),
            ..def.service.clone()
        })
        .collect();
    Plan { services, ..Plan::default() }
}

fn code(code: i32) -> Exit {
    Exit::Code(code)
}

/// The world, played from a script.
struct Script {
    core: Supervisor,
    now: Time,
    /// What was done, in words, since somebody last looked.
    done: Vec<String>,
    /// Asked for and not answered yet, the oldest first.
    pending: Vec<(String, Role, Run)>,
    alive: Vec<(String, Role, Run, Pid)>,
    next_pid: Pid,
    warned: Vec<String>,
}

impl Script {
    /// Booted.
    fn new(defs: Vec<Def>) -> Script {
        Script::of(plan(defs))
    }

    fn of(plan: Plan) -> Script {
        let (core, now) = (Supervisor::new(plan, 1), Time(0));
        let (done, pending, alive) = (Vec::new(), Vec::new(), Vec::new());
        let warned = Vec::new();
        let mut script = Script { core, now, done, pending, alive, next_pid: 100, warned };
        script.event(Event::Boot);
        script
    }

    /// Booted, and every process runs that was asked for.
    fn running(defs: Vec<Def>) -> Script {
        let mut script = Script::new(defs);
        script.run_all();
        script.done.clear();
        script
    }

    fn id(&self, name: &str) -> Id {
        let at = self.core.plan().services.iter().position(|service| &*service.name == name);
        Id(u32::try_from(at.unwrap_or_else(|| panic!("no service {name}"))).unwrap())
    }

    fn phase(&self, name: &str) -> Phase {
        self.core.phase(self.id(name))
    }

    fn note(&self, name: &str) -> String {
        self.core.note(self.id(name), self.now).unwrap_or_default()
    }

    // ---- what happens ----

    fn event(&mut self, event: Event) {
        let actions = self.core.step(self.now, event);
        for action in actions {
            self.note_down(&action);
        }
    }

    fn note_down(&mut self, action: &Action) {
        let name = |id: &Id| self.core.plan().services[id.index()].name.to_string();
        match action {
            Action::Spawn { id, run, role } => {
                let name = name(id);
                let what = match role {
                    Role::Main => format!("spawn {name}"),
                    role => format!("spawn {name} {role:?}"),
                };
                self.pending.push((name, *role, *run));
                self.done.push(what);
            }
            Action::Signal { id, pid, signal, .. } => {
                let target = self.alive.iter().find(|(.., p)| p == pid);
                match target.map(|(_, role, ..)| role) {
                    Some(Role::Main) => self.done.push(format!("{signal} {}", name(id))),
                    Some(role) => self.done.push(format!("{signal} {} {role:?}", name(id))),
                    // The group of one that just ended.
                    None => {}
                }
            }
            Action::Changed(change) => {
                self.done.push(format!("{}: {}", name(&change.id), change.to.as_str()));
            }
            Action::MainPidChanged { id, .. } => {
                self.done.push(format!("{} changes its main process", name(id)))
            }
            Action::Warn { id, message } => self.warned.push(format!("{}: {message}", name(id))),
            Action::Replanned { .. } => {}
            Action::Applied => self.done.push("applied".into()),
            Action::RolledBack { why } => self.done.push(format!("rolled back {why}")),
            Action::Booted => self.done.push("booted".into()),
            Action::ShuttingDown { why } => {
                self.done.push(format!("shutting down {}", why.as_deref().unwrap_or("")).trim().into());
            }
            Action::Halt { code } => self.done.push(format!("halt {code}")),
        }
    }

    fn start(&mut self, name: &str) {
        self.event(Event::Start(self.id(name)));
    }

    fn stop(&mut self, name: &str) {
        self.event(Event::Stop(self.id(name)));
    }

    fn restart(&mut self, name: &str) {
        self.event(Event::Restart(self.id(name)));
    }

    /// The oldest process of a service that was asked for runs.
    fn run(&mut self, name: &str) -> Run {
        let at = self.pending.iter().position(|(owner, ..)| owner == name);
        let (name, role, run) = self.pending.remove(at.unwrap_or_else(|| panic!("{name} is not to start")));
        self.next_pid += 1;
        self.alive.push((name, role, run, self.next_pid));
        self.event(Event::Spawned { run, pid: self.next_pid });
        run
    }

    /// Every process that was asked for runs.
    fn run_all(&mut self) {
        while let Some((name, ..)) = self.pending.first() {
            let name = name.clone();
            self.run(&name);
        }
    }

    /// The oldest process of a service that was asked for cannot be started.
    fn run_fails(&mut self, name: &str, lasting: bool) {
        let at = self.pending.iter().position(|(owner, ..)| owner == name).unwrap();
        let run = self.pending.remove(at).2;
        let message = format!("cannot start {name}");
        self.event(Event::SpawnFailed { run, error: SpawnError { message, lasting, code: 127 } });
    }

    /// A service's process is ready.
    fn ready(&mut self, name: &str) {
        let run = self.main(name);
        self.event(Event::Ready { run });
    }

    fn main(&self, name: &str) -> Run {
        let main = self.alive.iter().find(|(owner, role, ..)| owner == name && *role == Role::Main);
        main.unwrap_or_else(|| panic!("{name} does not run")).2
    }

    /// A service's process ends, and so does its group.
    fn end(&mut self, name: &str, exit: Exit) {
        let run = self.exit(name, exit);
        self.event(Event::Gone { run });
    }

    /// A service's process ends; its group is left.
    fn exit(&mut self, name: &str, exit: Exit) -> Run {
        self.exit_of(name, |role| role == Role::Main, exit)
    }

    /// A process beside the main one ends.
    fn end_helper(&mut self, name: &str, exit: Exit) {
        self.exit_of(name, |role| role != Role::Main, exit);
    }

    fn exit_of(&mut self, name: &str, which: impl Fn(Role) -> bool, exit: Exit) -> Run {
        let at = self.alive.iter().position(|(owner, role, ..)| owner == name && which(*role));
        let (_, _, run, pid) = self.alive.remove(at.unwrap_or_else(|| panic!("{name} does not run")));
        self.event(Event::Exited { pid, exit });
        run
    }

    /// Time passes, and the core gets its ticks on the way.
    fn pass(&mut self, millis: u64) {
        let end = self.now.plus(Duration::from_millis(millis));
        while let Some(at) = self.core.deadline().filter(|&at| at <= end) {
            let before = (self.now, at);
            self.now = self.now.max(at);
            self.event(Event::Tick);
            assert_ne!(Some(before), self.core.deadline().map(|at| (self.now, at)), "a busy loop");
        }
        self.now = end;
    }

    // ---- what was done ----

    /// Everything since somebody last looked.
    fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.done)
    }

    /// What was warned of since somebody last looked.
    fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warned)
    }

    /// Starts and signals since somebody last looked.
    fn deeds(&mut self) -> Vec<String> {
        let mut done = self.take();
        done.retain(|what| !what.contains(": ") && !what.starts_with("CONT") && what != "booted");
        done.retain(|what| !what.starts_with("shutting down"));
        done
    }
}

//! Events and actions of the core in words, for `INIT_LOG=debug`.
//!
//! A plan holds what services have in their environment, which may be secret: of a new plan only its size is said.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use init_core::event::Notification;
use init_core::{Action, Event, Role, Run, Supervisor};
use init_plan::Id;

/// Something of the core's in words.
pub struct Described<'a, T> {
    what: &'a T,
    supervisor: &'a Supervisor,
}

/// `what` in words, formatted only if somebody writes it.
pub fn described<'a, T>(what: &'a T, supervisor: &'a Supervisor) -> Described<'a, T> {
    Described { what, supervisor }
}

impl<T> Described<'_, T> {
    /// The name of a service.
    fn name(&self, id: Id) -> &str {
        self.supervisor.plan().services.get(id.index()).map_or("?", |service| &service.name)
    }

    /// The name of the service that a process belongs to.
    fn of(&self, run: Run) -> String {
        let name = self.supervisor.service_of(run).map_or("(nobody)", |id| self.name(id));
        format!("{name} (run {})", run.0)
    }
}

impl Display for Described<'_, Event> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.what {
            Event::Boot => write!(f, "event: boot"),
            Event::Spawned { run, pid } => write!(f, "event: {} runs as process {pid}", self.of(*run)),
            Event::SpawnFailed { run, error } => write!(f, "event: {}: {}", self.of(*run), error.message),
            Event::Condition { run, unmet: None } => {
                write!(f, "event: {}: the condition holds", self.of(*run))
            }
            Event::Condition { run, unmet: Some(why) } => {
                write!(f, "event: {}: the condition does not hold: {why}", self.of(*run))
            }
            Event::MainPidChanged { run, pid } => {
                write!(f, "event: {}: its main process is {pid} now", self.of(*run))
            }
            Event::Ready { run } => write!(f, "event: {} is ready", self.of(*run)),
            Event::Notify { run, notification } => {
                write!(f, "event: {} says {}", self.of(*run), words_of(notification))
            }
            Event::Exited { pid, exit } => {
                let owner = self.supervisor.owner(*pid);
                let owner = owner.map_or_else(|| "(nobody)".to_owned(), |(_, run)| self.of(run));
                write!(f, "event: {owner}: process {pid} ended with {exit}")
            }
            Event::Gone { run } => write!(f, "event: nothing is left of run {}", run.0),
            Event::Start(id) => write!(f, "event: start {}", self.name(*id)),
            Event::Stop(id) => write!(f, "event: stop {}", self.name(*id)),
            Event::Restart(id) => write!(f, "event: restart {}", self.name(*id)),
            Event::Reload(id) => write!(f, "event: reload {}", self.name(*id)),
            Event::Hold { id, held } => {
                write!(f, "event: {} {}", if *held { "hold" } else { "release" }, self.name(*id))
            }
            Event::Forward(signal) => write!(f, "event: forward {signal}"),
            Event::Shutdown(Some(code)) => write!(f, "event: shut down with code {code}"),
            Event::Shutdown(None) => write!(f, "event: shut down"),
            Event::Force => write!(f, "event: shut down at once"),
            Event::Replan(plan) => write!(f, "event: a new plan of {} services", plan.services.len()),
            Event::Apply { plan, .. } => write!(f, "event: apply a plan of {} services", plan.services.len()),
            Event::Tick => write!(f, "event: tick"),
        }
    }
}

impl Display for Described<'_, Action> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.what {
            Action::Spawn { id, run, role } => {
                write!(f, "action: start {} of {} (run {})", role_name(*role), self.name(*id), run.0)
            }
            Action::Signal { id, pid, signal, scope } => {
                write!(f, "action: send {signal} to {} (process {pid}, {scope:?})", self.name(*id))
            }
            Action::Changed(change) => {
                let (from, to) = (change.from.as_str(), change.to.as_str());
                write!(f, "action: {} goes from {from} to {to}", self.name(change.id))?;
                change.why.as_ref().map_or(Ok(()), |why| write!(f, ": {why}"))
            }
            Action::MainPidChanged { id, pid } => {
                write!(f, "action: the main process of {} is {pid} now", self.name(*id))
            }
            Action::Warn { id, message } => write!(f, "action: warn of {}: {message}", self.name(*id)),
            Action::Booted => write!(f, "action: booted"),
            Action::ShuttingDown { .. } => write!(f, "action: shutting down"),
            Action::Replanned { ids } => write!(f, "action: replace the plan of {} services", ids.len()),
            Action::Applied => write!(f, "action: the plan is applied"),
            Action::RolledBack { why } => write!(f, "action: roll back: {why}"),
            Action::Halt { code } => write!(f, "action: exit with code {code}"),
        }
    }
}

/// What a service says of itself, as it sent it.
fn words_of(notification: &Notification) -> String {
    let time = |name: &str, time: &Duration| format!("{name}={}", time.as_micros());
    match notification {
        Notification::Status(status) => format!("STATUS={status}"),
        Notification::Reloading => "RELOADING=1".to_owned(),
        Notification::Stopping => "STOPPING=1".to_owned(),
        Notification::WatchdogPing => "WATCHDOG=1".to_owned(),
        Notification::WatchdogTrigger => "WATCHDOG=trigger".to_owned(),
        Notification::WatchdogInterval(interval) => time("WATCHDOG_USEC", interval),
        Notification::ExtendTimeout(more) => time("EXTEND_TIMEOUT_USEC", more),
        Notification::Reason(why) => format!("why it fails: {why}"),
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Main => "the main process",
        Role::Condition(_) => "a condition",
        Role::ReadyProbe => "the readiness check",
        Role::HealthProbe => "the health check",
        Role::Stop => "the stop command",
        Role::Reload => "the reload command",
        Role::Finish(_) => "the finish hook",
        Role::Down => "the down command",
    }
}

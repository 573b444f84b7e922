//! Plans made by hand, and questions to a plan.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::model::{Id, Kind, Log, Plan, Policy, Process, Ready, Service, Settings, Stdin};
use super::suggest::nearest;
use super::{sections, source};

/// The name of the service made of `init CMD`.
pub const COMMAND: &str = "cmd";

impl Plan {
    /// Puts a plan together and checks what `compile` would have made sure of.
    ///
    /// # Errors
    /// A message that names the service and what is wrong with it.
    pub fn new(
        services: Vec<Service>,
        bundles: BTreeMap<String, Vec<Id>>,
        settings: Settings,
    ) -> Result<Plan, String> {
        let mut names = BTreeSet::new();
        for (index, service) in services.iter().enumerate() {
            let name = &service.name;
            if !names.insert(&**name) {
                return Err(format!("cannot use two services named `{name}`"));
            }
            if name.is_empty() || service.exec.is_empty() {
                return Err(format!("cannot use service {index} (`{name}`): it has no name or no program"));
            }
            if let Some(id) = service.dependencies().find(|id| id.index() >= index) {
                return Err(format!("cannot use `{name}`: it depends on {}, which is not before it", id.0));
            }
        }
        for (name, members) in &bundles {
            if names.contains(name.as_str()) {
                return Err(format!("cannot use a bundle and a service named `{name}`"));
            }
            if members.iter().any(|id| id.index() >= services.len()) {
                return Err(format!("cannot use bundle `{name}`: a member is not in the plan"));
            }
        }
        Ok(Plan { services, bundles, settings })
    }

    /// A service of that name, or the members of a bundle of that name.
    pub fn lookup(&self, name: &str) -> Option<Vec<Id>> {
        let service = self.services.iter().position(|service| &*service.name == name);
        match service.and_then(|index| u32::try_from(index).ok()) {
            Some(index) => Some(vec![Id(index)]),
            None => self.bundles.get(name).cloned(),
        }
    }

    /// The service of that id.
    pub fn get(&self, id: Id) -> Option<&Service> {
        self.services.get(id.index())
    }

    /// The service or bundle whose name is nearest to one that is neither.
    pub fn suggest(&self, name: &str) -> Option<&str> {
        let services = self.services.iter().map(|service| &*service.name);
        nearest(name, services.chain(self.bundles.keys().map(String::as_str)))
    }

    /// Has services log in this way that do not say it themselves, in place of what the settings say (`init --log`). A
    /// service whose output must be read keeps to the settings if nothing would be read in the new way.
    #[must_use]
    pub fn with_log(mut self, log: Log) -> Plan {
        let before = std::mem::replace(&mut self.settings.log, log);
        for service in &mut self.services {
            let hidden = matches!(log, Log::Inherit | Log::None) && matches!(service.ready, Ready::Log(_));
            if hidden && service.process.log.is_none() {
                Arc::make_mut(&mut service.process).log = Some(before);
            }
        }
        self
    }

    /// Adds the command of `init CMD` as a service: it runs once everything that starts at boot is up, its end is
    /// the container's end, and the container's standard input is its own. An empty `argv` adds nothing.
    #[must_use]
    pub fn with_command(mut self, argv: Vec<Box<str>>) -> Plan {
        if argv.is_empty() {
            return self;
        }
        for service in &mut self.services {
            // Two cannot read one terminal; a person at it talks to the command.
            if service.process.stdin == Stdin::Tty {
                Arc::make_mut(&mut service.process).stdin = Stdin::Null;
            }
        }
        let at_boot = (0_u32..).zip(&self.services).filter(|(_, service)| service.autostart);
        let after = at_boot.map(|(index, _)| Id(index)).collect();
        self.services.push(command(argv, after));
        self
    }
}

fn command(exec: Vec<Box<str>>, after: Vec<Id>) -> Service {
    let process = Process { stdin: Stdin::Tty, log: Some(Log::Inherit), ..Process::default() };
    Service {
        name: COMMAND.into(),
        description: Some("the command given to init".into()),
        kind: Kind::Longrun,
        autostart: true,
        essential: true,
        requires: Vec::new(),
        wants: Vec::new(),
        after,
        exec,
        down: None,
        ready: Ready::Started,
        start_timeout: None,
        health: None,
        watchdog: None,
        notify: false,
        restart: Arc::new(sections::default_restart(Policy::Never)),
        stop: Arc::new(sections::default_stop()),
        finish: None,
        reload: None,
        forward: Vec::new(),
        conditions: Vec::new(),
        process: Arc::new(process),
    }
}

/// Orders names as people do: `w@2` before `w@10`.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    loop {
        match (x.split_first(), y.split_first()) {
            (Some((p, _)), Some((q, _))) if p.is_ascii_digit() && q.is_ascii_digit() => {
                let (left, right) = (digits(&mut x), digits(&mut y));
                let order = left.len().cmp(&right.len()).then_with(|| left.cmp(right));
                if order != Ordering::Equal {
                    return order;
                }
            }
            (Some((p, left)), Some((q, right))) if p == q => (x, y) = (left, right),
            // The rest decides; equal but for leading zeros, the whole does.
            _ => return x.cmp(y).then_with(|| a.cmp(b)),
        }
    }
}

/// Takes the digits at the start, and gives them without leading zeros.
fn digits<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    *text = rest;
    let zeros = number.iter().take_while(|&&b| b == b'0').count();
    number.get(zeros..).unwrap_or_default()
}

/// Whether a name may be a service's.
pub fn is_name(name: &str) -> bool {
    source::name_fault(name).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_service_is_one_and_a_path_is_none() {
        assert!(is_name("pulp-worker@1") && !is_name("") && !is_name("a/b"));
    }

    #[test]
    fn the_command_of_the_container_talks_to_the_terminal_alone() {
        let mut plan = crate::compile(
            &[crate::Source::new("a.toml", "exec = ['a']\nstdin = 'tty'")],
            &Default::default(),
        );
        plan = plan.map(|plan| plan.with_command(vec!["sh".into()]));
        let plan = plan.unwrap();
        let [service, command] = plan.services.as_slice() else { panic!("{plan:?}") };
        assert_eq!((service.process.stdin, command.process.stdin), (Stdin::Null, Stdin::Tty));
        assert_eq!(command.process.log, Some(Log::Inherit));
        assert_eq!(command.after, [Id(0)]);
    }

    #[test]
    fn names_are_ordered_as_people_count() {
        let mut names = ["w@10", "w@2", "w@1", "v", "w@01", "w", "w@a"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["v", "w", "w@01", "w@1", "w@2", "w@10", "w@a"]);
    }
}

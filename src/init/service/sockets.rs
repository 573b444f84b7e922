//! Sockets that whoever started `init` listens at for it: socket activation, as sd_listen_fds(3) describes it.
//!
//! They are descriptors from 3 on, and stay open in `init` for as long as it runs. While a service restarts, the kernel
//! therefore keeps connections in their queue, and refuses none. A service that names sockets gets them as a service of
//! systemd does: from 3 on, with `LISTEN_FDS`, `LISTEN_FDNAMES` and its own number in `LISTEN_PID`. No other process has
//! them, for all that `init` was given is closed by exec.

use std::borrow::Cow;
use std::ffi::CStr;
use std::os::fd::RawFd;

use crate::kernel::spawn::PidVariable;
use crate::kernel::{self, sys};
use crate::service::environment::Container;
use crate::service::launch::Inherited;
use init_core::Role;
use init_plan::{FIRST_SOCKET, MAX_SOCKETS, MessageId, OTHER_SOCKETS, Plan, Service, id};

/// For which process the sockets are.
const PID: &str = "LISTEN_PID";
const COUNT: &str = "LISTEN_FDS";
const NAMES: &str = "LISTEN_FDNAMES";

/// What systemd calls a socket without a name.
const NAMELESS: &str = "unknown";

/// What helps where the variables are wrong.
const CURE: &str =
    "podman sets them right for a container that a .socket unit or systemd-socket-activate starts";

/// The sockets, by name: the first is descriptor 3.
#[derive(Debug, Default)]
pub struct Sockets(Vec<Box<str>>);

/// The names of the sockets count for nothing.
const NAMES_IGNORED: MessageId = id!("I0419");

impl Sockets {
    /// Those that this process was given, and what is wrong with what was said of them. To be called before anything is
    /// opened: a number that is free now may be something of ours later.
    pub fn given(container: &Container) -> (Sockets, Option<String>) {
        match count(container, std::process::id(), sys::is_open) {
            Ok(0) => (Sockets::default(), None),
            Ok(count) => {
                let (names, problem) = names(container, count);
                (Sockets(names), problem)
            }
            Err(why) => {
                let message = format!("the sockets of {COUNT} are ignored: {why}; {CURE}");
                (Sockets::default(), Some(id!("I0408").after(&message)))
            }
        }
    }

    /// Lets the program that takes our place have them, too.
    pub fn keep(&self) {
        for (fd, _) in (FIRST_SOCKET..).zip(&self.0) {
            kernel::kept::keep_given(kernel::given(fd));
        }
    }

    /// Lets a process of a service have those that it is to get: its main process, and the command that reloads it, which
    /// may have to try a configuration with them.
    pub fn hand_over(&self, service: &Service, role: Role, plan: &Plan, inherited: &mut Inherited<'_>) {
        if service.process.sockets.is_empty() || !matches!(role, Role::Main | Role::Reload) {
            return;
        }
        let given = (FIRST_SOCKET..).zip(&self.0);
        let wanted: Vec<(RawFd, &str)> =
            given.filter(|(_, name)| wants(service, name, plan)).map(|(fd, name)| (fd, &**name)).collect();
        if wanted.is_empty() {
            return;
        }
        let targets = wanted.iter().zip(FIRST_SOCKET..);
        inherited.descriptors.extend(targets.map(|(&(fd, _), target)| (kernel::given(fd), target)));
        let names: Vec<&str> = wanted.iter().map(|&(_, name)| name).collect();
        // The process itself writes its number where this one is.
        let variables = [(COUNT, names.len().to_string()), (NAMES, names.join(":")), (PID, "0".to_owned())];
        inherited.variables.extend(variables.map(|(name, value)| (name.to_owned(), value)));
    }

    /// What to say of those that no service gets: who connects there waits for ever.
    pub fn unwanted(&self, plan: &Plan) -> Option<String> {
        let is_wanted = |name: &str| plan.services.iter().any(|service| wants(service, name, plan));
        let mut names: Vec<String> =
            self.0.iter().filter(|name| !is_wanted(name)).map(|name| format!("`{name}`")).collect();
        names.dedup();
        let first = names.first()?;
        let message = format!(
            "no service has the socket {} of {COUNT}, so nobody answers there; write `sockets = [{}]` in the definition of one",
            names.join(", "),
            first.replace('`', "\"")
        );
        Some(id!("I0418").after(&message))
    }
}

impl Inherited<'_> {
    /// Where the variable stands that the process sets to its own number, if it has one.
    pub fn pid_variable(&self, environment: &[Cow<'_, CStr>]) -> Option<usize> {
        let wanted = self.variables.iter().any(|(name, _)| name == PID);
        wanted.then(|| environment.iter().position(|entry| PidVariable::is(entry))).flatten()
    }
}

/// Whether it gets the sockets of this name.
fn wants(service: &Service, name: &str, plan: &Plan) -> bool {
    let names_it = |service: &Service| service.process.sockets.iter().any(|own| **own == *name);
    let takes_others = service.process.sockets.iter().any(|own| **own == *OTHER_SOCKETS);
    names_it(service) || takes_others && !plan.services.iter().any(names_it)
}

/// How many there are; all of them are open.
fn count(container: &Container, own_pid: u32, is_open: impl Fn(RawFd) -> bool) -> Result<i32, String> {
    let Some(text) = container.get(COUNT).filter(|text| !text.is_empty()) else { return Ok(0) };
    let count =
        text.to_str().and_then(|text| text.parse().ok()).filter(|count| (0..=MAX_SOCKETS).contains(count));
    let count: i32 = count
        .ok_or_else(|| format!("it is `{}`, not a number from 0 to {MAX_SOCKETS}", text.to_string_lossy()))?;
    if let Some(pid) = container.get(PID)
        && pid.to_str().and_then(|pid| pid.parse().ok()) != Some(own_pid)
    {
        let pid = pid.to_string_lossy();
        return Err(format!("{PID} is `{pid}`, so they are not for this process, which is {own_pid}"));
    }
    match (FIRST_SOCKET..FIRST_SOCKET + count).find(|&fd| !is_open(fd)) {
        Some(fd) => Err(format!("it is {count}, but descriptor {fd} is not open")),
        None => Ok(count),
    }
}

/// Their names. They need not have any.
fn names(container: &Container, count: i32) -> (Vec<Box<str>>, Option<String>) {
    let count = usize::try_from(count).unwrap_or(0);
    let nameless = || vec![NAMELESS.into(); count];
    let Some(text) = container.get(NAMES).filter(|text| !text.is_empty()) else { return (nameless(), None) };
    let found: Option<Vec<Box<str>>> = text.to_str().and_then(|text| text.split(':').map(name).collect());
    match found {
        Some(names) if names.len() == count => (names, None),
        Some(names) => {
            let why = format!("{NAMES} is ignored: it has {} for {count} sockets; {CURE}", names.len());
            (nameless(), Some(NAMES_IGNORED.after(&why)))
        }
        None => {
            let why = format!("{NAMES} is ignored: a name in it cannot be one; {CURE}");
            (nameless(), Some(NAMES_IGNORED.after(&why)))
        }
    }
}

/// A name may be missing between two colons.
fn name(text: &str) -> Option<Box<str>> {
    if text.is_empty() { Some(NAMELESS.into()) } else { init_plan::values::socket_name(text).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(env: &[(&str, &str)]) -> Container {
        Container::new(env.iter().map(|&(name, value)| (name.into(), value.into())))
    }

    /// As process 7, which has descriptors below 6.
    fn counted(env: &[(&str, &str)]) -> Result<i32, String> {
        count(&container(env), 7, |fd| fd < 6)
    }

    #[test]
    fn sockets_are_counted_where_they_are_ours() {
        assert_eq!(counted(&[]), Ok(0));
        assert_eq!(counted(&[(COUNT, ""), (PID, "7")]), Ok(0));
        assert_eq!(counted(&[(COUNT, "0"), (PID, "7")]), Ok(0));
        assert_eq!(counted(&[(COUNT, "3"), (PID, "7")]), Ok(3));
        assert_eq!(counted(&[(COUNT, "2")]), Ok(2));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (env, why) in [
            (vec![(COUNT, "x")], "it is `x`, not a number from 0 to 64"),
            (vec![(COUNT, "-1")], "it is `-1`, not"),
            (vec![(COUNT, "65")], "it is `65`, not"),
            (vec![(COUNT, "99999999999999")], "not a number"),
            (
                vec![(COUNT, "1"), (PID, "8")],
                "LISTEN_PID is `8`, so they are not for this process, which is 7",
            ),
            (vec![(COUNT, "1"), (PID, "")], "LISTEN_PID is ``"),
            (vec![(COUNT, "4"), (PID, "7")], "it is 4, but descriptor 6 is not open"),
        ] {
            let said = counted(&env).unwrap_err();
            assert!(said.contains(why), "{env:?}: {said}");
        }
    }

    #[test]
    fn names_are_optional_and_as_many_as_there_are_sockets() {
        let of = |text: &str| {
            let (names, problem) = names(&container(&[(NAMES, text)]), 2);
            (names.join(" "), problem.is_some())
        };
        assert_eq!(of(""), ("unknown unknown".into(), false));
        assert_eq!(of("http:api"), ("http api".into(), false));
        assert_eq!(of(":api"), ("unknown api".into(), false));
        for wrong in ["http", "a:b:c", "a:\u{7}", &format!("a:{}", "x".repeat(256))] {
            assert_eq!(of(wrong), ("unknown unknown".into(), true), "{wrong}");
        }
    }

    fn plan(definitions: &[(&str, &str)]) -> Plan {
        let sources: Vec<init_plan::Source> = definitions
            .iter()
            .map(|(name, sockets)| {
                let text = format!("exec = ['x']\nsockets = {sockets}\n");
                init_plan::Source::new(&format!("{name}.toml"), text)
            })
            .collect();
        init_plan::compile(&sources, &init_plan::Environment::new()).unwrap()
    }

    #[test]
    fn star_is_for_what_nobody_names() {
        let plan = plan(&[("api", "['api']"), ("web", "['*']"), ("both", "['api', '*']"), ("none", "[]")]);
        let who = |socket: &str| {
            let all = plan.services.iter().filter(|service| wants(service, socket, &plan));
            let mut names: Vec<&str> = all.map(|service| &*service.name).collect();
            names.sort_unstable();
            names.join(" ")
        };
        assert_eq!(who("api"), "api both");
        assert_eq!(who("unknown"), "both web");
    }

    #[test]
    fn socket_that_nobody_has_is_named_with_what_to_write() {
        let sockets = Sockets(["a", "b", "b", "c"].map(Box::from).into());
        let said = sockets.unwanted(&plan(&[("web", "['a']")])).unwrap();
        assert!(said.contains("socket `b`, `c`") && said.contains("sockets = [\"b\"]"), "{said}");
        assert_eq!(sockets.unwanted(&plan(&[("web", "['*']")])), None);
        assert_eq!(Sockets::default().unwanted(&plan(&[])), None);
    }
}

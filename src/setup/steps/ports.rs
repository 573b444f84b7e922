//! `ports`: whether what is to be listened on is free.
//!
//! In a network of its own a container has every port to itself, unless a service of the user's own was first. With `--network
//! host`, or in a pod, others are there, too. The services would each try again and again; said once, and before anything
//! starts, it is of more use.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
};
use serde_json::Value;

use super::nginx_config::listens::Listens;
use super::nginx_config::{Ports, own};
use super::settings::is_loopback;
use super::variables;
use crate::ask::command::Tool;
use crate::ask::listeners;
use crate::ask::processes::{self, Process};
use crate::programs::bind::{API, CONTENT};
use crate::pulp_settings::PulpSettings;
use crate::{Context, Problem};

/// The port of PostgreSQL that the settings do not name.
const POSTGRESQL: &str = "5432";

/// How long `init` may take to say which services run.
const LIMIT: Duration = Duration::from_secs(10);

/// Where a service is to listen.
#[derive(Debug)]
struct Wanted {
    service: &'static str,
    /// What says so.
    variable: &'static str,
    /// `ADDRESS:PORT`
    address: String,
    /// How to choose another.
    cure: String,
}

/// Why it cannot.
#[derive(Debug, Eq, PartialEq)]
enum Refusal {
    /// Somebody listens on this port.
    Taken(u16),
    /// In words.
    Because(String),
}

/// The step.
pub fn run(context: &Context, _args: &[String]) -> Result<(), Problem> {
    let settings = PulpSettings::load(context)?;
    let wanted = wanted(context, &settings);
    let refused: Vec<_> = wanted.iter().filter_map(|it| Some((it, refusal(&it.address)?))).collect();
    if refused.is_empty() {
        return Ok(());
    }
    told(&refused, &Running::now(context)).map_or(Ok(()), Err)
}

fn wanted(context: &Context, settings: &PulpSettings) -> Vec<Wanted> {
    let nginx = "choose another by PULP_HTTP_PORT and PULP_HTTPS_PORT, or give the container a network of its own (without \
                 `--network host`) and publish its port under another number, such as `-p 8080:80`";
    let mut all = vec![];
    let mut want = |service, variable, address: String, cure: &str| {
        all.push(Wanted { service, variable, address, cure: cure.to_owned() });
    };
    // Where a configuration of the user's own listens, nginx says if it cannot.
    if own::file(context).is_none() {
        let ports = Ports::beside_pulp(context);
        for port in Listens::beside_pulp(context, ports, variables::https(context)).own {
            let variable = if port == ports.http { "PULP_HTTP_PORT" } else { "PULP_HTTPS_PORT" };
            want("nginx", variable, format!("0.0.0.0:{port}"), nginx);
        }
    }
    for (service, variable, listener) in
        [("pulp-api", "PULP_API_BIND", API), ("pulp-content", "PULP_CONTENT_BIND", CONTENT)]
    {
        let address = listener.address(context);
        if !address.starts_with("unix:") {
            let cure = format!(
                "set {variable} to an address of this container and a port that nobody else has, such as 127.0.0.1:PORT"
            );
            want(service, variable, address, &cure);
        }
    }
    if let Some(port) = settings.redis_port.filter(|_| settings.external_redis.is_none()) {
        let cure = "let REDIS_PORT, or REDIS_URL, name another port, or leave them out";
        want("redis", "REDIS_PORT", format!("127.0.0.1:{port}"), cure);
    }
    let database = &settings.database;
    if settings.external_postgresql.is_none() && is_loopback(&database.host) {
        let port = if database.port.is_empty() { POSTGRESQL } else { &database.port };
        let cure = "remove HOST and PORT from DATABASES in /etc/pulp/settings.py: over the socket Pulp needs no port";
        want("postgresql", "DATABASES", format!("{}:{port}", database.host), cure);
    }
    all
}

/// All of it at once, so that one more try is enough. A port that its own service has is no problem: then the boot is over,
/// and somebody runs this step again.
fn told(refused: &[(&Wanted, Refusal)], running: &Running) -> Option<Problem> {
    let (mut what, mut cures) = (Vec::new(), Vec::new());
    for (Wanted { service, variable, address, cure }, refusal) in refused {
        let why = match refusal {
            Refusal::Because(why) => why.clone(),
            Refusal::Taken(port) => match running.who_has(*port) {
                Who::Service(name, _) if name == *service => continue,
                who => format!("that port is in use{who}"),
            },
        };
        what.push(format!("{service} ({variable}) cannot listen on {address}: {why}"));
        if !cures.contains(cure) {
            cures.push(cure.clone());
        }
    }
    (!what.is_empty()).then(|| Problem::config("S1301", what.join("; "), cures.join("; ")))
}

/// Tries to listen there as the service will.
fn refusal(address: &str) -> Option<Refusal> {
    // `localhost` may be several; what is no address at all is the business of `ready`.
    let places = address.to_socket_addrs().into_iter().flatten();
    let refused = places.filter_map(|place| Some((place.port(), try_to_bind(place).err()?)));
    let mut refusals = refused.filter_map(|(port, errno)| match errno {
        Errno::EADDRINUSE => Some(Refusal::Taken(port)),
        // No IPv6 here.
        Errno::EADDRNOTAVAIL | Errno::EAFNOSUPPORT if address.starts_with("localhost:") => None,
        Errno::EADDRNOTAVAIL => {
            Some(Refusal::Because("this container does not have that address".to_owned()))
        }
        errno => Some(Refusal::Because(errno.to_string())),
    });
    refusals.next()
}

fn try_to_bind(place: SocketAddr) -> Result<(), Errno> {
    let family = if place.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // As servers do: connections of an earlier one that linger are in nobody's way.
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(place))?;
    nix::sys::socket::listen(&fd, nix::sys::socket::Backlog::new(1)?)
}

/// What runs in this container.
#[derive(Debug)]
struct Running {
    processes: Vec<Process>,
    /// The main process of each service.
    services: BTreeMap<i32, String>,
}

/// Who has a port.
#[derive(Debug, Eq, PartialEq)]
enum Who {
    /// This service, by a process of this number and name.
    Service(String, (i32, String)),
    /// A process of this container that belongs to no service.
    Process((i32, String)),
    /// Somebody of the host, or of another container in the same network: a process of this user.
    Elsewhere(u32),
    /// It is free again.
    Nobody,
}

impl Running {
    fn now(context: &Context) -> Running {
        Running { processes: processes::all(), services: services(context) }
    }

    fn who_has(&self, port: u16) -> Who {
        let listeners = listeners::of(port);
        let pids = self.processes.iter().map(|process| process.pid);
        match (listeners::holder(&listeners, pids), listeners.first()) {
            (Some(pid), _) => self.process(pid),
            (None, Some(listener)) => Who::Elsewhere(listener.uid),
            (None, None) => Who::Nobody,
        }
    }

    fn process(&self, pid: i32) -> Who {
        let above = processes::upwards(pid, &self.processes);
        let shown = |c: char| if c.is_control() { '?' } else { c };
        let name = above.first().map(|process| process.name.chars().map(shown).collect()).unwrap_or_default();
        match above.iter().find_map(|process| self.services.get(&process.pid)) {
            Some(service) => Who::Service(service.clone(), (pid, name)),
            None => Who::Process((pid, name)),
        }
    }
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Who::Service(service, (pid, name)) => {
                write!(f, " by process {pid} ({name}) of the service `{service}`")
            }
            Who::Process((pid, name)) => write!(f, " by process {pid} ({name}) of this container"),
            Who::Elsewhere(uid) => {
                write!(
                    f,
                    " by a process of user {uid} outside of this container, which `ss -ltnp` names there"
                )
            }
            Who::Nobody => Ok(()),
        }
    }
}

/// The services that run, as `init` says it; none if it does not.
fn services(context: &Context) -> BTreeMap<i32, String> {
    let said =
        Tool::new(context, "svctl").args(["list", "--json"]).inherit_env(context).limit(LIMIT).output();
    let said: Value = said.ok().and_then(|said| serde_json::from_str(&said.out).ok()).unwrap_or_default();
    let pair = |service: &Value| {
        let pid = service["pid"].as_i64().and_then(|pid| pid.try_into().ok())?;
        Some((pid, service["name"].as_str()?.to_owned()))
    };
    said.as_array().into_iter().flatten().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::pulp_settings::Database;

    fn asked(service: &'static str, cure: &str) -> Wanted {
        Wanted { service, variable: "X", address: "0.0.0.0:1".to_owned(), cure: cure.to_owned() }
    }

    /// This test, as a service of this name.
    fn running(service: &str) -> Running {
        let own = i32::try_from(std::process::id()).unwrap();
        Running { processes: processes::all(), services: BTreeMap::from([(own, service.to_owned())]) }
    }

    #[test]
    fn a_port_that_somebody_has_is_no_problem_for_the_service_that_has_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = || refusal(&address.to_string());
        assert_eq!(taken(), Some(Refusal::Taken(address.port())));
        let api = asked("pulp-api", "y");
        let problem = |running| told(&[(&api, taken().unwrap())], &running);
        assert_eq!(problem(running("pulp-api")), None);
        let told = problem(running("own")).unwrap();
        let own = format!("in use by process {} (", std::process::id());
        assert!(told.what().contains(&own) && told.what().ends_with(") of the service `own`"), "{told}");
        let nobodys = Running { services: BTreeMap::new(), ..running("") };
        assert!(problem(nobodys).unwrap().what().ends_with(") of this container"));
        let unseen = Running { processes: Vec::new(), services: BTreeMap::new() };
        let user = format!("by a process of user {} outside of this container", nix::unistd::geteuid());
        assert!(problem(unseen).unwrap().what().contains(&user));
        drop(listener);
        // A child that another test has just forked has a copy until it is executed.
        let until = Instant::now() + Duration::from_secs(60);
        while taken().is_some() {
            assert!(Instant::now() < until, "{address} is never free");
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_address_of_somebody_else_is_a_problem() {
        // TEST-NET-1 (RFC 5737): nobody has it.
        let why = "this container does not have that address".to_owned();
        assert_eq!(refusal("192.0.2.1:80"), Some(Refusal::Because(why)));
    }

    #[test]
    fn each_problem_is_told_and_each_cure_once() {
        let all = [asked("nginx", "a"), asked("nginx", "a"), asked("redis", "b")];
        let because = || Refusal::Because("z".to_owned());
        let refused: Vec<_> = all.iter().map(|wanted| (wanted, because())).collect();
        let problem = told(&refused, &running("")).unwrap();
        assert_eq!(problem.what().matches("(X) cannot listen on 0.0.0.0:1: z").count(), 3);
        assert_eq!((problem.cure(), problem.code()), ("a; b", 78));
    }

    #[test]
    fn a_name_of_a_process_cannot_write_lines_of_its_own() {
        let process = Process { pid: 5, parent: 1, name: "a\nb".to_owned(), stopped: false };
        let running = Running { processes: vec![process], services: BTreeMap::new() };
        assert_eq!(running.process(5), Who::Process((5, "a?b".to_owned())));
    }

    #[test]
    fn what_is_wanted_follows_from_variables_and_settings() {
        let env =
            [("PULP_HTTPS", "true"), ("PULP_API_BIND", "unix:/run/api"), ("PULP_CONTENT_BIND", "0.0.0.0:1")];
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), env);
        let database = Database { host: "127.0.0.1".to_owned(), ..Database::default() };
        let settings = PulpSettings { database, redis_port: Some(2), ..PulpSettings::default() };
        let all = wanted(&context, &settings);
        let all: Vec<&str> = all.iter().map(|wanted| wanted.address.as_str()).collect();
        assert_eq!(all, ["0.0.0.0:80", "0.0.0.0:443", "0.0.0.0:1", "127.0.0.1:2", "127.0.0.1:5432"]);
        let env = [("PULP_HTTP_PORT", "8081"), ("PULP_HTTPS_PORT", "8444"), ("PULP_HTTPS", "true")];
        let all = wanted(&Context::for_test(dir.path(), env), &PulpSettings::default());
        let nginx: Vec<&str> = all.iter().take(2).map(|wanted| wanted.address.as_str()).collect();
        assert_eq!(nginx, ["0.0.0.0:8081", "0.0.0.0:8444"]);
    }
}

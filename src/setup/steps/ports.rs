//! `ports`: whether what is to be listened on is free.
//!
//! In a network of its own a container has every port to itself. With `--network host`, or in a pod, others are there,
//! too. The services would each try again and again; said once, and before anything starts, it is of more use.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
};

use super::nginx_config::listens::Listens;
use super::nginx_config::{Ports, own};
use super::settings::is_loopback;
use super::variables;
use crate::programs::bind::{API, CONTENT};
use crate::pulp_settings::PulpSettings;
use crate::{Context, Problem};

/// The port of PostgreSQL that the settings do not name.
const POSTGRESQL: &str = "5432";

/// Where a service is to listen.
#[derive(Debug)]
struct Wanted {
    service: &'static str,
    /// `ADDRESS:PORT`
    address: String,
    /// How to choose another.
    cure: &'static str,
}

/// The step.
pub fn run(context: &Context, _args: &[String]) -> Result<(), Problem> {
    let settings = PulpSettings::load(context)?;
    let problems: Vec<Problem> =
        wanted(context, &settings).iter().filter_map(|wanted| is_free(wanted).err()).collect();
    // Each is told: one more try is to be enough.
    let Some(first) = problems.first() else { return Ok(()) };
    let what: Vec<&str> = problems.iter().map(Problem::what).collect();
    Err(Problem::config(what.join("; "), first.cure()))
}

fn wanted(context: &Context, settings: &PulpSettings) -> Vec<Wanted> {
    let nginx = "choose another by PULP_HTTP_PORT and PULP_HTTPS_PORT; or give the container a network of its own (without \
                 `--network host`) and publish its port under another number, such as `-p 8080:80`";
    let named =
        "set it to an address of this container and a port that nobody else has, such as 127.0.0.1:PORT";
    let mut all = vec![];
    let mut want = |service, address: String, cure| all.push(Wanted { service, address, cure });
    // Where a configuration of the user's own listens, nginx says if it cannot.
    if own::file(context).is_none() {
        let ports = Ports::beside_pulp(context);
        for port in Listens::beside_pulp(context, ports, variables::https(context)).own {
            let variable =
                if port == ports.http { "nginx (PULP_HTTP_PORT)" } else { "nginx (PULP_HTTPS_PORT)" };
            want(variable, format!("0.0.0.0:{port}"), nginx);
        }
    }
    for (service, listener) in
        [("pulp-api (PULP_API_BIND)", API), ("pulp-content (PULP_CONTENT_BIND)", CONTENT)]
    {
        let address = listener.address(context);
        if !address.starts_with("unix:") {
            want(service, address, named);
        }
    }
    if let Some(port) = settings.redis_port.filter(|_| settings.external_redis.is_none()) {
        want(
            "redis (REDIS_PORT)",
            format!("127.0.0.1:{port}"),
            "let REDIS_PORT, or REDIS_URL, name another port, or leave them out",
        );
    }
    let database = &settings.database;
    if settings.external_postgresql.is_none() && is_loopback(&database.host) {
        let port = if database.port.is_empty() { POSTGRESQL } else { &database.port };
        let cure = "remove HOST and PORT from DATABASES in /etc/pulp/settings.py: over the socket Pulp needs no port";
        want("postgresql (DATABASES)", format!("{}:{port}", database.host), cure);
    }
    all
}

/// Tries to listen there as the service will.
fn is_free(wanted: &Wanted) -> Result<(), Problem> {
    let Wanted { service, address, cure } = wanted;
    // `localhost` may be several; what is no address at all is the business of `ready`.
    for place in address.to_socket_addrs().into_iter().flatten() {
        match try_to_bind(place) {
            Ok(()) => {}
            // The boot is over, and this is our own service.
            Err(Errno::EADDRINUSE) if is_ours(place.port()) => {}
            Err(Errno::EADDRINUSE) => {
                return Err(Problem::config(
                    format!("{service} cannot listen on {address}: that port is in use"),
                    *cure,
                ));
            }
            // No IPv6 here.
            Err(Errno::EADDRNOTAVAIL | Errno::EAFNOSUPPORT) if address.starts_with("localhost:") => {}
            Err(Errno::EADDRNOTAVAIL) => {
                return Err(Problem::config(
                    format!(
                        "{service} cannot listen on {address}: this container does not have that address"
                    ),
                    *cure,
                ));
            }
            Err(errno) => {
                return Err(Problem::config(format!("{service} cannot listen on {address}: {errno}"), *cure));
            }
        }
    }
    Ok(())
}

fn try_to_bind(place: SocketAddr) -> Result<(), Errno> {
    let family = if place.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // As servers do: connections of an earlier one that linger are in nobody's way.
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(place))?;
    nix::sys::socket::listen(&fd, nix::sys::socket::Backlog::new(1)?)
}

/// Whether a process of this container listens on this port: of others we see the port, but not the process.
fn is_ours(port: u16) -> bool {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|table| listening(&fs::read_to_string(table).unwrap_or_default(), port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut open =
        processes.filter_map(|process| fs::read_dir(process.path().join("fd")).ok()).flatten().flatten();
    open.any(|fd| {
        fs::read_link(fd.path())
            .is_ok_and(|to| sockets.iter().any(|socket| to.as_os_str() == socket.as_str()))
    })
}

/// The inodes of the sockets in a table of the kernel (proc_pid_net(5)) that listen on this port.
fn listening(table: &str, port: u16) -> Vec<String> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let local = words.get(1)?.rsplit_once(':')?.1;
        let listens = *words.get(3)? == "0A" && u16::from_str_radix(local, 16).ok()? == port;
        listens.then(|| words.get(9).map(|&inode| inode.to_owned()))?
    };
    table.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::pulp_settings::Database;

    fn asked(address: &str) -> Wanted {
        Wanted { service: "x", address: address.to_owned(), cure: "y" }
    }

    #[test]
    fn a_port_that_is_free_or_ours_is_no_problem() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(try_to_bind(address), Err(Errno::EADDRINUSE));
        is_free(&asked(&address.to_string())).unwrap();
        drop(listener);
        // A child that another test has just forked has a copy until it is executed.
        let until = Instant::now() + Duration::from_secs(60);
        while try_to_bind(address).is_err() {
            assert!(Instant::now() < until, "{address} is never free");
            std::thread::yield_now();
        }
        is_free(&asked(&address.to_string())).unwrap();
    }

    #[test]
    fn an_address_of_somebody_else_is_a_problem() {
        // TEST-NET-1 (RFC 5737): nobody has it.
        let problem = is_free(&asked("192.0.2.1:80")).unwrap_err();
        assert!(problem.what().contains("192.0.2.1:80: this container does not have"), "{problem}");
    }

    #[test]
    fn the_kernels_table_names_who_listens() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:60F1 00000000:0000 0A 00000000:00000000 00:00000000 00000000   700        0 4711 1 x\n   \
            1: 0100007F:60F1 0100007F:9999 01 00000000:00000000 00:00000000 00000000   700        0 4712 1 x\n";
        assert_eq!(listening(table, 24817), ["4711"]);
        assert!(listening(table, 24816).is_empty());
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

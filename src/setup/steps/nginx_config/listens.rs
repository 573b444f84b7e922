//! Where nginx listens: at its own ports, or at the sockets that it is given (`LISTEN_FDS`) and nowhere else.
//!
//! nginx takes a socket from another nginx (`NGINX`) if its configuration has a `listen` with the very address of that
//! socket. It does not matter whether that address exists here: the socket may be of another network.

use std::fs;

use super::{CONFIG, Ports, shown};
use crate::Context;
use crate::programs::sockets::{self, At, Given};

/// Where our checks find an nginx that listens at sockets alone: whose network these are of is not known here.
const CHECKED: &str = "/run/pulp/nginx/socket";

/// The name of a socket that speaks TLS, and the port of one that does so even without that name.
const TLS: (&str, u16) = ("https", 443);

/// The addresses of `listen`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Listens {
    /// Of plain HTTP.
    pub http: Vec<String>,
    /// Of HTTPS.
    pub https: Vec<String>,
    /// Which of our own ports are among them.
    pub own: Vec<u16>,
    /// What is to be said of sockets that are not among them.
    pub left_out: Vec<String>,
}

impl Listens {
    /// Those of the nginx beside Pulp.
    pub(crate) fn beside_pulp(context: &Context, ports: Ports, https: bool) -> Listens {
        Listens::of(context, ports, https, &sockets::given(context))
    }

    /// Its own ports, at every address.
    pub(crate) fn at(context: &Context, ports: Ports, https: bool) -> Listens {
        Listens::of(context, ports, https, &[])
    }

    fn of(context: &Context, ports: Ports, https: bool, given: &[Given]) -> Listens {
        let mut listens =
            Listens { http: Vec::new(), https: Vec::new(), own: Vec::new(), left_out: Vec::new() };
        for socket in given {
            match place(socket, https) {
                Ok((true, address)) => listens.https.push(address),
                Ok((false, address)) => listens.http.push(address),
                Err(why) => {
                    let line = format!("nginx leaves out the socket `{}` of LISTEN_FDS: {why}", socket.name);
                    listens.left_out.push(line);
                }
            }
        }
        let v6 = context.path("/proc/net/if_inet6").exists();
        listens.add_own(ports.http, false, v6);
        if https {
            listens.add_own(ports.https, true, v6);
        }
        if !given.is_empty() {
            listens.http.push(format!("unix:{}", context.path(CHECKED).display()));
        }
        listens
    }

    fn add_own(&mut self, port: u16, tls: bool, v6: bool) {
        let list = if tls { &mut self.https } else { &mut self.http };
        if list.is_empty() {
            list.push(port.to_string());
            list.extend(v6.then(|| format!("[::]:{port}")));
            self.own.push(port);
        }
    }
}

/// Whether a socket speaks TLS, and its address as nginx reads it.
fn place(socket: &Given, https: bool) -> Result<(bool, String), String> {
    let (name, port) = TLS;
    if socket.name == name && !https {
        return Err("PULP_HTTPS is not true; set it, or give the socket another name".to_owned());
    }
    let at_port = matches!(socket.at, At::Tcp(address) if address.port() == port) && socket.name != "http";
    Ok((https && (socket.name == name || at_port), as_listen(&socket.at)?))
}

/// The address of a socket as nginx reads it; else why it cannot.
pub(super) fn as_listen(at: &At) -> Result<String, String> {
    match at {
        // Its zone is no part of an address to nginx.
        At::Tcp(address) if address.is_ipv6() => Ok(format!("[{}]:{}", address.ip(), address.port())),
        At::Tcp(address) => Ok(address.to_string()),
        At::Unix(path) => {
            Ok(format!("unix:{}", plain(&shown(path).map_err(|problem| problem.what().to_owned())?)?))
        }
        At::Elsewhere => Err("it is no TCP socket and has no path; let it be one of these".to_owned()),
    }
}

fn plain(path: &str) -> Result<&str, String> {
    let blank = path.contains(|c: char| c.is_whitespace() || c.is_control());
    if blank { Err(format!("{path:?} has blanks, with which nginx cannot use it")) } else { Ok(path) }
}

/// The socket of our checks, if the nginx beside Pulp is to listen there.
pub fn checked(context: &Context) -> Option<String> {
    let config = fs::read_to_string(context.path(CONFIG)).unwrap_or_default();
    let socket = context.path(CHECKED).display().to_string();
    config.contains(&format!("listen unix:{socket} ")).then_some(socket)
}

/// Removes the socket of our checks that an nginx left which was killed. It would be in the way of the next.
pub fn clear(context: &Context) {
    let _ = fs::remove_file(context.path(CHECKED));
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTS: Ports = Ports { http: 80, https: 443 };

    fn of(https: bool, sockets: &[(&str, &str)]) -> Listens {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        fs::create_dir_all(context.path("/proc/net")).unwrap();
        fs::write(context.path("/proc/net/if_inet6"), "").unwrap();
        let at = |text: &str| match text.strip_prefix('/') {
            Some(_) => At::Unix(text.into()),
            None => text.parse().map_or(At::Elsewhere, At::Tcp),
        };
        let given: Vec<Given> =
            sockets.iter().map(|(name, text)| Given { fd: 3, name: (*name).into(), at: at(text) }).collect();
        let mut listens = Listens::of(&context, PORTS, https, &given);
        let check = format!("unix:{}", context.path(CHECKED).display());
        assert_eq!(listens.http.contains(&check), !given.is_empty());
        listens.http.retain(|address| *address != check);
        listens
    }

    #[test]
    fn without_sockets_it_listens_at_its_own_ports() {
        let own = of(true, &[]);
        assert_eq!((own.http.join(" "), own.https.join(" ")), ("80 [::]:80".into(), "443 [::]:443".into()));
        assert_eq!(own.own, [80, 443]);
        assert_eq!(of(false, &[]).https, Vec::<String>::new());
    }

    #[test]
    fn sockets_take_the_place_of_the_port_of_their_kind() {
        let plain = of(false, &[("x", "[::]:8080"), ("y", "/run/p.sock"), ("z", "0.0.0.0:443")]);
        assert_eq!(plain.http, ["[::]:8080", "unix:/run/p.sock", "0.0.0.0:443"]);
        assert_eq!(plain.own, Vec::<u16>::new());
        let tls = of(true, &[("https", "127.0.0.1:1"), ("x", "[fe80::1%3]:443"), ("http", "127.0.0.1:443")]);
        assert_eq!(tls.https, ["127.0.0.1:1", "[fe80::1]:443"]);
        assert_eq!((tls.http, tls.own), (vec!["127.0.0.1:443".to_owned()], vec![]));
        let redirected = of(true, &[("x", "127.0.0.1:8080")]);
        assert_eq!((redirected.https.join(" "), redirected.own), ("443 [::]:443".into(), vec![443]));
    }

    #[test]
    fn what_nginx_cannot_listen_at_is_left_out() {
        let left = of(false, &[("https", "127.0.0.1:1"), ("x", "abstract"), ("y", "/a;b"), ("z", "/a b")]);
        assert_eq!(left.left_out.len(), 4, "{left:?}");
        assert_eq!((left.http.join(" "), left.own), ("80 [::]:80".into(), vec![80]));
    }
}

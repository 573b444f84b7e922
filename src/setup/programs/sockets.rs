//! Sockets that somebody listens at for us: socket activation, as sd_listen_fds(3) describes it.
//!
//! A .socket unit of systemd gives them to podman, podman to the container's first process, and `init` to the services
//! that name them. gunicorn takes them by itself, but then listens nowhere else: what nginx and our own checks need is
//! opened here, and put behind them. nginx knows nothing of `LISTEN_FDS`, but takes descriptors from another nginx
//! (`NGINX`), and finds the address of each in its configuration.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{SockaddrStorage, getsockname};

use crate::{Context, Problem};

/// The first descriptor that is one: `SD_LISTEN_FDS_START`.
pub const FIRST: RawFd = 3;
/// As many as `init` takes, and those that we open beside them.
const MOST: i32 = 64 + 2;
/// How many there are.
pub const COUNT: &str = "LISTEN_FDS";
/// For which process they are.
pub const PID: &str = "LISTEN_PID";
const NAMES: &str = "LISTEN_FDNAMES";

/// A socket that we were given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Given {
    /// Its number.
    pub fd: RawFd,
    /// What its unit calls it.
    pub name: String,
    /// Where it listens.
    pub at: At,
}

/// Where a socket listens. It may be in another network, and its path in another container.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum At {
    /// Addresses of TCP.
    Tcp(SocketAddr),
    /// A path.
    Unix(PathBuf),
    /// Nothing that could be written down.
    Elsewhere,
}

/// The sockets that this process was given.
pub fn given(context: &Context) -> Vec<Given> {
    let names: Vec<&str> = context.var(NAMES).unwrap_or_default().split(':').collect();
    let named = |at: usize| names.get(at).copied().unwrap_or_default().to_owned();
    let socket = |(at, fd)| Given { fd, name: named(at), at: At::of(fd) };
    numbers(context).enumerate().map(socket).collect()
}

fn count(context: &Context) -> i32 {
    let is_ours = context.var(PID).and_then(|pid| pid.parse().ok()) == Some(std::process::id());
    let count =
        context.var(COUNT).and_then(|count| count.parse().ok()).filter(|count| (0..=MOST).contains(count));
    count.filter(|_| is_ours).unwrap_or(0)
}

impl At {
    fn of(fd: RawFd) -> At {
        let Ok(address) = getsockname::<SockaddrStorage>(fd) else { return At::Elsewhere };
        let v4 = address.as_sockaddr_in().map(|it| SocketAddr::from(SocketAddrV4::from(*it)));
        let v6 = address.as_sockaddr_in6().map(|it| SocketAddr::from(SocketAddrV6::from(*it)));
        let path = address.as_unix_addr().and_then(|it| it.path()).map(Path::to_path_buf);
        v4.or(v6).map(At::Tcp).or(path.map(At::Unix)).unwrap_or(At::Elsewhere)
    }

    /// As gunicorn reads it, in words that we use for no other.
    pub fn as_bind(&self) -> Option<String> {
        match self {
            At::Tcp(address) => Some(format!("{TCP}{address}")),
            At::Unix(path) => path.to_str().map(|path| format!("{UNIX}{path}")),
            At::Elsewhere => None,
        }
    }
}

const TCP: &str = "tcp://";
const UNIX: &str = "unix://";

/// The address in a word of [`At::as_bind`]; nothing for those that we write where we listen ourselves.
pub fn in_bind(word: &str) -> Option<At> {
    let tcp = word.strip_prefix(TCP).and_then(|address| address.parse().ok()).map(At::Tcp);
    tcp.or_else(|| word.strip_prefix(UNIX).map(|path| At::Unix(path.into())))
}

/// Their numbers.
pub fn numbers(context: &Context) -> std::ops::Range<RawFd> {
    FIRST..FIRST + count(context)
}

/// What says how many there are, for the program that this process becomes.
pub fn variables(context: &Context) -> impl Iterator<Item = (&'static str, &str)> {
    [COUNT, NAMES].into_iter().filter_map(|name| Some((name, context.var(name)?)))
}

/// `NGINX`: what an nginx gives the one that takes its place.
pub fn for_nginx(context: &Context) -> Option<String> {
    let all: String = given(context).iter().map(|socket| format!("{};", socket.fd)).collect();
    Some(all).filter(|all| !all.is_empty())
}

/// Listens at these addresses too, as gunicorn would: behind the sockets that we were given. Returns the variables that
/// say so.
///
/// # Errors
/// Where one cannot listen.
pub fn beside(context: &Context, addresses: &[String]) -> Result<BTreeMap<&'static str, String>, Problem> {
    let mut count = count(context);
    for address in addresses {
        let listener = listen(address).map_err(|error| {
            Problem::new("S2410", 
                format!("cannot listen at {address}: {error}"),
                "if a socket of LISTEN_FDS has that port, let PULP_API_BIND or PULP_CONTENT_BIND name another place, \
                 such as unix:/run/pulp/api.sock, where nginx finds it",
            )
        })?;
        put(listener, FIRST + count)?;
        count += 1;
    }
    let names = context.var(NAMES).unwrap_or_default();
    let names = format!("{names}{}", ":inside".repeat(addresses.len()));
    Ok(BTreeMap::from([(COUNT, count.to_string()), (NAMES, names)]))
}

fn listen(address: &str) -> std::io::Result<OwnedFd> {
    let Some(path) = address.strip_prefix("unix:") else {
        return TcpListener::bind(address).map(OwnedFd::from);
    };
    // What an earlier process left. Anything but a socket stays, and is in the way.
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    // As gunicorn does; who may reach it is for its directory to say.
    fs::set_permissions(path, fs::Permissions::from_mode(0o777))?;
    Ok(listener.into())
}

/// Gives a listener this number, for this process and for what it becomes.
fn put(listener: OwnedFd, number: RawFd) -> Result<(), Problem> {
    let wrong = |why: String| {
        Problem::new("S2411", format!("cannot listen at descriptor {number}: {why}"), "report this as a bug")
    };
    if listener.as_raw_fd() == number {
        let kept = fcntl(&listener, FcntlArg::F_SETFD(FdFlag::empty()));
        // It stays open.
        let _ = listener.into_raw_fd();
        return kept.map(|_| ()).map_err(|errno| wrong(errno.to_string()));
    }
    // The lowest free number from there on.
    match fcntl(&listener, FcntlArg::F_DUPFD(number)) {
        Ok(got) if got == number => Ok(()),
        Ok(other) => {
            let _ = nix::unistd::close(other);
            Err(wrong("something else has that number".to_owned()))
        }
        Err(errno) => Err(wrong(errno.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(count: &str, pid: &str) -> Context {
        Context::for_test(Path::new("/"), [(COUNT, count), (PID, pid), (NAMES, "http:api")])
    }

    #[test]
    fn only_what_was_given_to_this_process_counts() {
        let own = std::process::id().to_string();
        assert_eq!(count(&env("2", &own)), 2);
        for (number, pid) in
            [("2", "1"), ("2", ""), ("", own.as_str()), ("-1", &own), ("67", &own), ("x", &own)]
        {
            assert_eq!(count(&env(number, pid)), 0, "{number} {pid}");
            assert_eq!(for_nginx(&env(number, pid)), None);
        }
        assert_eq!(for_nginx(&env("2", &own)).unwrap(), "3;4;");
        let names: Vec<String> = given(&env("2", &own)).into_iter().map(|socket| socket.name).collect();
        assert_eq!(names, ["http", "api"]);
    }

    #[test]
    fn addresses_are_those_of_the_sockets() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(At::of(tcp.as_raw_fd()), At::Tcp(tcp.local_addr().unwrap()));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let unix = UnixListener::bind(&path).unwrap();
        assert_eq!(At::of(unix.as_raw_fd()), At::Unix(path.clone()));
        assert_eq!(At::of(-1), At::Elsewhere);
        for at in [At::Tcp("[::1]:80".parse().unwrap()), At::Unix(path)] {
            assert_eq!(in_bind(&at.as_bind().unwrap()), Some(at));
        }
        assert_eq!((At::Elsewhere.as_bind(), in_bind("[::]:80"), in_bind("unix:/a")), (None, None, None));
    }

    #[test]
    fn left_socket_is_in_nobodys_way_and_a_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let address = format!("unix:{}", dir.path().join("s").display());
        drop(listen(&address).unwrap());
        listen(&address).unwrap();
        fs::remove_file(dir.path().join("s")).unwrap();
        fs::write(dir.path().join("s"), "").unwrap();
        assert!(listen(&address).is_err());
    }
}

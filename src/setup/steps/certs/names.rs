//! The names and addresses that a certificate for this container has to be valid for.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::pulp_settings::PulpSettings;
use crate::steps::variables::{Variables, name};
use crate::{Context, Problem};

/// Names and addresses, each once, in an order that does not change.
pub type Names = BTreeSet<String>;

/// All that clients may call this server by: itself, what the settings and the user call it, and its addresses.
pub fn wanted(
    context: &Context,
    settings: &PulpSettings,
    hostname: &str,
    addresses: &[IpAddr],
) -> Result<Names, Problem> {
    let mut names = Names::from(["localhost", "pulp"].map(str::to_owned));
    names.extend(
        [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)].map(|ip| ip.to_string()),
    );
    names.extend(addresses.iter().filter(|address| can_be_reached(address)).map(IpAddr::to_string));
    names.extend(name(hostname)); // one with an underscore or the like is in no certificate
    names.extend(longer_names(context, hostname));
    names.extend(settings.content_origin.as_deref().and_then(host_of).and_then(name));
    names.extend(Variables::read(context)?.hostnames);
    Ok(names)
}

/// Those of them that outlive this container: without addresses, and without a host name that is only the container's
/// id. A container that is made anew has others of both, and clients should not have to trust a new certificate then.
pub fn lasting(names: &Names, hostname: &str, addresses: &[IpAddr]) -> Names {
    let id = hostname.len() == 12 && hostname.bytes().all(|byte| byte.is_ascii_hexdigit());
    let passing = |name: &str| {
        let address = name.parse::<IpAddr>().is_ok_and(|ip| addresses.contains(&ip) && !ip.is_loopback());
        address
            || id
                && (name == hostname || name.strip_prefix(hostname).is_some_and(|rest| rest.starts_with('.')))
    };
    names.iter().filter(|name| !passing(name)).cloned().collect()
}

/// The host name and the addresses that the kernel knows of.
pub fn of_this_machine() -> (String, Vec<IpAddr>) {
    let hostname =
        nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let addresses = interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))
    });
    (hostname, addresses.collect())
}

/// Link-local addresses need a zone, which no certificate can name; the loopback ones are there anyway.
fn can_be_reached(address: &IpAddr) -> bool {
    let local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !local && !address.is_loopback() && !address.is_unspecified()
}

/// The fully qualified forms of the host name in /etc/hosts. The container's engine writes them there; a name server
/// would have to be waited for.
fn longer_names(context: &Context, hostname: &str) -> Vec<String> {
    let hosts = fs::read_to_string(context.path("/etc/hosts")).unwrap_or_default();
    let all =
        hosts.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace().skip(1));
    let longer = |name: &&str| {
        !hostname.is_empty() && name.strip_prefix(hostname).is_some_and(|rest| rest.starts_with('.'))
    };
    all.filter(longer).filter_map(name).collect()
}

/// The host of a URL, or of what is like one: `https://pulp.example.com:8080`, `http://[::1]`, `localhost`.
pub fn host_of(origin: &str) -> Option<&str> {
    let rest = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    match place.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => place.split(':').next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::keys::tests::settings;

    fn names(vars: &[(&str, &str)], origin: Option<&str>, addresses: &[&str]) -> Result<Names, Problem> {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), vars.iter().copied());
        fs::create_dir(context.path("/etc")).unwrap();
        fs::write(
            context.path("/etc/hosts"),
            "127.0.0.1 localhost\n10.0.0.5 box.example.com box # box.comment\n10.0.0.6 boxer.example.com\n",
        )
        .unwrap();
        let settings = PulpSettings { content_origin: origin.map(str::to_owned), ..settings() };
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        wanted(&context, &settings, "box", &addresses)
    }

    const ALWAYS: [&str; 6] = ["127.0.0.1", "::1", "box", "box.example.com", "localhost", "pulp"];

    #[test]
    fn a_container_is_called_by_its_names_and_loopback() {
        assert_eq!(Vec::from_iter(names(&[], None, &[]).unwrap()), ALWAYS);
    }

    #[test]
    fn link_local_addresses_are_left_out() {
        let names =
            names(&[], None, &["10.88.0.2", "fe80::1", "169.254.1.1", "fd00::2", "127.0.0.1"]).unwrap();
        let more: Vec<_> = names.iter().filter(|name| !ALWAYS.contains(&name.as_str())).collect();
        assert_eq!(more, ["10.88.0.2", "fd00::2"]);
    }

    #[test]
    fn the_host_of_content_origin_is_among_them() {
        for (origin, host) in [
            ("https://pulp.Example.com:8443", "pulp.example.com"),
            ("http://[fd00::7]:8080/", "fd00::7"),
            ("me@10.1.2.3", "10.1.2.3"),
            ("origin.example", "origin.example"),
        ] {
            assert!(names(&[], Some(origin), &[]).unwrap().contains(host), "{origin}");
        }
        assert_eq!(names(&[], Some("http://bad name/"), &[]).unwrap().len(), ALWAYS.len());
    }

    #[test]
    fn the_user_adds_names_and_addresses() {
        let names = names(&[("PULP_HOSTNAME", " A.example.com., 192.0.2.1,,FD00:0::9")], None, &[]).unwrap();
        assert!(
            ["a.example.com", "192.0.2.1", "fd00::9"].iter().all(|name| names.contains(*name)),
            "{names:?}"
        );
    }

    #[test]
    fn what_is_no_name_is_a_problem_that_names_it() {
        for wrong in ["*.example.com", "https://pulp", "pulp:80", "päpst.example", "a b"] {
            let problem = names(&[("PULP_HOSTNAME", wrong)], None, &[]).unwrap_err();
            assert!(problem.what().contains(&format!("{wrong:?}")), "{problem}");
        }
    }

    #[test]
    fn what_a_new_container_has_anew_is_not_required() {
        let addresses: [IpAddr; 2] = ["10.88.0.7".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        let all =
            ["0123456789ab", "0123456789ab.dns.podman", "10.88.0.7", "127.0.0.1", "localhost", "192.0.2.1"];
        let all: Names = all.iter().map(|name| (*name).to_owned()).collect();
        let left: Vec<String> = lasting(&all, "0123456789ab", &addresses).into_iter().collect();
        assert_eq!(left, ["127.0.0.1", "192.0.2.1", "localhost"]);
        assert!(lasting(&["box".to_owned()].into(), "box", &addresses).contains("box"));
    }
}

//! Where the API and the content app listen: at every address, as in upstream's images, or where `PULP_API_BIND` and
//! `PULP_CONTENT_BIND` say.

use std::net::{Ipv4Addr, SocketAddr};

use crate::Context;

/// `::1`, as the kernel lists it.
const LOOPBACK: &str = "00000000000000000000000000000001 ";

/// What may be written.
pub const ALLOWED: &str = "ADDRESS:PORT, such as 127.0.0.1:24817 or [::]:24817, or unix:/PATH";

/// One of the two.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// The variable that says where.
    pub variable: &'static str,
    /// The port, unless the variable has another.
    port: u16,
}

/// The API.
pub const API: Listener = Listener { variable: "PULP_API_BIND", port: 24817 };
/// The content app.
pub const CONTENT: Listener = Listener { variable: "PULP_CONTENT_BIND", port: 24816 };

impl Listener {
    /// Where it listens, as gunicorn reads it.
    pub fn address(self, context: &Context) -> String {
        let any = || format!("{}:{}", any(context), self.port);
        context.var(self.variable).map_or_else(any, |value| value.trim().to_owned())
    }

    /// Where it is reached from within the container: whoever listens at every address does so at the loopback's.
    pub fn from_inside(self, context: &Context) -> String {
        let address = self.address(context);
        let port = |any: &str| address.strip_prefix(any).filter(|port| !port.is_empty());
        match (port("0.0.0.0:"), port("[::]:")) {
            (Some(port), _) => format!("127.0.0.1:{port}"),
            (_, Some(port)) => format!("[::1]:{port}"),
            _ => address,
        }
    }
}

/// The address of all: that of IPv6 takes connections of both kinds. The loopback device has one of IPv6 wherever that is
/// not turned off.
fn any(context: &Context) -> &'static str {
    let read = |path: &str| std::fs::read_to_string(context.path(path)).unwrap_or_default();
    let v6 = read("/proc/net/if_inet6").lines().any(|line| line.starts_with(LOOPBACK));
    let both = read("/proc/sys/net/ipv6/bindv6only").trim() != "1";
    if v6 && both { "[::]" } else { "0.0.0.0" }
}

/// `ADDRESS:PORT` or `unix:/PATH`, in letters that mean nothing else to nginx.
pub fn parse(text: &str) -> Option<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._:[]".contains(&byte);
    if !text.bytes().all(plain) {
        return None;
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return path.starts_with('/').then_some(());
    }
    let (host, port) = text.rsplit_once(':')?;
    let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    port?.parse::<u16>().ok().filter(|&port| port != 0)?;
    let v6 = host.starts_with('[');
    let fits = if v6 { format!("{host}:1").parse::<SocketAddr>().is_ok() } else { is_host(host) };
    fits.then_some(())
}

/// An address of IPv4 or a name. What has only digits and dots is not a name.
fn is_host(host: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let name = !host.is_empty() && host.bytes().all(word);
    let number = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    name && (!number || host.parse::<Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(env: &[(&str, &str)], if_inet6: &str) -> (tempfile::TempDir, Context) {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), env.iter().copied());
        std::fs::create_dir_all(context.path("/proc/net")).unwrap();
        std::fs::write(context.path("/proc/net/if_inet6"), if_inet6).unwrap();
        (dir, context)
    }

    const V6: &str = "00000000000000000000000000000001 01 80 10 80       lo\n";

    #[test]
    fn both_listen_at_every_address_that_there_is() {
        let (_dir, context) = container(&[], V6);
        assert_eq!(
            (API.address(&context), CONTENT.address(&context)),
            ("[::]:24817".into(), "[::]:24816".into())
        );
        assert_eq!(API.from_inside(&context), "[::1]:24817");
        let (_dir, context) = container(&[], "");
        assert_eq!(
            (API.address(&context), API.from_inside(&context)),
            ("0.0.0.0:24817".into(), "127.0.0.1:24817".into())
        );
    }

    #[test]
    fn where_sockets_of_ipv6_take_no_other_connections_those_of_ipv4_are_listened_to() {
        let (_dir, context) = container(&[], V6);
        std::fs::create_dir_all(context.path("/proc/sys/net/ipv6")).unwrap();
        std::fs::write(context.path("/proc/sys/net/ipv6/bindv6only"), "1\n").unwrap();
        assert_eq!(API.address(&context), "0.0.0.0:24817");
    }

    #[test]
    fn a_variable_says_it_for_each() {
        let (_dir, context) =
            container(&[("PULP_API_BIND", "unix:/run/a"), ("PULP_CONTENT_BIND", "127.0.0.1:1")], V6);
        assert_eq!(API.from_inside(&context), "unix:/run/a");
        assert_eq!(CONTENT.from_inside(&context), "127.0.0.1:1");
    }

    #[test]
    fn what_is_no_place_to_listen_at_is_refused() {
        for right in ["127.0.0.1:1", "[::]:24817", "[::1]:1", "localhost:65535", "unix:/run/a.sock"] {
            assert!(parse(right).is_some(), "{right}");
        }
        for wrong in [
            "foo",
            "127.0.0.1",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            ":1",
            "[::1:1",
            "::1:1",
            "[x]:1",
            "1.2.3:1",
            "unix:a",
            "a b:1",
            "a;:1",
            "a:+1",
            "",
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}

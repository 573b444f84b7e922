//! Addresses that a probe connects to: `HOST:PORT` and URLs. The plan is checked with these functions, and the probe
//! reads its command line with them.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::values;

/// Where a GET goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Url {
    /// What is connected to.
    pub server: Server,
    /// Value of the header `Host`.
    pub host: String,
    /// Path and query, beginning with `/`.
    pub path: String,
}

/// What is connected to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Server {
    /// `http://`: a host without brackets, and a port.
    Plain(String, u16),
    /// `https://`: a host without brackets, and a port.
    Tls(String, u16),
    /// `http+unix://`: the absolute path of a socket.
    Unix(PathBuf),
}

impl Url {
    /// Takes apart `http://HOST[:PORT]/PATH`, `https://…` or `http+unix://%2Fpath%2Fto.sock/PATH`.
    ///
    /// # Errors
    /// One line that says what is wrong, and how to write it.
    pub fn parse(text: &str) -> Result<Url, String> {
        parse(text).map_err(|why| format!("cannot use `{}` as a URL: {why}", text.escape_debug()))
    }
}

fn parse(text: &str) -> Result<Url, String> {
    let (scheme, rest) = text.split_once("://").ok_or("write http://HOST:PORT/PATH")?;
    if text.contains(|c: char| !c.is_ascii_graphic()) {
        return Err("blanks and characters beyond ASCII must be percent-encoded".to_owned());
    }
    if text.contains('#') {
        return Err("a server is not sent what follows `#`; remove it".to_owned());
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let (server, host) = match scheme.to_ascii_lowercase().as_str() {
        "http" => (server(authority, 80, Server::Plain)?, authority),
        "https" => (server(authority, 443, Server::Tls)?, authority),
        "http+unix" => (Server::Unix(socket(authority)?), "localhost"),
        _ => return Err("it must begin with http://, https:// or http+unix://".to_owned()),
    };
    Ok(Url { server, host: host.to_owned(), path })
}

fn server(authority: &str, usual: u16, kind: impl Fn(String, u16) -> Server) -> Result<Server, String> {
    let (host, port) = authority_parts(authority)?;
    Ok(kind(host, port.unwrap_or(usual)))
}

/// Takes `HOST:PORT` apart. The host is a name, an IPv4 address, or an IPv6 address in brackets, which are not part of
/// the result.
///
/// # Errors
/// One line that says what is wrong, and how to write it.
pub fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let parts = authority_parts(text).and_then(|(host, port)| match port {
        Some(port) => Ok((host, port)),
        None => Err("the port is missing".to_owned()),
    });
    parts.map_err(|why| {
        let text = text.escape_debug();
        format!("cannot use `{text}` as an address: {why}; write HOST:PORT, as in \"127.0.0.1:80\"")
    })
}

/// Takes `HOST` or `HOST:PORT` apart.
fn authority_parts(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("the `]` is missing")?;
            host.parse::<Ipv6Addr>().map_err(|_| format!("`{host}` is no IPv6 address"))?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err("after `]` comes `:PORT`".to_owned()),
            }
        }
        None => {
            let (host, port) = text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            check_host(host)?;
            (host, port)
        }
    };
    let port = port.map(|text| port_number(text).ok_or_else(|| format!("`{text}` is no port (1 to 65535)")));
    Ok((host.to_owned(), port.transpose()?))
}

fn port_number(text: &str) -> Option<u16> {
    values::digits(text).filter(|&port| port > 0)
}

fn check_host(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("the host is missing".to_owned());
    }
    if host.contains('@') {
        return Err("a user or password would be seen by everybody; use a header `Authorization`".to_owned());
    }
    if host.contains(':') {
        return Err("an IPv6 address stands in brackets: [::1]".to_owned());
    }
    let numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    // 253: RFC 1035, without the dot of the root.
    let name = host.len() <= 253
        && !host.starts_with(['.', '-'])
        && !host.contains("..")
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    let fits = if numeric { host.parse::<IpAddr>().is_ok() } else { name };
    if fits { Ok(()) } else { Err(format!("`{host}` is neither an IP address nor a name")) }
}

/// The path of a socket: `%2Frun%2Fx.sock` decoded.
fn socket(authority: &str) -> Result<PathBuf, String> {
    let path = decode(authority.as_bytes()).filter(|path| path.starts_with(b"/") && !path.contains(&0));
    let path =
        path.ok_or("write the socket's absolute path percent-encoded: http+unix://%2Frun%2Fx.sock/path")?;
    values::fits_a_socket(&path).map_err(|why| format!("the socket's path {why}"))?;
    Ok(OsString::from_vec(path).into())
}

/// Replaces `%2F` by a slash and so on; `None` if what follows a `%` is not two hexadecimal digits.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [b'%', high, low, after @ ..] => {
                plain.push(digit(*high)? * 16 + digit(*low)?);
                after
            }
            [b'%', ..] => return None,
            [byte, after @ ..] => {
                plain.push(*byte);
                after
            }
            [] => return Some(plain),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = |text| Url::parse(text).unwrap();
        let plain = |server, host: &str, path: &str| Url { server, host: host.into(), path: path.into() };
        assert_eq!(url("http://x"), plain(Server::Plain("x".into(), 80), "x", "/"));
        assert_eq!(url("HTTPS://x:8443/a?b"), plain(Server::Tls("x".into(), 8443), "x:8443", "/a?b"));
        assert_eq!(url("https://x_y.z"), plain(Server::Tls("x_y.z".into(), 443), "x_y.z", "/"));
        assert_eq!(url("http://[::1]:8/"), plain(Server::Plain("::1".into(), 8), "[::1]:8", "/"));
        assert_eq!(url("http://[::1]"), plain(Server::Plain("::1".into(), 80), "[::1]", "/"));
        assert_eq!(url("http://x?q=1"), plain(Server::Plain("x".into(), 80), "x", "/?q=1"));
        let unix = plain(Server::Unix("/run/a b.sock".into()), "localhost", "/s");
        assert_eq!(url("http+unix://%2Frun%2fa%20b.sock/s"), unix);
    }

    #[test]
    fn nonsense_is_no_url() {
        for text in [
            "",
            "x",
            "localhost/",
            "ftp://x/",
            "http://",
            "http:///",
            "http://:80/",
            "http://x:/",
            "http://x:0/",
            "http://x:+1/",
            "http://x:65536/",
            "http://[::1/",
            "http://[::1]80/",
            "http://[x]:80/",
            "http://::1/",
            "http://256.1.1.1/",
            "http://-x/",
            "http://x..y/",
            "http://u:p@x/",
            "http://u@x/",
            "http://x/ y",
            "http://x/#y",
            "http://x/\r\nHost: y",
            "http://é/",
            "http+unix:///run/x.sock",
            "http+unix://run/",
            "http+unix://%2/",
            "http+unix://%zz/",
            "http+unix://%2Fa%00/",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
        let long = format!("http+unix://%2F{}/", "x".repeat(107));
        assert!(Url::parse(&long).unwrap_err().contains("107 bytes"));
        assert!(Url::parse(&long.replacen("xx", "x", 1)).is_ok());
        assert!(Url::parse(&format!("http://{}/", "x".repeat(253))).is_ok());
        assert!(Url::parse(&format!("http://{}/", "x".repeat(254))).is_err());
    }

    #[test]
    fn addresses_have_a_host_and_a_port() {
        assert_eq!(host_and_port("[::1]:80"), Ok(("::1".into(), 80)));
        assert_eq!(host_and_port("localhost:65535"), Ok(("localhost".into(), 65535)));
        for text in ["", "80", "x", ":80", "x:", "x:+5", "::1:80", "[::1]", "a b:80", "a@b:80", "a\n:80"] {
            assert!(host_and_port(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text: String, scheme in "http|https|http\\+unix") {
            let _ = (Url::parse(&text), Url::parse(&format!("{scheme}://{text}")), host_and_port(&text));
        }
    }
}

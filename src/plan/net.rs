//! Addresses of probes: `host:port` and URLs. They are only checked here; the probe connects to them.

use std::net::{IpAddr, Ipv6Addr};

/// How an HTTP probe reaches its server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// Plain, over TCP.
    Http,
    /// TLS, over TCP.
    Https,
    /// Plain, over a Unix socket.
    HttpUnix,
}

/// A URL, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Url {
    /// How to connect.
    pub scheme: Scheme,
    /// A name, an IP literal without brackets, or the path of the socket.
    pub host: String,
    /// Of TCP: as written, or the scheme's own. 0 for a Unix socket.
    pub port: u16,
    /// From the first `/`, with the query; at least `/`.
    pub path: String,
}

/// Takes a URL apart: `http://…`, `https://…`, or `http+unix://%2Frun%2Fx.sock/path`.
pub fn url(text: &str) -> Result<Url, String> {
    let wrong = |why: &str| format!("cannot use `{text}` as a URL: {why}");
    let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("write http://HOST:PORT/PATH"))?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        "http+unix" => Scheme::HttpUnix,
        _ => return Err(wrong("it must begin with http://, https:// or http+unix://")),
    };
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
        return Err(wrong("blanks and characters beyond ASCII must be percent-encoded"));
    }
    if text.contains('#') {
        return Err(wrong("a server is not sent what follows `#`; remove it"));
    }
    let split = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(split);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let (host, port) = match scheme {
        Scheme::HttpUnix => (socket_path(authority).ok_or_else(|| wrong(SOCKET))?, 0),
        Scheme::Http => authority_parts(authority, Some(80)).map_err(|why| wrong(&why))?,
        Scheme::Https => authority_parts(authority, Some(443)).map_err(|why| wrong(&why))?,
    };
    Ok(Url { scheme, host, port, path })
}

const SOCKET: &str = "write the socket's absolute path percent-encoded: http+unix://%2Frun%2Fx.sock/path";

/// Takes `host:port` apart: an IP literal (IPv6 in brackets), `localhost` or a name.
pub fn host_port(text: &str) -> Result<(String, u16), String> {
    authority_parts(text, None).map_err(|why| {
        format!("cannot use `{text}` as an address: {why}; write HOST:PORT, as in \"127.0.0.1:80\"")
    })
}

fn authority_parts(text: &str, default_port: Option<u16>) -> Result<(String, u16), String> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or("the `]` is missing")?;
        host.parse::<Ipv6Addr>().map_err(|_| format!("`{host}` is no IPv6 address"))?;
        let port = if port.is_empty() {
            None
        } else {
            Some(port.strip_prefix(':').ok_or("after `]` comes `:PORT`")?)
        };
        (host, port)
    } else {
        let (host, port) = text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
        host_fault(host).map_or(Ok(()), Err)?;
        (host, port)
    };
    let port = match (port, default_port) {
        (None, Some(port)) => port,
        (None, None) => return Err("the port is missing".to_owned()),
        (Some(port), _) => port_number(port).ok_or_else(|| format!("`{port}` is no port (1 to 65535)"))?,
    };
    Ok((host.to_owned(), port))
}

fn port_number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|&port| port > 0 && digits)
}

fn host_fault(host: &str) -> Option<String> {
    if host.is_empty() {
        return Some("the host is missing".to_owned());
    }
    if host.contains('@') {
        return Some("user names are not supported".to_owned());
    }
    if host.contains(':') {
        return Some("an IPv6 address stands in brackets: [::1]".to_owned());
    }
    let numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let name = host.len() <= 253
        && !host.starts_with(['.', '-'])
        && !host.contains("..")
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    let ok = if numeric { host.parse::<IpAddr>().is_ok() } else { name };
    (!ok).then(|| format!("`{host}` is neither an IP address nor a name"))
}

/// `%2Frun%2Fx.sock` decoded; `None` if it is no absolute path.
fn socket_path(authority: &str) -> Option<String> {
    let mut bytes = authority.bytes();
    let mut out = Vec::with_capacity(authority.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            _ => byte,
        });
    }
    String::from_utf8(out).ok().filter(|path| path.starts_with('/') && path.len() > 1 && !path.contains('\0'))
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let parts = |text| url(text).map(|u| (u.host, u.port, u.path));
        assert_eq!(parts("http://localhost"), Ok(("localhost".into(), 80, "/".into())));
        assert_eq!(parts("https://[::1]:8443/a?b"), Ok(("::1".into(), 8443, "/a?b".into())));
        assert_eq!(parts("http://127.0.0.1:24817?x=1"), Ok(("127.0.0.1".into(), 24817, "/?x=1".into())));
        assert_eq!(parts("http+unix://%2Frun%2Fx.sock/s"), Ok(("/run/x.sock".into(), 0, "/s".into())));
    }

    #[test]
    fn wrong_addresses_are_refused() {
        for text in [
            "",
            "localhost/",
            "ftp://x/",
            "http://",
            "http://x:0/",
            "http://x:99999/",
            "http://a@b/",
            "http://::1/",
            "http://x/#y",
            "http://x y/",
            "http+unix://run/x",
            "http+unix://%2/",
            "http://[::1/",
            "http://[::1]x/",
            "http://256.1.1.1/",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
        for text in ["", "80", ":80", "x:", "x:+5", "::1:80", "a b:80"] {
            assert!(host_port(text).is_err(), "{text}");
        }
        assert_eq!(host_port("[::1]:80"), Ok(("::1".into(), 80)));
    }
}

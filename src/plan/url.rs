//! As much of URLs as a probe needs.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

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
    /// `http://`.
    Plain(String, u16),
    /// `https://`.
    Tls(String, u16),
    /// `http+unix://`.
    Unix(PathBuf),
}

impl Url {
    /// Takes apart `http://HOST[:PORT]/PATH`, `https://…` or `http+unix://%2Fpath%2Fto.sock/PATH`. A fragment is left out.
    ///
    /// # Errors
    /// One line that says what is wrong, and how to write it.
    pub fn parse(text: &str) -> Result<Url, String> {
        if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(format!(
                "`{}` is no URL: write {c:?} as % and its hexadecimal bytes",
                text.escape_debug()
            ));
        }
        let text = text.split('#').next().unwrap_or_default();
        let (scheme, rest) = text.split_once("://").ok_or_else(|| unknown(text))?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        if authority.contains('@') {
            return Err(
                "a URL with a password would be seen by everybody: use a header `Authorization`".to_owned()
            );
        }
        let (server, host) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (server(authority, 80, Server::Plain)?, authority.to_owned()),
            "https" => (server(authority, 443, Server::Tls)?, authority.to_owned()),
            "http+unix" => (Server::Unix(socket(authority)?), "localhost".to_owned()),
            _ => return Err(unknown(text)),
        };
        Ok(Url { server, host, path })
    }
}

fn unknown(text: &str) -> String {
    format!("`{text}` is no URL of a probe: write http://…, https://… or http+unix://%2Fpath%2Fto.sock/…")
}

fn server(authority: &str, usual: u16, kind: impl Fn(String, u16) -> Server) -> Result<Server, String> {
    let (host, port) = host_and_port(authority)?;
    Ok(kind(host, port.unwrap_or(usual)))
}

/// `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`.
pub fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    let wrong = || format!("`{text}` is no HOST:PORT; an IPv6 address is written [ADDRESS]:PORT");
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or_else(wrong)?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or_else(wrong)?) };
            (host, port)
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(|port| port.parse().ok().filter(|&port| port != 0).ok_or_else(wrong)).transpose()?;
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

fn socket(authority: &str) -> Result<PathBuf, String> {
    let path = decode(authority.as_bytes()).filter(|path| path.starts_with(b"/"));
    let path =
        path.ok_or_else(|| format!("`{authority}` is no socket: write its path with %2F for each `/`"))?;
    Ok(OsString::from_vec(path).into())
}

/// `%2F` is a slash; `None` if what follows a `%` is not two hexadecimal digits.
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
        assert_eq!(url("HTTPS://x:8443/a?b#c"), plain(Server::Tls("x".into(), 8443), "x:8443", "/a?b"));
        assert_eq!(url("http://[::1]:8/"), plain(Server::Plain("::1".into(), 8), "[::1]:8", "/"));
        assert_eq!(url("http://x?q=1"), plain(Server::Plain("x".into(), 80), "x", "/?q=1"));
        let unix = plain(Server::Unix("/run/a b.sock".into()), "localhost", "/s");
        assert_eq!(url("http+unix://%2Frun%2fa%20b.sock/s"), unix);
    }

    #[test]
    fn nonsense_is_no_url() {
        for text in [
            "",
            "x",
            "ftp://x/",
            "http://",
            "http:///",
            "http://:80/",
            "http://x:/",
            "http://x:0/",
            "http://x:65536/",
            "http://[::1/",
            "http://[::1]80/",
            "http://u:p@x/",
            "http://x/ y",
            "http://x/\r\nHost: y",
            "http://é/",
            "http+unix:///run/x.sock",
            "http+unix://run/",
            "http+unix://%2/",
            "http+unix://%zz/",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text: String, scheme in "http|https|http\\+unix") {
            let _ = (Url::parse(&text), Url::parse(&format!("{scheme}://{text}")), host_and_port(&text));
        }
    }
}

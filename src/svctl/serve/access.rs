//! Who may ask what of `svctl serve`.
//!
//! A browser sends what any page on the internet tells it to, also to this machine. Such a page knows neither the token nor
//! may it send the header that carries it. A name of its own that leads here (DNS rebinding) is not among the hosts.

use std::net::IpAddr;

use subtle::ConstantTimeEq;

/// No token is shorter.
pub const SHORTEST: usize = 16;

/// What may be asked.
#[derive(Debug)]
pub struct Access {
    /// What lets its holder read logs and change services.
    pub token: Option<String>,
    /// Names under which it may be asked, besides those of this machine and IP addresses.
    pub hosts: Vec<String>,
    /// Whether others than this machine reach it, so that reading needs the token, too.
    pub is_open: bool,
    /// Whether it listens at a Unix socket, whose owner decides who gets there and by which name.
    pub is_local: bool,
}

/// What a request wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wants {
    /// The page itself, which holds nothing of this container.
    Page,
    /// What every user of the container may see.
    Look,
    /// Output of services, or a change.
    Secret,
}

/// What a request says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claims<'a> {
    /// `Host`.
    pub host: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Authorization`.
    pub authorization: Option<&'a str>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// 421: it is meant for another host.
    Host,
    /// 403: a page of another origin sent it.
    Origin,
    /// 401: the token is missing or wrong.
    Token,
    /// 403: nobody has a token, so nobody may.
    NoToken,
}

impl Access {
    /// Whether a request with these claims gets what it wants.
    pub fn check(&self, wants: Wants, claims: Claims<'_>) -> Result<(), Refusal> {
        let host = claims.host.map(name_of);
        if !self.is_local && !host.is_some_and(|host| self.is_ours(host)) {
            return Err(Refusal::Host);
        }
        if let Some(origin) = claims.origin
            && origin.split_once("://").map(|(_, rest)| rest) != claims.host
        {
            return Err(Refusal::Origin);
        }
        let needs_token = match wants {
            Wants::Page => false,
            Wants::Look => self.is_open,
            Wants::Secret => true,
        };
        match (&self.token, needs_token) {
            (_, false) => Ok(()),
            (None, true) => Err(Refusal::NoToken),
            (Some(token), true) => {
                let given = claims.authorization.and_then(|given| given.strip_prefix("Bearer "));
                let is_right =
                    given.is_some_and(|given| bool::from(given.as_bytes().ct_eq(token.as_bytes())));
                if is_right { Ok(()) } else { Err(Refusal::Token) }
            }
        }
    }

    /// An address cannot be rebound, so it is nobody else's name.
    fn is_ours(&self, host: &str) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
    }
}

/// The host in `Host`, without a port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn access(token: Option<&str>, is_open: bool) -> Access {
        let hosts = vec!["pulp.example.org".to_owned()];
        Access { token: token.map(str::to_owned), hosts, is_open, is_local: false }
    }

    fn from(host: &str) -> Claims<'_> {
        Claims { host: Some(host), ..Claims::default() }
    }

    #[test]
    fn names_of_others_and_no_name_are_refused() {
        let access = access(None, false);
        for host in
            ["localhost", "LOCALHOST:9180", "127.0.0.1:9180", "[::1]:9180", "[::1]", "pulp.example.org:80"]
        {
            assert_eq!(access.check(Wants::Look, from(host)), Ok(()), "{host}");
        }
        for host in ["evil.example.org", "localhost.evil.org:9180", "", ":9180", "127.0.0.1.evil.org"] {
            assert_eq!(access.check(Wants::Look, from(host)), Err(Refusal::Host), "{host}");
        }
        assert_eq!(access.check(Wants::Page, Claims::default()), Err(Refusal::Host));
    }

    #[test]
    fn pages_of_others_are_refused_also_with_the_token() {
        let access = access(Some(TOKEN), false);
        let bearer = format!("Bearer {TOKEN}");
        for (origin, result) in [
            ("http://localhost:9180", Ok(())),
            ("https://localhost:9180", Ok(())),
            ("http://localhost", Err(Refusal::Origin)),
            ("http://evil.example.org", Err(Refusal::Origin)),
            ("null", Err(Refusal::Origin)),
        ] {
            let claims =
                Claims { host: Some("localhost:9180"), origin: Some(origin), authorization: Some(&bearer) };
            assert_eq!(access.check(Wants::Secret, claims), result, "{origin}");
        }
    }

    #[test]
    fn what_needs_the_token_gets_nothing_without_it() {
        let (closed, open) = (access(Some(TOKEN), false), access(Some(TOKEN), true));
        let with = |authorization| Claims { authorization: Some(authorization), ..from("localhost") };
        assert_eq!(closed.check(Wants::Look, from("localhost")), Ok(()));
        assert_eq!(open.check(Wants::Page, from("localhost")), Ok(()));
        assert_eq!(open.check(Wants::Look, from("localhost")), Err(Refusal::Token));
        for wrong in ["", "Bearer", "Bearer ", "Bearer 0123456789abcdeF", "Basic 0123456789abcdef"] {
            assert_eq!(closed.check(Wants::Secret, with(wrong)), Err(Refusal::Token), "{wrong}");
        }
        assert_eq!(closed.check(Wants::Secret, with("Bearer 0123456789abcdef")), Ok(()));
        assert_eq!(access(None, false).check(Wants::Secret, with("Bearer ")), Err(Refusal::NoToken));
    }

    #[test]
    fn at_a_socket_every_name_is_right_but_a_page_of_another_origin_is_not() {
        let access = Access { is_local: true, ..access(None, false) };
        assert_eq!(access.check(Wants::Look, Claims::default()), Ok(()));
        let claims = Claims { origin: Some("http://evil.org"), ..from("localhost") };
        assert_eq!(access.check(Wants::Look, claims), Err(Refusal::Origin));
    }
}

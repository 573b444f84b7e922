//! The address that a client used, in nginx's language: whose word counts about it, and what Pulp is told of it.

use std::collections::BTreeSet;

use super::settings::{self, in_url};
use super::variables::Variables;
use crate::Context;
use crate::pulp_settings::PulpSettings;
use crate::steps::certs::names::{self, Names};

/// What Pulp is told of a request. What else a client may have sent of that kind is left out: Pulp, or what it is made
/// with, would believe it.
pub const HEADERS: [&str; 9] = [
    "proxy_set_header Host $pulp_host;",
    "proxy_set_header X-Forwarded-For $pulp_clients;",
    "proxy_set_header X-Forwarded-Proto $pulp_scheme;",
    "proxy_set_header X-Forwarded-Host $pulp_host;",
    "proxy_set_header X-Forwarded-Port \"\";",
    "proxy_set_header X-Forwarded-Protocol \"\";",
    "proxy_set_header X-Forwarded-Ssl \"\";",
    "proxy_set_header Forwarded \"\";",
    "proxy_set_header X-CLIENT-CERT $pulp_client_certificate;",
];

/// Lines of `geo`.
pub(super) fn proxies(variables: &Variables) -> String {
    let lines: Vec<String> = variables.proxies.iter().map(|network| format!("{network} 1;")).collect();
    lines.join("\n        ")
}

/// Names that a client may be sent to by HTTPS.
pub(super) struct Secure {
    /// The first, for whoever asks for another.
    pub(super) first: String,
    /// Lines of `map`; none where nobody said which names are ours.
    pub(super) known: String,
    /// How the configuration names the one to be sent to.
    pub(super) name: &'static str,
}

impl Secure {
    pub(super) fn of(context: &Context, settings: &PulpSettings, variables: &Variables) -> Secure {
        let origin =
            settings.content_origin.as_deref().and_then(names::host_of).and_then(super::variables::name);
        let Some(first) = variables.hostnames.first().cloned().or(origin) else {
            return Secure { first: String::new(), known: String::new(), name: "$host" };
        };
        let (hostname, addresses) = names::of_this_machine();
        let ours: Names = names::wanted(context, settings, &hostname, &addresses).unwrap_or_default();
        let lines: BTreeSet<String> =
            ours.iter().map(|name| in_url(name)).map(|it| format!("{it} $host;")).collect();
        let known = lines.into_iter().collect::<Vec<_>>().join("\n        ");
        Secure { first: in_url(&first), known, name: "$pulp_secure" }
    }
}

/// Where clients reach us, if somebody said so: who publishes port 80 beside 443 need not, and the default's port
/// would be wrong there.
pub(super) fn told_origin(context: &Context, settings: &PulpSettings, variables: &Variables) -> String {
    let told = settings.content_origin.is_some() || variables.port.is_some();
    if told { settings::origin(context, settings, variables) } else { String::new() }
}

/// What to add to a host's name to reach it by HTTPS: the port of the origin, or nginx's own if somebody chose that, unless
/// it is 443.
pub(super) fn https_suffix(origin: &str, variables: &Variables) -> String {
    let authority = origin.strip_prefix("https://").unwrap_or_default();
    let authority = authority.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let port = port.or(variables.https_port.filter(|_| origin.is_empty()));
    port.filter(|&port| port != 443).map_or(String::new(), |port| format!(":{port}"))
}

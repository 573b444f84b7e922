//! Under which address clients reach this container.
//!
//! Pulp's answers follow the request: their addresses have the scheme, the name and the port that the client used
//! (`images/pulp/files/request_origin.py`). What the user says wins: the setting CONTENT_ORIGIN in all answers,
//! `PULP_HOSTNAME` in their names and `PULP_PORT` in their ports. The address here is what is left where there is no
//! request, such as in a task.

use crate::Context;
use crate::pulp_settings::PulpSettings;
use crate::steps::variables::{self, Variables};

/// The port of the documented commands.
const PORT: u16 = 8080;

/// Under which address clients reach this container, without a slash at its end, as far as that is known without one.
pub fn origin(context: &Context, settings: &PulpSettings, variables: &Variables) -> String {
    if let Some(origin) = &settings.content_origin {
        return origin.trim_end_matches('/').to_owned();
    }
    let scheme = if variables::https(context) { "https" } else { "http" };
    let host = variables.hostnames.first().map_or("localhost".to_owned(), |name| in_url(name));
    match (scheme, variables.port.unwrap_or(PORT)) {
        ("http", 80) | ("https", 443) => format!("{scheme}://{host}"),
        (_, port) => format!("{scheme}://{host}:{port}"),
    }
}

/// A name or an address as part of a URL.
pub fn in_url(name: &str) -> String {
    if name.contains(':') && !name.starts_with('[') { format!("[{name}]") } else { name.to_owned() }
}

/// What clients are told, and which variable changes it: a line for the log of the boot.
pub fn told(settings: &PulpSettings, variables: &Variables) -> String {
    let why = |what: &str| format!("addresses in answers: {what}");
    match (&settings.content_origin, variables.hostnames.first(), variables.port) {
        (Some(origin), ..) => why(&format!("{origin}, as CONTENT_ORIGIN says")),
        (None, Some(name), None) => why(&format!(
            "the scheme and port that the client used, and the name {name} unless it used another one of PULP_HOSTNAME \
             (PULP_PORT and CONTENT_ORIGIN change this)"
        )),
        (None, Some(name), Some(port)) => why(&format!(
            "the scheme that the client used, the name {name} unless it used another one of PULP_HOSTNAME, and port \
             {port}, as PULP_PORT says (CONTENT_ORIGIN changes this)"
        )),
        (None, None, Some(port)) => why(&format!(
            "the scheme and name that the client used, and port {port}, as PULP_PORT says (PULP_HOSTNAME and \
             CONTENT_ORIGIN change this)"
        )),
        (None, None, None) => {
            why("those that the client used (PULP_HOSTNAME, PULP_PORT or CONTENT_ORIGIN would change this)")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::parse::settings;
    use super::super::tests::{context, map};
    use super::*;

    fn of<T>(
        env: &[(&'static str, &'static str)],
        set: Value,
        f: impl Fn(&Context, &PulpSettings, &Variables) -> T,
    ) -> T {
        let (_dir, context) = context(env);
        f(&context, &settings(&context, &map(set)).unwrap(), &Variables::read(&context).unwrap())
    }

    #[test]
    fn addresses_without_a_request_follow_the_origin_then_the_name_then_localhost() {
        let origin_of = |env: &[(&'static str, &'static str)], set: Value| of(env, set, origin);
        assert_eq!(origin_of(&[], json!({})), "http://localhost:8080");
        assert_eq!(origin_of(&[("PULP_HTTPS", "true")], json!({})), "https://localhost:8080");
        let named =
            [("PULP_HTTPS", "TRUE"), ("PULP_HOSTNAME", "pulp.example.org, 10.0.0.1"), ("PULP_PORT", "443")];
        assert_eq!(origin_of(&named, json!({})), "https://pulp.example.org");
        assert_eq!(origin_of(&named, json!({"CONTENT_ORIGIN": "http://x:1/"})), "http://x:1");
        assert_eq!(origin_of(&[("PULP_HOSTNAME", "::1"), ("PULP_PORT", "80")], json!({})), "http://[::1]");
    }

    #[test]
    fn the_log_says_what_clients_are_told_and_what_changes_it() {
        let told_with = |env: &[(&'static str, &'static str)], set: Value| {
            of(env, set, |_, settings, variables| told(settings, variables))
        };
        let nothing = told_with(&[], json!({}));
        assert!(nothing.contains("the client used") && nothing.contains("CONTENT_ORIGIN"), "{nothing}");
        let name = ("PULP_HOSTNAME", "pulp.example.org");
        assert!(told_with(&[name], json!({})).contains("the name pulp.example.org"));
        assert!(told_with(&[name, ("PULP_PORT", "81")], json!({})).contains("port 81"));
        assert!(told_with(&[("PULP_PORT", "81")], json!({})).contains("port 81"));
        assert!(
            told_with(&[name], json!({"CONTENT_ORIGIN": "http://x:1"}))
                .contains("http://x:1, as CONTENT_ORIGIN says")
        );
    }
}

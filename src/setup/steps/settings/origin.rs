//! Under which address clients reach this container.

use crate::Context;
use crate::pulp_settings::PulpSettings;
use crate::steps::variables;
use crate::volume::files;

/// Under which address clients reach this container, without a slash at its end.
///
/// The settings' CONTENT_ORIGIN says it best. Else `PULP_HOSTNAME` (the first, if several), the container's host name
/// if somebody gave it one, or `localhost`; with `PULP_PORT`, or the port of the documented commands.
pub fn origin(context: &Context, settings: &PulpSettings) -> String {
    if let Some(origin) = &settings.content_origin {
        return origin.trim_end_matches('/').to_owned();
    }
    let https = variables::https(context);
    let scheme = if https { "https" } else { "http" };
    let named = context
        .var("PULP_HOSTNAME")
        .and_then(|names| names.split(',').next())
        .map(|name| name.trim().to_owned());
    let host = named.or_else(|| given_hostname(context)).unwrap_or_else(|| "localhost".to_owned());
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
    let port = context.var("PULP_PORT").unwrap_or("8080");
    match (scheme, port) {
        ("http", "80") | ("https", "443") => format!("{scheme}://{host}"),
        _ => format!("{scheme}://{host}:{port}"),
    }
}

/// The container's host name, unless it is the id that podman and docker give by themselves.
pub(super) fn given_hostname(context: &Context) -> Option<String> {
    let name = files::read(&context.path("/proc/sys/kernel/hostname")).ok().flatten()?;
    let name = String::from_utf8(name).ok()?.trim().to_owned();
    let an_id = name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    (!an_id && !name.is_empty() && name != "localhost" && !name.contains('"')).then_some(name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::parse::settings;
    use super::super::tests::{context, map};
    use super::*;

    #[test]
    fn addresses_in_the_defaults_follow_the_origin_then_the_name_then_localhost() {
        let origin_of = |env: &[(&'static str, &'static str)], set: Value| {
            let (_dir, context) = context(env);
            origin(&context, &settings(&context, &map(set)).unwrap())
        };
        assert_eq!(origin_of(&[], json!({})), "http://localhost:8080");
        assert_eq!(origin_of(&[("PULP_HTTPS", "true")], json!({})), "https://localhost:8080");
        let named =
            [("PULP_HTTPS", "TRUE"), ("PULP_HOSTNAME", "pulp.example.org, 10.0.0.1"), ("PULP_PORT", "443")];
        assert_eq!(origin_of(&named, json!({})), "https://pulp.example.org");
        assert_eq!(origin_of(&named, json!({"CONTENT_ORIGIN": "http://x:1/"})), "http://x:1");
        assert_eq!(origin_of(&[("PULP_HOSTNAME", "::1"), ("PULP_PORT", "80")], json!({})), "http://[::1]");
    }
}

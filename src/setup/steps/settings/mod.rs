//! The step `settings`: what the user's settings say, and defaults for what they leave out.
//!
//! The user's `settings.py` and `PULP_…` variables are never written and always win: our defaults are a settings file
//! of their own, `/run/pulp/settings.py`, that `PULP_SETTINGS` names *before* the user's (dynaconf reads a list of
//! files, later ones win, and the environment wins over all).

mod evaluate;
mod origin;
mod parse;
mod sent_files;

use std::fmt::Write;
use std::path::Path;

use serde_json::{Map, Value};

pub use evaluate::with_defaults;
use evaluate::{ADDRESSES, USERS, can_be_evaluated, evaluate};
pub use origin::{in_url, origin, told};
use parse::settings;
pub use parse::{is_loopback, migrated_settings};

use crate::context::ROOT;
use crate::pulp_settings::{PUBLIC_PATH, PulpSettings};
use crate::steps::variables::Variables;
use crate::volume::files;
use crate::{Context, Problem};

/// Our defaults.
pub const DEFAULTS: &str = "/run/pulp/settings.py";
/// Django's secret, made by the step `keys`.
pub const SECRET_KEY: &str = "/etc/pulp/certs/secret_key";
/// The app that answers with the addresses that clients use: `images/pulp/files/request_origin.py`.
pub(crate) const APP: &str = "pulp_request_origin.RequestOrigin";
/// Where the embedded redis listens.
pub const REDIS_SOCKET: &str = "/run/redis/redis.sock";
/// pulpcore's own default, but connections are kept. Without this, each request to the API makes one: PostgreSQL forks a process
/// for it, which takes more time than most requests. One that has gone, as after a restart, is noticed before it is used.
const KEPT_CONNECTIONS: &str = "DATABASES = {\"default\": {\"ENGINE\": \"django.db.backends.postgresql\", \"NAME\": \"pulp\", \"USER\": \"pulp\", \
    \"CONN_MAX_AGE\": 600, \"CONN_HEALTH_CHECKS\": True}}\n";
/// Where the embedded PostgreSQL listens.
pub const POSTGRESQL_SOCKETS: &str = "/run/postgresql";

/// Evaluates the user's settings, writes our defaults, and keeps the [`PulpSettings`].
pub fn run(context: &Context, _args: &[String]) -> Result<(), Problem> {
    let set = evaluate(context)?;
    let mut settings = settings(context, &set)?;
    settings.sent_files_location = sent_files::location(context, &settings)?;
    let variables = Variables::read(context)?;
    let defaults = defaults(context, &set, &settings, &variables);
    files::write(context, &context.path(DEFAULTS), defaults.as_bytes(), ROOT, 0o644)?;
    settings.save(context)?;
    for (what, why) in [("PostgreSQL", &settings.external_postgresql), ("redis", &settings.external_redis)] {
        if let Some(why) = why {
            context.say(&format!("the embedded {what} is not used: {why}"));
        }
    }
    if let Some(warning) = parse::unknown_to_the_registry(&set) {
        context.say(&warning);
    }
    Ok(())
}

impl PulpSettings {
    /// What the step `settings` kept. Where no such step has run, in a container of one process, the settings are
    /// evaluated here.
    pub fn load(context: &Context) -> Result<PulpSettings, Problem> {
        if !context.path(PUBLIC_PATH).exists() && can_be_evaluated(context) {
            return current(context);
        }
        PulpSettings::kept(context)
    }
}

/// What the settings say now.
fn current(context: &Context) -> Result<PulpSettings, Problem> {
    settings(context, &evaluate(context)?)
}

/// Our settings file: only what the user's settings leave out, though theirs would win anyway.
fn defaults(
    context: &Context,
    set: &Map<String, Value>,
    settings: &PulpSettings,
    variables: &Variables,
) -> String {
    let addresses = addresses(context, set, settings, variables);
    let mut file = format!(
        "# Written at every start by `pulp-setup settings`: defaults for what your settings leave out. Do not edit:\n\
         # put your settings into {USERS}, or into PULP_… variables. They win.\n\
         try:\n    with open(\"{SECRET_KEY}\") as file:\n        SECRET_KEY = file.read().strip()\n\
         except OSError:  # not for this user\n    pass\n"
    );
    let mut say = |name: &str, value: &str| {
        // JSON's strings are Python's.
        let _ = writeln!(file, "{name} = {}", Value::from(value));
    };
    say("TOKEN_SIGNATURE_ALGORITHM", "ES256");
    say("PUBLIC_KEY_PATH", &settings.token_public_key);
    say("PRIVATE_KEY_PATH", &settings.token_private_key);
    for (name, address) in &addresses {
        say(name, address);
    }
    if !["REDIS_URL", "REDIS_HOST", "REDIS_PORT"].iter().any(|name| set.contains_key(*name)) {
        say("REDIS_URL", &format!("unix://{REDIS_SOCKET}?db=0"));
    }
    if let Some(location) = &settings.sent_files_location {
        say("SENT_FILES_LOCATION", location);
    }
    if Path::new(&settings.static_root).is_absolute() {
        say("STATIC_ROOT", &settings.static_root);
    }
    if settings.content_origin.is_none() {
        file += &follow_requests(set, &addresses);
    }
    // The embedded redis is there for this.
    if settings.external_redis.is_none() && !set.contains_key("CACHE_ENABLED") {
        file.push_str("CACHE_ENABLED = True\n");
    }
    if settings.external_postgresql.is_none() && !set.contains_key("DATABASES") {
        file.push_str(KEPT_CONNECTIONS);
    }
    file
}

/// Addresses where there is no request to take them from.
fn addresses(
    context: &Context,
    set: &Map<String, Value>,
    settings: &PulpSettings,
    variables: &Variables,
) -> Vec<(&'static str, String)> {
    let origin = origin(context, settings, variables);
    let content = settings.content_path_prefix.trim_end_matches('/');
    let mut all = vec![
        ("TOKEN_SERVER", format!("{origin}/token/")),
        ("ANSIBLE_API_HOSTNAME", origin.clone()),
        ("ANSIBLE_CONTENT_HOSTNAME", format!("{origin}{content}")),
        ("PYPI_API_HOSTNAME", origin.clone()),
    ];
    // Only a name that somebody gave is worth it: without one Pulp's links are relative there. Where the image itself has
    // such addresses, its Pulp does not start without.
    if !variables.hostnames.is_empty() || set.contains_key(ADDRESSES) {
        all.push(("CONTENT_ORIGIN", origin));
    }
    all
}

/// The app that has these settings follow each request, as far as they are not the user's.
fn follow_requests(set: &Map<String, Value>, addresses: &[(&str, String)]) -> String {
    let ours = addresses.iter().filter(|(name, _)| !set.contains_key(*name));
    let ours: Map<String, Value> =
        ours.map(|(name, it)| ((*name).to_owned(), Value::from(it.as_str()))).collect();
    format!(
        "REQUEST_ORIGIN_DEFAULTS = {}\nINSTALLED_APPS = [\"dynaconf_merge_unique\", \"{APP}\"]\n",
        Value::from(ours)
    )
}

/// `pulp-setup embedded postgresql|redis`: succeeds if ours is used; else says why not, as its last line.
pub fn embedded(context: &Context, args: &[String]) -> Result<(), Problem> {
    let settings = PulpSettings::load(context)?;
    let external = match args.first().map(String::as_str) {
        Some("postgresql") => settings.external_postgresql,
        Some("redis") => settings.external_redis,
        _ => return Err(Problem::config("S0803", "which service?", "pulp-setup embedded postgresql|redis")),
    };
    match external {
        None => Ok(()),
        Some(why) => {
            context.say(&why);
            Err(Problem::quiet())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub(super) fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    pub(super) fn context(env: &[(&'static str, &'static str)]) -> (tempfile::TempDir, Context) {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), env.iter().copied());
        (dir, context)
    }

    #[test]
    fn defaults_leave_out_redis_where_the_user_names_one_and_hold_no_secret() {
        let (_dir, context) = context(&[]);
        let of = |set: Value| {
            let set = map(set);
            let variables = Variables::read(&context).unwrap();
            defaults(&context, &set, &settings(&context, &set).unwrap(), &variables)
        };
        assert!(of(json!({})).contains("REDIS_URL = \"unix:///run/redis/redis.sock?db=0\""));
        assert!(!of(json!({"REDIS_HOST": "x"})).contains("REDIS_URL"));
        assert!(of(json!({})).contains("\nCACHE_ENABLED = True\n"));
        for own in [json!({"CACHE_ENABLED": false}), json!({"REDIS_HOST": "x"})] {
            assert!(!of(own).contains("CACHE_ENABLED"));
        }
        assert!(of(json!({})).contains("\"CONN_MAX_AGE\": 600"));
        for own in [
            json!({"DATABASES": {"default": {"NAME": "x"}}}),
            json!({"DATABASES": {"default": {"HOST": "x"}}}),
        ] {
            assert!(!of(own).contains("DATABASES"));
        }
        let secret = of(json!({"DATABASES": {"default": {"PASSWORD": "geheim"}}}));
        assert!(!secret.contains("geheim"));
    }

    #[test]
    fn addresses_follow_requests_unless_the_user_has_set_them() {
        let of = |env: &[(&'static str, &'static str)], set: Value| {
            let ((_dir, context), set) = (context(env), map(set));
            let variables = Variables::read(&context).unwrap();
            defaults(&context, &set, &settings(&context, &set).unwrap(), &variables)
        };
        let line = |text: String| {
            let found =
                text.lines().find(|line| line.starts_with("REQUEST_ORIGIN_DEFAULTS")).map(str::to_owned);
            found.unwrap_or_default()
        };
        let plain = of(&[], json!({}));
        assert!(plain.contains("\nTOKEN_SERVER = \"http://localhost:8080/token/\"\n"), "{plain}");
        assert!(plain.contains(
            "\nINSTALLED_APPS = [\"dynaconf_merge_unique\", \"pulp_request_origin.RequestOrigin\"]\n"
        ));
        assert!(!plain.contains("CONTENT_ORIGIN"), "{plain}");
        assert!(line(plain).contains("\"TOKEN_SERVER\":\"http://localhost:8080/token/\""));
        let own = line(of(&[("PULP_HOSTNAME", "p")], json!({"TOKEN_SERVER": "https://t/token/"})));
        assert!(
            !own.contains("TOKEN_SERVER") && own.contains("\"CONTENT_ORIGIN\":\"http://p:8080\""),
            "{own}"
        );
        assert_eq!(line(of(&[], json!({"CONTENT_ORIGIN": "http://x"}))), "");
        let galaxys = line(of(&[("GALAXY_HOSTNAME", "g"), ("GALAXY_PORT", "81")], json!({})));
        assert!(galaxys.contains("\"CONTENT_ORIGIN\":\"http://g:81\""), "{galaxys}");
        let wanted = of(&[], json!({"REQUEST_ORIGIN_DEFAULTS": {"CONTENT_ORIGIN": "http://localhost:8080"}}));
        assert!(wanted.contains("\nCONTENT_ORIGIN = \"http://localhost:8080\"\n"), "{wanted}");
    }
}

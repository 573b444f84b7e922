//! The step `settings`: what the user's settings say, and defaults for what they leave out.
//!
//! The user's `settings.py` and `PULP_…` variables are never written and always win: our defaults are a settings file
//! of their own, `/run/pulp/settings.py`, that `PULP_SETTINGS` names *before* the user's (dynaconf reads a list of
//! files, later ones win, and the environment wins over all).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;

use serde_json::{Map, Value};

use super::variables;
use crate::ask::command::Tool;
use crate::context::ROOT;
use crate::pulp_settings::{Database, PulpSettings};
use crate::volume::files;
use crate::{Context, Problem};

/// Our defaults.
pub const DEFAULTS: &str = "/run/pulp/settings.py";
/// The user's settings, unless `PULP_SETTINGS` names other files.
const USERS: &str = "/etc/pulp/settings.py";
/// Reads the settings as pulpcore does; part of the image.
const EVALUATE: &str = "/usr/lib/pulp/evaluate_settings.py";
/// Django's secret, made by the step `keys`.
pub const SECRET_KEY: &str = "/etc/pulp/certs/secret_key";
/// Where the embedded redis listens.
pub const REDIS_SOCKET: &str = "/run/redis/redis.sock";
/// Where the embedded PostgreSQL listens.
pub const POSTGRESQL_SOCKETS: &str = "/run/postgresql";

/// The settings that we look at.
const WANTED: &[&str] = &[
    "API_ROOT",
    "CACHE_ENABLED",
    "CONTENT_ORIGIN",
    "CONTENT_PATH_PREFIX",
    "DATABASES",
    "DB_ENCRYPTION_KEY",
    "DOMAIN_ENABLED",
    "ENABLED_PLUGINS",
    "HIDE_GUARDED_DISTRIBUTIONS",
    "MEDIA_ROOT",
    "PRIVATE_KEY_PATH",
    "PUBLIC_KEY_PATH",
    "REDIRECT_TO_OBJECT_STORAGE",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_URL",
    "SECRET_KEY",
    "STATIC_ROOT",
    "STORAGES",
    "WORKER_TYPE",
];

/// Evaluates the user's settings, writes our defaults, and keeps the [`PulpSettings`].
pub fn run(context: &Context, _args: &[String]) -> Result<(), Problem> {
    let set = evaluate(context)?;
    let settings = settings(context, &set)?;
    let defaults = defaults(context, &set, &settings);
    files::write(context, &context.path(DEFAULTS), defaults.as_bytes(), ROOT, 0o644)?;
    settings.save(context)?;
    for (what, why) in [("PostgreSQL", &settings.external_postgresql), ("redis", &settings.external_redis)] {
        if let Some(why) = why {
            context.say(&format!("the embedded {what} is not used: {why}"));
        }
    }
    Ok(())
}

/// What the settings say now.
pub fn current(context: &Context) -> Result<PulpSettings, Problem> {
    settings(context, &evaluate(context)?)
}

/// Whether this image can read settings at all: that of the web server alone cannot.
pub fn can_be_evaluated(context: &Context) -> bool {
    context.path(EVALUATE).exists()
}

/// The files of settings that are the user's.
fn users_files(context: &Context) -> String {
    let named = context.var("PULP_SETTINGS").unwrap_or(USERS);
    let users = named.split([',', ';']).map(str::trim).filter(|file| !file.is_empty() && *file != DEFAULTS);
    users.collect::<Vec<_>>().join(",")
}

/// What the user's settings say, of what we look at.
fn evaluate(context: &Context) -> Result<Map<String, Value>, Problem> {
    let files = users_files(context);
    readable(context, &files)?;
    let output = Tool::new(context, "python3")
        .args(["-I", EVALUATE])
        .args(WANTED)
        .inherit_env(context)
        .env("PULP_SETTINGS", &files)
        .env("HOME", "/var/lib/pulp")
        .user(context, context.accounts.pulp)
        .output()?;
    // The user's own prints come before it.
    let last = output.out.lines().last().unwrap_or_default();
    let Ok(Value::Object(answer)) = serde_json::from_str(last) else {
        return Err(Problem::new(
            format!("cannot read Pulp's settings: {}", output.last_words()),
            format!("run `python3 {EVALUATE} API_ROOT` in the container to see all of it"),
        ));
    };
    match answer.get("error").and_then(Value::as_str) {
        None => Ok(answer),
        Some(error) => Err(broken(&files, &answer, error)),
    }
}

/// An error in the user's Python.
fn broken(files: &str, answer: &Map<String, Value>, error: &str) -> Problem {
    let file = answer.get("file").and_then(Value::as_str).unwrap_or(files);
    let line = answer.get("line").and_then(Value::as_u64).map_or_else(String::new, |line| format!(":{line}"));
    Problem::config(
        format!("{file}{line}: {error}"),
        format!("correct {file}; it is Python, `python3 -m py_compile {file}` checks it"),
    )
}

/// dynaconf passes over files that it cannot open: better to say so.
fn readable(context: &Context, files: &str) -> Result<(), Problem> {
    for file in files.split(',').filter(|file| file.starts_with('/')) {
        let path = context.path(file);
        if path.exists() && context.accounts.may_chown {
            let seen = Tool::new(context, "test")
                .arg("-r")
                .arg(&path)
                .user(context, context.accounts.pulp)
                .output()?;
            if !seen.status.success() {
                return Err(Problem::config(
                    format!("{file} cannot be read by the user pulp (700), as whom Pulp runs"),
                    format!("chgrp 700 {file} && chmod g+r {file} (and g+x on its directory)"),
                ));
            }
        }
    }
    Ok(())
}

/// What the other steps need to know.
fn settings(context: &Context, set: &Map<String, Value>) -> Result<PulpSettings, Problem> {
    let text =
        |name: &str, default: &str| set.get(name).and_then(Value::as_str).unwrap_or(default).to_owned();
    let slashed = |name: &str, default: &str| {
        let value = text(name, default);
        if value.starts_with('/') && value.ends_with('/') && !value.contains(['"', ' ', ';', '{', '}', '\n'])
        {
            return Ok(value);
        }
        Err(Problem::config(
            format!("{name} is \"{value}\""),
            format!("let it begin and end with a slash, without spaces or quotes, such as \"{default}\""),
        ))
    };
    let database = database(set)?;
    Ok(PulpSettings {
        api_root: slashed("API_ROOT", "/pulp/")?,
        content_path_prefix: slashed("CONTENT_PATH_PREFIX", "/pulp/content/")?,
        domain_enabled: truth(set.get("DOMAIN_ENABLED")),
        content_origin: set
            .get("CONTENT_ORIGIN")
            .and_then(Value::as_str)
            .filter(|s| !s.is_empty())
            .map(Into::into),
        external_postgresql: external_postgresql(context, &database)?,
        database,
        external_redis: external_redis(set),
        redis_port: redis_port(set),
        db_encryption_key: text("DB_ENCRYPTION_KEY", "/etc/pulp/certs/database_fields.symmetric.key"),
        token_private_key: text("PRIVATE_KEY_PATH", "/etc/pulp/certs/token_private_key.pem"),
        token_public_key: text("PUBLIC_KEY_PATH", "/etc/pulp/certs/token_public_key.pem"),
        media_root: text("MEDIA_ROOT", "/var/lib/pulp/media"),
        worker_type: text("WORKER_TYPE", "pulpcore"),
        secret_key: set.get("SECRET_KEY").and_then(Value::as_str).is_some_and(|key| !key.is_empty()),
        some_plugins: set.get("ENABLED_PLUGINS").is_some_and(|value| !value.is_null()),
        migrated_settings: migrated_settings(set),
        static_root: text(
            "STATIC_ROOT",
            context.var("PULP_STATIC_ROOT").unwrap_or("/var/lib/operator/static/"),
        ),
    })
}

/// What pulpcore's `post_migrate` hooks copy from the settings into the database, and which plugins' hooks run
/// (pulpcore/app/apps.py); pulpcore's defaults where the user has none.
pub fn migrated_settings(set: &Map<String, Value>) -> String {
    let value = |name: &str, default: Value| set.get(name).cloned().unwrap_or(default);
    let storage = set.get("STORAGES").and_then(|all| all.get("default")).and_then(|it| it.get("BACKEND"));
    let storage = storage.and_then(Value::as_str).unwrap_or("pulpcore.app.models.storage.FileSystem");
    format!(
        "storage {storage}, redirect {}, hide guarded {}, plugins {}",
        value("REDIRECT_TO_OBJECT_STORAGE", Value::Bool(true)),
        value("HIDE_GUARDED_DISTRIBUTIONS", Value::Bool(false)),
        value("ENABLED_PLUGINS", Value::Null),
    )
}

fn truth(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(value)) => *value,
        Some(Value::String(value)) => value.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// `DATABASES["default"]`; pulpcore's own default where the user has none.
fn database(set: &Map<String, Value>) -> Result<Database, Problem> {
    // dynaconf may have it in lower case, from PULP_DATABASES__default__HOST.
    let default = set.get("DATABASES").and_then(|all| all.get("default").or_else(|| all.get("DEFAULT")));
    let field = |name: &str, otherwise: &str| match default.and_then(|db| db.get(name)) {
        Some(Value::String(value)) => value.clone(),
        Some(Value::Number(value)) => value.to_string(),
        _ => otherwise.to_owned(),
    };
    let options = default.and_then(|db| db.get("OPTIONS")).and_then(Value::as_object);
    let options: BTreeMap<String, String> = options
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    let database = Database {
        host: field("HOST", ""),
        port: field("PORT", ""),
        name: field("NAME", "pulp"),
        user: field("USER", "pulp"),
        password: field("PASSWORD", ""),
        options,
    };
    if !database.port.is_empty() && database.port.parse::<u16>().is_err() {
        return Err(Problem::config(
            format!("DATABASES: PORT is \"{}\"", database.port),
            "let it be a number from 1 to 65535, or leave it out",
        ));
    }
    Ok(database)
}

/// Whether a host name means this very machine.
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Why the embedded PostgreSQL is not used: another host in the settings, or `PULP_EMBEDDED_POSTGRESQL=false`.
fn external_postgresql(context: &Context, database: &Database) -> Result<Option<String>, Problem> {
    let ours = ["", POSTGRESQL_SOCKETS, "/var/run/postgresql"];
    let host = database.host.as_str();
    match context.var("PULP_EMBEDDED_POSTGRESQL").unwrap_or("auto").to_ascii_lowercase().as_str() {
        "auto" if ours.contains(&host) || is_loopback(host) => Ok(None),
        "auto" => Ok(Some(format!("DATABASES in the settings names the host {host}"))),
        "true" => Ok(None),
        "false" => Ok(Some("PULP_EMBEDDED_POSTGRESQL is false".to_owned())),
        other => Err(Problem::config(
            format!("PULP_EMBEDDED_POSTGRESQL is \"{other}\""),
            "let it be `true`, `false`, or `auto` (the default: as DATABASES says)",
        )),
    }
}

/// Why the embedded redis is not used: the settings name another.
fn external_redis(set: &Map<String, Value>) -> Option<String> {
    if let Some(url) = set.get("REDIS_URL").and_then(Value::as_str) {
        let place = url.split_once("://").map_or(url, |(_, rest)| rest);
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place); // no password in the reason
        let host = place.split(['/', '?']).next().unwrap_or_default();
        let name = host.trim_start_matches('[').split([']', ':']).next().unwrap_or_default();
        let ours = is_loopback(name) || host.starts_with("[::1]") || place.starts_with(REDIS_SOCKET);
        return (!ours).then(|| {
            format!("REDIS_URL in the settings names {}", if host.is_empty() { place } else { host })
        });
    }
    let host = set.get("REDIS_HOST").and_then(Value::as_str)?;
    (!is_loopback(host)).then(|| format!("REDIS_HOST in the settings is {host}"))
}

/// Users of upstream's image point their settings at its redis on 127.0.0.1: then ours listens there too.
fn redis_port(set: &Map<String, Value>) -> Option<u16> {
    if external_redis(set).is_some() {
        return None;
    }
    if let Some(url) = set.get("REDIS_URL").and_then(Value::as_str) {
        let place = url.strip_prefix("redis://")?;
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        let host = place.split(['/', '?']).next()?;
        return Some(host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(6379));
    }
    set.get("REDIS_HOST")?;
    let port = set.get("REDIS_PORT");
    let number = port.and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    Some(number.or_else(|| port?.as_str()?.parse().ok()).unwrap_or(6379))
}

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
fn given_hostname(context: &Context) -> Option<String> {
    let name = files::read(&context.path("/proc/sys/kernel/hostname")).ok().flatten()?;
    let name = String::from_utf8(name).ok()?.trim().to_owned();
    let an_id = name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    (!an_id && !name.is_empty() && name != "localhost" && !name.contains('"')).then_some(name)
}

/// Our settings file: only what the user's settings leave out, though theirs would win anyway.
fn defaults(context: &Context, set: &Map<String, Value>, settings: &PulpSettings) -> String {
    let origin = origin(context, settings);
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
    say("TOKEN_SERVER", &format!("{origin}/token/"));
    say("TOKEN_SIGNATURE_ALGORITHM", "ES256");
    say("PUBLIC_KEY_PATH", &settings.token_public_key);
    say("PRIVATE_KEY_PATH", &settings.token_private_key);
    say("ANSIBLE_API_HOSTNAME", &origin);
    say(
        "ANSIBLE_CONTENT_HOSTNAME",
        &format!("{origin}{}", settings.content_path_prefix.trim_end_matches('/')),
    );
    say("PYPI_API_HOSTNAME", &origin);
    // Only a name that somebody gave is worth putting into answers: without one Pulp's links are relative.
    if context.var("PULP_HOSTNAME").is_some() || given_hostname(context).is_some() {
        say("CONTENT_ORIGIN", &origin);
    }
    if !["REDIS_URL", "REDIS_HOST", "REDIS_PORT"].iter().any(|name| set.contains_key(*name)) {
        say("REDIS_URL", &format!("unix://{REDIS_SOCKET}?db=0"));
    }
    if Path::new(&settings.static_root).is_absolute() {
        say("STATIC_ROOT", &settings.static_root);
    }
    file
}

/// `pulp-setup embedded postgresql|redis`: succeeds if ours is used; else says why not, as its last line.
pub fn embedded(context: &Context, args: &[String]) -> Result<(), Problem> {
    let settings = PulpSettings::load(context)?;
    let external = match args.first().map(String::as_str) {
        Some("postgresql") => settings.external_postgresql,
        Some("redis") => settings.external_redis,
        _ => return Err(Problem::config("which service?", "pulp-setup embedded postgresql|redis")),
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

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn context(env: &[(&'static str, &'static str)]) -> (tempfile::TempDir, Context) {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), env.iter().copied());
        (dir, context)
    }

    fn settings_of(set: Value) -> PulpSettings {
        settings(&context(&[]).1, &map(set)).unwrap()
    }

    #[test]
    fn without_settings_everything_is_embedded_and_where_upstream_has_it() {
        let settings = settings_of(json!({}));
        assert_eq!(
            (settings.api_root.as_str(), settings.content_path_prefix.as_str()),
            ("/pulp/", "/pulp/content/")
        );
        assert_eq!(
            (settings.external_postgresql, settings.external_redis, settings.redis_port),
            (None, None, None)
        );
        assert_eq!((settings.database.name.as_str(), settings.database.user.as_str()), ("pulp", "pulp"));
    }

    #[test]
    fn settings_that_a_migration_copies_are_noticed_and_secrets_among_them_are_not_kept() {
        let of = |set: Value| migrated_settings(&map(set));
        let plain = of(json!({}));
        assert_eq!(plain, of(json!({"REDIRECT_TO_OBJECT_STORAGE": true, "API_ROOT": "/x/"})));
        assert_ne!(plain, of(json!({"REDIRECT_TO_OBJECT_STORAGE": false})));
        let s3 = of(json!({"STORAGES": {"default": {"BACKEND": "s3", "OPTIONS": {"secret_key": "geheim"}}}}));
        assert!(s3.contains("s3") && !s3.contains("geheim"));
    }

    #[test]
    fn another_host_in_the_settings_means_that_ours_is_not_used_and_why() {
        let settings = settings_of(json!({
            "DATABASES": {"default": {"HOST": "db.example.org", "PORT": 5433, "PASSWORD": "x", "OPTIONS": {"sslmode": "require"}}},
            "REDIS_URL": "rediss://:secret@cache.example.org:6380/1",
        }));
        assert_eq!(
            settings.external_postgresql.unwrap(),
            "DATABASES in the settings names the host db.example.org"
        );
        let redis = settings.external_redis.unwrap();
        assert_eq!(redis, "REDIS_URL in the settings names cache.example.org:6380");
        assert_eq!((settings.database.port.as_str(), settings.redis_port), ("5433", None));
    }

    #[test]
    fn a_redis_on_this_machine_is_ours_and_listens_there_too() {
        for set in [
            json!({"REDIS_HOST": "localhost"}),
            json!({"REDIS_HOST": "127.0.0.1", "REDIS_PORT": 6379}),
            json!({"REDIS_URL": "redis://localhost:6379/0"}),
            json!({"REDIS_URL": "redis://[::1]:6379"}),
        ] {
            let settings = settings_of(set.clone());
            assert_eq!((settings.external_redis, settings.redis_port), (None, Some(6379)), "{set}");
        }
        assert_eq!(settings_of(json!({"REDIS_URL": "unix:///run/redis/redis.sock"})).redis_port, None);
    }

    #[test]
    fn a_database_on_this_machine_is_ours_unless_somebody_says_otherwise() {
        let set = map(json!({"DATABASES": {"default": {"HOST": "localhost", "PASSWORD": "x"}}}));
        assert_eq!(settings(&context(&[]).1, &set).unwrap().external_postgresql, None);
        let told = context(&[("PULP_EMBEDDED_POSTGRESQL", "false")]).1;
        assert!(settings(&told, &set).unwrap().external_postgresql.is_some());
        let wrong = context(&[("PULP_EMBEDDED_POSTGRESQL", "nope")]).1;
        assert!(settings(&wrong, &set).unwrap_err().what().contains("nope"));
    }

    #[test]
    fn a_root_without_its_slashes_is_refused_with_an_example() {
        let problem = settings(&context(&[]).1, &map(json!({"API_ROOT": "pulp"}))).unwrap_err();
        assert_eq!(problem.what(), "API_ROOT is \"pulp\"");
        assert!(problem.cure().contains("/pulp/"));
    }

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

    #[test]
    fn defaults_leave_out_redis_where_the_user_names_one_and_hold_no_secret() {
        let (_dir, context) = context(&[]);
        let of = |set: Value| {
            let set = map(set);
            defaults(&context, &set, &settings(&context, &set).unwrap())
        };
        assert!(of(json!({})).contains("REDIS_URL = \"unix:///run/redis/redis.sock?db=0\""));
        assert!(!of(json!({"REDIS_HOST": "x"})).contains("REDIS_URL"));
        let secret = of(json!({"DATABASES": {"default": {"PASSWORD": "geheim"}}}));
        assert!(!secret.contains("geheim"));
    }

    #[test]
    fn the_users_files_are_those_of_pulp_settings_without_ours() {
        let files = |env| users_files(&context(env).1);
        assert_eq!(files(&[]), "/etc/pulp/settings.py");
        assert_eq!(
            files(&[("PULP_SETTINGS", "/run/pulp/settings.py,/etc/pulp/settings.py")]),
            "/etc/pulp/settings.py"
        );
        assert_eq!(files(&[("PULP_SETTINGS", "/a.py; /b.py")]), "/a.py,/b.py");
    }

    #[test]
    fn an_error_in_the_users_python_names_file_and_line() {
        let answer = map(json!({"error": "SyntaxError: x", "file": "/etc/pulp/settings.py", "line": 3}));
        let problem = broken("/etc/pulp/settings.py", &answer, "SyntaxError: x");
        assert_eq!(problem.what(), "/etc/pulp/settings.py:3: SyntaxError: x");
        assert_eq!(problem.code(), 78);
    }
}

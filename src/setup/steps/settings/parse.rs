//! What the user's settings mean for the steps: from the values that Python found to [`PulpSettings`].

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value};

use super::{POSTGRESQL_SOCKETS, REDIS_SOCKET};
use crate::pulp_settings::{Database, PulpSettings};
use crate::steps::variables::Variables;
use crate::{Context, Problem};

/// What the other steps need to know.
pub(super) fn settings(context: &Context, set: &Map<String, Value>) -> Result<PulpSettings, Problem> {
    let text =
        |name: &str, default: &str| set.get(name).and_then(Value::as_str).unwrap_or(default).to_owned();
    let slashed = |name: &str, default: &str| {
        let value = text(name, default);
        if value.starts_with('/') && value.ends_with('/') && !value.contains(['"', ' ', ';', '{', '}', '\n'])
        {
            return Ok(value);
        }
        Err(Problem::config(
            "S0804",
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
        external_postgresql: external_postgresql(&Variables::read(context)?, &database),
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
        installed_apps: installed_apps(set),
        migrated_settings: migrated_settings(set),
        sent_files_location: None, // decided by the step alone
        static_url: slashed("STATIC_URL", "/assets/")?,
        user_table: user_table(&text("AUTH_USER_MODEL", "auth.User"))?,
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
    let storage = storage(set).unwrap_or("pulpcore.app.models.storage.FileSystem");
    let apps = installed_apps(set);
    // Another app has migrations of its own, of which the image's list knows nothing.
    let apps = if apps.is_empty() { String::new() } else { format!(", apps {}", apps.join(" ")) };
    format!(
        "storage {storage}, redirect {}, hide guarded {}, plugins {}{apps}",
        value("REDIRECT_TO_OBJECT_STORAGE", Value::Bool(true)),
        value("HIDE_GUARDED_DISTRIBUTIONS", Value::Bool(false)),
        value("ENABLED_PLUGINS", Value::Null),
    )
}

/// The user's `STORAGES["default"]["BACKEND"]`.
fn storage(set: &Map<String, Value>) -> Option<&str> {
    set.get("STORAGES")?.get("default")?.get("BACKEND")?.as_str()
}

/// What the container registry cannot do with the user's storage. pulp_container 2.30 sends clients to the storages that it
/// knows by name (`RedirectsMixin` in registry_api.py), and fails with any other.
pub fn unknown_to_the_registry(set: &Map<String, Value>) -> Option<String> {
    let storage = storage(set).filter(|name| name.starts_with("storages.backends."))?;
    let known = ["storages.backends.s3boto3.S3Boto3Storage", "storages.backends.azure_storage.AzureStorage"];
    let redirects = set.get("REDIRECT_TO_OBJECT_STORAGE").is_none_or(|value| truth(Some(value)));
    if !redirects || known.contains(&storage) {
        return None;
    }
    let instead = if storage == "storages.backends.s3.S3Storage" {
        "let STORAGES name storages.backends.s3boto3.S3Boto3Storage, which is the same"
    } else {
        "set REDIRECT_TO_OBJECT_STORAGE = False"
    };
    Some(format!(
        "the container registry does not know {storage}: each request for a layer will fail; {instead}"
    ))
}

/// Django's apps in the user's settings: those that they add, among dynaconf's own words.
fn installed_apps(set: &Map<String, Value>) -> Vec<String> {
    let apps = set.get("INSTALLED_APPS").and_then(Value::as_array);
    let names = apps.into_iter().flatten().filter_map(Value::as_str);
    // Ours has no migrations, and is not the user's.
    names.filter(|name| !name.starts_with("dynaconf_") && *name != super::APP).map(str::to_owned).collect()
}

/// The table that Django keeps a model in: `galaxy.User` in `galaxy_user`. It becomes part of SQL.
fn user_table(model: &str) -> Result<String, Problem> {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match model.split_once('.') {
        Some((app, name)) if plain(app) && plain(name) => Ok(format!("{app}_{}", name.to_ascii_lowercase())),
        _ => Err(Problem::config(
            "S0805",
            format!("AUTH_USER_MODEL is \"{model}\""),
            "let it be APP.MODEL, such as \"auth.User\", or leave it out",
        )),
    }
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
            "S0806",
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
fn external_postgresql(variables: &Variables, database: &Database) -> Option<String> {
    let ours = ["", POSTGRESQL_SOCKETS, "/var/run/postgresql"];
    let host = database.host.as_str();
    match variables.embedded_postgresql {
        Some(true) => None,
        Some(false) => Some("PULP_EMBEDDED_POSTGRESQL is false".to_owned()),
        None if ours.contains(&host) || is_loopback(host) => None,
        None => Some(format!("DATABASES in the settings names the host {host}")),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{context, map};
    use super::*;

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
        assert_eq!((settings.user_table.as_str(), settings.static_url.as_str()), ("auth_user", "/assets/"));
        let galaxy = settings_of(json!({"AUTH_USER_MODEL": "galaxy.User", "STATIC_URL": "/static/"}));
        assert_eq!((galaxy.user_table.as_str(), galaxy.static_url.as_str()), ("galaxy_user", "/static/"));
    }

    #[test]
    fn settings_that_a_migration_copies_are_noticed_and_secrets_among_them_are_not_kept() {
        let of = |set: Value| migrated_settings(&map(set));
        let plain = of(json!({}));
        assert_eq!(plain, of(json!({"REDIRECT_TO_OBJECT_STORAGE": true, "API_ROOT": "/x/"})));
        assert_ne!(plain, of(json!({"REDIRECT_TO_OBJECT_STORAGE": false})));
        let s3 = of(json!({"STORAGES": {"default": {"BACKEND": "s3", "OPTIONS": {"secret_key": "geheim"}}}}));
        assert!(s3.contains("s3") && !s3.contains("geheim"));
        let app = json!({"INSTALLED_APPS": ["dynaconf_merge", "social_django"]});
        assert_eq!(settings_of(app.clone()).installed_apps, ["social_django"]);
        assert_ne!(plain, of(app));
        let ours = json!({"INSTALLED_APPS": ["dynaconf_merge_unique", crate::steps::settings::APP]});
        assert_eq!(plain, of(ours), "the prepared database would be migrated again");
    }

    #[test]
    fn a_storage_that_the_registry_does_not_know_is_named_with_what_to_do() {
        let of = |backend: &str, redirect: bool| {
            let default = json!({"BACKEND": backend});
            let set = json!({"STORAGES": {"default": default}, "REDIRECT_TO_OBJECT_STORAGE": redirect});
            unknown_to_the_registry(&map(set))
        };
        assert!(of("storages.backends.s3.S3Storage", true).unwrap().contains("s3boto3.S3Boto3Storage"));
        let google = of("storages.backends.gcloud.GoogleCloudStorage", true).unwrap();
        assert!(google.contains("REDIRECT_TO_OBJECT_STORAGE = False"), "{google}");
        assert_eq!(of("storages.backends.gcloud.GoogleCloudStorage", false), None);
        assert_eq!(of("storages.backends.s3boto3.S3Boto3Storage", true), None);
        assert_eq!(of("pulpcore.app.models.storage.FileSystem", true), None);
        assert_eq!(unknown_to_the_registry(&map(json!({}))), None);
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
        assert!(settings(&wrong, &set).unwrap_err().what().contains("PULP_EMBEDDED_POSTGRESQL is \"nope\""));
    }

    #[test]
    fn a_root_without_its_slashes_is_refused_with_an_example() {
        for wrong in
            [json!({"API_ROOT": "pulp"}), json!({"STATIC_URL": "x"}), json!({"AUTH_USER_MODEL": "a.b;c"})]
        {
            assert!(settings(&context(&[]).1, &map(wrong.clone())).is_err(), "{wrong}");
        }
        let problem = settings(&context(&[]).1, &map(json!({"API_ROOT": "pulp"}))).unwrap_err();
        assert_eq!(problem.what(), "API_ROOT is \"pulp\"");
        assert!(problem.cure().contains("/pulp/"));
    }
}

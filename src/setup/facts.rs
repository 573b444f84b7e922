//! What the steps need to know of Pulp's settings.
//!
//! The settings are Python: the user's `settings.py` and `PULP_…` variables, read by dynaconf. The step `settings`
//! lets Python evaluate them once a boot, without Django, and keeps what the other steps need in a file only root can
//! read (a database password is among it).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Context, Problem, files};

/// Where they are kept during a boot.
pub const PATH: &str = "/run/pulp/settings.json";

/// Settings of Pulp that matter to the steps, as they came out of the user's files, variables and the defaults.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Facts {
    /// `API_ROOT`, with a slash at both ends: `/pulp/`.
    pub api_root: String,
    /// `CONTENT_PATH_PREFIX`, with a slash at both ends: `/pulp/content/`.
    pub content_path_prefix: String,
    /// `DOMAIN_ENABLED`.
    pub domain_enabled: bool,
    /// `CONTENT_ORIGIN`, if the user set one.
    pub content_origin: Option<String>,
    /// `DATABASES["default"]`.
    pub database: Database,
    /// Why the embedded PostgreSQL is not used, if it is not.
    pub external_postgresql: Option<String>,
    /// Why the embedded redis is not used, if it is not.
    pub external_redis: Option<String>,
    /// The TCP port on 127.0.0.1 at which the settings look for the embedded redis; without it a socket is enough.
    pub redis_port: Option<u16>,
    /// `DB_ENCRYPTION_KEY`: the path of the key of encrypted fields.
    pub db_encryption_key: String,
    /// `PRIVATE_KEY_PATH` of pulp_container's tokens.
    pub token_private_key: String,
    /// `PUBLIC_KEY_PATH` of pulp_container's tokens.
    pub token_public_key: String,
    /// `MEDIA_ROOT`.
    pub media_root: String,
    /// `STATIC_ROOT`.
    pub static_root: String,
}

/// A database as Django knows it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Database {
    /// `HOST`: empty or a directory for a Unix socket.
    #[serde(default)]
    pub host: String,
    /// `PORT`, empty for the default.
    #[serde(default)]
    pub port: String,
    /// `NAME`.
    pub name: String,
    /// `USER`.
    pub user: String,
    /// `PASSWORD`. Only ever given to libpq through the environment.
    #[serde(default)]
    pub password: String,
    /// `OPTIONS` of libpq, such as `sslmode`.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

impl Facts {
    /// Those that the step `settings` found.
    pub fn load(context: &Context) -> Result<Facts, Problem> {
        let path = context.path(PATH);
        let text = files::read(&path)?.unwrap_or_default();
        serde_json::from_slice(&text).map_err(|error| {
            Problem::new(
                format!("{}: {error}", path.display()),
                "let the step before write it: `svctl restart settings`, then this one again",
            )
        })
    }

    /// Keeps them for the steps to come.
    pub fn save(&self, context: &Context) -> Result<(), Problem> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| Problem::new(error.to_string(), "report this"))?;
        files::write(context, &context.path(PATH), &text, super::context::ROOT, 0o600)
    }
}

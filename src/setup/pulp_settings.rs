//! What the steps need to know of Pulp's settings.
//!
//! The settings are Python: the user's `settings.py` and `PULP_…` variables, read by dynaconf. The step `settings`
//! lets Python evaluate them once a boot, without Django, and keeps what the other steps need: all of it in a file for
//! root and Pulp, and what is no secret in one for everyone (PostgreSQL and redis run as users of their own).

use std::collections::BTreeMap;
use std::fs::File;

use serde::{Deserialize, Serialize};

use crate::context::{Owner, ROOT};
use crate::volume::files;
use crate::{Context, Problem};

/// Where they are kept during a boot.
pub const PATH: &str = "/run/pulp/settings.json";
/// The same without the database's password and options.
pub const PUBLIC_PATH: &str = "/run/pulp/settings-public.json";

/// Settings of Pulp that matter to the steps, as they came out of the user's files, variables and the defaults.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct PulpSettings {
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
    /// The name by which the content app tells nginx to send a file below `MEDIA_ROOT`, with a slash at both ends; none
    /// where the content app sends them itself.
    #[serde(default)]
    pub sent_files_location: Option<String>,
    /// `STATIC_ROOT`.
    pub static_root: String,
    /// `STATIC_URL`, with a slash at both ends: `/assets/`.
    #[serde(default)]
    pub static_url: String,
    /// The table of `AUTH_USER_MODEL`, Django's or a plugin's: `auth_user`.
    #[serde(default)]
    pub user_table: String,
    /// `WORKER_TYPE`: where workers keep their locks, in PostgreSQL (`pulpcore`) or redis.
    #[serde(default)]
    pub worker_type: String,
    /// Whether there is a `SECRET_KEY` in the user's settings.
    #[serde(default)]
    pub secret_key: bool,
    /// Whether `ENABLED_PLUGINS` leaves out plugins of the image, so that their migrations are not wanted.
    #[serde(default)]
    pub some_plugins: bool,
    /// `INSTALLED_APPS`: Django's apps that the user's settings add.
    #[serde(default)]
    pub installed_apps: Vec<String>,
    /// The settings that a migration copies into the database, as text: when they change, it has to run again.
    pub migrated_settings: String,
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

impl PulpSettings {
    /// Those that the step `settings` kept; without the secret ones where we may not read them.
    pub(crate) fn kept(context: &Context) -> Result<PulpSettings, Problem> {
        let (whole, public) = (context.path(PATH), context.path(PUBLIC_PATH));
        let path = if File::open(&whole).is_ok() { whole } else { public };
        let text = files::read(&path)?.unwrap_or_default();
        serde_json::from_slice(&text).map_err(|error| {
            Problem::new(
                "S0201",
                format!("{}: {error}", path.display()),
                "let the step before write it: `pulp-setup settings`, then run this one again",
            )
        })
    }

    /// Keeps them for the steps to come.
    pub fn save(&self, context: &Context) -> Result<(), Problem> {
        let mut public = self.clone();
        public.database.password = String::new();
        public.database.options.clear();
        let readers = Owner { uid: ROOT.uid, gid: context.accounts.pulp.gid };
        files::write(context, &context.path(PATH), &self.json()?, readers, 0o640)?;
        files::write(context, &context.path(PUBLIC_PATH), &public.json()?, ROOT, 0o644)
    }

    fn json(&self) -> Result<Vec<u8>, Problem> {
        serde_json::to_vec_pretty(self).map_err(|error| {
            Problem::new("S0202", format!("cannot write settings down: {error}"), "report this as a bug")
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_password_is_only_in_the_file_that_others_cannot_read() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        std::fs::create_dir_all(context.path("/run/pulp")).unwrap();
        let mut settings = PulpSettings::default();
        settings.database.password = "geheim".into();
        settings.save(&context).unwrap();
        assert_eq!(PulpSettings::load(&context).unwrap(), settings);
        assert!(!std::fs::read_to_string(context.path(PUBLIC_PATH)).unwrap().contains("geheim"));
        let mode = std::fs::metadata(context.path(PATH)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
    }

    #[test]
    fn without_the_step_before_it_says_which_step_to_run() {
        let dir = tempfile::tempdir().unwrap();
        let problem = PulpSettings::load(&Context::for_test(dir.path(), [])).unwrap_err();
        assert!(problem.cure().contains("settings"), "{problem}");
    }
}

//! Evaluating the user's settings: they are Python, so Python reads them, as Pulp's user.

use serde_json::{Map, Value};

use super::DEFAULTS;
use crate::ask::command::Tool;
use crate::steps::readable::by_pulp;
use crate::{Context, Problem};

/// The user's settings, unless `PULP_SETTINGS` names other files.
pub(super) const USERS: &str = "/etc/pulp/settings.py";

/// Reads the settings as pulpcore does; part of the image.
const EVALUATE: &str = "/usr/lib/pulp/evaluate_settings.py";

/// Addresses that the image's own settings give, for where there is no request.
pub(super) const ADDRESSES: &str = "REQUEST_ORIGIN_DEFAULTS";

/// The settings that we look at.
const WANTED: &[&str] = &[
    "ANSIBLE_API_HOSTNAME",
    "ANSIBLE_CONTENT_HOSTNAME",
    "API_ROOT",
    "AUTH_USER_MODEL",
    "CACHE_ENABLED",
    "CONTENT_ORIGIN",
    "CONTENT_PATH_PREFIX",
    "DATABASES",
    "DB_ENCRYPTION_KEY",
    "DOMAIN_ENABLED",
    "ENABLED_PLUGINS",
    "HIDE_GUARDED_DISTRIBUTIONS",
    "INSTALLED_APPS",
    "MEDIA_ROOT",
    "PRIVATE_KEY_PATH",
    "PUBLIC_KEY_PATH",
    "PYPI_API_HOSTNAME",
    "REDIRECT_TO_OBJECT_STORAGE",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_URL",
    ADDRESSES,
    "SECRET_KEY",
    "STATIC_ROOT",
    "STATIC_URL",
    "STORAGES",
    "TOKEN_SERVER",
    "WORKER_TYPE",
];

/// Whether this image can read settings at all: that of the web server alone cannot.
pub(super) fn can_be_evaluated(context: &Context) -> bool {
    context.path(EVALUATE).exists()
}

/// The files of settings that are the user's.
fn users_files(context: &Context) -> String {
    let named = context.var("PULP_SETTINGS").unwrap_or(USERS);
    let users = named.split([',', ';']).map(str::trim).filter(|file| !file.is_empty() && *file != DEFAULTS);
    users.collect::<Vec<_>>().join(",")
}

/// The files as the services have them, if the variable lacks ours.
pub fn with_defaults(context: &Context) -> Option<String> {
    let named = context.var("PULP_SETTINGS").unwrap_or(USERS);
    let whole = named.split([',', ';']).any(|file| file.trim() == DEFAULTS);
    (!whole && context.path(DEFAULTS).exists()).then(|| format!("{DEFAULTS},{named}"))
}

/// What the user's settings say, of what we look at.
pub(super) fn evaluate(context: &Context) -> Result<Map<String, Value>, Problem> {
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
            "S0801",
            format!("cannot read Pulp's settings: {}", output.last_words()),
            format!("run `python3 {EVALUATE} API_ROOT` in the container to see all of it"),
        ));
    };
    match answer.get("error").and_then(Value::as_str) {
        None => Ok(left_to_users(answer)),
        Some(error) => Err(broken(&files, &answer, error)),
    }
}

/// Without the addresses that are the image's: they are there for where there is no request, and nobody's wish.
fn left_to_users(mut set: Map<String, Value>) -> Map<String, Value> {
    let images = set.get(ADDRESSES).and_then(Value::as_object).cloned().unwrap_or_default();
    set.retain(|name, value| images.get(name) != Some(value));
    set
}

/// An error in the user's Python.
fn broken(files: &str, answer: &Map<String, Value>, error: &str) -> Problem {
    let file = answer.get("file").and_then(Value::as_str).unwrap_or(files);
    let line = answer.get("line").and_then(Value::as_u64).map_or_else(String::new, |line| format!(":{line}"));
    Problem::config(
        "S0802",
        format!("{file}{line}: {error}"),
        format!("correct {file}; it is Python, `python3 -m py_compile {file}` checks it"),
    )
}

/// dynaconf passes over files that it cannot open: better to say so.
fn readable(context: &Context, files: &str) -> Result<(), Problem> {
    for file in files.split(',').filter(|file| file.starts_with('/')) {
        let path = context.path(file);
        if path.exists() {
            by_pulp(context, &path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{context, map};
    use super::*;

    #[test]
    fn the_users_files_are_those_of_pulp_settings_without_ours() {
        let files = |env: &[_]| users_files(&context(env).1);
        assert_eq!(files(&[]), "/etc/pulp/settings.py");
        assert_eq!(
            files(&[("PULP_SETTINGS", "/run/pulp/settings.py,/etc/pulp/settings.py")]),
            "/etc/pulp/settings.py"
        );
        assert_eq!(files(&[("PULP_SETTINGS", "/a.py; /b.py")]), "/a.py,/b.py");
    }

    #[test]
    fn addresses_of_the_image_are_nobodys_wish_and_others_are() {
        let images = json!({"CONTENT_ORIGIN": "http://localhost:8080", "TOKEN_SERVER": "http://localhost:8080/token/"});
        let set = |origin: &str| {
            left_to_users(map(json!({
                "CONTENT_ORIGIN": origin, "TOKEN_SERVER": "http://localhost:8080/token/", ADDRESSES: images,
            })))
        };
        let (ours, own) = (set("http://localhost:8080"), set("https://galaxy.example.org"));
        assert!(!ours.contains_key("CONTENT_ORIGIN") && !ours.contains_key("TOKEN_SERVER"), "{ours:?}");
        assert!(own.contains_key("CONTENT_ORIGIN") && !own.contains_key("TOKEN_SERVER"), "{own:?}");
    }

    #[test]
    fn a_command_gets_our_settings_before_the_users_where_the_container_names_the_users_alone() {
        let (_dir, context) = context(&[("PULP_SETTINGS", "/etc/pulp/settings.py")]);
        assert_eq!(with_defaults(&context), None);
        std::fs::create_dir_all(context.path("/run/pulp")).unwrap();
        std::fs::write(context.path(DEFAULTS), "").unwrap();
        let expected = "/run/pulp/settings.py,/etc/pulp/settings.py";
        assert_eq!(with_defaults(&context).as_deref(), Some(expected));
        assert_eq!(
            with_defaults(&context.with_default("PULP_SETTINGS", expected)).as_deref(),
            Some(expected)
        );
    }

    #[test]
    fn an_error_in_the_users_python_names_file_and_line() {
        let answer = map(json!({"error": "SyntaxError: x", "file": "/etc/pulp/settings.py", "line": 3}));
        let problem = broken("/etc/pulp/settings.py", &answer, "SyntaxError: x");
        assert_eq!(problem.what(), "/etc/pulp/settings.py:3: SyntaxError: x");
        assert_eq!(problem.code(), 78);
    }

    #[test]
    fn each_file_of_a_list_that_pulp_cannot_read_is_a_problem_and_is_left_alone_outside_the_settings() {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::PermissionsExt;
        let (dir, mut context) = context(&[]);
        context.accounts.pulp = crate::context::Owner { uid: 700, gid: 700 };
        context.accounts.may_chown = needs::root();
        if !context.accounts.may_chown {
            return;
        }
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        for (file, mode) in [("/first.py", 0o644), ("/second.py", 0o600)] {
            fs::write(context.path(file), "A = 1\n").unwrap();
            fs::set_permissions(context.path(file), Permissions::from_mode(mode)).unwrap();
        }
        readable(&context, "/first.py,/missing.py").unwrap();
        let problem = readable(&context, "/first.py,/second.py").unwrap_err();
        assert!(problem.what().contains("/second.py") && problem.cure().contains("chgrp 700"), "{problem}");
        let mode = fs::metadata(context.path("/second.py")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
}

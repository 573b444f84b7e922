//! A boot that cannot succeed ends, and its last words name what is wrong.

use std::fs;

use crate::harness::{Boot, Folders, Pulp, turn};

/// Waits for the end, and returns the only line of the log with these words.
fn complaint(pulp: &Pulp, words: &[&str]) -> String {
    pulp.complains(words)
}

#[test]
fn variable_that_is_no_number_is_named() {
    let _turn = turn();
    complaint(&Boot::new("mistake").env("PULP_WORKERS", "abc").start(), &["PULP_WORKERS", "abc"]);
    complaint(&Boot::new("mistake").env("PULP_API_WORKERS", "0").start(), &["PULP_API_WORKERS", "\"0\""]);
    complaint(&Boot::new("mistake").env("PULP_HTTPS", "on").start(), &["PULP_HTTPS", "\"on\""]);
}

/// A variable, and a value of it that makes no sense.
const NONSENSE: &[(&str, &str)] = &[
    ("PULP_WORKERS", "abc"),
    ("PULP_PORT", "abc"),
    ("PULP_HOSTNAME", "https://x"),
    ("PULP_API_BIND", "foo"),
    ("PULP_CONTENT_BIND", "127.0.0.1"),
    ("PULP_EMBEDDED_POSTGRESQL", "maybe"),
    ("PULP_TRUSTED_PROXIES", "everybody"),
    ("PULP_API_WORKERS_MAX_REQUESTS", "-1"),
    ("PULP_STATIC_ROOT", "static"),
];

#[test]
fn all_wrong_variables_are_told_at_once_and_nothing_is_made() {
    let _turn = turn();
    let folders = Folders::new("");
    let before = fs::metadata(folders.path("pulp_storage")).unwrap();
    let pulp =
        NONSENSE.iter().fold(folders.boot("mistake"), |boot, (name, value)| boot.env(name, value)).start();
    let line = pulp.fails_with(&["PULP_PORT is \"abc\""]);
    for (name, value) in NONSENSE {
        assert!(line.contains(&format!("{name} is {value:?}, but must be ")), "{name}: {line}");
    }
    assert!(line.contains("variables"), "{line}");
    assert_eq!(pulp.inspect("{{.State.ExitCode}}"), "78");
    for folder in ["pulp_storage", "pgsql", "containers", "settings/certs"] {
        assert_eq!(fs::read_dir(folders.path(folder)).unwrap().count(), 0, "{folder}");
    }
    use std::os::unix::fs::MetadataExt;
    assert_eq!(fs::metadata(folders.path("pulp_storage")).unwrap().uid(), before.uid());
}

#[test]
fn syntax_error_in_the_settings_is_named_with_its_line_and_nothing_is_made() {
    let _turn = turn();
    let settings = "CONTENT_ORIGIN = 'http://localhost'\nthis is no Python\n";
    let folders = Folders::new(settings);
    complaint(&folders.boot("mistake").start(), &["/etc/pulp/settings.py:2", "SyntaxError"]);
    assert_eq!(fs::read_to_string(folders.path("settings/settings.py")).unwrap(), settings);
    assert!(!folders.path("pgsql/data/PG_VERSION").exists());
    assert_eq!(fs::read_dir(folders.path("settings/certs")).unwrap().count(), 0);
}

#[test]
fn root_without_a_slash_is_named() {
    let _turn = turn();
    let folders = Folders::new("API_ROOT = 'pulp'\n");
    complaint(&folders.boot("mistake").start(), &["API_ROOT", "\"pulp\""]);
}

#[test]
fn settings_that_pulp_may_not_read_are_named_with_the_cure() {
    let _turn = turn();
    let folders = Folders::new("API_ROOT = '/pulp/'\n");
    let file = folders.path("settings/settings.py");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&file, mode).unwrap();
    // Root's own would be opened to Pulp.
    std::os::unix::fs::chown(&file, Some(12345), Some(12345)).unwrap();
    complaint(&folders.boot("mistake").start(), &["/etc/pulp/settings.py", "chgrp 700"]);
}

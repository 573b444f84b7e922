//! The names the binary answers to, and the command line of `init`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on is to panic")]

use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_pulp-init");

/// Exit code, standard output and error of the binary called by this name.
fn called(name: &str, arguments: &[&str]) -> (i32, String, String) {
    ended(Command::new(BINARY).arg0(name).args(arguments))
}

fn ended(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[test]
fn it_is_what_it_is_called() {
    for name in ["svctl", "/usr/bin/svctl", "./svctl"] {
        assert_eq!(called(name, &["--version"]).1, format!("svctl {}\n", env!("CARGO_PKG_VERSION")));
    }
    for name in ["init", "/init", "/sbin/init"] {
        assert_eq!(called(name, &["--version"]).1, format!("init {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn by_its_own_name_the_first_argument_says_what_it_is() {
    assert!(called("pulp-init", &["svctl", "--version"]).1.starts_with("svctl "));
    assert!(called("pulp-init", &["init", "--version"]).1.starts_with("init "));
    assert!(called("pulp-init", &["/init", "--version"]).1.starts_with("init "));
    assert!(called("pulp-init", &["--version"]).1.starts_with("pulp-init "));
    let (code, help, _) = called("pulp-init", &["--help"]);
    assert_eq!(code, 0);
    assert!(help.contains("svctl"), "{help}");
}

#[test]
fn a_name_it_does_not_know_is_bad_usage_and_the_names_are_listed() {
    for (name, arguments) in [("pulp-init", &[][..]), ("pulp-init", &["dance"]), ("dance", &[]), ("", &[])] {
        let (code, out, err) = called(name, arguments);
        assert_eq!((code, out.as_str()), (64, ""), "{name} {arguments:?}");
        assert!(err.contains("\n  init ") && err.contains("\n  svctl "), "{err}");
    }
}

#[test]
fn bad_usage_of_init_is_64_with_one_line() {
    for arguments in
        [&["--dance"][..], &["--services"], &["--log", "loud"], &["schema", "x"], &["check", "--x"]]
    {
        let (code, out, err) = called("init", arguments);
        assert_eq!((code, out.as_str(), err.lines().count()), (64, "", 1), "{arguments:?}: {err}");
        assert!(err.starts_with("init"), "{err}");
    }
}

#[test]
fn check_and_schema_are_such_only_as_first_argument() {
    let (code, schema, _) = called("init", &["schema"]);
    assert_eq!(code, 0);
    assert!(schema.starts_with('{'), "{schema}");
    assert_eq!(called("init", &["check", "/nonexistent"]).0, 78);
    assert_eq!(called("init", &["check", "--help"]).0, 0);
}

#[test]
fn arguments_that_are_not_utf_8_are_bad_usage_and_no_panic() {
    let odd = std::ffi::OsString::from_vec(b"\xff".to_vec());
    for name in ["init", "svctl", "pulp-init", "dance"] {
        let (code, _, err) = ended(Command::new(BINARY).arg0(name).arg(&odd));
        assert_eq!(code, 64, "{name}: {err}");
    }
    assert_eq!(ended(Command::new(BINARY).arg0(&odd)).0, 64);
}

#[test]
fn the_help_of_init_is_given_when_asked_for() {
    let (code, out, err) = called("init", &["--help"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("INIT_SERVICES"), "{out}");
}

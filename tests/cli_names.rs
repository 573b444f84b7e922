//! The command line of `init`, and the names that `svctl` answers to.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on is to panic")]

mod programs;

use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use programs::{init, probe, svctl};

/// Exit code, standard output and error of a program.
fn run(program: &str, arguments: &[&str]) -> (i32, String, String) {
    ended(Command::new(program).args(arguments))
}

fn ended(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[test]
fn programs_say_their_name_and_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(run(svctl(), &["--version"]).1, format!("svctl {version}\n"));
    assert_eq!(run(init(), &["--version"]).1, format!("init {version}\n"));
}

#[test]
fn svctl_answers_to_the_names_of_s6() {
    for name in ["s6-rc", "/command/s6-rc", "s6-svc", "s6-svstat"] {
        let (code, out, err) = ended(Command::new(svctl()).arg0(name).arg("--dance"));
        assert_ne!(code, 0, "{name}");
        assert!(err.contains(name.trim_start_matches("/command/")), "{name}: {out}{err}");
    }
    let echo = ended(Command::new(svctl()).arg0("s6-echo").args(["-n", "--", "hello"]));
    assert_eq!(echo, (0, "hello".to_owned(), String::new()));
}

#[test]
fn bad_usage_of_init_is_64_with_one_line() {
    for arguments in
        [&["--dance"][..], &["--services"], &["--log", "loud"], &["schema", "x"], &["check", "--x"]]
    {
        let (code, out, err) = run(init(), arguments);
        assert_eq!((code, out.as_str(), err.lines().count()), (64, "", 1), "{arguments:?}: {err}");
        assert!(err.starts_with("init"), "{err}");
    }
}

#[test]
fn bad_usage_of_a_probe_is_64_with_one_line() {
    for arguments in [&[][..], &["tcp"], &["udp", "x:1"], &["tcp", "x:1", "--timeout", "0"]] {
        let (code, out, err) = run(probe(), arguments);
        assert_eq!((code, out.as_str(), err.lines().count()), (64, "", 1), "{arguments:?}: {err}");
    }
}

#[test]
fn check_and_schema_are_such_only_as_first_argument() {
    let (code, schema, _) = run(init(), &["schema"]);
    assert_eq!(code, 0);
    assert!(schema.starts_with('{'), "{schema}");
    assert_eq!(run(init(), &["check", "/nonexistent"]).0, 78);
    assert_eq!(run(init(), &["check", "--help"]).0, 0);
}

#[test]
fn arguments_that_are_not_utf_8_are_bad_usage_and_no_panic() {
    let odd = std::ffi::OsString::from_vec(b"\xff".to_vec());
    for program in [init(), svctl(), probe()] {
        let (code, _, err) = ended(Command::new(program).arg(&odd));
        assert_eq!(code, 64, "{program}: {err}");
    }
    assert_eq!(ended(Command::new(svctl()).arg0(&odd).arg("--dance")).0, 64);
}

#[test]
fn the_help_of_init_is_given_when_asked_for() {
    let (code, out, err) = run(init(), &["--help"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("INIT_SERVICES"), "{out}");
}

use std::os::unix::ffi::OsStringExt;

use super::*;
use init_plan::load::DEFAULT_SERVICES;

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn parsed(line: &str) -> InitArgs {
    parse(&words(line)).unwrap()
}

fn problem(line: &str) -> String {
    parse(&words(line)).unwrap_err()
}

#[test]
fn no_arguments_mean_the_defaults() {
    assert_eq!(parsed(""), InitArgs::default());
}

#[test]
fn options_before_the_command_are_taken() {
    let args = parsed("--services /a --services=/b --log json nginx -g x");
    assert_eq!(args.services, [PathBuf::from("/a"), PathBuf::from("/b")]);
    assert_eq!(args.log, Some(Log::Json));
    assert_eq!(args.command, words("nginx -g x"));
}

#[test]
fn nothing_after_the_command_is_an_option_of_init() {
    for command in ["ls --services /x", "sh -c check", "nginx -- --log json", "a --help", "- --version"] {
        let args = parsed(command);
        assert_eq!(args, InitArgs { command: words(command), ..InitArgs::default() });
    }
}

#[test]
fn what_follows_two_dashes_is_the_command_whatever_it_is() {
    for command in ["check", "schema", "--help", "-- a", "help", "--log json"] {
        let args = parsed(&format!("-- {command}"));
        assert_eq!(args, InitArgs { command: words(command), ..InitArgs::default() });
    }
    assert_eq!(parsed("--"), InitArgs::default());
}

#[test]
fn subcommands_are_such_only_as_first_argument() {
    assert_eq!(parsed("schema").mode, Mode::Schema);
    assert_eq!(parsed("--services /a check").command, words("check"));
}

#[test]
fn help_and_version_are_given_when_asked_for() {
    for line in ["help", "--help", "-h", "--services /a --help"] {
        assert_eq!(parsed(line).mode, Mode::Help, "{line}");
    }
    assert_eq!(parsed("--version").mode, Mode::Version);
    assert_eq!(parsed("-V").mode, Mode::Version);
}

#[test]
fn bad_usage_names_the_word_and_the_cure() {
    assert_eq!(
        problem("--service /a"),
        "unknown option `--service`; see init --help (a command that begins with a dash goes after --) [I0104]"
    );
    assert_eq!(problem("--services"), "`--services` needs a value; see init --help [I0105]");
    assert_eq!(problem("--services="), "`--services` needs a value; see init --help [I0105]");
    assert_eq!(
        problem("--log loud"),
        "--log cannot be `loud`: write prefix, json, inherit, ring or none [I0106]"
    );
    assert!(problem("--help=x").starts_with("unknown option"));
    assert!(problem("schema x").ends_with("write init -- schema [I0107]"));
}

#[test]
fn words_that_are_not_utf_8_are_an_error_in_a_command_only() {
    let odd = OsString::from_vec(b"\xff".to_vec());
    assert!(parse(std::slice::from_ref(&odd)).unwrap_err().ends_with("word 1 is not UTF-8 [I0108]"));
    assert!(parse(&[OsString::from_vec(b"--\xff".to_vec())]).unwrap_err().contains("unknown option"));
    assert!(parse(&["--log".into(), odd.clone()]).is_err());
    assert_eq!(parse(&["--services".into(), odd.clone()]).unwrap().services, [PathBuf::from(odd)]);
}

#[test]
fn directories_come_from_arguments_then_environment_then_the_default() {
    let plain = InitArgs::default();
    let default = [Directory { path: DEFAULT_SERVICES.into(), optional: true }];
    assert_eq!(plain.directories(None), default);
    assert_eq!(plain.directories(Some(OsStr::new(""))), default);
    let listed = plain.directories(Some(OsStr::new("/a::-/b")));
    assert_eq!(listed, [Directory::named("/a"), Directory { path: "/b".into(), optional: true }]);
    let given = parsed("--services /c").directories(Some(OsStr::new("/a")));
    assert_eq!(given, [Directory::named("/c")]);
}

#[test]
fn the_help_knows_every_option_that_is_read() {
    let help = HELP;
    for word in
        ["--services <DIR>", "--log <KIND>", "check [DIR]", "schema", "INIT_SERVICES", "--version", "--help"]
    {
        assert!(help.contains(word), "{word} is not in:\n{help}");
    }
}

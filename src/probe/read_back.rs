//! What `init` writes on a probe's command line, the probe reads back.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use init_plan::probe_command::{ProbeCommand, probe_argv};
use init_plan::{Check, HttpCheck};

use super::{Probe, Try};

fn read_back(command: &ProbeCommand) -> Probe {
    let args = command.argv.iter().skip(1).map(|word| OsString::from_vec(word.clone().into_bytes()));
    let env = command.env.as_ref().map(|env| env.to_str().unwrap().split_once('=').unwrap().1.into());
    Probe::parse(args, env).unwrap()
}

#[test]
fn every_check_is_read_back_by_the_child() {
    let timeout = Duration::from_millis(1500);
    let tcp = probe_argv(&Check::Tcp("[::1]:80".into()), timeout, None).unwrap();
    let probe = read_back(&tcp);
    assert!(matches!(&probe.what, Try::Tcp(host, 80) if host == "::1"));
    assert_eq!((probe.timeout, probe.retry), (timeout, None));
    let path = OsString::from_vec(b"/run/\xff.sock".to_vec());
    let unix = probe_argv(&Check::Unix(path.clone().into()), timeout, Some(Duration::ZERO)).unwrap();
    let probe = read_back(&unix);
    assert!(matches!(&probe.what, Try::Unix(read) if read.as_os_str() == path));
    assert_eq!(probe.retry, Some(Duration::from_millis(1)));
}

#[test]
fn secret_of_a_header_is_not_on_the_command_line() {
    let check = HttpCheck {
        url: "https://x/".into(),
        status: vec![(200, 200), (300, 399)],
        headers: vec![("Authorization".into(), "secret".into()), ("A".into(), "b: c".into())],
        expect_headers: vec![("Server".into(), "^nginx".into())],
        body: Some("ok".into()),
        ca_file: Some("/ca.pem".into()),
    };
    let command = probe_argv(&Check::Http(check.into()), Duration::from_secs(1), None).unwrap();
    assert!(!format!("{:?}", command.argv).contains("secret"));
    let Try::Http(request) = read_back(&command).what else { panic!("not http") };
    assert_eq!(request.headers, [("Authorization".into(), "secret".into()), ("A".into(), "b: c".into())]);
    assert_eq!(request.status, [(200, 200), (300, 399)]);
    assert!(request.body.is_some() && request.expect_headers.len() == 1 && request.ca_file.is_some());
}

#[test]
fn command_is_returned_as_it_is_and_a_nul_is_an_error() {
    let command = probe_argv(&Check::Exec(vec!["a".into(), "b c".into()]), Duration::ZERO, None).unwrap();
    assert_eq!((command.ours, command.argv), (false, vec![c"a".into(), c"b c".into()]));
    assert!(probe_argv(&Check::Exec(vec!["a\0".into()]), Duration::ZERO, None).is_err());
}

#[test]
fn blanks_of_an_expected_header_are_part_of_its_pattern() {
    let mut check = HttpCheck {
        url: "http://x/".into(),
        status: vec![(200, 200)],
        headers: Vec::new(),
        expect_headers: vec![("Server".into(), " x ".into())],
        body: None,
        ca_file: None,
    };
    for pattern in [" x ", "x", r"\tx", "a: b"] {
        check.expect_headers = vec![("Server".into(), pattern.into())];
        let command = probe_argv(&Check::Http(check.clone().into()), Duration::from_secs(1), None).unwrap();
        let Try::Http(request) = read_back(&command).what else { panic!("not http") };
        assert_eq!(request.expect_headers[0].1.as_str(), pattern);
    }
}

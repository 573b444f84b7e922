//! From a check in the plan to the child that makes it.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use crate::plan::{Check, HttpCheck};

/// Holds request headers, one a line. They may be secret, and a command line is for everybody to read.
pub const HEADERS_VARIABLE: &str = "PULP_INIT_PROBE_HEADERS";

/// A child that makes a check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProbeCommand {
    /// Whether the program is this one (`/proc/self/exe`, argv\[0\] being `probe`), and not argv\[0\].
    pub ourselves: bool,
    /// Program and arguments.
    pub argv: Vec<CString>,
    /// To be added to the child's environment, as `NAME=value`.
    pub env: Option<CString>,
}

/// What to run for a check. A command (`exec`) is returned as it is: `init` itself bounds and repeats it.
///
/// # Errors
/// One line, if a part of it has a NUL character.
pub fn probe_argv(check: &Check, timeout: Duration, retry: Option<Duration>) -> Result<ProbeCommand, String> {
    if let Check::Exec(argv) = check {
        let argv = argv.iter().map(|word| c_string(word.as_bytes())).collect::<Result<_, _>>()?;
        return Ok(ProbeCommand { ourselves: false, argv, env: None });
    }
    let mut words: Vec<Vec<u8>> = vec![b"probe".to_vec()];
    let mut env = None;
    match check {
        Check::Tcp(address) => words.extend([b"tcp".to_vec(), address.as_bytes().to_vec()]),
        Check::Unix(path) => words.extend([b"unix".to_vec(), path.as_os_str().as_bytes().to_vec()]),
        Check::Http(check) => {
            words.extend(http(check));
            env = headers(check).map(|text| c_string(text.as_bytes())).transpose()?;
        }
        Check::Exec(_) => {}
    }
    words.extend([b"--timeout".to_vec(), millis(timeout)]);
    if let Some(pause) = retry {
        words.extend([b"--retry".to_vec(), millis(pause)]);
    }
    let argv = words.iter().map(|word| c_string(word)).collect::<Result<_, _>>()?;
    Ok(ProbeCommand { ourselves: true, argv, env })
}

fn http(check: &HttpCheck) -> Vec<Vec<u8>> {
    let mut words = vec![b"http".to_vec(), check.url.as_bytes().to_vec()];
    let mut option = |name: &str, value: &[u8]| words.extend([name.as_bytes().to_vec(), value.to_vec()]);
    for (low, high) in &check.status {
        option("--status", format!("{low}-{high}").as_bytes());
    }
    for (name, pattern) in &check.expect_headers {
        option("--expect-header", format!("{name}: {pattern}").as_bytes());
    }
    if let Some(pattern) = &check.body {
        option("--body", pattern.as_bytes());
    }
    if let Some(file) = &check.ca_file {
        option("--ca-file", file.as_os_str().as_bytes());
    }
    words
}

fn headers(check: &HttpCheck) -> Option<String> {
    let lines: Vec<String> = check.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    (!lines.is_empty()).then(|| format!("{HEADERS_VARIABLE}={}", lines.join("\n")))
}

/// At least 1: less would be no timeout at all, or a loop without a pause.
fn millis(time: Duration) -> Vec<u8> {
    time.as_millis().max(1).to_string().into_bytes()
}

fn c_string(word: &[u8]) -> Result<CString, String> {
    CString::new(word).map_err(|_| {
        format!(
            "cannot run `{}`: remove the NUL character from it",
            String::from_utf8_lossy(word).escape_debug()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Probe, Try};
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

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
        assert_eq!((command.ourselves, command.argv), (false, vec![c"a".into(), c"b c".into()]));
        assert!(probe_argv(&Check::Exec(vec!["a\0".into()]), Duration::ZERO, None).is_err());
    }
}

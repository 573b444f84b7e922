//! From a check in the plan to the child that makes it.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use crate::{Check, HttpCheck, values};

/// The name of the program that makes every check but a command.
pub const PROGRAM: &str = "init-probe";

/// Holds request headers, one a line. They may be secret, and a command line is for everybody to read.
pub const HEADERS_VARIABLE: &str = "PULP_INIT_PROBE_HEADERS";

/// A child that makes a check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProbeCommand {
    /// Whether the program is [`PROGRAM`], and not a command of the service's.
    pub ours: bool,
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
        return Ok(ProbeCommand { ours: false, argv, env: None });
    }
    let mut words: Vec<Vec<u8>> = vec![PROGRAM.as_bytes().to_vec()];
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
    words.extend([b"--timeout".to_vec(), duration(timeout)]);
    if let Some(pause) = retry {
        words.extend([b"--retry".to_vec(), duration(pause)]);
    }
    let argv = words.iter().map(|word| c_string(word)).collect::<Result<_, _>>()?;
    Ok(ProbeCommand { ours: true, argv, env })
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

/// At least 1ms: less would be no timeout at all, or a loop without a pause.
fn duration(time: Duration) -> Vec<u8> {
    values::duration_text(time.max(Duration::from_millis(1))).into_bytes()
}

fn c_string(word: &[u8]) -> Result<CString, String> {
    CString::new(word).map_err(|_| {
        format!(
            "cannot run `{}`: remove the NUL character from it",
            String::from_utf8_lossy(word).escape_debug()
        )
    })
}

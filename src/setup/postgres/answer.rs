//! Whether the embedded PostgreSQL takes connections, asked in its own protocol: Debian's `pg_isready` is a Perl script,
//! and a boot would spend more time starting that than waiting.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::programs::daemons::postgresql_port;
use crate::pulp_settings::PulpSettings;
use crate::steps::settings::POSTGRESQL_SOCKETS;
use crate::{Context, Problem};

/// How long nobody listens before the next look, which costs one system call.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// While it recovers, each question is a line in its log.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// How long an answer may take. A machine that is busy lets even a good server wait.
const ANSWER: Duration = Duration::from_secs(12);
/// Version 3.0 of the protocol, as its first packet names it (PostgreSQL's manual, "Message Formats").
const PROTOCOL: u32 = 3 << 16;
/// The message that ends a connection.
const TERMINATE: &[u8] = b"X\0\0\0\x04";
/// The error code of a server that starts, recovers or shuts down: `cannot_connect_now`.
const NOT_NOW: &[u8] = b"C57P03\0";

/// Waits until it takes connections.
///
/// # Errors
/// It does not by then.
pub fn wait(context: &Context, until: Instant) -> std::result::Result<(), Problem> {
    let socket = socket(context)?;
    loop {
        let (error, pause) = match ask(&socket) {
            Ok(true) => return Ok(()),
            Ok(false) => (Error::other("it still starts or recovers"), ASK_EVERY),
            Err(error) => (error, LOOK_EVERY),
        };
        if Instant::now() + pause >= until {
            return Err(problem(&socket, &error));
        }
        sleep(pause);
    }
}

/// Whether it takes connections now.
///
/// # Errors
/// It does not.
pub fn alive(context: &Context) -> std::result::Result<(), Problem> {
    let socket = socket(context)?;
    match ask(&socket) {
        Ok(true) => Ok(()),
        Ok(false) => Err(problem(&socket, &Error::other("it recovers, or shuts down"))),
        Err(error) => Err(problem(&socket, &error)),
    }
}

fn socket(context: &Context) -> std::result::Result<PathBuf, Problem> {
    let port = postgresql_port(&PulpSettings::load(context)?).unwrap_or_else(|| "5432".to_owned());
    Ok(context.path(POSTGRESQL_SOCKETS).join(format!(".s.PGSQL.{port}")))
}

fn problem(socket: &std::path::Path, error: &Error) -> Problem {
    Problem::new(
        "S1503",
        format!("PostgreSQL does not answer at {}: {error}", socket.display()),
        "see its log: `svctl logs postgresql`",
    )
}

/// Begins a connection; `false`: the server says that it cannot take one now. Any other answer, a refusal among them,
/// comes from a server that works.
fn ask(socket: &std::path::Path) -> Result<bool> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let words = b"user\0postgres\0database\0postgres\0\0";
    let length = u32::try_from(words.len() + 8).unwrap_or(u32::MAX);
    stream.write_all(&[&length.to_be_bytes(), &PROTOCOL.to_be_bytes(), &words[..]].concat())?;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    match &kind {
        b"R" => {
            // A client that hangs up in the middle is a line in the server's log.
            stream.write_all(TERMINATE)?;
            stream.take(64 * 1024).read_to_end(&mut Vec::new())?;
            Ok(true)
        }
        b"E" => {
            let mut text = Vec::new();
            stream.take(4096).read_to_end(&mut text)?;
            Ok(!text.windows(NOT_NOW.len()).any(|window| window == NOT_NOW))
        }
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A server that answers each question with the next of these.
    fn server(answers: Vec<&'static [u8]>) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut length = [0; 4];
                stream.read_exact(&mut length).unwrap();
                let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
                stream.read_exact(&mut rest).unwrap();
                assert_eq!(rest, b"\0\x03\0\0user\0postgres\0database\0postgres\0\0");
                stream.write_all(answer).unwrap();
                if answer.starts_with(b"R") {
                    let mut last = [0; TERMINATE.len()];
                    stream.read_exact(&mut last).unwrap();
                    assert_eq!(last, TERMINATE);
                }
            }
        });
        (dir, path)
    }

    #[test]
    fn who_asks_for_a_password_or_refuses_us_works_and_who_recovers_does_not() {
        let (_dir, path) = server(vec![
            b"R\0\0\0\x08\0\0\0\0",
            b"E\0\0\0\x20SFATAL\0C28000\0Mno such role\0\0",
            b"E\0\0\0\x20SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0",
            b"?",
        ]);
        assert!(ask(&path).unwrap());
        assert!(ask(&path).unwrap());
        assert!(!ask(&path).unwrap());
        assert!(ask(&path).is_err());
    }

    #[test]
    fn nobody_there_is_an_error() {
        assert!(ask(std::path::Path::new("/nonexistent/socket")).is_err());
    }
}

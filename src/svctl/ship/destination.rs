//! Where output goes to: `file:/DIR`, `syslog+udp://HOST:PORT`, `otlp+http://HOST:PORT`, `loki+http://HOST:PORT` …

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::files::{self, Files};
use super::http::{Api, Http};
use super::queue::{Queue, Record};
use super::syslog::{Syslog, Transport};
use crate::commands::complain;

/// A destination.
#[derive(Clone, Eq, PartialEq)]
pub enum Destination {
    /// A directory with a file for each service.
    Files {
        /// The directory.
        directory: PathBuf,
        /// A file that is larger makes room for a new one, in bytes.
        size: u64,
        /// So many old ones are kept.
        keep: u32,
    },
    /// A syslog server (RFC 5424).
    Syslog(Transport),
    /// A server that is told by HTTP.
    Http {
        /// What it understands.
        api: Api,
        /// `HOST:PORT`.
        address: String,
        /// The path.
        path: String,
        /// `USER:PASSWORD`, if it wants some.
        user: Option<String>,
    },
}

/// What there is, for messages.
pub const FORMS: &str = "file:/DIR[?size=10MB&keep=5], syslog+udp://HOST:514, syslog+tcp://HOST:514, syslog+unix:/dev/log, \
     otlp+http://HOST:4318 or loki+http://HOST:3100";

impl std::str::FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Destination, String> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let parsed = match scheme {
            "file" => files(rest),
            "syslog+unix" => absolute(rest).map(|path| Destination::Syslog(Transport::Unix(path))),
            "syslog+udp" => bare(rest, "514").map(|address| Destination::Syslog(Transport::Udp(address))),
            "syslog+tcp" => bare(rest, "514").map(|address| Destination::Syslog(Transport::Tcp(address))),
            "otlp+http" => http(Api::Otlp, rest, "4318", "/v1/logs"),
            "loki+http" => http(Api::Loki, rest, "3100", "/loki/api/v1/push"),
            "otlp+https" | "loki+https" => {
                Err("it speaks no TLS: send it to a collector on this machine, which passes it on".to_owned())
            }
            _ => Err(format!("write {FORMS}")),
        };
        parsed.map_err(|why| format!("cannot send to `{}`: {why}", without_password(text)))
    }
}

/// The text without what stands before an `@` of its address.
fn without_password(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.find("//").and_then(|at| before.get(..at + 2)).unwrap_or_default();
            format!("{scheme}***@{after}")
        }
        None => text.to_owned(),
    }
}

fn absolute(path: &str) -> Result<PathBuf, String> {
    let path = path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    if path.starts_with('/') { Ok(path.into()) } else { Err("an absolute path is needed".to_owned()) }
}

fn files(rest: &str) -> Result<Destination, String> {
    let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (mut size, mut keep) = (files::SIZE, files::KEEP);
    for option in options.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) => {
                size = init_plan::values::size(value).map_err(|why| format!("size {why}"))?;
                if size < files::LEAST {
                    return Err(format!("size must be {} KiB or more", files::LEAST / 1024));
                }
            }
            Some(("keep", value)) => {
                let number = value.parse().ok().filter(|keep| *keep <= files::MOST);
                keep = number.ok_or_else(|| format!("keep must be a number up to {}", files::MOST))?;
            }
            _ => return Err(format!("there is no `{option}`: write size=10MB or keep=5")),
        }
    }
    Ok(Destination::Files { directory: absolute(path)?, size, keep })
}

/// `//HOST[:PORT]`.
fn bare(rest: &str, port: &str) -> Result<String, String> {
    let address = rest.strip_prefix("//").ok_or("`//` and a host are needed")?.trim_end_matches('/');
    with_port(address, port)
}

fn with_port(address: &str, port: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if address.is_empty() || !address.chars().all(is_plain) {
        return Err("a host is needed, and a port behind a colon if it is not the usual one".to_owned());
    }
    let has_port =
        address.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
    match address.rsplit_once(':').filter(|_| has_port) {
        Some((_, given)) if given.parse::<u16>().is_err() => Err(format!("`{given}` is no port")),
        Some(_) => Ok(address.to_owned()),
        None => Ok(format!("{address}:{port}")),
    }
}

fn http(api: Api, rest: &str, port: &str, usual: &str) -> Result<Destination, String> {
    let rest = rest.strip_prefix("//").ok_or("`//` and a host are needed")?;
    let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, address) = match place.rsplit_once('@') {
        Some((user, address)) => (Some(user.to_owned()), address),
        None => (None, place),
    };
    if user.as_ref().is_some_and(|user| !user.contains(':')) {
        return Err("write USER:PASSWORD before the @".to_owned());
    }
    if !path.chars().all(|c| c.is_ascii_graphic()) {
        return Err("its path has a character that no path has".to_owned());
    }
    let path = if matches!(path, "" | "/") { usual } else { path };
    Ok(Destination::Http { api, address: with_port(address, port)?, path: path.to_owned(), user })
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Files { directory, .. } => write!(f, "file:{}", directory.display()),
            Destination::Syslog(transport) => write!(f, "{transport}"),
            Destination::Http { api, address, .. } => write!(f, "{}+http://{address}", api.name()),
        }
    }
}

impl fmt::Debug for Destination {
    // Without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What sends records.
pub enum Sender {
    /// To files.
    Files(Files),
    /// To a syslog server.
    Syslog(Syslog),
    /// By HTTP.
    Http(Http),
}

/// What came of records.
pub enum Outcome {
    /// The receiver has them.
    Sent,
    /// It will never take them, for this reason.
    Refused(String),
    /// It did not take them now, for this reason.
    Later(String),
}

/// After a failure the next try comes after a time that doubles up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// So many records, of so many bytes, are sent at once.
const BATCH: (usize, usize) = (500, 512 * 1024);

impl Destination {
    /// Makes sure that it can work at all.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn prepare(self) -> Result<Sender, String> {
        Ok(match self {
            Destination::Files { directory, size, keep } => {
                Sender::Files(Files::open(&directory, size, keep)?)
            }
            Destination::Syslog(transport) => Sender::Syslog(Syslog::new(transport)),
            Destination::Http { api, address, path, user } => {
                Sender::Http(Http::new(api, address, path, user.as_deref()))
            }
        })
    }
}

impl Sender {
    /// Sends what comes into the queue until that is closed.
    pub async fn run(mut self, queue: Arc<Queue>, name: String) {
        let mut pause = FIRST_PAUSE;
        let mut fails = false;
        loop {
            let mut records = queue.next(BATCH.0, BATCH.1).await;
            if records.is_empty() {
                return;
            }
            if let Some(count) = queue.untold() {
                let time_ms = records.first().map_or(0, |record| record.time_ms);
                let line = format!("{count} lines were dropped: they came faster than they were taken");
                records.insert(0, Record { service: "init".to_owned(), time_ms, line });
            }
            match self.send(&records).await {
                Outcome::Sent => {
                    queue.sent();
                    if std::mem::take(&mut fails) {
                        complain(&format!("{name}: it takes lines again"));
                    }
                    pause = FIRST_PAUSE;
                }
                Outcome::Refused(why) => {
                    queue.refused();
                    complain(&format!("{name}: it refuses {} lines: {why}", records.len()));
                }
                Outcome::Later(why) => {
                    // Once an outage: it may be long.
                    if !std::mem::replace(&mut fails, true) {
                        complain(&format!("{name}: {why}; trying again until it works"));
                    }
                    if queue.is_closed() {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn send(&mut self, records: &[Record]) -> Outcome {
        match self {
            Sender::Files(files) => files.write(records),
            Sender::Syslog(syslog) => syslog.send(records).await,
            Sender::Http(http) => http.send(records).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Result<String, String> {
        text.parse::<Destination>().map(|destination| match &destination {
            Destination::Http { path, user, .. } => format!("{destination} {path} {user:?}"),
            Destination::Files { size, keep, .. } => format!("{destination} {size} {keep}"),
            Destination::Syslog(_) => destination.to_string(),
        })
    }

    #[test]
    fn destinations_are_read_with_what_is_usual() {
        for (text, expected) in [
            ("file:/var/log/x", "file:/var/log/x 10000000 5"),
            ("file:///var/log/x?size=1MiB&keep=0", "file:/var/log/x 1048576 0"),
            ("syslog+udp://logs", "syslog+udp://logs:514"),
            ("syslog+tcp://[::1]:601", "syslog+tcp://[::1]:601"),
            ("syslog+tcp://[::1]", "syslog+tcp://[::1]:514"),
            ("syslog+unix:/dev/log", "syslog+unix:/dev/log"),
            ("otlp+http://collector", "otlp+http://collector:4318 /v1/logs None"),
            ("loki+http://u:p@loki:80/x/push", "loki+http://loki:80 /x/push Some(\"u:p\")"),
        ] {
            assert_eq!(told(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_what_would_do_and_without_its_password() {
        for (text, why) in [
            ("", "write file:/DIR"),
            ("file:logs", "an absolute path"),
            ("file:/x?size=1", "64 KiB or more"),
            ("file:/x?keep=many", "a number up to"),
            ("file:/x?colour=red", "there is no `colour=red`"),
            ("syslog+udp:logs", "`//` and a host"),
            ("syslog+udp://", "a host is needed"),
            ("syslog+udp://a b", "a host is needed"),
            ("syslog+tcp://a:99999", "is no port"),
            ("otlp+https://a", "it speaks no TLS"),
            ("loki+http://user@a", "USER:PASSWORD"),
            ("http://u:secret@a", "write file:/DIR"),
        ] {
            let said = told(text).unwrap_err();
            assert!(said.contains(why) && !said.contains("secret"), "{text}: {said}");
        }
        let destination: Destination = "loki+http://u:secret@a".parse().unwrap();
        assert!(!format!("{destination:?} {destination}").contains("secret"));
    }
}

//! The command line of a probe.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use init_plan::url::{self, Url};
use init_plan::{header, pattern, values};
use regex::bytes::Regex;

use super::Probe;

/// The time for one try if the command line has no `--timeout`.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The kind of probe, and its target.
#[derive(Debug)]
pub enum Try {
    /// A TCP connection to a host (a name or an address) and a port.
    Tcp(String, u16),
    /// A connection to a Unix stream socket.
    Unix(PathBuf),
    /// An HTTP GET.
    Http(Box<Request>),
}

/// A GET, and what its answer must be like; see [`init_plan::HttpCheck`].
#[derive(Debug)]
pub struct Request {
    pub url: Url,
    pub status: Vec<(u16, u16)>,
    pub headers: Vec<(String, String)>,
    pub expect_headers: Vec<(String, Regex)>,
    pub body: Option<Regex>,
    pub ca_file: Option<PathBuf>,
}

pub fn parse(args: impl IntoIterator<Item = OsString>, headers: Option<OsString>) -> Result<Probe, String> {
    let mut args = args.into_iter();
    let (Some(kind), Some(target)) = (args.next(), args.next()) else {
        return Err("usage: init-probe tcp HOST:PORT | unix PATH | http URL, then options".to_owned());
    };
    let what = match kind.to_str() {
        Some("tcp") => {
            let (host, port) = url::host_and_port(text(&target)?)?;
            Try::Tcp(host, port)
        }
        Some("unix") => Try::Unix(values::socket(&target)?),
        Some("http") => Try::Http(Box::new(Request::new(text(&target)?)?)),
        _ => return Err(format!("`{}` is not a kind of probe: write tcp, unix or http", kind.display())),
    };
    let mut probe = Probe { what, timeout: TIMEOUT, retry: None };
    while let Some(name) = args.next() {
        let name = text(&name)?.to_owned();
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        option(&mut probe, &name, &value)?;
    }
    if let (Try::Http(request), Some(headers)) = (&mut probe.what, headers) {
        for line in text(&headers)?.lines() {
            request.headers.push(sent(line)?);
        }
    }
    Ok(probe)
}

fn option(probe: &mut Probe, name: &str, value: &OsStr) -> Result<(), String> {
    match (name, &mut probe.what) {
        ("--timeout", _) => probe.timeout = duration(value)?,
        ("--retry", _) => probe.retry = Some(duration(value)?),
        ("--ca-file", Try::Http(request)) => request.ca_file = Some(value.into()),
        ("--status", Try::Http(request)) => request.status.extend(statuses(text(value)?)?),
        ("--header", Try::Http(request)) => request.headers.push(sent(text(value)?)?),
        ("--expect-header", Try::Http(request)) => {
            let (name, value) = header::line(text(value)?)?;
            request.expect_headers.push((name.into(), header::pattern(value)?));
        }
        ("--body", Try::Http(request)) => request.body = Some(pattern::compile(text(value)?)?),
        _ => return Err(format!("{name} is not an option of this kind of probe")),
    }
    Ok(())
}

impl Request {
    fn new(url: &str) -> Result<Request, String> {
        Ok(Request {
            url: Url::parse(url)?,
            status: Vec::new(),
            headers: Vec::new(),
            expect_headers: Vec::new(),
            body: None,
            ca_file: None,
        })
    }

    /// Whether a status is expected; if none is given, 200 is.
    pub fn accepts(&self, status: u16) -> bool {
        match self.status.as_slice() {
            [] => status == 200,
            ranges => ranges.iter().any(|&(low, high)| (low..=high).contains(&status)),
        }
    }

    /// The expected statuses, for people.
    pub fn expected(&self) -> String {
        let range =
            |&(low, high): &(u16, u16)| if low == high { low.to_string() } else { format!("{low}-{high}") };
        match self.status.as_slice() {
            [] => "200".to_owned(),
            ranges => ranges.iter().map(range).collect::<Vec<_>>().join(", "),
        }
    }
}

fn text(arg: &OsStr) -> Result<&str, String> {
    arg.to_str().ok_or_else(|| format!("`{}` is not UTF-8", arg.display()))
}

/// A duration as in a service's file, but not 0.
fn duration(value: &OsStr) -> Result<Duration, String> {
    let time = values::duration(text(value)?)?;
    if time.is_zero() { Err("a duration must be more than 0".to_owned()) } else { Ok(time) }
}

fn statuses(list: &str) -> Result<Vec<(u16, u16)>, String> {
    list.split(',').map(values::status_range).collect()
}

/// A header of the request.
fn sent(line: &str) -> Result<(String, String), String> {
    let (name, value) = header::line(line)?;
    let value = header::value(value).map_err(|why| format!("the value of header `{name}` {why}"))?;
    Ok((name.into(), value.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &[&str]) -> Result<Probe, String> {
        parse(line.iter().map(OsString::from), None)
    }

    #[test]
    fn wrong_command_lines_are_errors() {
        for line in [
            &[][..],
            &["tcp"],
            &["udp", "x:1"],
            &["tcp", "x"],
            &["tcp", "x:0x"],
            &["tcp", "x:1", "--timeout"],
            &["tcp", "x:1", "--timeout", "0s"],
            &["tcp", "x:1", "--timeout", "100"],
            &["tcp", "x:1", "--timeout", "-1s"],
            &["unix", "x"],
            &["tcp", "x:1", "--body", "x"],
            &["http", "ftp://x"],
            &["http", "http://x/", "--status", "99"],
            &["http", "http://x/", "--status", "300-200"],
            &["http", "http://x/", "--status", "600"],
            &["http", "http://x/", "--body", "("],
            &["http", "http://x/", "--expect-header", "a: ("],
            &["http", "http://x/", "--header", "x"],
            &["http", "http://x/", "--header", "a: b\r\nc: d"],
            &["http", "http://x/", "--header", "a b: c"],
        ] {
            assert!(parsed(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn statuses_are_numbers_and_ranges_and_200_by_default() {
        let request = |line: &[&str]| match parsed(line).unwrap().what {
            Try::Http(request) => request,
            other => panic!("{other:?}"),
        };
        let usual = request(&["http", "http://x/"]);
        assert!(usual.accepts(200) && !usual.accepts(204) && usual.expected() == "200");
        let some = request(&["http", "http://x/", "--status", "204, 300-399", "--status", "401"]);
        assert!([204, 300, 399, 401].iter().all(|&status| some.accepts(status)) && !some.accepts(200));
        assert_eq!(some.expected(), "204, 300-399, 401");
    }

    proptest::proptest! {
        #[test]
        fn any_words_are_parsed_without_panic(kind in "tcp|unix|http|.*", rest: Vec<String>) {
            let _ = parse(std::iter::once(kind).chain(rest).map(OsString::from), None);
        }
    }
}

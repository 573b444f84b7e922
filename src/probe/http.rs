//! One GET over HTTP/1.1. Redirects are not followed: their status is the answer.

use std::io::{self, Read, Write};

use super::Deadline;
use super::args::Request;
use super::connect::{self, Bounded, Socket};
use super::tls;
use init_plan::url::Server;

/// Bounds of what is read of an answer, in bytes; of a longer body only this much is matched.
const LARGEST_HEAD: usize = 64 * 1024;
const LARGEST_BODY: usize = 1024 * 1024;

/// A body nobody asked for is read all the same if it is known to be this short: a server may complain of clients that
/// hang up on it.
const POLITE_BODY: usize = 64 * 1024;

/// More headers than this are an error.
const MOST_HEADERS: usize = 256;

/// A line with a chunk's size is not longer than this, its extensions included.
const LONGEST_CHUNK_LINE: usize = 4096;

/// Sends the request and compares the answer.
pub fn get(request: &Request, deadline: Deadline) -> Result<(), String> {
    let bounded = |socket| Bounded { socket, deadline };
    match &request.url.server {
        Server::Plain(host, port) => {
            exchange(request, bounded(Socket::Tcp(connect::tcp(host, *port, deadline)?)))
        }
        Server::Tls(host, port) => {
            let socket = bounded(Socket::Tcp(connect::tcp(host, *port, deadline)?));
            exchange(request, tls::client(host, request.ca_file.as_deref(), socket)?)
        }
        Server::Unix(path) => exchange(request, bounded(Socket::Unix(connect::unix(path, deadline)?))),
    }
}

fn exchange(request: &Request, mut stream: impl Read + Write) -> Result<(), String> {
    let sent = stream.write_all(written(request).as_bytes()).and_then(|()| stream.flush());
    sent.map_err(|error| format!("cannot send the request: {error}"))?;
    judge(request, stream)
}

/// Reads an answer and compares it with what is expected.
pub fn judge(request: &Request, stream: impl Read) -> Result<(), String> {
    compare(request, &mut Source::new(stream))
}

fn written(request: &Request) -> String {
    let mut head = format!("GET {} HTTP/1.1\r\n", request.url.path);
    let usual = [
        ("Host", request.url.host.as_str()),
        ("User-Agent", "pulp-init-probe"),
        ("Accept", "*/*"),
        ("Connection", "close"),
    ];
    let given = |name: &str| request.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    let usual = usual.into_iter().filter(|(name, _)| !given(name));
    for (name, value) in
        usual.chain(request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head + "\r\n"
}

fn compare(request: &Request, source: &mut Source<impl Read>) -> Result<(), String> {
    let head = read_head(source)?;
    if !request.accepts(head.status) {
        return Err(format!("status {}, expected {}", head.status, request.expected()));
    }
    for (name, pattern) in &request.expect_headers {
        let mut values = head.values(name).peekable();
        let first = values.peek().map(|value| String::from_utf8_lossy(value).into_owned());
        if !values.any(|value| pattern.is_match(value)) {
            let is = first.map_or("is missing".to_owned(), |value| format!("is `{value}`"));
            return Err(format!("header {name} {is}, expected to match `{pattern}`"));
        }
    }
    let Some(pattern) = &request.body else {
        if head.length().is_ok_and(|length| matches!(length, Length::Known(length) if length <= POLITE_BODY))
        {
            let _ = read_body(&head, source);
        }
        return Ok(());
    };
    let body = read_body(&head, source)?;
    if pattern.is_match(&body) {
        return Ok(());
    }
    let start = body.get(..100).unwrap_or(&body);
    Err(format!("body does not match `{pattern}`; it begins `{}`", String::from_utf8_lossy(start)))
}

/// Status and headers of an answer.
struct Head {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
}

/// How the end of a body is known.
#[derive(Clone, Copy)]
enum Length {
    Known(usize),
    Chunked,
    UntilClose,
}

impl Head {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_slice())
    }

    fn length(&self) -> Result<Length, String> {
        if matches!(self.status, 204 | 304) {
            return Ok(Length::Known(0));
        }
        let chunked = |value: &[u8]| value.to_ascii_lowercase().trim_ascii_end().ends_with(b"chunked");
        if self.values("Transfer-Encoding").any(chunked) {
            return Ok(Length::Chunked);
        }
        let Some(value) = self.values("Content-Length").next() else { return Ok(Length::UntilClose) };
        let number = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
        number.map(Length::Known).ok_or_else(|| "the answer's Content-Length is not a number".to_owned())
    }
}

/// Reads the head of the answer; interim answers (1xx) before it are skipped.
fn read_head(source: &mut Source<impl Read>) -> Result<Head, String> {
    let mut seen = 0;
    loop {
        // No more than would be parsed if it came byte by byte.
        let room = LARGEST_HEAD.saturating_sub(seen);
        match parse_head(source.rest().get(..room).unwrap_or(source.rest()))? {
            Some((used, head)) => {
                source.skip(used);
                seen += used;
                if !(100..200).contains(&head.status) {
                    return Ok(head);
                }
            }
            None if source.rest().len() + seen >= LARGEST_HEAD => {
                return Err(format!("the answer's headers are longer than {LARGEST_HEAD} bytes"));
            }
            None if source.more()? => {}
            None if source.rest().is_empty() => {
                return Err("the connection was closed without an answer".to_owned());
            }
            None => return Err("the answer ended within its headers".to_owned()),
        }
    }
}

fn parse_head(text: &[u8]) -> Result<Option<(usize, Head)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(text) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(used)) => {
            let headers =
                response.headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec()));
            let head = Head { status: response.code.unwrap_or_default(), headers: headers.collect() };
            Ok(Some((used, head)))
        }
        Err(error) => Err(format!("the answer is not HTTP: {error}")),
    }
}

/// The body, or as much of it as is matched.
fn read_body(head: &Head, source: &mut Source<impl Read>) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    match head.length()? {
        Length::Known(length) => source.take(&mut body, length.min(LARGEST_BODY))?,
        Length::UntilClose => {
            while source.rest().len() < LARGEST_BODY && source.more()? {}
            let length = source.rest().len().min(LARGEST_BODY);
            source.take(&mut body, length)?;
        }
        Length::Chunked => loop {
            let size = chunk_size(source)?;
            let room = LARGEST_BODY - body.len();
            source.take(&mut body, size.min(room))?;
            if size == 0 || size >= room {
                break;
            }
            source.take(&mut Vec::new(), 2)?;
        },
    }
    Ok(body)
}

fn chunk_size(source: &mut Source<impl Read>) -> Result<usize, String> {
    loop {
        match httparse::parse_chunk_size(source.rest().get(..LONGEST_CHUNK_LINE).unwrap_or(source.rest())) {
            Ok(httparse::Status::Complete((used, size))) => {
                source.skip(used);
                return Ok(usize::try_from(size).unwrap_or(usize::MAX));
            }
            Ok(httparse::Status::Partial) if source.rest().len() < LONGEST_CHUNK_LINE => {
                if !source.more()? {
                    return Err("the answer ended within its body".to_owned());
                }
            }
            _ => return Err("the answer's chunks are broken".to_owned()),
        }
    }
}

/// What was received and not yet used.
struct Source<S> {
    stream: S,
    received: Vec<u8>,
    used: usize,
}

impl<S: Read> Source<S> {
    fn new(stream: S) -> Source<S> {
        Source { stream, received: Vec::new(), used: 0 }
    }

    fn rest(&self) -> &[u8] {
        self.received.get(self.used..).unwrap_or_default()
    }

    fn skip(&mut self, bytes: usize) {
        self.used += bytes;
    }

    /// Receives more; `false` if there is no more. Many servers end TLS by closing the connection, which is its end too.
    fn more(&mut self) -> Result<bool, String> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => Ok(false),
            Ok(length) => {
                self.received.drain(..self.used.min(self.received.len()));
                self.used = 0;
                self.received.extend(buffer.iter().take(length));
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.more(),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(format!("cannot read the answer: {error}")),
        }
    }

    fn take(&mut self, into: &mut Vec<u8>, bytes: usize) -> Result<(), String> {
        let mut wanted = bytes;
        loop {
            let here = self.rest().get(..wanted).unwrap_or(self.rest());
            let length = here.len();
            into.extend_from_slice(here);
            self.skip(length);
            wanted -= length;
            if wanted == 0 {
                return Ok(());
            }
            if !self.more()? {
                return Err("the answer ended within its body".to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Probe;
    use super::super::Try;
    use super::*;
    use std::ffi::OsString;

    fn request(options: &[&str]) -> Request {
        let words = ["http", "http://x/"].iter().chain(options).map(OsString::from);
        match Probe::parse(words, None).unwrap().what {
            Try::Http(request) => *request,
            other => panic!("{other:?}"),
        }
    }

    /// Gives one byte at a time: the worst that a network can do.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(1);
            (&mut self.0).read(&mut buffer[..length])
        }
    }

    fn judged(options: &[&str], answer: &[u8]) -> Result<(), String> {
        let whole = compare(&request(options), &mut Source::new(answer));
        let dripped = compare(&request(options), &mut Source::new(Drip(answer)));
        assert_eq!(whole, dripped);
        whole
    }

    #[test]
    fn status_header_and_body_must_all_be_as_expected() {
        let answer = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nserver: two\r\nContent-Length: 5\r\n\r\nhelloX";
        let good = ["--expect-header", "SERVER: ^two$", "--body", "^hello$"];
        assert_eq!(judged(&good, answer), Ok(()));
        assert_eq!(judged(&["--status", "201"], answer), Err("status 200, expected 201".into()));
        let wrong = judged(&["--expect-header", "Server: apache"], answer).unwrap_err();
        assert_eq!(wrong, "header Server is `nginx`, expected to match `apache`");
        assert!(judged(&["--expect-header", "X: y"], answer).unwrap_err().contains("X is missing"));
        assert!(judged(&["--body", "bye"], answer).unwrap_err().contains("begins `hello`"));
    }

    #[test]
    fn body_is_read_however_its_end_is_told() {
        let body = |answer: &[u8]| judged(&["--body", "^hello world$"], answer);
        assert_eq!(body(b"HTTP/1.0 200\r\n\r\nhello world"), Ok(()));
        let chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n6;a=b\r\nhello \r\n05\r\nworld\r\n0\r\nX: y\r\n\r\n";
        assert_eq!(body(chunks), Ok(()));
        let interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world";
        assert_eq!(body(interim), Ok(()));
    }

    #[test]
    fn answers_that_are_cut_or_broken_are_failures() {
        for answer in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\nA: b",
            b"SSH-2.0-OpenSSH\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
            b"HTTP/1.1 200 OK\r\nContent-Length: -9\r\n\r\nx",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nx",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert!(judged(&["--body", "x"], answer).is_err(), "{}", String::from_utf8_lossy(answer));
        }
    }

    #[test]
    fn endless_heads_and_bodies_end() {
        let endless = |start: &'static [u8], byte| io::Read::chain(start, io::repeat(byte));
        let mut head = Source::new(endless(b"HTTP/1.1 200 OK\r\nA: ", b'x'));
        assert!(compare(&request(&[]), &mut head).unwrap_err().contains("headers are longer"));
        for start in
            [&b"HTTP/1.1 200 OK\r\n\r\n"[..], b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"]
        {
            assert_eq!(
                compare(&request(&["--body", "^x+$"]), &mut Source::new(endless(start, b'x'))),
                Ok(())
            );
        }
        let huge = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n";
        assert_eq!(compare(&request(&["--body", "^x+$"]), &mut Source::new(endless(huge, b'x'))), Ok(()));
    }

    #[test]
    fn request_is_one_get_and_given_headers_replace_the_usual() {
        let text = written(&request(&["--header", "host: other", "--header", "A: b"]));
        let expected = "GET / HTTP/1.1\r\nUser-Agent: pulp-init-probe\r\nAccept: */*\r\nConnection: close\r\n\
                        host: other\r\nA: b\r\n\r\n";
        assert_eq!(text, expected);
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_judged_without_panic(tail: Vec<u8>, head in "(HTTP/1.1 200 OK\r\n(Transfer-Encoding: chunked\r\n)?\r\n)?") {
            let answer = [head.as_bytes(), &tail].concat();
            let _ = judged(&["--body", "x"], &answer);
        }
    }
}

//! What the fuzzers run, and what `tests/corpus.rs` runs again on the inputs in `fuzz/corpus`.
//!
//! Each function takes arbitrary bytes, and panics if what must hold of them does not. Nothing else calls them.
#![allow(dead_code, clippy::panic, reason = "a finding is a panic; each target uses its part")]

use std::ffi::OsString;
use std::io::{BufReader, Read};

use init_control::wire::{self, Request, Response};
use init_plan::expand::expand;
use init_plan::{self as plan, Environment};
use init_probe::Probe;
use pulp_init::service::environment::file;
use pulp_init::service::log::lines::{Lines, MAX_LINE};
use pulp_init::service::notify;
use pulp_setup::steps::route_paths;

/// A service file: a plan whose order holds and that checks itself, or problems, each with a place.
pub fn plan(data: &[u8]) {
    let environment = Environment::from([("HOME".into(), "/root".into()), ("N".into(), "2".into())]);
    match plan::check_text(data, &environment) {
        Ok(made) => {
            let again = plan::Plan::new(made.services.clone(), made.bundles.clone(), made.settings.clone());
            assert!(again.is_ok(), "a compiled plan is not valid: {again:?}");
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a problem");
            assert!(
                problems.to_string().lines().all(|line| !line.trim().is_empty()),
                "an empty line in {problems}"
            );
        }
    }
}

/// Both sides of the control protocol: what is read is written and read again the same.
pub fn control(data: &[u8]) {
    if let Ok(request) = wire::decode::<Request>(data) {
        let written = wire::encode(&request).unwrap_or_default();
        let again = wire::decode::<Request>(written.strip_suffix(b"\n").unwrap_or(&written)).ok();
        assert!(written.is_empty() || again.as_ref() == Some(&request), "{request:?} became {again:?}");
    }
    if let Ok(response) = wire::decode::<Response>(data) {
        let written = wire::encode(&response).unwrap_or_default();
        let again = wire::decode::<Response>(written.strip_suffix(b"\n").unwrap_or(&written)).ok();
        assert!(written.is_empty() || again.as_ref() == Some(&response), "{response:?} became {again:?}");
    }
    let mut stream = BufReader::with_capacity(7, data);
    while let Ok(Some(_)) = wire::read::<Response>(&mut stream) {}
}

/// An sd_notify datagram: whatever it says, its status is one short line without control characters.
pub fn notify(data: &[u8]) {
    let said = notify::parse(data);
    if let Some(status) = said.status {
        assert!(status.len() <= notify::LARGEST_STATUS, "a status of {} bytes", status.len());
        assert!(!status.chars().any(char::is_control), "a control character in {status:?}");
    }
}

/// The output of a service in chunks, whose sizes the first bytes say: no byte is lost, and the cuts do not matter.
pub fn lines(data: &[u8]) {
    let (sizes, stream) = data.split_at_checked(8).unwrap_or((&[], data));
    let cut = pieces(stream, sizes);
    let whole = pieces(stream, &[]);
    assert_eq!(joined(&cut), joined(&whole), "chunks of {sizes:?} change what comes out");
    let mut expected = stream.to_vec();
    if expected.last().is_some_and(|&last| last != b'\n') {
        expected.push(b'\n');
    }
    assert!(joined(&whole) == expected, "bytes were lost or made up");
    assert!(
        cut.iter().all(|(text, _)| text.len() <= MAX_LINE && !text.contains(&b'\n')),
        "a piece is no line"
    );
}

/// Every piece, and whether its line ends with it.
fn pieces(stream: &[u8], sizes: &[u8]) -> Vec<(Vec<u8>, bool)> {
    let mut found = Vec::new();
    let mut lines = Lines::default();
    let mut rest = stream;
    for size in sizes.iter().cycle().map(|&size| usize::from(size).pow(2) + 1).chain([usize::MAX]) {
        let (mut chunk, left) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        while let Some(piece) = lines.next(&mut chunk) {
            found.push((piece.text.to_vec(), piece.ended));
        }
        rest = left;
        if rest.is_empty() {
            break;
        }
    }
    found.extend(lines.finish().map(|piece| (piece.text.to_vec(), piece.ended)));
    found
}

fn joined(pieces: &[(Vec<u8>, bool)]) -> Vec<u8> {
    pieces.iter().flat_map(|(text, ended)| text.iter().copied().chain(ended.then_some(b'\n'))).collect()
}

/// What a web server answers: the same is said of it however it is cut, and in one line.
pub fn http(data: &[u8]) {
    let (sizes, answer) = data.split_at_checked(2).unwrap_or((&[], data));
    for words in [
        &["http", "http://x/"][..],
        &["http", "http://x/", "--status", "100-599", "--body", "^(hello)*$", "--expect-header", "A: b"],
    ] {
        let Ok(probe) = Probe::parse(words.iter().map(OsString::from), None) else { panic!("{words:?}") };
        let whole = probe.judge(answer);
        let cut = probe.judge(Chunks { rest: answer, sizes: sizes.iter().cycle() });
        assert_eq!(whole, cut, "chunks of {sizes:?} change what is said");
        if let Err(why) = whole {
            assert!(!why.is_empty() && !why.contains(char::is_control), "no line: {why:?}");
        }
    }
}

/// Gives so many bytes at a time, again and again.
struct Chunks<'a> {
    rest: &'a [u8],
    sizes: std::iter::Cycle<std::slice::Iter<'a, u8>>,
}

impl Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.sizes.next().map_or(1, |&size| usize::from(size) + 1).min(buffer.len());
        let (buffer, _) = buffer.split_at_mut(size);
        self.rest.read(buffer)
    }
}

/// A file of variables: what is read, written with quotes and read again, is the same.
pub fn env_file(data: &[u8]) {
    match file::parse(data) {
        Err((line, why)) => {
            assert!((1..=data.len() + 1).contains(&line) && !why.is_empty(), "line {line}: {why}");
        }
        Ok(variables) => {
            let mut written = Vec::new();
            for (name, value) in &variables {
                written.extend_from_slice(name.as_encoded_bytes());
                written.extend_from_slice(b"=\"");
                for &byte in value.as_encoded_bytes() {
                    match byte {
                        b'\n' => written.extend_from_slice(b"\\n"),
                        b'"' | b'\\' | b'$' => written.extend_from_slice(&[b'\\', byte]),
                        0 => panic!("a NUL in {name:?}"),
                        _ => written.push(byte),
                    }
                }
                written.extend_from_slice(b"\"\n");
            }
            assert_eq!(file::parse(&written).as_ref(), Ok(&variables));
        }
    }
}

/// `${VAR}` in a string: whether it can be read does not depend on the variables, and what has no dollar stays.
pub fn expansion(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let with = |value: Option<&'static str>| expand(text, &move |_| value).map(std::borrow::Cow::into_owned);
    let (empty, full, unset) = (with(Some("")), with(Some("v")), with(None));
    assert_eq!(empty.is_ok(), full.is_ok(), "{empty:?} and {full:?}");
    if unset.is_ok() {
        assert_eq!(unset, empty, "a variable that may be missing is as if it were empty");
    }
    for why in [&empty, &full, &unset].into_iter().filter_map(|result| result.as_ref().err()) {
        assert!(!why.is_empty());
    }
    assert!(text.contains('$') || unset.as_deref() == Ok(text));
    assert_eq!(expand(&text.replace('$', "$$"), &|_| None).as_deref(), Ok(text));
}

/// A plugin's configuration of nginx: its locations, written and read again, are the same.
pub fn nginx(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let found = route_paths::locations(text);
    // A backslash before a quote cannot be written again.
    if text.contains(['"', '\\']) {
        return;
    }
    let mut written = String::new();
    for location in &found {
        written += &format!("location \"{}\" {{\n", location.path);
        for (name, value) in &location.directives {
            written += &format!("\"{name}\" \"{value}\"; # comment }}\n");
        }
        written += "}\n";
    }
    assert_eq!(route_paths::locations(&written), found, "from {written}");
}

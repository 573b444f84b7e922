//! What the fuzzers run, and what `tests/corpus.rs` runs again on the inputs in `fuzz/corpus`.
//!
//! Each function takes arbitrary bytes, and panics if what must hold of them does not. Nothing else calls them.
#![allow(dead_code, clippy::panic, reason = "a finding is a panic; each target uses its part")]

use std::io::BufReader;

use init_control::wire::{self, Request, Response};
use init_plan::{self as plan, Environment};
use pulp_init::service::log::lines::{Lines, MAX_LINE};
use pulp_init::service::notify;

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

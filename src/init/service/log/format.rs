//! What a line looks like in the container's output.
//!
//! * prefix: `NAME | line`, the name padded to the longest one up to 16, in a colour of its own on a terminal.
//!   The bytes of the line pass unchanged.
//! * JSON: `{"time":"2026-11-21T12:00:00.000Z","service":"NAME","message":"line"}`, one object a line. Bytes that
//!   are not UTF-8 are replaced by U+FFFD.
//!
//! A line that is too long comes in pieces (see [`super::lines`]). Each piece is written as a line of its own,
//! because another service's line may come between two of them and must not be glued to either. In prefix mode
//! a piece that continues a line has `+` in place of `|`; in JSON every piece but the last has `"partial":true`.

use std::io::IsTerminal;

use memchr::memchr;

use super::lines::{MAX_LINE, Piece};

/// Names are padded to the longest of them, but never beyond this.
const MAX_WIDTH: usize = 16;

/// Colours of names, as parameters of SGR: those that can be read on light and on dark. No red: it says "error".
const COLOURS: [&str; 10] = ["32", "33", "34", "35", "36", "92", "93", "94", "95", "96"];

/// The name under which `init` itself logs.
pub const OWN_NAME: &str = "init";

/// Whether names are coloured on `output`: it is a terminal, and `NO_COLOR` is unset or empty (no-color.org).
pub fn wants_colour(output: impl IsTerminal) -> bool {
    output.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// How lines are written; the same for all services.
#[derive(Debug)]
pub struct Format {
    colour: bool,
    width: usize,
    stamp: Stamp,
}

/// The text before a line of one service, good for one chunk.
#[derive(Debug)]
pub struct Head {
    first: Vec<u8>,
    continued: Vec<u8>,
}

impl Format {
    /// `colour`: the output is a terminal and nobody asked for no colours.
    pub fn new(colour: bool) -> Format {
        Format { colour, width: OWN_NAME.len(), stamp: Stamp::default() }
    }

    /// Makes room for one more name in the first column.
    pub fn widen(&mut self, name: &str) {
        self.width = self.width.max(name.chars().count().min(MAX_WIDTH));
    }

    /// What goes before the lines of `name` in prefix mode.
    pub fn prefix(&self, name: &str) -> Head {
        let head = |mark: char| {
            let width = self.width;
            match self.colour {
                true => format!("\x1b[{}m{name:width$} {mark}\x1b[0m ", colour_of(name)).into_bytes(),
                false => format!("{name:width$} {mark} ").into_bytes(),
            }
        };
        Head { first: head('|'), continued: head('+') }
    }

    /// What goes before the lines of `name` in JSON mode, at `time_ms` since 1970.
    pub fn json(&mut self, name: &str, time_ms: u64) -> Head {
        let mut first = b"{\"time\":\"".to_vec();
        first.extend_from_slice(self.stamp.at(time_ms).as_bytes());
        first.extend_from_slice(b"\",\"service\":\"");
        escape_text(&mut first, name.as_bytes());
        first.extend_from_slice(b"\",\"message\":\"");
        Head { first, continued: Vec::new() }
    }
}

/// Appends one piece in prefix mode.
#[inline]
pub fn put_prefixed(out: &mut Vec<u8>, head: &Head, piece: &Piece) {
    let head = if piece.continued { &head.continued } else { &head.first };
    out.reserve(head.len() + piece.text.len() + 1);
    out.extend_from_slice(head);
    out.extend_from_slice(piece.text);
    out.push(b'\n');
}

/// Appends whole lines from the front of `text` in prefix mode, until `out` has `enough` bytes. Leaves the rest of
/// `text`, which begins with a line that has not ended or is too long for one piece, and returns how many it took.
/// This is [`put_prefixed`] for each of them, without the detours: most of what a loud service writes goes here.
pub fn put_whole_lines(out: &mut Vec<u8>, enough: usize, head: &Head, text: &mut &[u8]) -> u64 {
    let mut lines = 0;
    while out.len() < enough {
        let Some(end) = memchr(b'\n', text).filter(|&end| end <= MAX_LINE) else { break };
        let Some((line, rest)) = text.split_at_checked(end + 1) else { break };
        out.reserve(head.first.len() + line.len());
        out.extend_from_slice(&head.first);
        out.extend_from_slice(line);
        *text = rest;
        lines += 1;
    }
    lines
}

/// Appends one piece in JSON mode.
pub fn put_json(out: &mut Vec<u8>, head: &Head, piece: &Piece) {
    out.extend_from_slice(&head.first);
    escape_text(out, piece.text);
    out.extend_from_slice(if piece.ended { b"\"}\n" } else { b"\",\"partial\":true}\n" });
}

/// The same name has the same colour in every run of the container (FNV-1a).
fn colour_of(name: &str) -> &'static str {
    if name == OWN_NAME {
        return "1";
    }
    let hash =
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    COLOURS.get(hash as usize % COLOURS.len()).unwrap_or(&"0")
}

/// Appends `text` as the inside of a JSON string; bytes that are not UTF-8 become U+FFFD.
fn escape_text(out: &mut Vec<u8>, text: &[u8]) {
    // Most text is valid, and this check is several times faster than going through it piece by piece.
    if let Ok(text) = std::str::from_utf8(text) {
        return escape_str(out, text);
    }
    for chunk in text.utf8_chunks() {
        escape_str(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

fn escape_str(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = first_special(rest) {
        let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = special.split_first() else { return };
        escape_byte(out, byte);
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// Where the first byte is that must be escaped. Whole blocks are looked at first, without a branch for each
/// byte, which the compiler turns into vector instructions: most text has nothing to escape.
fn first_special(text: &[u8]) -> Option<usize> {
    const BLOCK: usize = 32;
    let is_plain = |block: &&[u8]| block.iter().fold(0, |any, &byte| any | u8::from(must_escape(byte))) == 0;
    let plain = BLOCK * text.chunks_exact(BLOCK).take_while(is_plain).count();
    let rest = text.get(plain..)?;
    rest.iter().position(|&byte| must_escape(byte)).map(|at| plain + at)
}

#[inline]
fn must_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || byte == 0x7f
}

fn escape_byte(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
    }
}

/// The last time written as text: chunks that come within a millisecond share it.
#[derive(Debug, Default)]
struct Stamp {
    time_ms: u64,
    text: String,
}

impl Stamp {
    fn at(&mut self, time_ms: u64) -> &str {
        if self.text.is_empty() || self.time_ms != time_ms {
            self.time_ms = time_ms;
            self.text = init_control::time::rfc3339(time_ms);
        }
        &self.text
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece(text: &[u8], continued: bool, ended: bool) -> Piece<'_> {
        Piece { text, continued, ended, in_chunk: false }
    }

    fn json(name: &str, text: &[u8], ended: bool) -> serde_json::Value {
        let head = Format::new(false).json(name, 1_795_262_400_007);
        let mut out = Vec::new();
        put_json(&mut out, &head, &piece(text, false, ended));
        assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1);
        assert_eq!(out.last(), Some(&b'\n'));
        serde_json::from_slice(&out).expect("JSON")
    }

    fn prefixed(format: &Format, name: &str, piece: &Piece) -> String {
        let mut out = Vec::new();
        put_prefixed(&mut out, &format.prefix(name), piece);
        String::from_utf8_lossy(&out).into_owned()
    }

    proptest! {
        #[test]
        fn json_of_any_bytes_can_be_read_back(text in prop::collection::vec(any::<u8>(), 0..300), name in ".*") {
            let value = json(&name, &text, true);
            prop_assert_eq!(value["message"].as_str(), Some(&*String::from_utf8_lossy(&text)));
            prop_assert_eq!(value["service"].as_str(), Some(&*name));
        }

        #[test]
        fn json_of_any_text_is_that_text(text in "[\\x00-\\x7f\u{e9}\u{1f600}\u{2028}]{0,100}") {
            let value = json("web", text.as_bytes(), true);
            prop_assert_eq!(value["message"].as_str(), Some(&*text));
        }
    }

    #[test]
    fn json_has_time_in_utc_and_says_when_a_line_goes_on() {
        let whole = json("web", b"x", true);
        assert_eq!(whole["time"], "2026-11-21T12:00:00.007Z");
        assert_eq!(whole.get("partial"), None);
        assert_eq!(json("web", b"x", false)["partial"], true);
    }

    #[test]
    fn names_are_padded_to_the_longest_up_to_16() {
        let mut format = Format::new(false);
        assert_eq!(prefixed(&format, "db", &piece(b"up", false, true)), "db   | up\n");
        format.widen("postgres");
        assert_eq!(prefixed(&format, "db", &piece(b"up", false, true)), "db       | up\n");
        let long = "a-very-long-name-of-a-service";
        format.widen(long);
        assert_eq!(prefixed(&format, "db", &piece(b"", false, true)), "db               | \n");
        assert_eq!(prefixed(&format, long, &piece(b"up", false, true)), format!("{long} | up\n"));
    }

    #[test]
    fn piece_that_continues_a_line_is_a_line_of_its_own_marked_with_plus() {
        let format = Format::new(false);
        assert_eq!(prefixed(&format, "db", &piece(b"one", false, false)), "db   | one\n");
        assert_eq!(prefixed(&format, "db", &piece(b"two", true, true)), "db   + two\n");
    }

    #[test]
    fn colour_surrounds_the_name_only_and_stays_the_same() {
        let format = Format::new(true);
        let line = prefixed(&format, "db", &piece(b"up", false, true));
        assert_eq!(line, prefixed(&Format::new(true), "db", &piece(b"up", false, true)));
        assert!(line.starts_with("\x1b[") && line.ends_with("db   |\x1b[0m up\n"), "{line:?}");
    }

    #[test]
    fn colours_of_names_differ() {
        let names: Vec<String> = (0..100).map(|n| format!("service-{n}")).collect();
        let colours: std::collections::BTreeSet<_> = names.iter().map(|name| colour_of(name)).collect();
        assert_eq!(colours.len(), COLOURS.len());
    }
}

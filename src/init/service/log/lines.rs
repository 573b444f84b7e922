//! Bytes in, lines out, for the output of one service.
//!
//! A pipe gives bytes in chunks of any size: a chunk may hold many lines, or a part of one. [`Lines`] hands
//! out whole lines as slices of the chunk and copies only the line that lies across two chunks. What it keeps
//! between chunks is that one partial line, so a service that is quiet costs no memory.
//!
//! A line longer than [`MAX_LINE`] is handed out in pieces of that size, so that no service can make PID 1 keep
//! more; no character is cut in two. The last piece of a line is never empty. How the bytes are cut into chunks
//! makes no difference.

use memchr::memchr;
use serde::{Deserialize, Serialize};

use crate::reexec::bytes;

/// The longest line, in bytes without its newline, that is handed out in one piece.
pub const MAX_LINE: usize = 64 * 1024;

/// A line, or a part of one that is longer than [`MAX_LINE`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Piece<'a> {
    /// Its bytes, without the newline; anything but a newline may be in it.
    pub text: &'a [u8],
    /// The line began in an earlier piece.
    pub continued: bool,
    /// The line ends here.
    pub ended: bool,
    /// `text` is a part of the chunk and the newline follows it there.
    pub in_chunk: bool,
}

/// Splits the stream of one service into lines.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Lines {
    /// The line whose end has not come yet; allocated only while there is one.
    #[serde(with = "bytes")]
    partial: Vec<u8>,
    /// So much of `partial` was handed out by the last call and goes with the next.
    given: usize,
    /// The line being read is longer than one piece.
    inside: bool,
}

impl Lines {
    /// The next line of the stream, taken off the front of `chunk`; `None` once the chunk is used up (what is
    /// left of it is then kept). Call it until it returns `None`, then with the next chunk.
    #[inline]
    pub fn next<'s, 'c: 's>(&'s mut self, chunk: &mut &'c [u8]) -> Option<Piece<'s>> {
        self.forget_given();
        let room = MAX_LINE.saturating_sub(self.partial.len());
        let window = chunk.get(..=room).unwrap_or(chunk);
        match memchr(b'\n', window) {
            Some(end) => Some(self.take_end(chunk, end)),
            None if chunk.len() > room => Some(self.take_piece(chunk, room)),
            None => {
                self.partial.extend_from_slice(chunk);
                *chunk = &[];
                None
            }
        }
    }

    /// The line without a newline that a run left at its end, if any. The next run begins a new line.
    pub fn finish(&mut self) -> Option<Piece<'_>> {
        self.forget_given();
        let continued = std::mem::take(&mut self.inside);
        if self.partial.is_empty() {
            return None;
        }
        self.given = self.partial.len();
        Some(Piece { text: &self.partial, continued, ended: true, in_chunk: false })
    }

    /// Whether a line has begun and not ended.
    #[inline]
    pub fn is_partial(&self) -> bool {
        self.inside || self.given < self.partial.len()
    }

    /// The heap memory in use, in bytes.
    pub fn heap(&self) -> usize {
        self.partial.capacity()
    }

    /// Frees the line that was handed out. Its memory is not kept for the next one: that would cost every
    /// service that ever wrote half a line, and saves nothing beside the system call that brought the chunk.
    #[inline]
    fn forget_given(&mut self) {
        if self.given > 0 {
            let rest = self.partial.get(self.given..).unwrap_or_default().to_vec();
            self.partial = rest;
            self.given = 0;
        }
    }

    /// Takes the line that ends `len` bytes into the chunk, and its newline.
    #[inline]
    fn take_end<'s, 'c: 's>(&'s mut self, chunk: &mut &'c [u8], len: usize) -> Piece<'s> {
        let (text, rest) = chunk.split_at_checked(len).unwrap_or((chunk, &[]));
        *chunk = rest.get(1..).unwrap_or_default();
        let continued = std::mem::take(&mut self.inside);
        if self.partial.is_empty() {
            return Piece { text, continued, ended: true, in_chunk: true };
        }
        self.partial.extend_from_slice(text);
        self.given = self.partial.len();
        Piece { text: &self.partial, continued, ended: true, in_chunk: false }
    }

    /// Takes a piece that needs `len` bytes of the chunk, more of which follow.
    fn take_piece<'s, 'c: 's>(&'s mut self, chunk: &mut &'c [u8], len: usize) -> Piece<'s> {
        let (text, rest) = chunk.split_at_checked(len).unwrap_or((chunk, &[]));
        let continued = std::mem::replace(&mut self.inside, true);
        let next = rest.first().copied().unwrap_or_default();
        if self.partial.is_empty() {
            let (text, _) = text.split_at_checked(character_boundary(text, next)).unwrap_or((text, &[]));
            *chunk = chunk.get(text.len()..).unwrap_or_default();
            return Piece { text, continued, ended: false, in_chunk: false };
        }
        *chunk = rest;
        self.partial.extend_from_slice(text);
        self.given = character_boundary(&self.partial, next);
        let text = self.partial.get(..self.given).unwrap_or_default();
        Piece { text, continued, ended: false, in_chunk: false }
    }
}

/// Where to cut a line of which `text` and then `next` are a part, so that no UTF-8 character is cut in two: its
/// halves would be unreadable in JSON. At most 3 bytes before the end of `text`.
fn character_boundary(text: &[u8], next: u8) -> usize {
    let is_inner = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    if !is_inner(next) {
        return text.len();
    }
    match text.iter().rev().take(3).position(|&byte| !is_inner(byte)) {
        Some(inner) if text.get(text.len() - inner - 1).is_some_and(|&lead| length(lead) > inner + 1) => {
            text.len() - inner - 1
        }
        _ => text.len(),
    }
}

/// How many bytes a UTF-8 character has that begins with `lead`.
fn length(lead: u8) -> usize {
    match lead {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// (text, continued, ended) of every piece.
    type Pieces = Vec<(Vec<u8>, bool, bool)>;

    fn split(input: &[u8], sizes: &[usize]) -> Pieces {
        let (mut lines, mut pieces, mut rest) = (Lines::default(), Pieces::new(), input);
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let size = sizes.next().copied().unwrap_or(rest.len()).min(rest.len());
            let (mut chunk, after) = rest.split_at(size);
            while let Some(piece) = lines.next(&mut chunk) {
                pieces.push((piece.text.to_vec(), piece.continued, piece.ended));
            }
            assert!(lines.heap() <= 2 * MAX_LINE, "keeps {} bytes", lines.heap());
            rest = after;
        }
        if let Some(piece) = lines.finish() {
            pieces.push((piece.text.to_vec(), piece.continued, piece.ended));
        }
        assert_eq!(lines.finish(), None);
        pieces
    }

    fn joined(pieces: &Pieces) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (text, _, ended) in pieces {
            bytes.extend_from_slice(text);
            bytes.extend_from_slice(if *ended { b"\n" } else { b"" });
        }
        bytes
    }

    /// Any bytes, with runs that are longer than a piece.
    fn streams() -> impl Strategy<Value = Vec<u8>> {
        let short = prop::collection::vec(prop_oneof![Just(b'\n'), Just(0), any::<u8>()], 0..40);
        let long = (any::<u8>(), MAX_LINE - 3..2 * MAX_LINE + 3).prop_map(|(byte, len)| vec![byte; len]);
        let letters = (MAX_LINE / 3 - 2..MAX_LINE).prop_map(|len| "\u{20ac}".repeat(len).into_bytes());
        let parts = prop_oneof![6 => short, 1 => long, 1 => letters];
        prop::collection::vec(parts, 0..8).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn no_byte_is_lost(input in streams(), sizes in prop::collection::vec(1usize..70_000, 1..9)) {
            let mut bytes = joined(&split(&input, &sizes));
            if !input.is_empty() && !input.ends_with(b"\n") {
                prop_assert_eq!(bytes.pop(), Some(b'\n'));
            }
            prop_assert!(bytes == input);
        }

        #[test]
        fn chunking_makes_no_difference(input in streams(), sizes in prop::collection::vec(1usize..70_000, 1..9)) {
            prop_assert!(split(&input, &sizes) == split(&input, &[]));
        }

        #[test]
        fn pieces_are_full_and_marked(input in streams(), sizes in prop::collection::vec(1usize..70_000, 1..9)) {
            let mut inside = false;
            for (text, continued, ended) in split(&input, &sizes) {
                prop_assert_eq!(continued, inside);
                prop_assert!(text.len() <= MAX_LINE);
                prop_assert!(ended || text.len() > MAX_LINE - 4);
                prop_assert!(!continued || !text.is_empty());
                inside = !ended;
            }
            prop_assert!(!inside);
        }
    }

    #[test]
    fn character_is_not_cut_in_two() {
        let line = format!("a{}\n", "\u{20ac}".repeat(MAX_LINE));
        for sizes in [&[][..], &[1000], &[MAX_LINE - 1, 1]] {
            for (text, _, _) in split(line.as_bytes(), sizes) {
                assert!(std::str::from_utf8(&text).is_ok());
            }
        }
    }

    #[test]
    fn longest_line_is_one_piece() {
        let line = [&vec![b'x'; MAX_LINE][..], b"\n"].concat();
        assert_eq!(split(&line, &[]).len(), 1);
        assert_eq!(split(&line, &[MAX_LINE]).len(), 1);
    }

    #[test]
    fn nothing_is_allocated_for_whole_lines_nor_after_a_split_one() {
        let mut lines = Lines::default();
        for mut chunk in [&b"a\nb\n"[..], b"half", b" line\n", b""] {
            while lines.next(&mut chunk).is_some() {}
            assert!(!lines.is_partial() || lines.heap() > 0);
        }
        assert_eq!(lines.heap(), 0);
    }
}

//! Bytes as they arrive, cut into lines of bounded length.

use std::io;

use init_control::wire::{self, MAX_MESSAGE};

/// How many bytes are read at a time: about a hundred log lines.
const PIECE: usize = 16 * 1024;

/// What has arrived and was not taken yet.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Where the first newline after `start` is, if it has arrived.
    newline: Option<usize>,
}

impl Lines {
    /// Whether a whole line has arrived.
    pub fn has_line(&self) -> bool {
        self.newline.is_some()
    }

    /// The next line without its newline, if all of it has arrived.
    pub fn take_line(&mut self) -> Option<&[u8]> {
        let (start, end) = (self.start, self.newline?);
        self.start = end + 1;
        self.newline = self.find_newline(self.start);
        self.bytes.get(start..end)
    }

    /// Reads once more, by a function that fills a buffer and says how far. There must be no whole line.
    ///
    /// # Errors
    /// What reading says; `InvalidData` if the line becomes longer than [`MAX_MESSAGE`].
    pub fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let before = self.bytes.len();
        if before >= MAX_MESSAGE {
            return Err(wire::cut_off());
        }
        self.bytes.resize(before + PIECE, 0);
        let result = read(self.bytes.get_mut(before..).unwrap_or_default());
        self.bytes.truncate(before + result.as_ref().map_or(0, |&count| count.min(PIECE)));
        self.newline = self.find_newline(before);
        result
    }

    /// Why there is no further line once reading has come to its end.
    pub fn end(&self) -> io::Error {
        if self.bytes.is_empty() { wire::hung_up() } else { wire::cut_off() }
    }

    fn find_newline(&self, from: usize) -> Option<usize> {
        let found = memchr::memchr(b'\n', self.bytes.get(from..)?);
        found.map(|at| from + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds these bytes, in pieces of at most so many.
    fn feed(lines: &mut Lines, mut bytes: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let count = bytes.len().min(piece);
            let read = lines.fill(|buffer| {
                buffer[..count].copy_from_slice(&bytes[..count]);
                Ok(count)
            });
            bytes = &bytes[read.unwrap()..];
            while let Some(line) = lines.take_line() {
                found.push(line.to_vec());
            }
        }
        found
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let text = b"one\n\ntwo two\nthree\n";
        for piece in 1..text.len() {
            let found = feed(&mut Lines::default(), text, piece);
            assert_eq!(found, [&b"one"[..], b"", b"two two", b"three"], "{piece} bytes at a time");
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused_before_it_fills_the_memory() {
        let mut lines = Lines::default();
        let mut taken = 0;
        let refusal = loop {
            match lines.fill(|buffer| Ok(buffer.len())) {
                Ok(count) => taken += count,
                Err(error) => break error,
            }
        };
        assert_eq!(refusal.kind(), io::ErrorKind::InvalidData);
        assert!(taken < MAX_MESSAGE + 2 * PIECE, "{taken}");
    }

    #[test]
    fn a_hangup_inside_a_line_is_told_from_one_between_lines() {
        let mut lines = Lines::default();
        feed(&mut lines, b"one\n", 9);
        lines.fill(|_| Ok(0)).unwrap();
        assert_eq!(lines.end().kind(), io::ErrorKind::UnexpectedEof);
        feed(&mut lines, b"tw", 9);
        lines.fill(|_| Ok(0)).unwrap();
        assert_eq!(lines.end().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_read_that_fails_adds_nothing() {
        let mut lines = Lines::default();
        assert!(lines.fill(|_| Err(io::ErrorKind::WouldBlock.into())).is_err());
        assert_eq!(feed(&mut lines, b"x\n", 9), [b"x"]);
    }
}

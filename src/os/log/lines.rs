//! Bytes in, lines out, for the output of one service.
//!
//! A pipe gives bytes in chunks of any size: a chunk may hold many lines, or a part of one. [`Lines`] hands
//! out whole lines as slices of the chunk and copies only the line that lies across two chunks. What it keeps
//! between chunks is that one partial line, so a service that is quiet costs no memory.
//!
//! A line longer than [`MAX_LINE`] is handed out in pieces of that size, so that no service can make PID 1 keep
//! more. The last piece of a line is never empty. How the bytes are cut into chunks makes no difference.

use memchr::memchr;

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
#[derive(Debug, Default)]
pub struct Lines {
    /// The line whose end has not come yet; allocated only while there is one.
    partial: Vec<u8>,
    /// `partial` was handed out by the last call and goes with the next.
    given: bool,
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
            Some(end) => Some(self.take(chunk, end, true)),
            None if chunk.len() > room => Some(self.take(chunk, room, false)),
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
        self.given = true;
        Some(Piece { text: &self.partial, continued, ended: true, in_chunk: false })
    }

    /// Whether a line has begun and not ended.
    pub fn is_partial(&self) -> bool {
        self.inside || (!self.given && !self.partial.is_empty())
    }

    /// The heap memory in use, in bytes.
    pub fn heap(&self) -> usize {
        self.partial.capacity()
    }

    /// Frees the line that was handed out. Its memory is not kept for the next one: that would cost every
    /// service that ever wrote half a line, and saves nothing beside the system call that brought the chunk.
    #[inline]
    fn forget_given(&mut self) {
        if self.given {
            self.given = false;
            self.partial = Vec::new();
        }
    }

    /// Takes `len` bytes off the chunk, and the newline after them where the line has `ended`.
    #[inline]
    fn take<'s, 'c: 's>(&'s mut self, chunk: &mut &'c [u8], len: usize, ended: bool) -> Piece<'s> {
        let (text, rest) = chunk.split_at_checked(len).unwrap_or((chunk, &[]));
        *chunk = if ended { rest.get(1..).unwrap_or_default() } else { rest };
        let continued = std::mem::replace(&mut self.inside, !ended);
        if self.partial.is_empty() {
            return Piece { text, continued, ended, in_chunk: ended };
        }
        self.partial.extend_from_slice(text);
        self.given = true;
        Piece { text: &self.partial, continued, ended, in_chunk: false }
    }
}

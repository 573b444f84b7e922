//! The output of one service: split into lines, kept in its ring.

use super::NOISY;
use super::lines::{Lines, Piece};
use super::ring::Ring;
use crate::plan::model::Log;

/// What is known of one service. There may be thousands: keep it small.
#[derive(Debug)]
pub struct Stream {
    pub name: Box<str>,
    pub mode: Log,
    pub lines: Lines,
    /// Allocated with the first line.
    pub ring: Option<Box<Ring>>,
    /// A run is over, its last line is written once the pipe is empty.
    pub finishing: bool,
    /// Reads in a row that filled the chunk; beyond [`NOISY`]: that was acted on.
    full_reads: u8,
}

impl Stream {
    pub fn new(name: &str, mode: Log) -> Stream {
        Stream {
            name: name.into(),
            mode,
            lines: Lines::default(),
            ring: None,
            finishing: false,
            full_reads: 0,
        }
    }

    /// Its lines go to the container's output.
    pub fn writes(&self) -> bool {
        matches!(self.mode, Log::Prefix | Log::Json)
    }

    /// Whether it ever was; see [`Stream::is_noisy`].
    pub fn was_noisy(&self) -> bool {
        self.full_reads >= NOISY
    }

    /// True once in a service's life: when it has filled the chunk [`NOISY`] times in a row.
    pub fn is_noisy(&mut self, full: bool) -> bool {
        match (self.full_reads, full) {
            (NOISY.., _) => false,
            (_, false) => {
                self.full_reads = 0;
                false
            }
            (_, true) => {
                self.full_reads += 1;
                self.full_reads == NOISY
            }
        }
    }

    /// Gives each piece of `chunk` (and with `finish` the line without an end) to `each` until that says false;
    /// keeps the pieces given in the ring; returns what is left of the chunk.
    pub fn feed<'c>(
        &mut self,
        chunk: &'c [u8],
        finish: bool,
        time_ms: u64,
        ring_limit: usize,
        mut each: impl FnMut(&Piece) -> bool,
    ) -> &'c [u8] {
        let keeps = ring_limit > 0 && self.mode != Log::None;
        let mut ring = keeps.then(|| self.ring.get_or_insert_with(|| Box::new(Ring::new(ring_limit))));
        let mut rest = chunk;
        // The whole lines of the chunk that the ring has not got yet begin here, and end at `rest`; so many they are.
        let (mut run, mut lines) = (0, 0);
        let mut wanted = true;
        while wanted {
            let before = chunk.len() - rest.len();
            let Some(piece) = self.lines.next(&mut rest) else {
                keep(&mut ring, time_ms, chunk.get(run..before), lines);
                run = chunk.len();
                break;
            };
            if piece.in_chunk {
                lines += 1;
            } else {
                keep(&mut ring, time_ms, chunk.get(run..before), std::mem::take(&mut lines));
                if let Some(ring) = &mut ring {
                    ring.push_line(time_ms, piece.text);
                }
                run = chunk.len() - rest.len();
            }
            wanted = each(&piece);
        }
        keep(&mut ring, time_ms, chunk.get(run..chunk.len() - rest.len()), lines);
        if let Some(piece) = finish.then(|| self.lines.finish()).flatten() {
            if let Some(ring) = &mut ring {
                ring.push_line(time_ms, piece.text);
            }
            each(&piece);
        }
        rest
    }
}

fn keep(ring: &mut Option<&mut Box<Ring>>, time_ms: u64, run: Option<&[u8]>, lines: u64) {
    if let (Some(ring), Some(run)) = (ring, run) {
        ring.push(time_ms, run, lines);
    }
}

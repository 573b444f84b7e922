//! The output of one service: split into lines, kept in its ring.

use serde::{Deserialize, Serialize};

use super::NOISY;
use super::lines::{Lines, Piece};
use super::ring::Ring;
use init_plan::model::Log;

/// What is known of one service. There may be thousands: keep it small.
#[derive(Debug, Deserialize, Serialize)]
pub struct Stream {
    pub name: Box<str>,
    pub mode: Log,
    pub lines: Lines,
    /// Allocated with the first line.
    pub ring: Option<Box<Ring>>,
    /// A run is over, its last line is written once the pipe is empty.
    pub finishing: bool,
    /// Reads in a row that brought much; beyond [`NOISY`]: that was acted on.
    large_reads: u8,
}

/// Who is given the lines of a stream.
pub trait Take {
    /// Takes as many whole lines from the front of `text` as it has room for, possibly none. Returns how many, and whether it
    /// wants more.
    fn whole_lines(&mut self, text: &mut &[u8]) -> (u64, bool);

    /// Takes a line or a part of one; false: it wants no more.
    fn piece(&mut self, piece: &Piece) -> bool;
}

impl Stream {
    pub fn new(name: &str, mode: Log) -> Stream {
        Stream {
            name: name.into(),
            mode,
            lines: Lines::default(),
            ring: None,
            finishing: false,
            large_reads: 0,
        }
    }

    /// Its lines go to the container's output.
    pub fn writes(&self) -> bool {
        matches!(self.mode, Log::Prefix | Log::Json)
    }

    /// Whether it ever was; see [`Stream::is_noisy`].
    pub fn was_noisy(&self) -> bool {
        self.large_reads >= NOISY
    }

    /// True once in a service's life: when [`NOISY`] reads in a row have brought much.
    pub fn is_noisy(&mut self, much: bool) -> bool {
        match (self.large_reads, much) {
            (NOISY.., _) => false,
            (_, false) => {
                self.large_reads = 0;
                false
            }
            (_, true) => {
                self.large_reads += 1;
                self.large_reads == NOISY
            }
        }
    }

    /// Gives each line of `chunk` (and with `finish` the one without an end) to `taker` until that wants no more;
    /// keeps what was given in the ring; returns what is left of the chunk.
    pub fn feed<'c>(
        &mut self,
        chunk: &'c [u8],
        finish: bool,
        time_ms: u64,
        ring_limit: usize,
        taker: &mut impl Take,
    ) -> &'c [u8] {
        let keeps = ring_limit > 0 && self.mode != Log::None;
        let mut ring = keeps.then(|| self.ring.get_or_insert_with(|| Box::new(Ring::new(ring_limit))));
        let mut rest = chunk;
        // The whole lines of the chunk that the ring has not got yet begin here, and end at `rest`; so many they are.
        let (mut run, mut lines) = (0, 0);
        let mut wanted = true;
        while wanted {
            if !self.lines.is_partial() {
                let taken;
                (taken, wanted) = taker.whole_lines(&mut rest);
                lines += taken;
                if !wanted {
                    break;
                }
            }
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
            wanted = taker.piece(&piece);
        }
        keep(&mut ring, time_ms, chunk.get(run..chunk.len() - rest.len()), lines);
        if let Some(piece) = finish.then(|| self.lines.finish()).flatten() {
            if let Some(ring) = &mut ring {
                ring.push_line(time_ms, piece.text);
            }
            taker.piece(&piece);
        }
        rest
    }
}

fn keep(ring: &mut Option<&mut Box<Ring>>, time_ms: u64, run: Option<&[u8]>, lines: u64) {
    if let (Some(ring), Some(run)) = (ring, run) {
        ring.push(time_ms, run, lines);
    }
}

//! The last lines of one service, for `svctl logs`.
//!
//! Bulk output must not wait for this, so lines are not stored one by one: a run of whole lines is copied as it
//! came, newlines included, and the time is kept once for all lines that came within a millisecond (a [`Mark`]).
//! A run longer than the ring costs only its last bytes. Lines are numbered from 0 in the order they came;
//! a follower that asks for "everything from number N" gets no line twice, and is told how many it missed.
//!
//! Marks count against the limit: the ring never holds more than it is allowed to, however short the lines.

use std::borrow::Cow;
use std::collections::{VecDeque, vec_deque};

use memchr::{memchr, memchr_iter, memrchr};
use serde::{Deserialize, Serialize};

use crate::reexec::bytes;

/// The lines from `line` on came at `time_ms`; they begin at byte `start` of all that was ever pushed.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Mark {
    time_ms: u64,
    line: u64,
    start: u64,
}

/// What a mark counts for.
const MARK: usize = size_of::<Mark>();

/// A ring of lines; allocates nothing until the first line comes.
#[derive(Debug, Deserialize, Serialize)]
pub struct Ring {
    limit: usize,
    #[serde(with = "bytes")]
    bytes: VecDeque<u8>,
    marks: VecDeque<Mark>,
    /// Number of the oldest line kept.
    first: u64,
    /// Number of the next line.
    next: u64,
    /// Position of `bytes`' first byte in all that was ever pushed.
    start: u64,
}

/// A line that is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record<'a> {
    /// Its number.
    pub seq: u64,
    /// When it came, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its bytes, without the newline.
    pub line: Cow<'a, [u8]>,
}

impl Ring {
    /// A ring that uses at most `limit` bytes; 0: it keeps nothing.
    pub fn new(limit: usize) -> Ring {
        let (bytes, marks) = (VecDeque::new(), VecDeque::new());
        Ring { limit, bytes, marks, first: 0, next: 0, start: 0 }
    }

    /// Number of the oldest line kept (of the next one, if none is).
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Number the next line will get.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The heap memory in use, in bytes.
    pub fn heap(&self) -> usize {
        self.bytes.capacity() + self.marks.capacity() * MARK
    }

    /// Keeps `run`, so many whole `lines` each with its newline, dropping the oldest for it. A line longer than the
    /// ring is cut.
    pub fn push(&mut self, time_ms: u64, run: &[u8], lines: u64) {
        if run.is_empty() || self.limit <= 2 * MARK {
            return;
        }
        let room = self.limit - MARK;
        if run.len() <= room {
            return self.append(time_ms, run, lines);
        }
        self.clear();
        match last_lines(run, room) {
            Some(kept) => {
                let keeps = memchr_iter(b'\n', kept).count() as u64;
                self.skip(lines.saturating_sub(keeps));
                self.append(time_ms, kept, keeps);
            }
            None => self.push_cut(time_ms, run, lines, room),
        }
    }

    /// Keeps one line, given without its newline.
    pub fn push_line(&mut self, time_ms: u64, line: &[u8]) {
        if self.limit <= 2 * MARK {
            return;
        }
        let room = self.limit - MARK;
        let line = line.get(..room - 1).unwrap_or(line);
        self.make_room(time_ms, line.len() + 1);
        self.mark(time_ms);
        self.extend(line);
        self.extend(b"\n");
        self.next += 1;
    }

    /// The lines from number `seq` on, oldest first, and how many from there on are gone.
    pub fn since(&self, seq: u64) -> (u64, Records<'_>) {
        let from = seq.clamp(self.first, self.next);
        (from.saturating_sub(seq), Records::new(self, from))
    }

    /// The last `lines` lines, oldest first.
    pub fn tail(&self, lines: usize) -> Records<'_> {
        self.since(self.next.saturating_sub(lines as u64)).1
    }

    /// Not one of the lines fits but the end of the last: keep how that one begins.
    fn push_cut(&mut self, time_ms: u64, run: &[u8], lines: u64, room: usize) {
        let body = run.strip_suffix(b"\n").unwrap_or(run);
        let line = memrchr(b'\n', body).and_then(|at| body.get(at + 1..)).unwrap_or(body);
        self.skip(lines.saturating_sub(1));
        self.push_line(time_ms, line.get(..room).unwrap_or(line));
    }

    fn append(&mut self, time_ms: u64, run: &[u8], lines: u64) {
        self.make_room(time_ms, run.len());
        self.mark(time_ms);
        self.extend(run);
        self.next += lines;
    }

    /// Counts lines that are not kept; nothing older is.
    fn skip(&mut self, lines: u64) {
        self.next += lines;
        self.first = self.next;
    }

    fn clear(&mut self) {
        self.start += self.bytes.len() as u64;
        self.bytes.clear();
        self.marks.clear();
        self.first = self.next;
    }

    /// Drops the oldest lines until `len` bytes more fit.
    fn make_room(&mut self, time_ms: u64, len: usize) {
        loop {
            let mark = if self.marks.back().is_some_and(|mark| mark.time_ms == time_ms) { 0 } else { MARK };
            let used = self.bytes.len() + self.marks.len() * MARK;
            match (used + mark + len).checked_sub(self.limit) {
                None | Some(0) => return,
                Some(excess) => self.drop_oldest(excess),
            }
        }
    }

    /// Drops whole lines from the front, of `excess` bytes or (marks go with them) a little less or more.
    fn drop_oldest(&mut self, excess: usize) {
        let len = self.end_of_line(excess.min(self.bytes.len()).saturating_sub(1));
        self.first += self.lines_within(len);
        self.bytes.drain(..len);
        self.start += len as u64;
        self.drop_marks();
    }

    /// How many lines the first `len` bytes are.
    fn lines_within(&self, len: usize) -> u64 {
        if len == self.bytes.len() {
            return self.next - self.first;
        }
        let (front, back) = self.bytes.as_slices();
        let in_front = front.get(..len).unwrap_or(front);
        let in_back = back.get(..len - in_front.len()).unwrap_or(back);
        (memchr_iter(b'\n', in_front).count() + memchr_iter(b'\n', in_back).count()) as u64
    }

    /// Drops the marks that have no line left; the first one left begins with the first line left.
    fn drop_marks(&mut self) {
        while self.marks.get(1).is_some_and(|second| second.start <= self.start) {
            self.marks.pop_front();
        }
        if self.bytes.is_empty() {
            self.marks.clear();
        }
        if let Some(mark) = self.marks.front_mut() {
            (mark.line, mark.start) = (self.first, self.start);
        }
    }

    /// Index just after the first newline at or after index `from`.
    fn end_of_line(&self, from: usize) -> usize {
        let (front, back) = self.bytes.as_slices();
        if let Some(at) = front.get(from..).and_then(|rest| memchr(b'\n', rest)) {
            return from + at + 1;
        }
        let from = from.saturating_sub(front.len());
        match back.get(from..).and_then(|rest| memchr(b'\n', rest)) {
            Some(at) => front.len() + from + at + 1,
            None => self.bytes.len(),
        }
    }

    fn mark(&mut self, time_ms: u64) {
        if self.marks.back().is_none_or(|mark| mark.time_ms != time_ms) {
            let start = self.start + self.bytes.len() as u64;
            self.marks.push_back(Mark { time_ms, line: self.next, start });
        }
    }

    /// Grows by doubling, but never beyond the limit.
    fn extend(&mut self, bytes: &[u8]) {
        let need = self.bytes.len() + bytes.len();
        if need > self.bytes.capacity() {
            let capacity = need.max(2 * self.bytes.capacity()).min(self.limit);
            self.bytes.reserve_exact(capacity.saturating_sub(self.bytes.len()));
        }
        self.bytes.extend(bytes);
    }
}

/// As many of the last lines of `run` as fit into `room`; `None`: not even one fits.
fn last_lines(run: &[u8], room: usize) -> Option<&[u8]> {
    let from = run.len().checked_sub(room + 1)?;
    let start = from + memchr(b'\n', run.get(from..)?)? + 1;
    run.get(start..).filter(|kept| !kept.is_empty())
}

/// Lines of a [`Ring`], oldest first.
#[derive(Debug)]
pub struct Records<'a> {
    front: &'a [u8],
    back: &'a [u8],
    seq: u64,
    time_ms: u64,
    marks: std::iter::Peekable<vec_deque::Iter<'a, Mark>>,
}

impl<'a> Records<'a> {
    fn new(ring: &'a Ring, from: u64) -> Records<'a> {
        let index = ring.marks.partition_point(|mark| mark.line <= from).saturating_sub(1);
        let (front, back) = ring.bytes.as_slices();
        let mark = ring.marks.get(index).copied();
        let mark = mark.unwrap_or(Mark { time_ms: 0, line: ring.first, start: ring.start });
        let offset = usize::try_from(mark.start - ring.start).unwrap_or(usize::MAX);
        let marks = ring.marks.range(index.min(ring.marks.len())..).peekable();
        let mut records = Records { front, back, seq: mark.line, time_ms: mark.time_ms, marks };
        records.advance(offset);
        while records.seq < from && records.next().is_some() {}
        records
    }

    fn advance(&mut self, bytes: usize) {
        let in_front = bytes.min(self.front.len());
        self.front = self.front.get(in_front..).unwrap_or_default();
        self.back = self.back.get(bytes - in_front..).unwrap_or_default();
        if self.front.is_empty() {
            self.front = std::mem::take(&mut self.back);
        }
    }

    fn take_line(&mut self) -> Option<Cow<'a, [u8]>> {
        if let Some(end) = memchr(b'\n', self.front) {
            let line = self.front.get(..end)?;
            self.advance(end + 1);
            return Some(Cow::Borrowed(line));
        }
        let end = memchr(b'\n', self.back)?;
        let line = [self.front, self.back.get(..end)?].concat();
        self.advance(line.len() + 1);
        Some(Cow::Owned(line))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let line = self.take_line()?;
        let seq = self.seq;
        while let Some(mark) = self.marks.next_if(|mark| mark.line <= seq) {
            self.time_ms = mark.time_ms;
        }
        self.seq += 1;
        Some(Record { seq, time_ms: self.time_ms, line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Plain = (u64, u64, Vec<u8>);

    fn plain(records: Records) -> Vec<Plain> {
        records.map(|record| (record.seq, record.time_ms, record.line.into_owned())).collect()
    }

    /// A push: how much later it comes, the lengths of its lines, and whether as single lines.
    fn pushes() -> impl Strategy<Value = Vec<(u64, Vec<usize>, bool)>> {
        let lengths = prop::collection::vec(prop_oneof![9 => 0usize..20, 1 => 0usize..400], 1..30);
        prop::collection::vec((0u64..3, lengths, any::<bool>()), 0..40)
    }

    /// The ring after `pushes`, and every line that was pushed.
    fn filled(limit: usize, pushes: &[(u64, Vec<usize>, bool)]) -> (Ring, Vec<Plain>) {
        let (mut ring, mut all, mut time) = (Ring::new(limit), Vec::new(), 1000);
        for (later, lengths, single) in pushes {
            time += later;
            let mut run = Vec::new();
            for &length in lengths {
                let line: Vec<u8> =
                    format!("{}-", all.len()).into_bytes().into_iter().cycle().take(length).collect();
                if *single {
                    ring.push_line(time, &line);
                }
                run.extend_from_slice(&line);
                run.push(b'\n');
                all.push((all.len() as u64, time, line));
            }
            if !single {
                ring.push(time, &run, lengths.len() as u64);
            }
            assert!(ring.bytes.len() + ring.marks.len() * MARK <= limit, "holds more than {limit}");
            assert!(ring.bytes.capacity() <= limit, "allocates more than {limit}");
        }
        (ring, all)
    }

    /// The lines that were pushed last, those that are too long cut.
    fn is_suffix(kept: &[Plain], all: &[Plain]) -> bool {
        let last = &all[all.len() - kept.len()..];
        kept.iter().zip(last).all(|(kept, pushed)| {
            (kept.0, kept.1) == (pushed.0, pushed.1)
                && pushed.2.starts_with(&kept.2)
                && (kept.2.len() == pushed.2.len() || kept.2.len() > 70)
        })
    }

    proptest! {
        #[test]
        fn ring_keeps_the_last_lines_with_their_times(limit in 100usize..1500, pushes in pushes()) {
            let (ring, all) = filled(limit, &pushes);
            let kept = plain(ring.since(0).1);
            prop_assert_eq!(ring.next(), all.len() as u64);
            prop_assert_eq!(ring.first(), (all.len() - kept.len()) as u64);
            prop_assert!(is_suffix(&kept, &all), "{:?} of {:?}", kept, all);
            prop_assert!(all.is_empty() || !kept.is_empty());
        }

        #[test]
        fn since_gives_what_is_left_and_counts_what_is_not(pushes in pushes(), seq in 0u64..1200) {
            let (ring, all) = filled(700, &pushes);
            let kept = plain(ring.since(0).1);
            let (lost, records) = ring.since(seq);
            let records = plain(records);
            let wanted: Vec<Plain> = kept.iter().filter(|record| record.0 >= seq).cloned().collect();
            prop_assert_eq!(&records, &wanted);
            prop_assert_eq!(lost, ring.first().saturating_sub(seq));
            prop_assert_eq!(lost + records.len() as u64, (all.len() as u64).saturating_sub(seq));
        }

        #[test]
        fn tail_is_the_end_of_what_is_kept(pushes in pushes(), lines in 0usize..50) {
            let (ring, _) = filled(900, &pushes);
            let kept = plain(ring.since(0).1);
            let from = kept.len().saturating_sub(lines);
            prop_assert_eq!(plain(ring.tail(lines)), kept[from..].to_vec());
        }
    }

    #[test]
    fn ring_of_nothing_keeps_and_allocates_nothing() {
        let mut ring = Ring::new(0);
        ring.push(1, b"a\nb\n", 2);
        ring.push_line(1, b"c");
        assert_eq!((ring.heap(), ring.since(0).1.count(), ring.since(7).0), (0, 0, 0));
    }

    #[test]
    fn ring_grows_with_what_it_holds() {
        let mut ring = Ring::new(1 << 20);
        ring.push(1, b"one line\n", 1);
        assert!(ring.heap() < 300, "{}", ring.heap());
    }

    #[test]
    fn run_longer_than_the_ring_leaves_its_last_lines() {
        let run: Vec<u8> = (0..1000).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        let mut ring = Ring::new(MARK + 12);
        ring.limit = 100;
        ring.push_line(0, b"old");
        ring.push(1, &run, 1000);
        let kept = plain(ring.since(0).1);
        assert_eq!(kept.last().cloned(), Some((1000, 1, b"999".to_vec())));
        assert!(kept.len() > 10, "{}", kept.len());
    }
}

//! What waits for a destination: bounded, the oldest goes first, and what went is counted.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// So many bytes wait at most.
const MOST: usize = 8 << 20;
/// What a record takes beside its text.
const RECORD: usize = 64;

/// A line of a service, or a change of its state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The name of the service, or `init`.
    pub service: String,
    /// When it came, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its text, without the newline.
    pub line: String,
}

impl Record {
    fn size(&self) -> usize {
        self.service.len() + self.line.len() + RECORD
    }
}

/// How much there was.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sums {
    /// Lines that the receiver has taken.
    pub sent: u64,
    /// Lines that it will never get.
    pub dropped: u64,
    /// Lines that wait.
    pub waiting: u64,
}

#[derive(Default)]
struct Inner {
    records: VecDeque<Record>,
    bytes: usize,
    /// Records at the front that are being sent: they stay until that has worked.
    taken: usize,
    sums: Sums,
    /// How many of the dropped were told: to the receiver, and in our own log.
    told: (u64, u64),
    /// The time of the last record that was sent.
    last_ms: u64,
    closed: bool,
}

/// The queue of a destination.
#[derive(Default)]
pub struct Queue {
    inner: Mutex<Inner>,
    filled: Notify,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a record. Where there is no room the oldest that is not being sent goes.
    pub fn push(&self, record: Record) {
        let mut inner = self.lock();
        inner.bytes += record.size();
        inner.records.push_back(record);
        while inner.bytes > MOST {
            let oldest = inner.taken;
            let Some(gone) = inner.records.remove(oldest) else { break };
            inner.bytes -= gone.size();
            inner.sums.dropped += 1;
        }
        drop(inner);
        self.filled.notify_one();
    }

    /// Counts lines that never got here.
    pub fn missed(&self, count: u64) {
        self.lock().sums.dropped += count;
    }

    /// Waits for records, and returns the first ones, so many at most and of so many bytes; none when the queue is closed and empty.
    /// They stay in the queue until [`Queue::sent`] or [`Queue::refused`]; otherwise the next call returns them again.
    pub async fn next(&self, most: usize, bytes: usize) -> Vec<Record> {
        loop {
            {
                let mut inner = self.lock();
                let mut room = bytes;
                let first = inner.records.iter().take(most).take_while(|record| {
                    let fits = record.size() <= room || room == bytes;
                    room = room.saturating_sub(record.size());
                    fits
                });
                let found: Vec<Record> = first.cloned().collect();
                inner.taken = found.len();
                if !found.is_empty() || inner.closed {
                    return found;
                }
            }
            self.filled.notified().await;
        }
    }

    /// The receiver has what was returned last.
    pub fn sent(&self) {
        let mut inner = self.lock();
        inner.sums.sent += inner.taken as u64;
        inner.forget_taken();
    }

    /// The receiver will never take what was returned last.
    pub fn refused(&self) {
        let mut inner = self.lock();
        inner.sums.dropped += inner.taken as u64;
        inner.forget_taken();
    }

    /// How many were dropped that the receiver was not told of. From now on it was.
    pub fn untold(&self) -> Option<u64> {
        let mut inner = self.lock();
        let count = inner.sums.dropped - inner.told.0;
        inner.told.0 = inner.sums.dropped;
        (count > 0).then_some(count)
    }

    /// The same for our own log.
    pub fn newly_dropped(&self) -> Option<u64> {
        let mut inner = self.lock();
        let count = inner.sums.dropped - inner.told.1;
        inner.told.1 = inner.sums.dropped;
        (count > 0).then_some(count)
    }

    /// How much there was.
    pub fn sums(&self) -> Sums {
        let inner = self.lock();
        Sums { waiting: inner.records.len() as u64, ..inner.sums }
    }

    /// The time of the last record that the receiver has taken, in milliseconds since 1970.
    pub fn last_ms(&self) -> u64 {
        self.lock().last_ms
    }

    /// Nothing more comes.
    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    /// Whether nothing more comes.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

impl Inner {
    fn forget_taken(&mut self) {
        for record in self.records.drain(..self.taken) {
            self.bytes -= record.size();
            self.last_ms = self.last_ms.max(record.time_ms);
        }
        self.taken = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64, size: usize) -> Record {
        Record { service: "web".into(), time_ms: number, line: format!("{number}{}", "x".repeat(size)) }
    }

    fn next(queue: &Queue, most: usize, bytes: usize) -> Vec<u64> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(queue.next(most, bytes)).iter().map(|record| record.time_ms).collect()
    }

    #[test]
    fn records_stay_until_they_were_sent() {
        let queue = Queue::default();
        for number in 1..=5 {
            queue.push(record(number, 10));
        }
        assert_eq!(next(&queue, 2, 1 << 20), [1, 2]);
        assert_eq!(next(&queue, 2, 1 << 20), [1, 2], "it did not work, so once more");
        queue.sent();
        assert_eq!(queue.last_ms(), 2);
        // A record that is larger than a batch is a batch.
        assert_eq!(next(&queue, 9, 1), [3]);
        queue.refused();
        assert_eq!(queue.sums(), Sums { sent: 2, dropped: 1, waiting: 2 });
        assert_eq!((queue.untold(), queue.untold(), queue.newly_dropped()), (Some(1), None, Some(1)));
        queue.close();
        assert_eq!(next(&queue, 9, 1 << 20), [4, 5]);
        queue.sent();
        assert_eq!(next(&queue, 9, 1 << 20), [] as [u64; 0]);
    }

    #[test]
    fn memory_is_bounded_and_what_is_being_sent_stays() {
        let queue = Queue::default();
        queue.push(record(0, 10));
        assert_eq!(next(&queue, 1, 1 << 20), [0]);
        for number in 1..=100 {
            queue.push(record(number, 1 << 20));
        }
        let sums = queue.sums();
        assert!(queue.lock().bytes <= MOST);
        assert_eq!(sums.dropped + sums.waiting, 101);
        assert_eq!(next(&queue, 2, 1 << 30), [0, 101 - (sums.waiting - 1)]);
    }
}

//! The logs as they are written down for another program that takes our place.

use serde::{Deserialize, Serialize};

use super::sink::Waiting;
use super::stream::Stream;
use super::{LogId, Logs};
use crate::reexec::bytes;
use init_plan::model::Log;

/// All of [`Logs`] that is not the same in every program: what was kept of each service, and what is not written yet.
#[derive(Debug, Deserialize, Serialize)]
pub struct Packed {
    streams: Vec<Option<Stream>>,
    held: Option<(LogId, Held)>,
    waiting: Waiting,
    matches: Vec<LogId>,
    enlarged: u8,
}

#[derive(Debug, Deserialize, Serialize)]
struct Held(#[serde(with = "bytes")] Vec<u8>);

impl Logs {
    /// Writes what the output takes, and gives the rest away.
    pub fn pack(mut self) -> Packed {
        self.flush();
        Packed {
            streams: self.streams,
            held: self.held.map(|(id, rest)| (id, Held(rest))),
            waiting: self.out.sink.into_waiting(),
            matches: self.matches,
            enlarged: self.enlarged,
        }
    }

    /// Goes on with it. `self` is new: it has written nothing yet.
    #[must_use]
    pub fn unpack(mut self, packed: Packed) -> Logs {
        for stream in packed.streams.iter().flatten().filter(|stream| stream.mode == Log::Prefix) {
            self.out.format.widen(&stream.name);
        }
        self.streams = packed.streams;
        self.held = packed.held.map(|(id, Held(rest))| (id, rest));
        self.matches = packed.matches;
        self.enlarged = packed.enlarged;
        // What the program before could not write comes before all that this one has said already.
        let own = std::mem::take(self.out.sink.buffer());
        self.out.sink.restore(packed.waiting);
        self.out.sink.push_own(&own);
        self
    }
}

//! The last step: from pieces to formatted lines in the sink, of services and of `init` itself.

use regex::bytes::Regex;

use super::format::{self, Format, Head, OWN_NAME};
use super::lines::Piece;
use super::now_ms;
use super::sink::Sink;
use super::stream::{Stream, Take};
use init_plan::model::Log;

/// Where formatted lines go.
#[derive(Debug)]
pub struct Output {
    pub sink: Sink,
    pub format: Format,
    own_json: bool,
}

/// One chunk on its way to the output.
pub struct Pass<'a> {
    pub out: &'a mut Output,
    pub head: Option<(bool, Head)>,
    pub pattern: Option<&'a Regex>,
    pub matched: bool,
}

impl Take for Pass<'_> {
    fn whole_lines(&mut self, text: &mut &[u8]) -> (u64, bool) {
        let Some((false, head)) = self.head.as_ref().filter(|_| self.pattern.is_none()) else {
            return (0, true);
        };
        let (sink, mut lines) = (&mut self.out.sink, 0);
        loop {
            let enough = sink.enough();
            lines += format::put_whole_lines(sink.buffer(), enough, head, text);
            if !sink.is_full() {
                return (lines, true);
            }
            sink.flush_some();
            if sink.is_full() {
                return (lines, false);
            }
        }
    }

    #[inline]
    fn piece(&mut self, piece: &Piece) -> bool {
        if let Some(pattern) = self.pattern {
            self.matched |= pattern.is_match(piece.text);
        }
        let Some((json, head)) = &self.head else { return true };
        match json {
            true => format::put_json(self.out.sink.buffer(), head, piece),
            false => format::put_prefixed(self.out.sink.buffer(), head, piece),
        }
        if !self.out.sink.is_full() {
            return true;
        }
        self.out.sink.flush_some();
        !self.out.sink.is_full()
    }
}

impl Output {
    pub fn new(sink: Sink, format: Format, own_json: bool) -> Output {
        Output { sink, format, own_json }
    }

    /// What goes before the lines of a service, and whether as JSON; `None`: they are not written.
    pub fn head(&mut self, stream: &Stream, time_ms: u64) -> Option<(bool, Head)> {
        if stream.writes() {
            self.tell_trouble(time_ms);
        }
        match stream.mode {
            Log::Prefix => Some((false, self.format.prefix(&stream.name))),
            Log::Json => Some((true, self.format.json(&stream.name, time_ms))),
            Log::Inherit | Log::Ring | Log::None => None,
        }
    }

    /// Appends a message of `init` itself, of one line or more.
    pub fn own(&mut self, message: &str) {
        let time_ms = now_ms();
        self.tell_trouble(time_ms);
        let text = self.own_text(message, time_ms);
        self.sink.push_own(&text);
    }

    /// After output was lost, the next output begins by saying so.
    fn tell_trouble(&mut self, time_ms: u64) {
        if let Some(lost) = self.sink.lost() {
            let why = lost.error.desc();
            let text = self.own_text(&format!("{} bytes of output were lost: {why}", lost.bytes), time_ms);
            self.sink.push_notice(&text);
        }
    }

    fn own_text(&mut self, message: &str, time_ms: u64) -> Vec<u8> {
        let head = match self.own_json {
            true => self.format.json(OWN_NAME, time_ms),
            false => self.format.prefix(OWN_NAME),
        };
        let mut text = Vec::new();
        for line in message.lines() {
            let piece = Piece { text: line.as_bytes(), continued: false, ended: true, in_chunk: false };
            match self.own_json {
                true => format::put_json(&mut text, &head, &piece),
                false => format::put_prefixed(&mut text, &head, &piece),
            }
        }
        text
    }
}

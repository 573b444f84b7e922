//! HTTP, by curl: what a person would try.

use std::process::Command;

use serde_json::Value;

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    /// 0: there was none.
    pub status: u16,
    /// Line by line; what curl complains of if there was no answer.
    pub headers: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Fails unless it has this status.
    pub fn expect(self, status: u16) -> Answer {
        let mut text = self.text();
        text.truncate(text.char_indices().nth(2000).map_or(text.len(), |(at, _)| at));
        assert_eq!(self.status, status, "{}\n{text}", self.headers);
        self
    }
}

/// Runs curl with these arguments.
pub fn curl(args: &[&str]) -> Answer {
    // `Expect:` keeps an interim answer (100 Continue) out of the output.
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--include", "--max-time", "120", "--header", "Expect:"]);
    let output = command.args(args).output().unwrap();
    let bytes = output.stdout;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else {
        return Answer {
            status: 0,
            headers: String::from_utf8_lossy(&output.stderr).into_owned(),
            body: Vec::new(),
        };
    };
    let headers = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = headers.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    Answer { status, headers, body: bytes[end + 4..].to_vec() }
}

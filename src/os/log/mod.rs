//! Stand-in until the log engine is merged.
use crate::plan::Log;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(usize);
pub struct Line {
    pub time_ms: u64,
    bytes: Vec<u8>,
}
impl Line {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
pub struct Fresh {
    pub lines: Vec<Line>,
    pub next: u64,
    pub lost: u64,
}
struct One {
    name: String,
    partial: Vec<u8>,
    lines: Vec<(u64, Vec<u8>)>,
}
pub struct Logs {
    out: BorrowedFd<'static>,
    all: Vec<One>,
}
impl Logs {
    pub fn new(out: BorrowedFd<'static>, _: Log, _: usize) -> Logs {
        Logs { out, all: Vec::new() }
    }
    pub fn register(&mut self, name: &str, _: Log) -> Id {
        self.all.push(One { name: name.into(), partial: Vec::new(), lines: Vec::new() });
        Id(self.all.len() - 1)
    }
    pub fn forget(&mut self, _: Id) {}
    pub fn say(&mut self, line: &str) {
        super::sys::write_all(self.out, format!("init | {line}\n").as_bytes());
    }
    pub fn read(&mut self, id: Id, fd: BorrowedFd<'_>, mut each: impl FnMut(&[u8])) {
        let mut buf = [0; 65536];
        while let Ok(n) = nix::unistd::read(fd, &mut buf) {
            if n == 0 {
                break;
            }
            let Some(one) = self.all.get_mut(id.0) else { return };
            one.partial.extend(&buf[..n]);
            while let Some(at) = memchr::memchr(b'\n', &one.partial) {
                let line: Vec<u8> = one.partial.drain(..=at).collect();
                each(&line[..line.len() - 1]);
                let mut text = format!("{} | ", one.name).into_bytes();
                text.extend(&line);
                super::sys::write_all(self.out, &text);
                one.lines.push((wall_clock_ms(), line[..line.len() - 1].to_vec()));
            }
        }
    }
    pub fn end_of_run(&mut self, _: Id) {}
    pub fn kept(&self, id: Id) -> (Vec<Line>, u64) {
        let f = self.since(id, 0);
        (f.lines, f.next)
    }
    pub fn since(&self, id: Id, next: u64) -> Fresh {
        let lines = self.all.get(id.0).map(|o| o.lines.as_slice()).unwrap_or(&[]);
        Fresh {
            lines: lines
                .iter()
                .skip(next as usize)
                .map(|(t, b)| Line { time_ms: *t, bytes: b.clone() })
                .collect(),
            next: lines.len() as u64,
            lost: 0,
        }
    }
    pub fn flush(&mut self) {}
    pub fn wants_write(&self) -> bool {
        false
    }
    pub fn is_full(&self) -> bool {
        false
    }
    pub fn output(&self) -> Option<BorrowedFd<'static>> {
        Some(self.out)
    }
    pub fn final_flush(&mut self, _: Duration) {}
}
pub fn wall_clock_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
pub fn log_pipe() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = super::sys::pipe()?;
    super::sys::set_nonblocking(read.as_fd())?;
    Ok((read, write))
}

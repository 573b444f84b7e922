//! The log engine against real pipes, files, terminals and sockets.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use init_plan::model::Log;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::pipe;
use proptest::prelude::*;
use pulp_init::service::log::lines::MAX_LINE;
use pulp_init::service::log::sink::{LIMIT, Sink};
use pulp_init::service::log::{LogId, Logs, Reading, log_pipe};
use regex::bytes::Regex;

/// Logs that go to a file, one service with its pipe.
struct Bench {
    dir: tempfile::TempDir,
    logs: Logs,
    id: LogId,
    read: OwnedFd,
    write: File,
}

fn bench(mode: Log) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let file = File::create(dir.path().join("out")).unwrap();
    let mut logs = Logs::new(Sink::new(file.into()), Log::Prefix, false, 64 * 1024);
    let id = logs.register("web", mode);
    let (read, write) = log_pipe().unwrap();
    Bench { dir, logs, id, read, write: write.into() }
}

impl Bench {
    fn write(&mut self, bytes: &[u8]) {
        self.write.write_all(bytes).unwrap();
    }

    /// Writes more than a pipe holds, as another process.
    fn write_much(&mut self, bytes: Vec<u8>) {
        let mut write = self.write.try_clone().unwrap();
        let writer = std::thread::spawn(move || write.write_all(&bytes).unwrap());
        while !writer.is_finished() {
            self.read();
        }
        self.read();
    }

    fn read(&mut self) {
        while self.logs.read(self.id, self.read.as_fd()) == Reading::More {
            self.logs.flush();
        }
    }

    fn finish_run(&mut self) {
        assert!(self.logs.finish_run(self.id, self.read.as_fd()));
    }

    fn output(&mut self) -> String {
        self.logs.flush();
        std::fs::read_to_string(self.dir.path().join("out")).unwrap()
    }

    fn kept(&self) -> Vec<String> {
        let records = self.logs.tail(self.id, usize::MAX).unwrap();
        records.map(|record| String::from_utf8_lossy(&record.line).into_owned()).collect()
    }

    fn run(&mut self, script: &str) {
        let stdout = self.write.try_clone().unwrap();
        let status = Command::new("sh").args(["-c", script]).stdout(stdout).status().unwrap();
        assert!(status.success());
    }
}

/// Logs that go to a pipe nobody reads yet.
fn blocked(mode: Log) -> (Logs, LogId, OwnedFd) {
    let (reader, writer) = pipe().unwrap();
    let mut logs = Logs::new(Sink::new(writer), Log::Prefix, false, 64 * 1024);
    let id = logs.register("web", mode);
    (logs, id, reader)
}

fn is_ready(fd: &OwnedFd, flags: PollFlags) -> bool {
    poll(&mut [PollFd::new(fd.as_fd(), flags)], PollTimeout::ZERO).unwrap() > 0
}

#[test]
fn last_lines_of_a_short_lived_process_are_kept() {
    let mut bench = bench(Log::Prefix);
    bench.run("printf 'one\\ntwo'");
    bench.finish_run();
    assert_eq!(bench.output(), "web  | one\nweb  | two\n");
    assert_eq!(bench.kept(), ["one", "two"]);
}

#[test]
fn partial_line_waits_for_its_end_while_the_service_runs() {
    let mut bench = bench(Log::Prefix);
    bench.write(b"half");
    bench.read();
    assert_eq!(bench.output(), "");
    bench.write(b" line\n");
    bench.read();
    assert_eq!(bench.output(), "web  | half line\n");
}

#[test]
fn output_after_the_stop_is_kept() {
    let mut bench = bench(Log::Prefix);
    bench.run("echo before");
    bench.finish_run();
    bench.run("echo after");
    bench.read();
    assert_eq!(bench.output(), "web  | before\nweb  | after\n");
}

#[test]
fn line_of_the_next_run_is_not_glued_to_the_last_of_this() {
    let mut bench = bench(Log::Prefix);
    bench.run("printf dying");
    bench.finish_run();
    bench.run("echo born");
    bench.read();
    assert_eq!(bench.output(), "web  | dying\nweb  | born\n");
}

#[test]
fn nul_and_bytes_that_are_no_text_pass_unchanged() {
    let mut bench = bench(Log::Prefix);
    bench.write(b"\0\xff\xfe\r\n");
    bench.read();
    bench.logs.flush();
    assert_eq!(std::fs::read(bench.dir.path().join("out")).unwrap(), b"web  | \0\xff\xfe\r\n");
}

#[test]
fn huge_line_comes_in_pieces_and_no_other_line_is_glued_to_them() {
    let mut bench = bench(Log::Prefix);
    bench.write_much([vec![b'x'; 200_000], b"\nnext\n".to_vec()].concat());
    bench.logs.own("hello");
    let output = bench.output();
    let lines: Vec<&str> = output.lines().collect();
    let marks: Vec<&str> = lines.iter().filter_map(|line| line.get(..6)).collect();
    assert_eq!(marks, ["web  |", "web  +", "web  +", "web  +", "web  |", "init |"]);
    let text: usize = lines.iter().take(4).map(|line| line.len() - 7).sum();
    assert_eq!(text, 200_000);
}

#[test]
fn huge_line_in_json_can_be_put_together_again() {
    let mut bench = bench(Log::Json);
    let text = "\u{20ac}\"\\\t".repeat(60_000);
    bench.write_much(format!("{text}\n").into_bytes());
    let (mut joined, mut partial) = (String::new(), Vec::new());
    for line in bench.output().lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        joined.push_str(value["message"].as_str().unwrap());
        partial.push(value["partial"] == true);
    }
    assert_eq!(joined, text);
    assert_eq!((partial.pop(), partial.contains(&false)), (Some(false), false));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn lines_are_the_same_however_they_come(
        lengths in prop::collection::vec(prop_oneof![9 => 0usize..300, 1 => MAX_LINE - 2..2 * MAX_LINE + 2], 1..40),
        writes in prop::collection::vec(1usize..250_000, 1..8),
    ) {
        let mut bench = bench(Log::Prefix);
        let (mut stream, mut wanted) = (Vec::new(), Vec::new());
        // Its pipe and what is read of it at once are large from now on: more than one huge line.
        for _ in 0..8 {
            let line = [&b"x".repeat(60_000)[..], b"\n"].concat();
            bench.write(&line);
            bench.read();
            wanted.extend_from_slice(&[b"web  | ", &line[..]].concat());
        }
        for (at, &length) in lengths.iter().enumerate() {
            let line = [at.to_string().as_bytes(), &b"x".repeat(length)].concat();
            for (part, text) in line.chunks(MAX_LINE).enumerate() {
                wanted.extend_from_slice(if part == 0 { b"web  | " } else { b"web  + " });
                wanted.extend_from_slice(text);
                wanted.push(b'\n');
            }
            stream.extend_from_slice(&line);
            stream.push(b'\n');
        }
        let (mut rest, mut writes) = (&stream[..], writes.iter().cycle());
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.len().min(*writes.next().unwrap()));
            bench.write(part);
            bench.read();
            rest = after;
        }
        prop_assert!(bench.output().as_bytes() == wanted);
        prop_assert_eq!(bench.logs.next_seq(bench.id), wanted.iter().filter(|&&byte| byte == b'\n').count() as u64);
    }
}

#[test]
fn ring_mode_keeps_and_none_does_not_and_neither_writes() {
    for (mode, kept) in [(Log::Ring, 1), (Log::None, 0)] {
        let mut bench = bench(mode);
        bench.write(b"line\n");
        bench.read();
        assert_eq!(bench.output(), "");
        assert_eq!(bench.logs.next_seq(bench.id), kept);
    }
}

#[test]
fn line_that_is_waited_for_is_found_once_even_in_the_last_words() {
    let mut bench = bench(Log::Prefix);
    bench.logs.watch(bench.id, Regex::new("^listening on \\d+$").unwrap());
    bench.write(b"not listening on 80\n");
    bench.read();
    assert_eq!(bench.logs.take_matches(), []);
    bench.write(b"listening on 80");
    bench.finish_run();
    assert_eq!(bench.logs.take_matches(), [bench.id]);
    bench.write(b"listening on 80\n");
    bench.read();
    assert_eq!(bench.logs.take_matches(), []);
}

#[test]
fn follower_gets_each_line_once_and_is_told_what_it_missed() {
    let mut bench = bench(Log::Ring);
    let (mut seq, mut seen, mut lost) = (0, Vec::new(), 0);
    for round in 0..60 {
        let lines: String = (0..500).map(|n| format!("line {}\n", round * 500 + n)).collect();
        bench.write(lines.as_bytes());
        bench.read();
        if round % 25 != 24 && round > 2 {
            continue;
        }
        let (missed, records) = bench.logs.lines_since(bench.id, seq).unwrap();
        lost += missed;
        for record in records {
            seq = record.seq + 1;
            seen.push(String::from_utf8(record.line.into_owned()).unwrap());
        }
    }
    assert!(lost > 0);
    let numbers: Vec<u64> = seen.iter().filter_map(|line| line.strip_prefix("line ")?.parse().ok()).collect();
    assert!(numbers.is_sorted_by(|one, other| one < other));
    assert_eq!(numbers.iter().take(1500).copied().collect::<Vec<_>>(), (0..1500).collect::<Vec<_>>());
    assert_eq!(seen.len() as u64 + lost, seq);
}

#[test]
fn quiet_services_cost_less_than_100_bytes_each() {
    let mut logs = Logs::new(Sink::stdout().unwrap(), Log::Prefix, false, 64 * 1024);
    for n in 0..1024 {
        logs.register(&format!("s{n}"), Log::Prefix);
    }
    assert!(logs.heap().0 <= 100 * 1024, "{} bytes", logs.heap().0);
}

#[test]
fn buffers_are_given_back_after_a_burst() {
    let mut bench = bench(Log::Prefix);
    bench.write_much(b"a line of some length\n".repeat(100_000));
    bench.logs.flush();
    bench.logs.trim();
    let (all, rings) = bench.logs.heap();
    assert!(rings <= 66 * 1024 && all - rings <= 1024, "{all} bytes, rings {rings}");
}

#[test]
fn full_output_makes_the_service_wait_and_not_us() {
    let (mut logs, id, reader) = blocked(Log::Prefix);
    let (read, write) = log_pipe().unwrap();
    let script = "i=0; while [ $i -lt 40000 ]; do echo line-$i; i=$((i+1)); done";
    let mut service = Command::new("sh").args(["-c", script]).stdout(write).spawn().unwrap();
    while !logs.is_full() {
        poll(&mut [PollFd::new(read.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
        logs.read(id, read.as_fd());
        logs.flush();
    }
    assert_eq!(logs.read(id, read.as_fd()), Reading::Full);
    assert!(!logs.finish_run(id, read.as_fd()));
    assert!(service.try_wait().unwrap().is_none(), "the service has not been stopped by its full pipe");
    assert!(logs.wants_write() && logs.heap().0 - logs.heap().1 < 3 * LIMIT, "{:?}", logs.heap());

    let collector = std::thread::spawn(move || {
        let mut all = String::new();
        File::from(reader).read_to_string(&mut all).unwrap();
        all
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    while service.try_wait().unwrap().is_none()
        || is_ready(&read, PollFlags::POLLIN) && Instant::now() < deadline
    {
        logs.final_flush(&[(id, read.as_fd())], deadline);
        if logs.read(id, read.as_fd()) == Reading::Closed {
            break;
        }
    }
    assert!(logs.final_flush(&[(id, read.as_fd())], deadline));
    drop(logs);
    service.wait().unwrap();
    let wanted: String = (0..40000).map(|n| format!("web  | line-{n}\n")).collect();
    assert!(collector.join().unwrap() == wanted);
}

#[test]
fn final_flush_gives_up_at_its_deadline() {
    let (mut logs, id, _reader) = blocked(Log::Prefix);
    let (read, write) = log_pipe().unwrap();
    let mut write = File::from(write);
    while !logs.is_full() {
        write.write_all(&b"0123456789abcdef\n".repeat(3000)).unwrap();
        logs.read(id, read.as_fd());
        logs.flush();
    }
    assert!(!logs.final_flush(&[(id, read.as_fd())], Instant::now() + Duration::from_millis(20)));
}

#[test]
fn service_that_only_keeps_its_lines_does_not_wait_for_the_output() {
    let (mut logs, id, _reader) = blocked(Log::Prefix);
    let ring = logs.register("ring", Log::Ring);
    let (read, write) = log_pipe().unwrap();
    let mut write = File::from(write);
    while !logs.is_full() {
        write.write_all(&b"x\n".repeat(20_000)).unwrap();
        logs.read(id, read.as_fd());
        logs.flush();
    }
    while logs.read(ring, read.as_fd()) == Reading::More {}
    write.write_all(b"kept\n").unwrap();
    assert_eq!(logs.read(ring, read.as_fd()), Reading::More);
    assert_eq!(logs.tail(ring, 1).unwrap().next().unwrap().line, &b"kept"[..]);
}

#[test]
fn own_messages_find_room_when_the_output_is_full_and_those_that_do_not_are_counted() {
    let (mut logs, id, reader) = blocked(Log::Prefix);
    let (read, write) = log_pipe().unwrap();
    let mut write = File::from(write);
    while !logs.is_full() {
        write.write_all(&b"0123456789\n".repeat(5000)).unwrap();
        logs.read(id, read.as_fd());
        logs.flush();
    }
    logs.own("the first of many");
    for _ in 0..100_000 {
        logs.own("another message that nobody reads");
    }
    assert!(logs.heap().0 - logs.heap().1 < 3 * LIMIT, "{:?}", logs.heap());
    let collector = std::thread::spawn(move || {
        let mut all = String::new();
        File::from(reader).read_to_string(&mut all).unwrap();
        all
    });
    assert!(logs.final_flush(&[(id, read.as_fd())], Instant::now() + Duration::from_secs(60)));
    drop(logs);
    let output = collector.join().unwrap();
    assert!(output.contains("\ninit | the first of many\n"));
    let came = output.matches("another message").count();
    assert!(came * 40 > 50_000, "{came} messages came");
    let counted = 100_000 - came;
    let counted = format!("init | {counted} messages of init were dropped: the output is too slow [I0415]\n");
    assert!(output.contains(&counted), "{counted}");
}

#[test]
fn output_without_a_reader_is_no_end_and_what_was_lost_is_told_once() {
    let (mut logs, _, reader) = blocked(Log::Prefix);
    logs.own("before");
    logs.flush();
    let path = format!("/proc/self/fd/{}", logs.fd().as_raw_fd());
    drop(reader);
    for _ in 0..3 {
        logs.own("12345");
        logs.flush();
        assert!(!logs.is_full() && !logs.wants_write());
    }
    let mut reader = OpenOptions::new().read(true).open(path).unwrap();
    logs.own("again");
    logs.own("and again");
    logs.flush();
    drop(logs);
    let mut output = String::new();
    reader.read_to_string(&mut output).unwrap();
    let lost = format!("init | 39 bytes of output were lost: {}\n", Errno::EPIPE.desc());
    assert_eq!(output.replace("init | before\n", ""), format!("{lost}init | again\ninit | and again\n"));
}

#[test]
fn full_disk_is_no_end() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut logs = Logs::new(Sink::new(full.into()), Log::Prefix, false, 1024);
    let id = logs.register("web", Log::Prefix);
    let (read, write) = log_pipe().unwrap();
    let mut write = File::from(write);
    for _ in 0..20 {
        write.write_all(&b"x".repeat(60_000)).unwrap();
        write.write_all(b"\n").unwrap();
        assert_eq!(logs.read(id, read.as_fd()), Reading::More);
        logs.flush();
        assert!(!logs.is_full() && !logs.wants_write());
    }
}

#[test]
fn file_that_others_write_to_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let mut file = File::create(&path).unwrap();
    file.write_all(b"before\n").unwrap();
    let mut logs = Logs::new(Sink::new(file.try_clone().unwrap().into()), Log::Prefix, false, 1024);
    logs.own("one");
    logs.flush();
    file.write_all(b"other\n").unwrap();
    logs.own("two");
    logs.flush();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "before\ninit | one\nother\ninit | two\n");
}

/// What a reader gets that takes `takes` bytes at a time, of `pieces` that are written whenever there is room.
fn through(sink: Sink, mut reader: File, pieces: &[Vec<u8>], takes: &[usize]) -> Vec<u8> {
    let (mut sink, mut got, mut takes) = (sink, Vec::new(), takes.iter().cycle());
    let total: usize = pieces.iter().map(Vec::len).sum();
    let mut pieces = pieces.iter();
    let mut buffer = vec![0; 100_000];
    while got.len() < total {
        if !sink.is_full()
            && let Some(piece) = pieces.next()
        {
            sink.buffer().extend_from_slice(piece);
        }
        sink.flush_some();
        let take = takes.next().copied().unwrap_or(1);
        let mut readable = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
        if poll(&mut readable, PollTimeout::ZERO).unwrap() > 0 {
            let len = reader.read(&mut buffer[..take]).unwrap();
            got.extend_from_slice(&buffer[..len]);
        }
    }
    got
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn sink_delivers_every_byte_in_order_to_a_slow_reader(
        lengths in prop::collection::vec(0usize..150_000, 1..12),
        takes in prop::collection::vec(500usize..90_000, 1..6),
        kind in 0..3,
    ) {
        let mut counter = 0u32;
        let mut byte = || { counter += 1; (counter.wrapping_mul(2_654_435_761) >> 24) as u8 };
        let pieces: Vec<Vec<u8>> = lengths.iter().map(|&len| (0..len).map(|_| byte()).collect()).collect();
        let (writer, reader): (OwnedFd, OwnedFd) = match kind {
            0 => pipe().map(|(reader, writer)| (writer, reader)).unwrap(),
            1 => UnixStream::pair().map(|(one, other)| (one.into(), other.into())).unwrap(),
            _ => raw_terminal(),
        };
        let keep = writer.try_clone().unwrap();
        let got = through(Sink::new(writer), reader.into(), &pieces, &takes);
        prop_assert!(got == pieces.concat());
        drop(keep);
    }
}

/// A terminal that passes bytes as they are: its side for programs, and the user's.
fn raw_terminal() -> (OwnedFd, OwnedFd) {
    let pty = openpty(None, None).unwrap();
    let mut settings = tcgetattr(&pty.slave).unwrap();
    cfmakeraw(&mut settings);
    tcsetattr(&pty.slave, SetArg::TCSANOW, &settings).unwrap();
    (pty.slave, pty.master)
}

/// How large the pipe of a service is, in bytes, that has written so many blocks of this size.
fn pipe_after(blocks: usize, size: usize) -> i32 {
    let mut bench = bench(Log::Ring);
    for _ in 0..blocks {
        bench.write(&vec![b'x'; size]);
        bench.read();
    }
    nix::fcntl::fcntl(&bench.read, nix::fcntl::FcntlArg::F_GETPIPE_SZ).unwrap()
}

#[test]
fn noisy_service_gets_a_larger_pipe() {
    assert_eq!(pipe_after(7, 65_536), 65_536);
    assert!(pipe_after(8, 65_536) > 65_536);
}

/// A pipe is 16 pages, and what is written begins with a new one wherever it does not fit into the last: no read of such
/// a service ever fills 64 KiB.
#[test]
fn service_that_writes_blocks_that_do_not_fill_pages_is_noisy_too() {
    assert!(pipe_after(8, 64_000) > 65_536);
}

#[test]
fn service_that_writes_little_keeps_its_pipe() {
    assert_eq!(pipe_after(100, 20_000), 65_536);
}

#[test]
fn run_is_finished_even_while_its_children_keep_writing() {
    let mut bench = bench(Log::Ring);
    let mut write = bench.write.try_clone().unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = stop.clone();
    let child = std::thread::spawn(move || {
        while !seen.load(std::sync::atomic::Ordering::Relaxed) {
            write.write_all(&[b'x'; 10_000]).unwrap();
        }
    });
    bench.finish_run();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    while !child.is_finished() {
        bench.read();
    }
    child.join().unwrap();
}

#[test]
fn service_finds_an_ordinary_blocking_stdout() {
    let mut bench = bench(Log::Prefix);
    let stdout = bench.write.try_clone().unwrap();
    let mut service = Command::new("head");
    let mut service =
        service.args(["-c", "300000", "/dev/zero"]).stdout(stdout).stderr(Stdio::null()).spawn().unwrap();
    while service.try_wait().unwrap().is_none() {
        bench.read();
    }
    assert!(service.wait().unwrap().success());
    bench.finish_run();
    let zeros = bench.output().bytes().filter(|&byte| byte == 0).count();
    assert_eq!(zeros, 300_000);
}

//! How fast the output of a service is copied: MB/s of what the service writes, into a regular file.
//!
//! `cargo bench --bench log [-- DIR [ONLY]]`; DIR is where the file is written (default: the target directory's tmp;
//! `/dev/null`: nowhere); ONLY picks the runs whose name contains it. "of CPU": MB for each second of CPU time of this
//! process.
//! A child process writes 100-byte lines, one write(2) each or 64,000 bytes at a time, while this process runs
//! the logs as PID 1 does: epoll, read, flush. "floor" is the same without the logs: read(2), write(2) unchanged.
#![allow(missing_docs)]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use init_plan::model::Log;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use pulp_init::service::log::sink::Sink;
use pulp_init::service::log::{LogId, Logs, Reading, log_pipe};

const LINE: usize = 100;
const LINES: usize = 1_000_000;
const RUNS: usize = 5;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [role, lines] = args.as_slice()
        && role == "write"
    {
        return spew(lines.parse()?);
    }
    let dir = args.first().map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let only = args.get(1).map_or("", String::as_str);
    println!("{:16} {:>8} {:>8} {:>8}   MB/s of {RUNS} runs, {LINES} lines", "", "median", "best", "of CPU");
    for (name, at_once) in [("line", 1), ("bulk", 640)] {
        if name.contains(only) {
            report(&format!("{name} floor"), || floor(&dir, at_once))?;
        }
        for mode in [Log::Prefix, Log::Json, Log::Ring] {
            if format!("{name} {mode:?}").contains(only) {
                report(&format!("{name} {mode:?}"), || logs(&dir, at_once, mode))?;
            }
        }
    }
    idle()
}

fn report(name: &str, mut run: impl FnMut() -> Outcome<f64>) -> Outcome<()> {
    let before = cpu_seconds()?;
    let mut rates = (0..RUNS).map(|_| run()).collect::<Outcome<Vec<f64>>>()?;
    rates.sort_by(f64::total_cmp);
    let pick = |at: usize| rates.get(at).copied().unwrap_or_default();
    let of_cpu = (LINE * LINES * RUNS) as f64 / 1e6 / (cpu_seconds()? - before);
    println!("{name:16} {:8.0} {:8.0} {of_cpu:8.0}", pick(RUNS / 2), pick(RUNS - 1));
    Ok(())
}

/// What this process alone has used: a machine that is busy with other things does not blur it much.
fn cpu_seconds() -> Outcome<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// The service: waits for a byte on stdin, then writes.
fn spew(lines_at_once: usize) -> Outcome<()> {
    let mut line: Vec<u8> = (b'a'..=b'z').cycle().take(LINE - 1).collect();
    line.push(b'\n');
    let chunk = line.repeat(lines_at_once);
    let mut out = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    let mut left = LINE * LINES;
    std::io::stdin().read_exact(&mut [0])?;
    while left > 0 {
        let part = chunk.get(..left).unwrap_or(&chunk);
        out.write_all(part)?;
        left -= part.len();
    }
    Ok(())
}

fn writer(lines_at_once: usize, stdout: OwnedFd) -> Outcome<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["write", &lines_at_once.to_string()]);
    Ok(command.stdin(Stdio::piped()).stdout(stdout).spawn()?)
}

fn file(dir: &Path) -> Outcome<File> {
    if dir == Path::new("/dev/null") {
        return Ok(OpenOptions::new().write(true).open(dir)?);
    }
    let path = dir.join("bench.log");
    let _ = std::fs::remove_file(&path);
    Ok(OpenOptions::new().create(true).append(true).open(path)?)
}

fn rate(begin: Instant) -> f64 {
    (LINE * LINES) as f64 / 1e6 / begin.elapsed().as_secs_f64()
}

fn go(child: &mut Child) -> Outcome<Instant> {
    let mut stdin = child.stdin.take().ok_or("no stdin")?;
    let begin = Instant::now();
    stdin.write_all(b"g")?;
    Ok(begin)
}

fn floor(dir: &Path, at_once: usize) -> Outcome<f64> {
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let (mut pipe, mut out) = (File::from(read), file(dir)?);
    let mut child = writer(at_once, write)?;
    let mut chunk = vec![0; 64 * 1024];
    let begin = go(&mut child)?;
    loop {
        let len = pipe.read(&mut chunk)?;
        if len == 0 {
            break;
        }
        out.write_all(chunk.get(..len).unwrap_or_default())?;
    }
    let rate = rate(begin);
    child.wait()?;
    Ok(rate)
}

fn logs(dir: &Path, at_once: usize, mode: Log) -> Outcome<f64> {
    let mut logs = Logs::new(Sink::new(file(dir)?.into()), Log::Prefix, false, 64 * 1024);
    let id = logs.register("service", mode);
    let (read, write) = log_pipe()?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&read, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
    let mut child = writer(at_once, write)?;
    let begin = go(&mut child)?;
    let turns = copy(&mut logs, id, &read, &epoll)?;
    let rate = rate(begin);
    child.wait()?;
    if std::env::var_os("TURNS").is_some() {
        println!("  {turns} turns, {} bytes of heap ({} ring)", logs.heap().0, logs.heap().1);
    }
    let kept = logs.next_seq(id);
    if kept != LINES as u64 {
        return Err(format!("{kept} lines came of {LINES}").into());
    }
    Ok(rate)
}

fn copy(logs: &mut Logs, id: LogId, read: &OwnedFd, epoll: &Epoll) -> Outcome<usize> {
    let mut events = [EpollEvent::empty(); 8];
    let mut turns = 0;
    loop {
        epoll.wait(&mut events, EpollTimeout::NONE)?;
        turns += 1;
        let reading = logs.read(id, read.as_fd());
        logs.flush();
        if reading == Reading::Closed {
            return Ok(turns);
        }
    }
}

/// What a thousand services cost that write nothing, and then one line each.
fn idle() -> Outcome<()> {
    let mut logs = Logs::new(Sink::new(File::create("/dev/null")?.into()), Log::Prefix, false, 64 * 1024);
    let ids: Vec<LogId> = (0..1000).map(|n| logs.register(&format!("service-{n}"), Log::Prefix)).collect();
    println!("1000 services: {} bytes each", logs.heap().0 / 1000);
    let (read, write) = log_pipe()?;
    let mut pipe = File::from(write);
    for id in ids {
        pipe.write_all(&[b'x'; 99])?;
        pipe.write_all(b"\n")?;
        logs.read(id, read.as_fd());
    }
    logs.flush();
    logs.trim();
    println!("1000 services after a line of 100 bytes: {} bytes each", logs.heap().0 / 1000);
    Ok(())
}

//! As many processes as a large machine has, and clients for minutes: what is accepted at boot is served.
//!
//! `PULP_INIT_CROWD=600` does that for so many seconds; it is not part of `make test`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Api, Boot, Pulp, alone, number};

const STATUS: &str = "/pulp/api/v3/status/";
const WORKERS: u64 = 40;
const PROCESSES: u64 = 20;
/// Clients of each kind.
const READERS: usize = 24;
const WRITERS: usize = 8;
const PASSWORD: &str = "secret";

/// How often something was asked, and whether the last answer was right.
#[derive(Default)]
struct Count {
    well: AtomicU64,
    wrong: AtomicU64,
}

impl Count {
    fn note(&self, right: bool, what: impl FnOnce() -> String) {
        if right {
            self.well.fetch_add(1, Ordering::Relaxed);
        } else {
            self.wrong.fetch_add(1, Ordering::Relaxed);
            eprintln!("wrong: {}", what());
        }
    }

    fn told(&self) -> (u64, u64) {
        (self.well.load(Ordering::Relaxed), self.wrong.load(Ordering::Relaxed))
    }
}

/// Asks for a path, each time by a connection of its own.
fn read(address: &str, path: &str, count: &Count, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        let answer = get(address, path).map_err(|error| error.to_string());
        let right = answer.as_ref().is_ok_and(|answer| answer.get(9..12) == Some("200"));
        count.note(right, || format!("{path}: {answer:?}"));
    }
}

fn get(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(100)))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(text.get(..200).unwrap_or(&text)).into_owned())
}

/// Makes repositories, has tasks publish and delete them.
fn write(pulp: &Pulp, writer: usize, count: &Count, done: &AtomicBool) {
    let api = Api::admin(pulp, PASSWORD);
    let mut round = 0;
    while !done.load(Ordering::Relaxed) {
        round += 1;
        let name = format!("crowd-{writer}-{round}");
        let made = api.post("/pulp/api/v3/repositories/file/file/", &json!({ "name": name }));
        let repository = made["pulp_href"].as_str().unwrap_or_default().to_owned();
        // A task each: it must be completed, or `post` fails the test.
        let published =
            api.post("/pulp/api/v3/publications/file/file/", &json!({ "repository": repository }));
        count.note(published.is_string() || published.is_object(), || published.to_string());
    }
}

#[test]
fn any_numbers_of_processes_that_are_accepted_at_boot_are_served() {
    let seconds = number("PULP_INIT_CROWD", 0);
    if seconds == 0 {
        needs::skip("crowd", "takes minutes: set PULP_INIT_CROWD to a number of seconds");
        return;
    }
    let _turn = alone();
    let pulp = Boot::new("crowded")
        .env("PULP_DEFAULT_ADMIN_PASSWORD", PASSWORD)
        .env("PULP_WORKERS", &WORKERS.to_string())
        .env("PULP_API_WORKERS", &PROCESSES.to_string())
        .env("PULP_CONTENT_WORKERS", &PROCESSES.to_string())
        .ready();
    let path = Api::admin(&pulp, PASSWORD).publish_file("served", &[7; 20_000]);
    let address = format!("127.0.0.1:{}", pulp.port(80));
    let (asked, downloaded, tasks) = (Count::default(), Count::default(), Count::default());
    let done = AtomicBool::new(false);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for reader in 0..READERS {
            let (path, count) = if reader % 2 == 0 { (STATUS, &asked) } else { (path.as_str(), &downloaded) };
            let (address, done) = (&address, &done);
            scope.spawn(move || read(address, path, count, done));
        }
        for writer in 0..WRITERS {
            let (pulp, tasks, done) = (&pulp, &tasks, &done);
            scope.spawn(move || write(pulp, writer, tasks, done));
        }
        std::thread::sleep(Duration::from_secs(seconds));
        done.store(true, Ordering::Relaxed);
    });
    let connections =
        pulp.sql("select count(*) || ' of ' || current_setting('max_connections') from pg_stat_activity");
    let memory = pulp.ok(&["sh", "-c", "cat /sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes 2>/dev/null | head -1"]);
    let processes = pulp.command_lines().len();
    eprintln!(
        "{} s: status {:?}, files {:?}, tasks {:?} (right, wrong); {connections} connections, {processes} processes, peak {} MB",
        begun.elapsed().as_secs(),
        asked.told(),
        downloaded.told(),
        tasks.told(),
        memory.trim().parse::<u64>().unwrap_or(0) / 1_000_000,
    );
    for count in [&asked, &downloaded, &tasks] {
        assert!(count.told().0 > 0 && count.told().1 == 0, "{:?}", count.told());
    }
    for (name, service) in pulp.services() {
        assert_eq!(service["restarts"].as_u64().unwrap_or(0), 0, "{name}: {service}");
    }
    let logs = pulp.logs();
    for word in ["too many clients", "Too many open files", "WORKER TIMEOUT", "Cannot allocate", "was killed"]
    {
        assert!(!logs.contains(word), "{word}: {logs}");
    }
    let online = pulp.status()["online_workers"].as_array().map(Vec::len);
    assert_eq!(online, Some(usize::try_from(WORKERS).unwrap()));
}

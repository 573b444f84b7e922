//! `svctl ship`: output of services in files and at servers, and what happens if those do not take it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use init_core::status::Phase::{Done, Up};

use crate::harness::{PATIENCE, Running, Setup, svctl};

/// The service that ships to these places.
fn shipping(setup: Setup, to: &[&str]) -> Setup {
    let position = setup.path("position");
    let words: Vec<&str> =
        [svctl(), "ship", "--position", &position].into_iter().chain(to.iter().copied()).collect();
    setup.file("ship.toml", &format!("exec = {words:?}\n[ready]\nnotify = true\n"))
}

/// A message of a stream that has the length before each.
fn framed(stream: &mut impl BufRead) -> Option<String> {
    let mut length = Vec::new();
    stream.read_until(b' ', &mut length).ok()?;
    let length: usize = std::str::from_utf8(&length).ok()?.trim().parse().ok()?;
    let mut message = vec![0; length];
    stream.read_exact(&mut message).ok()?;
    String::from_utf8(message).ok()
}

/// Lines as they come to a syslog server: the service and the text.
fn messages(listener: TcpListener) -> Receiver<(String, String)> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            while let Some(message) = framed(&mut stream) {
                let mut words = message.splitn(8, ' ');
                let service = words.nth(3).unwrap().to_owned();
                let text = words.nth(3).unwrap_or_default().to_owned();
                if sender.send((service, text)).is_err() {
                    return;
                }
            }
        }
    });
    receiver
}

fn of(all: &Receiver<(String, String)>, service: &str, last: &str) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let (name, text) =
            all.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no `{last}` after {lines:?}"));
        if name == service {
            lines.push(text);
        }
        if lines.last().is_some_and(|line| line == last) {
            return lines;
        }
    }
}

#[test]
fn each_line_arrives_once_also_after_another_start() {
    // What comes faster than it is read waits there.
    let setup = Setup::new().settings("log-ring = \"4MiB\"\n");
    let (gate, logs) = (setup.path("gate"), setup.path("logs"));
    std::fs::create_dir(&logs).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("syslog+tcp://{}", listener.local_addr().unwrap());
    let all = messages(listener);
    let running = shipping(setup, &[&server, &format!("file:{logs}")])
        .oneshot("before", "say before-one say before-two", "")
        .oneshot("job", &format!("wait-file {gate} spew 5000 60 say job-done"), "")
        .start();
    running.reach("ship", Up);
    assert_eq!(of(&all, "before", "before-two"), ["before-one", "before-two"]);
    std::fs::write(&gate, "").unwrap();
    let lines = of(&all, "job", "job-done");
    assert_eq!(lines.len(), 5001);
    for (number, line) in lines.iter().take(5000).enumerate() {
        assert!(line.starts_with(&format!("{number:08} ")), "{number}: {line}");
    }
    running.reach("job", Done);
    let file = running.setup.work("logs").join("job.log");
    running.until("the file is whole", || {
        std::fs::read_to_string(&file).is_ok_and(|text| text.ends_with("job-done\n"))
    });
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 5001);
    // A change of state is a line of init's.
    running.until("it is told", || {
        let text = std::fs::read_to_string(running.setup.work("logs").join("init.log")).unwrap_or_default();
        text.contains("job: ending -> done")
    });
    // How far it is was written down, so nothing comes twice; what is new does.
    running.ok(&["restart", "ship"]);
    running.ok(&["restart", "before"]);
    let again = of(&all, "before", "before-two");
    assert_eq!(again, ["before-one", "before-two"]);
    let rest: Vec<_> = all.try_iter().filter(|(service, _)| service == "job").collect();
    assert!(rest.is_empty(), "{rest:?}");
    assert!(running.note("ship").contains("0 dropped"), "{}", running.note("ship"));
}

#[test]
fn receiver_that_takes_nothing_slows_nobody_down_and_is_told_what_it_missed() {
    const LINES: u64 = 200_000;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("syslog+tcp://{}", listener.local_addr().unwrap());
    let nobody = crate::harness::free_port();
    let setup = Setup::new().settings("log-ring = \"32MiB\"\n");
    let gate = setup.path("gate");
    let running = shipping(setup, &[&server, &format!("loki+http://127.0.0.1:{nobody}")])
        .oneshot("loud", &format!("wait-file {gate} spew {LINES} 100 say loud-is-done"), "")
        .start();
    running.reach("ship", Up);
    std::fs::write(&gate, "").unwrap();
    // It connects, and nobody reads.
    let (stream, _) = listener.accept().unwrap();
    running.reach("loud", Done);
    running.line("trying again until it works");
    let rss = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", host_pid(&running, "ship"))).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    running.until("it has dropped some for both", || note_number(&running, "dropped") > LINES / 2);
    assert!(rss() < 96 * 1024, "{} kB", rss());
    // Who reads again gets the newest, in order, and is told how many are missing.
    let mut stream = BufReader::new(stream);
    let (mut last, mut seen, mut missing) = (None, 0_u64, 0_u64);
    let mut take = |message: String| {
        let text = message.splitn(8, ' ').nth(7).unwrap_or_default().to_owned();
        if let Some((count, _)) = text.split_once(" lines were dropped") {
            missing += count.parse::<u64>().unwrap();
        } else if text.ends_with("xxx") {
            let number: u64 = text[..8].parse().unwrap();
            assert!(last.is_none_or(|last| number > last), "{number} after {last:?}");
            last = Some(number);
            seen += 1;
        }
        text == "loud-is-done"
    };
    // The connection may have been given up meanwhile; the next one goes on.
    let mut is_over = false;
    while !is_over {
        while let Some(message) = framed(&mut stream) {
            is_over |= take(message);
            if is_over {
                break;
            }
        }
        if !is_over {
            stream = BufReader::new(listener.accept().unwrap().0);
        }
    }
    assert!(seen > 10_000 && missing > 10_000, "{seen} seen, {missing} missing");
    running.ok(&["health"]);
}

fn note_number(running: &Running, word: &str) -> u64 {
    let note = running.note("ship");
    let words: Vec<&str> = note.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let at = words.iter().position(|found| *found == word);
    at.and_then(|at| words[at - 1].parse().ok()).unwrap_or(0)
}

fn host_pid(running: &Running, service: &str) -> i32 {
    running.main(service).outside
}

/// Answers each request with the next of these, and passes on the bodies of those that it took.
fn http(statuses: &'static [&'static str]) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut statuses = statuses.iter();
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            while let Some((head, body)) = request(&stream) {
                let status = statuses.next().unwrap_or(&"204 No Content");
                write!(&stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
                if status.starts_with("20") && sender.send(format!("{head}\n{body}")).is_err() {
                    return;
                }
            }
        }
    });
    (address, receiver)
}

fn request(stream: &TcpStream) -> Option<(String, String)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "))?.trim().parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}

#[test]
fn server_that_fails_is_tried_again_and_one_that_refuses_is_not() {
    let (collector, otlp) = http(&["500 Oh", "503 No", "200 OK"]);
    let (loki_address, loki) = http(&["400 Bad Request"]);
    let setup = Setup::new();
    let gate = setup.path("gate");
    let position = setup.path("position");
    let words = [svctl(), "ship", "--position", &position];
    let to = format!("otlp+http://{collector} loki+http://user:secret@{loki_address}");
    let running = setup
        .file(
            "ship.toml",
            &format!("exec = {words:?}\nenv.set.SVCTL_SHIP_TO = {to:?}\n[ready]\nnotify = true\n"),
        )
        .oneshot("one", "say first-line", "")
        .oneshot("two", &format!("wait-file {gate} say second-line"), "")
        .start();
    running.line("it refuses");
    let taken = otlp.recv_timeout(PATIENCE).unwrap();
    assert!(taken.starts_with("POST /v1/logs HTTP/1.1") && taken.contains("first-line"), "{taken}");
    running.line("it takes lines again");
    std::fs::write(&gate, "").unwrap();
    let taken = loki.recv_timeout(PATIENCE).unwrap();
    assert!(
        taken.contains("/loki/api/v1/push") && taken.contains("authorization: Basic dXNlcjpzZWNyZXQ="),
        "{taken}"
    );
    let mut all = taken;
    while !all.contains("second-line") {
        all.push_str(&loki.recv_timeout(PATIENCE).unwrap());
    }
    assert!(!all.contains("first-line"), "that was refused: {all}");
    assert!(!running.text().contains("secret"), "{}", running.text());
}

#[test]
fn what_cannot_work_is_told_at_once() {
    for (to, why) in [("http://a", "write file:/DIR"), ("file:/nowhere", "cannot open the directory")] {
        let running = shipping(Setup::new(), &[to]).start();
        running.line(why);
    }
}

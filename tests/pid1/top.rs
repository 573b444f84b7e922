//! `svctl top` on a terminal: random keys, random sizes, and services that write what a terminal would obey.
//!
//! `PULP_INIT_TOP_SECONDS` is for how long (3), `PULP_INIT_TOP_SEED` with which numbers.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

use crate::harness::{PATIENCE, Running, Setup};

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

/// A program on a terminal of its own.
struct OnTerminal {
    child: Child,
    keys: File,
    end: OwnedFd,
    output: Receiver<Vec<u8>>,
}

impl OnTerminal {
    fn start(running: &Running, words: &[&str]) -> OnTerminal {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let mut command = running.svctl_command(words);
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        command.stdin(end()).stdout(end()).stderr(end()).env("TERM", "xterm-256color").env_remove("NO_COLOR");
        let child = command.spawn().unwrap();
        drop(command);
        let (sender, output) = channel();
        let mut screen = File::from(pty.master.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut part = [0; 65536];
            while let Ok(count @ 1..) = screen.read(&mut part) {
                if sender.send(part[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        OnTerminal { child, keys: File::from(pty.master), end: pty.slave, output }
    }

    fn resize(&self, columns: u64, rows: u64) {
        let mut command = Command::new("stty");
        command.args(["columns", &columns.to_string(), "rows", &rows.to_string()]);
        let status = command.stdin(Stdio::from(self.end.try_clone().unwrap())).status().unwrap();
        assert!(status.success());
    }

    /// Its resident memory in kB.
    fn rss(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What services write: a title, a question that a terminal answers as if somebody had typed it, a bell, other colours, half a
/// character, a line that is longer than any screen, text from right to left.
const HOSTILE: &str = r"while :; do
    printf '\033]0;owned\007\033[6n\033[c\007\033[2J\033[31m red \033P1$r0m\033\\ \200\377 \342\202 \u202e abc\n'
    printf 'a%.0s' $(seq 1 3000); echo; printf '\r\b\b\t\v\f\n'; sleep 0.02
done";

/// What a terminal would obey, and `svctl` itself never writes.
const OBEYED: [&[u8]; 4] = [b"\x1b]0;", b"\x1b[6n", b"\x1b[c", b"\x1bP1"];

#[test]
fn random_keys_and_sizes_do_not_end_it_and_no_service_speaks_to_the_terminal() {
    let (seconds, seed) = (number("PULP_INIT_TOP_SECONDS", 3), number("PULP_INIT_TOP_SEED", 1));
    let running = Setup::new()
        .shell("hostile", "longrun", HOSTILE, "")
        .longrun("quiet", "notify STATUS=\\e[31mred sleep-forever", "notify = true")
        .longrun("failing", "say words exit 3", "[restart]\ndelay = \"100ms\"\nmax-delay = \"100ms\"")
        .start();
    running.booted();
    let mut top = OnTerminal::start(&running, &["top", "-i", "100ms"]);
    let mut random = Random(seed);
    let keys = [
        "j",
        "k",
        "s",
        "r",
        "/",
        "host",
        "?",
        "l",
        "x",
        "\r",
        "\t",
        " ",
        "G",
        "g",
        "\x1b[A",
        "\x1b[B",
        "\x1b[5~",
        "\x1b[6~",
        "\x1b[H",
        "\x1b[F",
        "\x7f",
        "ü",
        "\u{202e}",
        "\x1b[M !!",
        "\x00",
        "\x1b[200~x\x1b[201~",
        "9",
    ];
    let begin = Instant::now();
    let (mut settled, mut seen, mut sizes) = (None, Vec::new(), 0_u64);
    while begin.elapsed() < Duration::from_secs(seconds) {
        for _ in 0..random.below(8) {
            top.keys.write_all(random.of(&keys).as_bytes()).unwrap();
        }
        if random.below(4) == 0 {
            top.resize(20 + random.below(281), 5 + random.below(96));
            sizes += 1;
        }
        // Each wait is for something that it draws.
        if let Ok(part) = top.output.recv_timeout(PATIENCE) {
            seen.extend_from_slice(&part);
        }
        while let Ok(part) = top.output.try_recv() {
            seen.extend_from_slice(&part);
        }
        for obeyed in OBEYED {
            assert!(
                memchr::memmem::find(&seen, obeyed).is_none(),
                "seed {seed}: {obeyed:?} reaches the terminal"
            );
        }
        // A sequence may come in two parts.
        seen.drain(..seen.len().saturating_sub(8));
        let gone = top.child.try_wait().unwrap();
        assert!(gone.is_none(), "seed {seed}: it ended with {gone:?} after {:?}", begin.elapsed());
        if settled.is_none() && begin.elapsed() > Duration::from_secs(seconds) / 3 {
            settled = Some(top.rss());
        }
    }
    let (settled, now) = (settled.unwrap_or_default(), top.rss());
    assert!(now < settled + 4096, "seed {seed}: from {settled} to {now} kB after {sizes} sizes");
    // Out of the filter, the log and the help; then the end, and the screen is as it was.
    top.keys.write_all(b"\r").unwrap();
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        let _ = top.keys.write_all(b"\rq");
        while let Ok(part) = top.output.recv_timeout(Duration::from_millis(100)) {
            seen.extend_from_slice(&part);
        }
        match top.child.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(Instant::now() < deadline, "seed {seed}: it does not end"),
        }
    };
    assert_eq!(status.code(), Some(0), "seed {seed}");
    assert!(
        memchr::memmem::find(&seen, b"\x1b[?1049l").is_some(),
        "seed {seed}: the screen is not given back"
    );
}

//! What a container meets in a long life: anything, in any order, over and over, and people who mean no good.

use std::os::unix::net::UnixStream;
use std::time::Instant;

use init_core::status::Phase::{Down, Starting, Up};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Running, Setup, as_user, away_from_others, exec, svctl};

/// Sockets that `init` has open.
fn sockets(running: &Running) -> usize {
    let open = std::fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap().flatten();
    open.filter(|fd| {
        std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
    })
    .count()
}

/// Numbers that look random and are the same every time (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }
}

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// Eight services of every kind that depend on each other; each is one process while it is up.
fn zoo() -> Setup {
    let fast = "[restart]\ndelay = \"1ms\"\nmax-delay = \"5ms\"\n";
    Setup::new()
        .unhurried()
        .longrun("a", "ready-fd 3 sleep-forever", &format!("{fast}[ready]\nfd = 3"))
        .longrun("b", "notify READY=1 sleep-forever", &format!("requires = [\"a\"]\nwatchdog = \"1h\"\n{fast}[ready]\nnotify = true"))
        .longrun("c", "say listening sleep-forever", &format!("wants = [\"b\"]\n{fast}[ready]\nlog = 'listening'"))
        .longrun("d", "sleep-forever", &format!("requires = [\"a\"]\nfinish = [\"true\"]\n{fast}[ready]\ninterval = \"5ms\"\nexec = [\"true\"]"))
        .longrun("e", "sleep-forever", &format!("after = [\"d\"]\nstop.exec = [\"false\"]\n{fast}[start-if]\nexec = [\"true\"]"))
        .longrun("f", "sleep-forever", &format!("requires = [\"c\", \"e\"]\n{fast}[health]\ninterval = \"5ms\"\nexec = [\"true\"]"))
        .longrun("g", "on TERM ignore ready-fd 3 sleep-forever", &format!("{fast}[stop]\ntimeout = \"50ms\"\n[ready]\nfd = 3"))
        .longrun("h", "ready-fd 3 sleep-forever", &format!("requires = [\"g\"]\n{fast}[ready]\nfd = 3"))
}

fn any_order(seed: u64) {
    let running = zoo().start();
    running.booted();
    let mut dice = Dice(seed);
    for _ in 0..120 {
        let name = NAMES[dice.roll(NAMES.len())];
        match dice.roll(9) {
            0 | 1 => drop(running.svctl(&["stop", "--no-wait", name])),
            2 | 3 => drop(running.svctl(&["start", "--no-wait", name])),
            4 | 5 => drop(running.svctl(&["restart", "--no-wait", name])),
            6 => drop(running.svctl(&["signal", "KILL", name])),
            7 => drop(running.svctl(&["stop", "-t", "20ms", name])),
            _ => running.signal(Signal::SIGHUP),
        }
        let processes = running.processes();
        let puppets = processes.iter().filter(|process| process.name == "puppet").count();
        assert!(puppets <= NAMES.len(), "seed {seed}: two processes of one service: {processes:?}");
    }
    for name in NAMES {
        running.ok(&["start", "-t", "30s", name]);
    }
    for name in NAMES {
        running.reach(name, Up);
    }
    running.until("eight processes are left", || {
        running.processes().iter().filter(|process| process.name == "puppet").count() == NAMES.len()
    });
    let (code, text) = running.stop();
    assert_eq!(code, 0, "seed {seed}: {text}");
}

#[test]
fn requests_in_any_order_leave_one_process_a_service_and_a_clean_end() {
    for seed in 0..6 {
        any_order(seed);
    }
}

#[test]
fn stop_in_the_middle_of_anything_is_clean() {
    for seed in 100..110 {
        let running = zoo().start();
        let mut dice = Dice(seed);
        if dice.roll(2) == 0 {
            running.booted();
        }
        for _ in 0..dice.roll(10) {
            let name = NAMES[dice.roll(NAMES.len())];
            let verb = ["start", "stop", "restart"][dice.roll(3)];
            running.svctl(&[verb, "--no-wait", name]);
        }
        running.svctl(&["shutdown", "--code", "3"]);
        let (code, text) = running.exit();
        assert_eq!(code, 3, "seed {seed}: {text}");
        let mut killed = text.lines().filter(|line| line.contains("did not stop within"));
        assert!(killed.all(|line| line.contains("g: ")), "seed {seed}: only one ignores its signal: {text}");
    }
}

#[test]
fn hundreds_of_restarts_and_reloads_leak_nothing() {
    let running = zoo().start();
    running.booted();
    let round = || {
        for name in NAMES {
            running.ok(&["restart", name]);
        }
        running.ok(&["reload"]);
        running.ok(&["logs", "-n", "5"]);
    };
    let open = || std::fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap().count();
    let memory = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    for _ in 0..5 {
        round();
    }
    let before = (open(), memory());
    for _ in 0..25 {
        round();
    }
    // A probe may be under way, and a client just hanging up.
    running.until("as few files are open as before", || open() <= before.0 + 3);
    assert!(memory() <= before.1 + 512, "{} KiB, {} before", memory(), before.1);
    let sockets = std::fs::read_dir(running.setup.dir.path().join("run/notify")).unwrap().count();
    assert_eq!(sockets, 1, "one service has a notify socket");
}

/// What `init` holds: open files, memory of its own in KiB.
fn held(running: &Running) -> (usize, u64) {
    let files = std::fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap().count();
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    (files, line.split_whitespace().nth(1).unwrap().parse().unwrap())
}

/// A service that ends at once, and is started again at once. `PULP_INIT_SOAK` says how often (1,000): the line that it
/// says each time goes round in the ring of its log.
#[test]
fn thousands_of_restarts_of_a_service_leak_neither_memory_nor_files_nor_log() {
    let wanted: u32 = std::env::var("PULP_INIT_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let setup = Setup::new().file("init.toml", "log-ring = \"4KiB\"\n");
    let running = setup
        .longrun(
            "brief",
            "say 'a line of some length that fills the ring soon' exit 0",
            "restart.delay = \"0s\"\nrestart.factor = 1",
        )
        .longrun("other", "sleep-forever", "")
        .start();
    running.booted();
    let restarts = || running.status("brief").restarts;
    // Until its ring has gone round.
    running.until("the first restarts", || restarts() >= wanted.min(300) / 2);
    let (first, begin) = (restarts(), Instant::now());
    let before = held(&running);
    for more in (0..wanted).step_by(100) {
        running.until("the next hundred restarts", || restarts() >= first + wanted.min(more + 100));
    }
    let after = held(&running);
    let lines = running.ok(&["logs", "-n", "100000", "brief"]);
    eprintln!(
        "{} restarts in {:.1} s: files {} to {}, memory {} to {} KiB, {} bytes of log",
        restarts() - first,
        begin.elapsed().as_secs_f64(),
        before.0,
        after.0,
        before.1,
        after.1,
        lines.len()
    );
    running.until("as few files are open as before", || held(&running).0 <= before.0 + 3);
    assert!(after.1 <= before.1 + 256, "{before:?} {after:?}");
    assert!(lines.len() <= 4096, "{}", lines.len());
    assert_eq!(running.phase("other"), Up);
    running.ok(&["stop", "brief"]);
    running.until("only one process is left", || running.processes().len() == 1);
}

#[test]
fn term_while_init_reads_its_plan_is_not_lost() {
    let mut setup = Setup::new().not_in_a_container();
    let long = format!("exec = [\"true\"]\nautostart = false\n# {}\n", "x".repeat(4000));
    for number in 0..2000 {
        setup = setup.file(&format!("s{number}.toml"), &long);
    }
    let running = setup.start();
    let reads = |pid: i32| {
        let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        let line = io.lines().find_map(|line| line.strip_prefix("rchar: "));
        line.and_then(|count| count.parse::<u64>().ok()).is_some_and(|count| count > 500_000)
    };
    let mut pid = 0;
    running.until("it reads its files", || {
        pid = running.try_pid().unwrap_or(0);
        reads(pid)
    });
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    let (code, text) = running.exit();
    assert_eq!(code, 0, "{text}");
}

#[test]
fn clients_that_only_watch_do_not_keep_root_out() {
    if !needs::root() {
        return;
    }
    let running = Setup::new().longrun("web", "sleep-forever", "").start();
    running.booted();
    // A service's user, who may look, and looks a lot.
    let watch = format!("{} events & ", svctl()).repeat(80);
    let mut watchers = away_from_others()
        .args(as_user(4242))
        .args(["sh", "-c", &format!("{watch} wait")])
        .env("INIT_RUNTIME_DIR", running.setup.dir.path().join("run"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // No more of one user are taken.
    running.until("they are connected", || sockets(&running) >= 16);
    let said = [running.svctl(&["restart", "web"]), running.svctl(&["health"])];
    assert!(said.iter().all(|said| said.code == 0), "{said:?}");
    assert_eq!(running.stop().0, 0);
    watchers.wait().unwrap();
}

#[test]
fn wait_for_a_service_that_a_reload_removes_does_not_succeed() {
    let running = Setup::new()
        .longrun("web", "sleep-forever", "")
        .longrun("never", "sleep-forever", "autostart = false")
        .start();
    running.booted();
    let mut client = running.svctl_command(&["wait", "never"]).spawn().unwrap();
    running.until("it waits", || sockets(&running) >= 2);
    running.ok(&["health"]);
    std::fs::remove_file(running.setup.services().join("never.toml")).unwrap();
    running.ok(&["reload"]);
    running.ok(&["restart", "web"]);
    let code = client.wait().unwrap().code();
    assert!(matches!(code, Some(1 | 4)), "{code:?}");
}

#[test]
fn services_from_a_kubernetes_config_map_are_read() {
    // A directory of symbolic links into a hidden one, which is itself behind a link.
    let setup = Setup::new();
    let place = setup.work("config");
    let real = place.join("..2026_11_21_12_00");
    std::fs::create_dir_all(&real).unwrap();
    std::os::unix::fs::symlink("..2026_11_21_12_00", place.join("..data")).unwrap();
    for name in ["web.toml", "db.toml"] {
        std::fs::write(real.join(name), exec(&format!("say I-am-{name} sleep-forever"))).unwrap();
        std::os::unix::fs::symlink(format!("..data/{name}"), place.join(name)).unwrap();
    }
    let place = place.display().to_string();
    let running = setup.args(&["--services", &place]).start();
    running.line("I-am-web.toml");
    running.line("I-am-db.toml");
    running.booted();
    assert_eq!(running.services().len(), 2);
}

#[test]
fn services_of_any_name_may_notify() {
    let long = "n".repeat(128);
    let odd = "a-b_c.d@e";
    let notify = "notify READY=1 sleep-forever";
    let ready = "[ready]\nnotify = true";
    let running = Setup::new()
        .longrun(&long, notify, ready)
        .file("a-b_c.d@.toml", &format!("{}instances = [\"e\"]\n{ready}\n", exec(notify)))
        .start();
    running.booted();
    assert_eq!((running.phase(&long), running.phase(odd)), (Up, Up));
}

#[test]
fn init_that_was_stopped_for_a_while_takes_up_where_it_was() {
    let running = Setup::new()
        .longrun(
            "web",
            "sleep-forever",
            "[health]\ninterval = \"10ms\"\ntimeout = \"1s\"\nfailures = 1\nexec = [\"true\"]",
        )
        .longrun("db", "notify READY=1 sleep-forever", "watchdog = \"1h\"\n[ready]\nnotify = true")
        .start();
    running.booted();
    let pid = running.status("web").pid.unwrap();
    let outside = running.process(pid).unwrap().outside;
    let init = Pid::from_raw(running.pid());
    kill(init, Signal::SIGSTOP).unwrap();
    kill(Pid::from_raw(outside), Signal::SIGKILL).unwrap();
    running.until("it is a zombie", || {
        std::fs::read_to_string(format!("/proc/{outside}/stat")).is_ok_and(|stat| stat.contains(") Z"))
    });
    kill(init, Signal::SIGCONT).unwrap();
    running.until("it was restarted", || running.status("web").restarts == 1 && running.phase("web") == Up);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn connections_that_come_and_go_leave_nothing() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let running = setup
        .longrun("web", &format!("wait-file {gate} ready-fd 3 sleep-forever"), "[ready]\nfd = 3")
        .start();
    running.reach("web", Starting);
    let open = || std::fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap().count();
    let before = open();
    let path = running.setup.dir.path().join("run/control");
    for _ in 0..300 {
        drop(UnixStream::connect(&path).unwrap());
        let mut client = running.svctl_command(&["wait", "web"]).spawn().unwrap();
        client.kill().unwrap();
        client.wait().unwrap();
    }
    running.until("all are gone", || open() <= before);
    running.ok(&["stop", "web"]);
    assert_eq!(running.phase("web"), Down);
}

//! A service to supervise in tests: does what its arguments say, one word after the other, then exits with 0.
//!
//! ```text
//! puppet on TERM exit 7 say hello ready-fd 3 sleep-forever
//! ```
//! | word | what it does |
//! |---|---|
//! | `say TEXT`, `err TEXT` | writes a line to its output, to its error output |
//! | `spew LINES BYTES` | writes so many numbered lines, each of so many bytes without its newline |
//! | `print-env NAME` | `NAME=value`, or `NAME unset` |
//! | `print-ids` | `uid=… gid=… groups=…` (all of real, effective and saved, if they differ) |
//! | `print-limits` | `nofile=SOFT:HARD …`, of every limit |
//! | `print-status NAME` | a line of /proc/self/status, such as `SigIgn` or `NoNewPrivs` |
//! | `print-self` | `pid=… ppid=… pgid=… sid=… nice=… umask=… oom=… cwd=…` |
//! | `print-fds` | `fds=0,1,2…`, what is open |
//! | `print-args WORD` | the word, and nothing else; for tests of quoting |
//! | `ready-fd N` | writes a newline to the descriptor and closes it |
//! | `notify TEXT` | sends it to `$NOTIFY_SOCKET`; `\n` in it is a line break |
//! | `notify-flood TEXT` | sends it for ever, as fast as it is taken |
//! | `notify-child TEXT` | the same by a child that is dead and reaped before the next word |
//! | `on SIGNAL exit CODE` | …from now on, when the signal comes |
//! | `on SIGNAL say TEXT`, `on SIGNAL touch PATH` | |
//! | `on SIGNAL ignore`, `on SIGNAL default` | |
//! | `listen-tcp PORT`, `listen-unix PATH` | accepts connections and closes them; port 0: any, says `port N` |
//! | `http PORT STATUS BODY` | answers every request with that; port 0: as above |
//! | `activate NAME=ADDRESS,…` | listens there (`127.0.0.1:PORT`, `unix:PATH`) and goes on as systemd-socket-activate would: with `LISTEN_FDS` |
//! | `serve-fd N TEXT` | answers each connection of the listening descriptor with a line |
//! | `fork` | a child in the same group that ignores TERM and stays |
//! | `stdout-holder` | a child in a session of its own that stays and keeps the output open |
//! | `orphan N` | makes so many orphans, which end at once |
//! | `new-session` | forks, goes on in the child in a session of its own; the first process waits for it |
//! | `touch PATH`, `append PATH TEXT` | makes a file; adds a line to one |
//! | `wait-file PATH` | waits until it exists |
//! | `fail-times PATH N CODE` | exits with the code the first N times it is run, counting in the file |
//! | `sleep MS`, `sleep-forever` | |
//! | `kill-self SIGNAL` | dies of it, whatever `on` said |
//! | `exit CODE`, `exec PROGRAM WORDS…` | |
//!
//! Children end by themselves after two minutes, so that a failed test leaves nothing behind. A wrong word exits with 64.

#![allow(
    unsafe_code,
    missing_docs,
    clippy::undocumented_unsafe_blocks,
    reason = "a test program that plays with processes"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "see above"
)]

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

type Words = std::vec::IntoIter<String>;

/// Rust's runtime ignores SIGPIPE before `main`, which would hide what the supervisor gave us.
static PIPE: AtomicI32 = AtomicI32::new(0);

#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = {
    extern "C" fn remember() {
        let mut old: libc::sigaction = unsafe { std::mem::zeroed() };
        unsafe { libc::sigaction(libc::SIGPIPE, std::ptr::null(), &mut old) };
        PIPE.store((old.sa_sigaction == libc::SIG_IGN).into(), Ordering::Relaxed);
    }
    remember
};

fn main() {
    if PIPE.load(Ordering::Relaxed) == 0 {
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    }
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.into_string().expect("UTF-8")).collect();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        run(&word, &mut words);
    }
}

fn run(word: &str, words: &mut Words) {
    match word {
        "say" => println!("{}", next(words)),
        "err" => eprintln!("{}", next(words)),
        "spew" => spew(number(words), number(words)),
        "print-env" => print_env(&next(words)),
        "print-ids" => print_ids(),
        "print-limits" => print_limits(),
        "print-status" => print_status(&next(words)),
        "print-self" => print_self(),
        "print-fds" => print_fds(),
        "print-args" => println!("{:?}", next(words)),
        "ready-fd" => ready_fd(number(words)),
        "notify" => notify(&next(words)),
        "notify-flood" => loop {
            notify(&next(&mut words.clone()));
        },
        "notify-child" => {
            let text = next(words);
            in_dead_child(|| notify(&text));
        }
        "on" => on(signal(words), &next(words), words),
        "listen-tcp" => serve_tcp(number(words), None),
        "http" => serve_tcp(number(words), Some(answer(&next(words), &next(words)))),
        "activate" => activate(&next(words)),
        "serve-fd" => serve_fd(number(words), &next(words)),
        "listen-unix" => listen_unix(&next(words)),
        "fork" => stubborn_child(),
        "stdout-holder" => stdout_holder(),
        "orphan" => orphans(number(words)),
        "new-session" => new_session(),
        "touch" => fs::write(next(words), "").unwrap(),
        "append" => append(&next(words), &next(words)),
        "wait-file" => wait_file(Path::new(&next(words))),
        "fail-times" => fail_times(&next(words), number(words), number(words)),
        "sleep" => std::thread::sleep(std::time::Duration::from_millis(number(words))),
        "sleep-forever" => sleep_forever(),
        "kill-self" => kill_self(signal(words)),
        "exit" => std::process::exit(number(words)),
        "exec" => panic!("{}", Command::new(next(words)).args(words).exec()),
        _ => usage(&format!("unknown word `{word}`")),
    }
}

fn usage(why: &str) -> ! {
    eprintln!("puppet: {why}");
    std::process::exit(64)
}

fn next(words: &mut Words) -> String {
    words.next().unwrap_or_else(|| usage("a word is missing at the end"))
}

fn number<N: std::str::FromStr>(words: &mut Words) -> N {
    let word = next(words);
    word.parse().unwrap_or_else(|_| usage(&format!("`{word}` is no number")))
}

/// A name without `SIG`, or a number.
fn signal(words: &mut Words) -> i32 {
    const NAMES: [(&str, i32); 12] = [
        ("HUP", libc::SIGHUP),
        ("INT", libc::SIGINT),
        ("QUIT", libc::SIGQUIT),
        ("ABRT", libc::SIGABRT),
        ("KILL", libc::SIGKILL),
        ("USR1", libc::SIGUSR1),
        ("SEGV", libc::SIGSEGV),
        ("USR2", libc::SIGUSR2),
        ("TERM", libc::SIGTERM),
        ("CONT", libc::SIGCONT),
        ("STOP", libc::SIGSTOP),
        ("WINCH", libc::SIGWINCH),
    ];
    let word = next(words);
    let known = NAMES.iter().find(|(name, _)| *name == word).map(|&(_, number)| number);
    known.or_else(|| word.parse().ok()).unwrap_or_else(|| usage(&format!("`{word}` is no signal")))
}

// What it prints.

fn spew(lines: usize, bytes: usize) {
    let mut out = io::BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    for line in 0..lines {
        let mut text = format!("{line:08} ");
        text.truncate(bytes);
        out.write_all(text.as_bytes()).unwrap();
        out.write_all(&vec![b'x'; bytes - text.len()]).unwrap();
        out.write_all(b"\n").unwrap();
    }
    out.flush().unwrap();
}

fn print_env(name: &str) {
    match std::env::var_os(name) {
        Some(value) => println!("{name}={}", value.display()),
        None => println!("{name} unset"),
    }
}

fn print_ids() {
    let (mut uids, mut gids, mut groups) = ([0; 3], [0; 3], [0; 1024]);
    let [r, e, s] = &mut uids;
    let [gr, ge, gs] = &mut gids;
    let count = unsafe {
        libc::getresuid(r, e, s);
        libc::getresgid(gr, ge, gs);
        libc::getgroups(groups.len() as i32, groups.as_mut_ptr())
    };
    let list = |ids: &[u32]| ids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let same = |ids: [u32; 3]| if ids == [ids[0]; 3] { ids[0].to_string() } else { list(&ids) };
    let mut groups = groups[..count as usize].to_vec();
    groups.sort_unstable();
    println!("uid={} gid={} groups={}", same(uids), same(gids), list(&groups));
}

fn print_limits() {
    const NAMES: [(&str, u32); 16] = [
        ("as", libc::RLIMIT_AS),
        ("core", libc::RLIMIT_CORE),
        ("cpu", libc::RLIMIT_CPU),
        ("data", libc::RLIMIT_DATA),
        ("fsize", libc::RLIMIT_FSIZE),
        ("locks", libc::RLIMIT_LOCKS),
        ("memlock", libc::RLIMIT_MEMLOCK),
        ("msgqueue", libc::RLIMIT_MSGQUEUE),
        ("nice", libc::RLIMIT_NICE),
        ("nofile", libc::RLIMIT_NOFILE),
        ("nproc", libc::RLIMIT_NPROC),
        ("rss", libc::RLIMIT_RSS),
        ("rtprio", libc::RLIMIT_RTPRIO),
        ("rttime", libc::RLIMIT_RTTIME),
        ("sigpending", libc::RLIMIT_SIGPENDING),
        ("stack", libc::RLIMIT_STACK),
    ];
    let show = |value: libc::rlim_t| {
        if value == libc::RLIM_INFINITY { "unlimited".to_owned() } else { value.to_string() }
    };
    let each = NAMES.map(|(name, resource)| {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        unsafe { libc::getrlimit(resource as _, &mut limit) };
        format!("{name}={}:{}", show(limit.rlim_cur), show(limit.rlim_max))
    });
    println!("{}", each.join(" "));
}

fn status_line(name: &str) -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":"));
    line.map_or_else(|| format!("{name} unknown"), |value| format!("{name}={}", value.trim()))
}

fn print_status(name: &str) {
    println!("{}", status_line(name));
}

fn print_self() {
    let (pid, ppid, pgid, sid, nice) = unsafe {
        (libc::getpid(), libc::getppid(), libc::getpgid(0), libc::getsid(0), libc::getpriority(0, 0))
    };
    let umask = status_line("Umask").replace("Umask=", "");
    let oom = fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    let cwd = std::env::current_dir().unwrap_or_default();
    println!(
        "pid={pid} ppid={ppid} pgid={pgid} sid={sid} nice={nice} umask={umask} oom={} cwd={}",
        oom.trim(),
        cwd.display()
    );
}

fn print_fds() {
    // By asking for each: a directory opened to list them would be one of them.
    let open = (0..1024).filter(|&fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0);
    println!("fds={}", open.map(|fd| fd.to_string()).collect::<Vec<_>>().join(","));
}

// What it tells its supervisor.

fn ready_fd(fd: i32) {
    let written = unsafe { libc::write(fd, c"\n".as_ptr().cast(), 1) };
    if written != 1 {
        usage(&format!("ready-fd {fd}: {}", io::Error::last_os_error()));
    }
    unsafe { libc::close(fd) };
}

fn notify(text: &str) {
    let path = std::env::var("NOTIFY_SOCKET").unwrap_or_else(|_| usage("NOTIFY_SOCKET is not set"));
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    let text = text.replace("\\n", "\n");
    let sent = UnixDatagram::unbound().unwrap().send_to_addr(text.as_bytes(), &address.unwrap());
    sent.unwrap_or_else(|error| usage(&format!("notify {path}: {error}")));
}

// Signals. A handler may only do what signal-safety(7) allows, so everything is made ready beforehand.

static CODES: [AtomicI32; 65] = [const { AtomicI32::new(-1) }; 65];
static TEXTS: [AtomicPtr<libc::c_char>; 65] = [const { AtomicPtr::new(std::ptr::null_mut()) }; 65];
static PATHS: [AtomicPtr<libc::c_char>; 65] = [const { AtomicPtr::new(std::ptr::null_mut()) }; 65];

extern "C" fn handle(signal: i32) {
    let index = signal as usize;
    let (text, path) = (TEXTS[index].load(Ordering::Relaxed), PATHS[index].load(Ordering::Relaxed));
    unsafe {
        if !text.is_null() {
            libc::write(1, text.cast(), libc::strlen(text));
        }
        if !path.is_null() {
            libc::close(libc::open(path, libc::O_CREAT | libc::O_WRONLY | libc::O_CLOEXEC, 0o644));
        }
        match CODES[index].load(Ordering::Relaxed) {
            -1 => {}
            code => libc::_exit(code),
        }
    }
}

fn on(signal: i32, what: &str, words: &mut Words) {
    let index = signal as usize;
    let action = match what {
        "ignore" => libc::SIG_IGN,
        "default" => libc::SIG_DFL,
        _ => handle as *const () as usize,
    };
    match what {
        "ignore" | "default" => {}
        "exit" => CODES[index].store(number(words), Ordering::Relaxed),
        "say" => TEXTS[index].store(CString::new(next(words) + "\n").unwrap().into_raw(), Ordering::Relaxed),
        "touch" => PATHS[index].store(CString::new(next(words)).unwrap().into_raw(), Ordering::Relaxed),
        _ => usage(&format!("on: unknown action `{what}`")),
    }
    if unsafe { libc::signal(signal, action) } == libc::SIG_ERR {
        usage(&format!("on: signal {signal} cannot be caught"));
    }
}

fn kill_self(signal: i32) {
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::kill(libc::getpid(), signal);
    }
}

fn sleep_forever() -> ! {
    loop {
        unsafe { libc::pause() };
    }
}

// Children.

/// Forks; runs the closure in the child, which ends in it. Returns the child's pid.
fn child(life: impl FnOnce()) -> i32 {
    io::stdout().flush().unwrap();
    match unsafe { libc::fork() } {
        -1 => usage(&format!("fork: {}", io::Error::last_os_error())),
        0 => {
            unsafe { libc::alarm(120) };
            life();
            unsafe { libc::_exit(0) }
        }
        pid => pid,
    }
}

fn wait_for(pid: i32) -> i32 {
    let mut status = 0;
    while unsafe { libc::waitpid(pid, &mut status, 0) } == -1 {}
    libc::WEXITSTATUS(status)
}

fn in_dead_child(life: impl FnOnce()) {
    wait_for(child(life));
}

/// What a child must not keep open so that only its being alive matters.
fn let_go_of_output() {
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        for fd in 0..3 {
            libc::dup2(null, fd);
        }
    }
}

fn stubborn_child() {
    child(|| {
        unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
        let_go_of_output();
        sleep_forever()
    });
}

fn stdout_holder() {
    child(|| {
        unsafe { libc::setsid() };
        sleep_forever()
    });
}

/// The orphans wait for their parent's end, which closes the pipe, so that none ends before it is an orphan.
fn orphans(count: usize) {
    in_dead_child(|| {
        let (mut end, held) = io::pipe().unwrap();
        for _ in 0..count {
            child(|| {
                unsafe { libc::close(held.as_raw_fd()) };
                let _ = end.read(&mut [0]);
            });
        }
    });
}

fn new_session() {
    let (mut made, tell) = io::pipe().unwrap();
    match unsafe { libc::fork() } {
        0 => {
            unsafe { libc::setsid() };
            drop((made, tell));
        }
        pid => {
            drop(tell);
            let _ = made.read(&mut [0]);
            std::process::exit(wait_for(pid))
        }
    }
}

// Sockets: a child accepts, so that the words go on. It dies with its parent.

fn serve(mut accept: impl FnMut()) {
    let parent = unsafe { libc::getpid() };
    child(|| {
        unsafe {
            libc::signal(libc::SIGPIPE, libc::SIG_IGN);
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        }
        let_go_of_output();
        while unsafe { libc::getppid() } == parent {
            accept();
        }
    });
}

fn serve_tcp(port: u16, answer: Option<String>) {
    let listener =
        TcpListener::bind(("127.0.0.1", port)).unwrap_or_else(|error| usage(&format!("{port}: {error}")));
    if port == 0 {
        println!("port {}", listener.local_addr().unwrap().port());
    }
    serve(|| {
        if let (Ok((mut stream, _)), Some(answer)) = (listener.accept(), &answer) {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} Puppet\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn activate(sockets: &str) {
    let (names, addresses): (Vec<_>, Vec<_>) =
        sockets.split(',').map(|socket| socket.split_once('=').expect("NAME=ADDRESS")).unzip();
    for (number, address) in (3..).zip(&addresses) {
        let listener: OwnedFd = match address.strip_prefix("unix:") {
            Some(path) => UnixListener::bind(path).unwrap().into(),
            None => TcpListener::bind(address).unwrap().into(),
        };
        // It may have that number already.
        let kept = std::os::fd::IntoRawFd::into_raw_fd(listener);
        if kept == number {
            unsafe { libc::fcntl(kept, libc::F_SETFD, 0) };
        } else {
            unsafe { libc::dup2(kept, number) };
            unsafe { libc::close(kept) };
        }
    }
    let variables = [
        ("LISTEN_FDS", addresses.len().to_string()),
        ("LISTEN_FDNAMES", names.join(":")),
        ("LISTEN_PID", std::process::id().to_string()),
    ];
    // There are no threads.
    variables.iter().for_each(|(name, value)| unsafe { std::env::set_var(name, value) });
}

fn serve_fd(number: i32, text: &str) {
    loop {
        // Of any family, so with no place for an address.
        let stream = unsafe { libc::accept(number, std::ptr::null_mut(), std::ptr::null_mut()) };
        if stream < 0 {
            usage(&format!("serve-fd {number}: {}", io::Error::last_os_error()));
        }
        let _ = writeln!(unsafe { fs::File::from_raw_fd(stream) }, "{text}");
    }
}

fn listen_unix(path: &str) {
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path).unwrap_or_else(|error| usage(&format!("{path}: {error}")));
    serve(|| drop(listener.accept()));
}

// Files.

fn append(path: &str, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(format!("{text}\n").as_bytes()).unwrap();
}

fn wait_file(path: &Path) {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = CString::new(parent.to_str().unwrap()).unwrap();
    unsafe {
        let watch = libc::inotify_init1(libc::IN_CLOEXEC);
        libc::inotify_add_watch(watch, parent.as_ptr(), libc::IN_CREATE | libc::IN_MOVED_TO);
        while !path.exists() {
            let mut events = [0_u8; 4096];
            libc::read(watch, events.as_mut_ptr().cast(), events.len());
        }
        libc::close(watch);
    }
}

fn fail_times(path: &str, times: u64, code: i32) {
    let runs = fs::metadata(path).map_or(0, |metadata| metadata.len());
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(b".").unwrap();
    if runs < times {
        std::process::exit(code);
    }
}

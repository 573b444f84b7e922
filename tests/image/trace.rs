//! Every access of root to a volume while the container boots, as strace(1) sees it: each goes by a directory that is
//! held open and by a single name in it. What is checked by its path can be another by the time it is used by its path.
//!
//! strace follows thousands of processes, which takes a minute: `PULP_INIT_TRACE=1`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use regex::Regex;

use crate::harness::{Folders, Pulp, number, podman_ok, turn};

/// What other users can write to.
const VOLUMES: [&str; 2] = ["/var/lib/pulp", "/var/lib/pgsql"];

/// Follows the container from its first system call on; each process gets a file in `folder`.
fn follow(pulp: &Pulp, folder: &Path) -> Child {
    podman_ok(&["init", &pulp.name]);
    let pid = pulp.inspect("{{.State.Pid}}");
    let mut strace = Command::new("strace");
    strace.args([
        "-ff",
        "-y",
        "-s",
        "4096",
        "-e",
        "trace=%file,%process,%creds",
        "-e",
        "signal=none",
        "--pidns-translation",
    ]);
    strace.arg("-o").arg(folder.join("trace")).args(["-p", &pid]).stderr(Stdio::piped());
    let mut strace = strace.spawn().unwrap();
    let mut said = BufReader::new(strace.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.contains("attached"), "{line}");
    // It goes on to say which processes there are; nobody reads it, and it must not wait for that.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    strace
}

/// A process, as far as it was followed.
#[derive(Clone)]
struct Process {
    root: bool,
    program: String,
}

struct Reader<'a> {
    folder: &'a Path,
    /// A call, its arguments, its result, and that as a number of a process outside of the container.
    call: Regex,
    /// A path among the arguments.
    quoted: Regex,
    /// The open directory that a call begins with, or the current one.
    held: Regex,
    wrong: BTreeMap<String, usize>,
    seen: usize,
}

impl Reader<'_> {
    /// Goes through the calls of a process, then of those that it made.
    fn read(&mut self, pid: &str, mut process: Process) {
        let Ok(bytes) = fs::read(self.folder.join(format!("trace.{pid}"))) else { return };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for line in text.lines() {
            let Some(parts) = self.call.captures(line) else { continue };
            let (name, arguments, result) = (&parts[1], &parts[2], &parts[3]);
            match name {
                // strace names files by the numbers that processes have outside of the container.
                "clone" | "clone3" | "fork" | "vfork" => {
                    self.read(parts.get(4).map_or(result, |outside| outside.as_str()), process.clone());
                }
                "setuid" | "setreuid" | "setresuid" if result == "0" => {
                    process.root &= !arguments.split(", ").any(|id| id != "0" && id != "-1");
                }
                "execve" if result == "0" => process.program = arguments.to_owned(),
                _ if process.root => self.judge(name, arguments, &process),
                _ => {}
            }
        }
    }

    /// Whether a call of root goes by the path of something on a volume.
    fn judge(&mut self, name: &str, arguments: &str, process: &Process) {
        let below = |path: &str| {
            VOLUMES.iter().any(|volume| path == *volume || path.starts_with(&format!("{volume}/")))
        };
        // What a link says is a result.
        let most = if name == "readlinkat" { 1 } else { usize::MAX };
        let quoted = self.quoted.captures_iter(arguments).take(most);
        let paths: Vec<&str> = quoted.map(|path| path.get(1).unwrap().as_str()).collect();
        let held = self.held.captures(arguments).filter(|at| below(&at[2]));
        let by_path = paths.iter().any(|path| below(path));
        let relative = held.is_some() && paths.iter().any(|path| !path.starts_with('/'));
        if !by_path && !relative {
            return;
        }
        self.seen += 1;
        let by_cwd = held.is_some_and(|at| &at[1] == "AT_FDCWD");
        let several = paths.iter().any(|path| path.contains('/'));
        let follows = match name {
            "openat" => !arguments.contains("O_NOFOLLOW"),
            "openat2" => !arguments.contains("RESOLVE_NO_SYMLINKS") && !arguments.contains("O_NOFOLLOW"),
            "newfstatat" | "fchownat" | "linkat" | "statx" => {
                !arguments.contains("AT_SYMLINK_NOFOLLOW") && !arguments.contains("AT_EMPTY_PATH")
            }
            "mkdirat" | "unlinkat" | "renameat" | "renameat2" | "readlinkat" => false,
            _ => true,
        };
        if by_path || by_cwd || several || follows {
            let program = process.program.split(", [").next().unwrap_or_default().to_owned();
            *self.wrong.entry(format!("{program}: {name}({arguments})")).or_default() += 1;
        }
    }
}

/// What was wrong with root's calls, and how many there were.
fn judged(folder: &Path, first: &str) -> (BTreeMap<String, usize>, usize) {
    let call = Regex::new(r"^([a-z0-9_]+)\((.*)\) += (-?[0-9]+)(?: /\* ([0-9]+) in )?").unwrap();
    let quoted = Regex::new(r#""((?:[^"\\]|\\.)*)""#).unwrap();
    let held = Regex::new(r"^([0-9]+|AT_FDCWD)<([^>]*)>").unwrap();
    let mut reader = Reader { folder, call, quoted, held, wrong: BTreeMap::new(), seen: 0 };
    reader.read(first, Process { root: true, program: String::new() });
    (reader.wrong, reader.seen)
}

#[test]
fn root_goes_to_nothing_on_a_volume_by_its_path() {
    let _turn = turn();
    if number("PULP_INIT_TRACE", 0) == 0 {
        needs::skip("trace", "takes minutes: set PULP_INIT_TRACE=1");
        return;
    }
    if !needs::root() {
        return;
    }
    let folders = Folders::new("");
    // As a backup is that was restored under other numbers: all of it is to be given away.
    for path in ["pulp_storage", "pulp_storage/media", "pulp_storage/media/artifact", "pgsql"] {
        fs::create_dir_all(folders.path(path)).unwrap();
        chown(folders.path(path), Some(4321), Some(4321)).unwrap();
    }
    let pulp = folders.boot("traced").create();
    for boot in ["first", "second"] {
        let folder = tempfile::tempdir().unwrap();
        let mut strace = follow(&pulp, folder.path());
        let first = pulp.inspect("{{.State.Pid}}");
        podman_ok(&["start", &pulp.name]);
        pulp.wait();
        assert_eq!(pulp.stop(), 0);
        assert!(strace.wait().is_ok());
        let (wrong, seen) = judged(folder.path(), &first);
        let programs: BTreeSet<&String> = wrong.keys().collect();
        eprintln!("{boot} boot: {seen} calls of root concern a volume, {} go by a path", wrong.len());
        assert!(seen > 50, "{seen}");
        assert!(wrong.is_empty(), "{boot} boot: {programs:#?}");
    }
}

//! Our children as /proc shows them: how many there are, which, whose they are, and what they run.
//!
//! A process that has lost its parent becomes a child of ours. As long as we have not reaped it, its number is nobody
//! else's, so what is found here can be signalled by its number.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use nix::sys::prctl;
use nix::unistd::{Gid, Uid, getegid, geteuid, setfsgid, setfsuid};

/// The kernel's list of our children, ended ones that we have not reaped included. PID 1 has one thread.
const LIST: &str = "/proc/thread-self/children";
/// So much of the list is read, in bytes: some ten thousand children.
const MAX_LIST: usize = 64 * 1024;
/// So much is read of an environment, in bytes. What is behind that is not found.
const MAX_ENVIRONMENT: u64 = 64 * 1024;
/// So much is shown of a command line, in characters.
const MAX_COMMAND: usize = 60;

/// How many children we have; none where the kernel does not tell.
pub fn count() -> usize {
    let mut count = 0;
    let mut piece = [0; 512];
    let Ok(mut file) = File::open(LIST) else { return 0 };
    for _ in 0..MAX_LIST / piece.len() {
        match file.read(&mut piece) {
            Ok(0) | Err(_) => break,
            // A space is behind each number.
            Ok(read) => count += memchr::memchr_iter(b' ', piece.get(..read).unwrap_or(&[])).count(),
        }
    }
    count
}

/// Our children, the oldest first; none where the kernel does not tell.
pub fn list() -> Vec<i32> {
    let mut text = String::new();
    let Ok(file) = File::open(LIST) else { return Vec::new() };
    // A number that is cut off is another's.
    let whole =
        file.take(MAX_LIST as u64).read_to_string(&mut text).map_or(0, |_| text.rfind(' ').unwrap_or(0));
    let numbers = text.get(..whole).unwrap_or_default().split_ascii_whitespace();
    numbers.filter_map(|number| number.parse().ok()).collect()
}

/// A variable of a process's environment, as that was when it was executed. A process can change it, so it is a hint and
/// no proof. Shells change the order of variables.
pub fn variable(pid: i32, name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    open_environment(pid)?.take(MAX_ENVIRONMENT).read_to_end(&mut bytes).ok()?;
    let value = |entry: &[u8]| Some(entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?.to_vec());
    String::from_utf8(bytes.split(|&byte| byte == 0).find_map(value)?).ok()
}

/// The kernel shows an environment to the process's own user, and to whoever may trace it. Containers take that right
/// from root, so root asks as that user.
fn open_environment(pid: i32) -> Option<File> {
    let path = format!("/proc/{pid}/environ");
    let owner = std::fs::metadata(&path).ok()?;
    if !geteuid().is_root() || owner.uid() == 0 {
        return File::open(path).ok();
    }
    as_user(owner.uid(), owner.gid(), || File::open(path).ok())
}

/// Opens a file with another user's rights in place of ours (setfsuid(2)). There is no other thread, and no signal handler.
///
/// The kernel takes who does so for one who may have something to hide (PR_SET_DUMPABLE): from then on root of a container could not read
/// how we were started, which `svctl show`, `set`, `run` and `reexec` do.
fn as_user<T>(uid: u32, gid: u32, open: impl FnOnce() -> T) -> T {
    let was_open = prctl::get_dumpable().unwrap_or(false);
    setfsgid(Gid::from_raw(gid));
    setfsuid(Uid::from_raw(uid));
    let opened = open();
    setfsuid(geteuid());
    setfsgid(getegid());
    if was_open {
        let _ = prctl::set_dumpable(true);
    }
    opened
}

/// What a process runs, for people: the beginning of its command line, or its name where it has none.
pub fn command(pid: i32) -> String {
    let read = |name: &str| {
        let mut text = Vec::new();
        let file = File::open(format!("/proc/{pid}/{name}")).ok()?;
        file.take(4 * MAX_COMMAND as u64).read_to_end(&mut text).ok()?;
        let text = String::from_utf8_lossy(&text).replace('\0', " ");
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let text = read("cmdline").or_else(|| read("comm")).unwrap_or_default();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_COMMAND).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn looking_as_another_user_leaves_us_as_open_as_before() {
        if !needs::root() {
            return;
        }
        assert!(prctl::get_dumpable().unwrap());
        as_user(12345, 12345, || ());
        assert!(prctl::get_dumpable().unwrap());
    }

    #[test]
    fn variable_and_command_of_a_child_are_read() {
        let mut child = Command::new("/bin/cat")
            .env_clear()
            .env("FIRST", "1")
            .env("MARK", "web@1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        // Once it answers, the kernel has put its environment in its place.
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        assert_eq!(variable(pid, "MARK").as_deref(), Some("web@1"));
        assert_eq!((variable(pid, "MAR"), variable(pid, "OTHER")), (None, None));
        assert_eq!(command(pid), "/bin/cat");
        assert!(list().contains(&pid) && count() >= 1);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!list().contains(&pid));
        assert_eq!((variable(pid, "MARK"), command(pid)), (None, String::new()));
    }
    /// Maps a file over a page of its own environment, as CVE-2018-1120 did with one that never answers.
    const REMAPS: &str = r#"
import ctypes, mmap, os, sys
fields = open("/proc/self/stat").read().rsplit(")", 1)[1].split()
start, end = int(fields[47]), int(fields[48])
page = (start + 8191) & ~4095
assert page + 4096 < end
with open(sys.argv[1], "wb") as file:
    file.write(b"\0MARK=forged\0".ljust(4096, b"x"))
file = os.open(sys.argv[1], os.O_RDONLY)
call = ctypes.CDLL(None).mmap
call.restype = ctypes.c_void_p
call.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
assert call(page, 4096, mmap.PROT_READ, mmap.MAP_PRIVATE | 0x10, file, 0) == page
assert b"MARK=forged" in ctypes.string_at(page, 4096)
os.write(1, b"x")
os.read(0, 1)
os._exit(0)
"#;

    #[test]
    fn environment_that_a_process_has_put_into_a_file_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new("/usr/bin/env")
            .args([
                "-i",
                "FIRST=1",
                &format!("LONG={}", "y".repeat(20_000)),
                "/usr/bin/python3",
                "-c",
                REMAPS,
            ])
            .arg(directory.path().join("page"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        assert_eq!((variable(pid, "FIRST").as_deref(), variable(pid, "MARK")), (Some("1"), None));
        child.stdin.take();
        assert!(child.wait().unwrap().success());
    }
}

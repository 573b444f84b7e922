//! Who listens on a port, as far as /proc shows it.
//!
//! The kernel's tables show every socket of the network, the host's too where the container is in it, with the user whose it is.
//! Which process has it is seen in this container alone, by what each process has open.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::unistd::{Gid, Uid, getegid, geteuid, setfsgid, setfsuid};

/// A socket in a table of the kernel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Listener {
    /// Whose it is.
    pub uid: u32,
    inode: u64,
}

/// The sockets that listen on this port, at whatever address.
pub fn of(port: u16) -> Vec<Listener> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    tables.iter().flat_map(|table| listening(&fs::read_to_string(table).unwrap_or_default(), port)).collect()
}

/// The lines of a table (proc_pid_net(5)) that are about sockets which listen on this port.
fn listening(table: &str, port: u16) -> Vec<Listener> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let local = words.get(1)?.rsplit_once(':')?.1;
        let listens = *words.get(3)? == "0A" && u16::from_str_radix(local, 16).ok()? == port;
        listens.then_some(Listener { uid: words.get(7)?.parse().ok()?, inode: words.get(9)?.parse().ok()? })
    };
    table.lines().filter_map(line).collect()
}

/// The first of these processes that has one of these sockets open.
pub fn holder(listeners: &[Listener], mut pids: impl Iterator<Item = i32>) -> Option<i32> {
    let sockets: Vec<String> = listeners.iter().map(|it| format!("socket:[{}]", it.inode)).collect();
    pids.find(|&pid| open_in(pid).iter().any(|open| sockets.contains(open)))
}

/// What a process has open. The kernel shows it to the process's own user, and to whoever may trace it. Containers take that
/// right from root, so root looks as that user.
fn open_in(pid: i32) -> Vec<String> {
    let path = format!("/proc/{pid}/fd");
    let read = || {
        let entries = fs::read_dir(&path).into_iter().flatten().flatten();
        let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
        links.map(|to| to.to_string_lossy().into_owned()).collect()
    };
    match fs::metadata(format!("/proc/{pid}")) {
        Ok(owner) if geteuid().is_root() && owner.uid() != 0 => as_user(owner.uid(), owner.gid(), read),
        _ => read(),
    }
}

/// Does something with another user's rights on files in place of ours (setfsuid(2)): a matter of this thread, which is the
/// only one that a step has.
fn as_user<T>(uid: u32, gid: u32, look: impl FnOnce() -> T) -> T {
    setfsgid(Gid::from_raw(gid));
    setfsuid(Uid::from_raw(uid));
    let seen = look();
    setfsuid(geteuid());
    setfsgid(getegid());
    seen
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_kernels_table_names_who_listens() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:60F1 00000000:0000 0A 00000000:00000000 00:00000000 00000000   700        0 4711 1 x\n   \
            1: 0100007F:60F1 0100007F:9999 01 00000000:00000000 00:00000000 00000000   700        0 4712 1 x\n";
        assert_eq!(listening(table, 24817), [Listener { uid: 700, inode: 4711 }]);
        assert!(listening(table, 24816).is_empty());
    }

    #[test]
    fn a_process_that_has_a_socket_is_found_also_by_root_among_those_of_other_users() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let found = of(listener.local_addr().unwrap().port());
        assert_eq!(found.iter().map(|it| it.uid).collect::<Vec<_>>(), [geteuid().as_raw()]);
        // A child has the socket as its standard input.
        let mut sleep = Command::new("sleep");
        sleep.arg("1000").stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)));
        if geteuid().is_root() {
            sleep.uid(65534).gid(65534);
        }
        let mut child = sleep.spawn().unwrap();
        drop(sleep);
        let pid = i32::try_from(child.id()).unwrap();
        assert_eq!(holder(&found, [1, pid].into_iter()), Some(pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(holder(&found, [pid].into_iter()), None);
    }
}

//! Whether a process is one of a service's.

use nix::errno::Errno;
use nix::unistd::{Pid, getpgid, getsid};

/// Deeper than any real tree; the walk up it is bounded because processes may die and be born meanwhile.
const DEEPEST: usize = 256;

/// How often a walk begins anew because a parent died under it.
const TRIES: usize = 4;

/// Whether a process is one of a service's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Membership {
    /// It is the main process, of its group or session, or descends from it.
    Member,
    /// It lives, and is none of them.
    Stranger,
    /// It has ended and was reaped, so nobody can say. A shell script's `systemd-notify` is often gone this early.
    Gone,
}

/// Judges a sender by what the kernel says of it now.
///
/// `main` must lead its process group. If it was just reaped, its number can be another's only if its group is empty;
/// whoever got it would have to know this service's socket, and its words would be about a run that ends now. A process
/// that left group and session and whose parents have ended belongs to nobody: it is a stranger.
pub fn membership(sender: i32, main: i32) -> Membership {
    if sender <= 0 || main <= 0 {
        // 0 is a sender in another pid namespace that we cannot see into.
        return Membership::Stranger;
    }
    if sender == main {
        return Membership::Member;
    }
    let pid = Some(Pid::from_raw(sender));
    let leads = |leader: Result<Pid, Errno>| leader.map(Pid::as_raw) == Ok(main);
    match getpgid(pid) {
        Err(Errno::ESRCH) => return Membership::Gone,
        group if leads(group) || leads(getsid(pid)) => return Membership::Member,
        _ => {}
    }
    (0..TRIES).find_map(|_| descends(sender, main)).unwrap_or(Membership::Stranger)
}

/// Walks from parent to parent; `None` if one ended on the way, so that the next try sees who took its children.
fn descends(sender: i32, main: i32) -> Option<Membership> {
    let ourselves = Pid::this().as_raw();
    let mut pid = sender;
    for _ in 0..DEEPEST {
        let Some(above) = parent(pid) else {
            return (pid == sender).then(|| alive_or_gone(sender));
        };
        match above {
            _ if above == main => return Some(Membership::Member),
            0 | 1 => return Some(Membership::Stranger),
            _ if above == ourselves => return Some(Membership::Stranger),
            _ => pid = above,
        }
    }
    Some(Membership::Stranger)
}

/// A sender whose /proc entry cannot be read may still live, hidden from us by `hidepid`.
fn alive_or_gone(sender: i32) -> Membership {
    match getpgid(Some(Pid::from_raw(sender))) {
        Err(Errno::ESRCH) => Membership::Gone,
        _ => Membership::Stranger,
    }
}

/// The fourth field of /proc/PID/stat. The second is the program's name in brackets, which may hold anything.
fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parent_in(&stat)
}

fn parent_in(stat: &[u8]) -> Option<i32> {
    let bracket = stat.iter().rposition(|&b| b == b')')?;
    let rest = std::str::from_utf8(stat.get(bracket + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_name_cannot_fake_its_parent() {
        assert_eq!(parent_in(b"7 (a) R 99 (b) S 5 7 7 0"), Some(5));
        for broken in [&b""[..], b"7 (a", b"7 (a)", b"7 (a) S", b"7 (a) S x", b"7 (a) \xff 1"] {
            assert_eq!(parent_in(broken), None);
        }
        assert_eq!(parent(Pid::this().as_raw()), Some(Pid::parent().as_raw()));
    }

    #[test]
    fn main_is_its_own_and_we_are_not() {
        let us = Pid::this().as_raw();
        assert_eq!(membership(us, us), Membership::Member);
        assert_eq!(membership(Pid::parent().as_raw(), us), Membership::Stranger);
        assert_eq!(membership(1, us), Membership::Stranger);
        for nobody in [0, -1, i32::MIN] {
            assert_eq!(membership(nobody, us), Membership::Stranger);
            assert_eq!(membership(us, nobody), Membership::Stranger);
        }
        assert_eq!(membership(i32::MAX, us), Membership::Gone);
    }
}

//! Users and groups by name, from `/etc/passwd` and `/etc/group`.

use std::iter;

use init_plan::passwd::{GroupLine, UserLine, id, lines};
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

/// Becomes the user for good. The groups come first, because an ordinary user may not set them.
pub(super) fn take_identity(user: &str) -> Result<(), String> {
    let (uid, gid, groups) = match numbers(user) {
        Some((uid, gid)) => (uid, gid, vec![gid]),
        None => in_files(user, &file("/etc/passwd"), &file("/etc/group"))
            .ok_or_else(|| format!("there is no user {user} in /etc/passwd"))?,
    };
    setgroups(&groups)
        .and_then(|()| setgid(gid))
        .and_then(|()| setuid(uid))
        .map_err(|errno| format!("cannot become {user}: {errno}"))
}

/// An image without the file has no names.
pub(super) fn file(path: &str) -> Vec<u8> {
    std::fs::read(path).unwrap_or_default()
}

/// The user of this name, with its own group first and then those that list it. Read from the files, as `init` does: libc
/// would load the image's NSS modules into this static program.
pub(super) fn in_files(name: &str, passwd: &[u8], group: &[u8]) -> Option<(Uid, Gid, Vec<Gid>)> {
    let user = lines(passwd).filter_map(UserLine::parse).find(|user| user.name == name.as_bytes())?;
    let listed = lines(group).filter_map(GroupLine::parse).filter(|group| group.lists(user.name));
    let groups = iter::once(user.gid).chain(listed.map(|group| group.gid).filter(|&gid| gid != user.gid));
    Some((Uid::from_raw(user.uid), Gid::from_raw(user.gid), groups.map(Gid::from_raw).collect()))
}

/// The number of a group.
pub(super) fn group_in_file(name: &str, group: &[u8]) -> Option<Gid> {
    let found = lines(group).filter_map(GroupLine::parse).find(|group| group.name == name.as_bytes())?;
    Some(Gid::from_raw(found.gid))
}

/// Reads `UID:GID`.
pub(super) fn numbers(user: &str) -> Option<(Uid, Gid)> {
    let (uid, gid) = user.split_once(':')?;
    Some((Uid::from_raw(id(uid)?), Gid::from_raw(id(gid)?)))
}

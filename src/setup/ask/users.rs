//! Users and groups of the image, from its `/etc/passwd` and `/etc/group`.
//!
//! Not by getpwnam(3): in a static binary it would load the image's NSS modules, which may not fit, or not be there. What
//! LDAP and the like know is not seen here.

use init_probe::passwd::{GroupLine, UserLine, lines};

use crate::context::Owner;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// The user of this name, with its own group.
pub fn named(name: &str) -> Option<Owner> {
    named_in(&text(PASSWD), name)
}

/// The name of a user, if the number has one.
pub fn user_name(uid: u32) -> Option<String> {
    user_name_in(&text(PASSWD), uid)
}

/// The name of a group, if the number has one.
pub fn group_name(gid: u32) -> Option<String> {
    group_name_in(&text(GROUP), gid)
}

/// An image without the file has no names.
fn text(path: &str) -> Vec<u8> {
    std::fs::read(path).unwrap_or_default()
}

fn named_in(passwd: &[u8], name: &str) -> Option<Owner> {
    let user = lines(passwd).filter_map(UserLine::parse).find(|user| user.name == name.as_bytes())?;
    Some(Owner { uid: user.uid, gid: user.gid })
}

fn user_name_in(passwd: &[u8], uid: u32) -> Option<String> {
    let user = lines(passwd).filter_map(UserLine::parse).find(|user| user.uid == uid)?;
    String::from_utf8(user.name.to_vec()).ok().filter(|name| !name.is_empty())
}

fn group_name_in(group: &[u8], gid: u32) -> Option<String> {
    let group = lines(group).filter_map(GroupLine::parse).find(|group| group.gid == gid)?;
    String::from_utf8(group.name.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] =
        b"root:x:0:0:root:/root:/bin/sh\nbroken\npulp:x:700:701::/var/lib/pulp:/bin/sh\n:x:5:5::/:\n";

    #[test]
    fn users_are_found_by_name_and_by_number_and_broken_lines_are_passed_over() {
        assert_eq!(named_in(PASSWD, "pulp"), Some(Owner { uid: 700, gid: 701 }));
        assert_eq!(named_in(PASSWD, "broken"), None);
        assert_eq!(user_name_in(PASSWD, 700).as_deref(), Some("pulp"));
        assert_eq!((user_name_in(PASSWD, 5), user_name_in(PASSWD, 1)), (None, None));
        assert_eq!(group_name_in(b"web:x:33:pulp\n", 33).as_deref(), Some("web"));
    }

    #[test]
    fn root_of_this_machine_has_its_name() {
        assert_eq!(user_name(0).as_deref(), Some("root"));
    }
}

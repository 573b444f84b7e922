//! The lines of `/etc/passwd` and `/etc/group` (passwd(5), group(5)).
//!
//! They are read here, not by getpwnam(3): in a static binary that would load the image's NSS modules, which may not fit,
//! or not be there. Lines that are broken are passed over, as libc does.

/// A line of `/etc/passwd`: `name:password:uid:gid:comment:home:shell`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UserLine<'a> {
    /// The name, which may be empty in a broken file.
    pub name: &'a [u8],
    /// The user's number.
    pub uid: u32,
    /// The number of the user's own group.
    pub gid: u32,
    /// The home directory, if the line has one.
    pub home: Option<&'a [u8]>,
    /// The shell, if the line has one.
    pub shell: Option<&'a [u8]>,
}

impl<'a> UserLine<'a> {
    /// Reads a line; nothing if it is broken.
    pub fn parse(line: &'a [u8]) -> Option<UserLine<'a>> {
        let mut fields = line.split(|&b| b == b':');
        let name = fields.next()?;
        let uid = id(std::str::from_utf8(fields.nth(1)?).ok()?)?;
        let gid = id(std::str::from_utf8(fields.next()?).ok()?)?;
        let home = fields.nth(1);
        let shell = fields.next();
        let filled = |field: Option<&'a [u8]>| field.filter(|field| !field.is_empty());
        Some(UserLine { name, uid, gid, home: filled(home), shell: filled(shell) })
    }
}

/// A line of `/etc/group`: `name:password:gid:member,member`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GroupLine<'a> {
    /// The name, never empty.
    pub name: &'a [u8],
    /// The group's number.
    pub gid: u32,
    members: &'a [u8],
}

impl<'a> GroupLine<'a> {
    /// Reads a line; nothing if it is broken.
    pub fn parse(line: &'a [u8]) -> Option<GroupLine<'a>> {
        let mut fields = line.split(|&b| b == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let gid = id(std::str::from_utf8(fields.nth(1)?).ok()?)?;
        Some(GroupLine { name, gid, members: fields.next().unwrap_or_default() })
    }

    /// Whether the group lists this user as a member.
    pub fn lists(&self, user: &[u8]) -> bool {
        self.members.split(|&b| b == b',').any(|member| member.trim_ascii() == user)
    }
}

/// The lines of either file.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b'\n')
}

/// A uid or gid in decimal. The largest means "leave it as it is" to the kernel, so it is nobody's.
pub fn id(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|&id| digits && id != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_numbers_or_with_the_number_of_nobody_is_broken() {
        for line in ["", "x", "x:x:1", "x:x:one:1", "x:x:+1:1", "x:x:4294967295:1", "+::::::"] {
            assert_eq!(UserLine::parse(line.as_bytes()), None, "{line}");
        }
        let line = UserLine::parse(b"bare:x:50:51").unwrap();
        assert_eq!((line.uid, line.gid, line.home, line.shell), (50, 51, None, None));
    }

    #[test]
    fn lines_are_what_is_between_line_breaks() {
        assert_eq!(lines(b"a:x\nb\n").collect::<Vec<_>>(), [&b"a:x"[..], b"b", b""]);
    }

    #[test]
    fn members_of_a_group_are_whole_names() {
        let group = GroupLine::parse(b"ssl:x:110:db, web").unwrap();
        assert!(group.lists(b"db") && group.lists(b"web") && !group.lists(b"d"));
        assert_eq!(GroupLine::parse(b":x:1:"), None);
    }
}

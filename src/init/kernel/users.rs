//! Users and groups, from /etc/passwd and /etc/group.
//!
//! Not by getpwnam(3): in a static binary it would load the image's NSS modules, which may not fit, or not be there.
//! So what LDAP and the like know is not seen here; a number always works, even in an image without /etc/passwd.
//! Both files are kept as they were read, and read again only when their identity, size or time changed:
//! starting 1000 services does not read them 1000 times.

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{getegid, geteuid, getgroups};

use init_plan::Process;
use init_plan::passwd::{GroupLine, UserLine, id, lines};

/// A file larger than this is not a list of users, and not worth PID 1's memory.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// Who a service runs as.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    /// For setuid(2).
    pub uid: u32,
    /// For setgid(2).
    pub gid: u32,
    /// For setgroups(2): sorted, without duplicates, `gid` among them.
    pub groups: Vec<u32>,
    /// Whether the groups were listed in the service's file, and so are wanted exactly.
    pub groups_given: bool,
    /// The user's name, if /etc/passwd has one.
    pub name: Option<OsString>,
    /// The user's home directory, if /etc/passwd has one.
    pub home: Option<PathBuf>,
    /// The user's shell, if /etc/passwd has one.
    pub shell: Option<PathBuf>,
    /// Whether `user` was given: then HOME and the like follow it.
    pub user_given: bool,
}

impl Credentials {
    /// Whether this process already is all this, so that nothing needs to be set.
    ///
    /// An unprivileged `init` may set nothing at all; a service that names the very user it runs as must work all the
    /// same. Then the supplementary groups the runtime gave us stay, unless the service lists its own.
    pub fn are_ours(&self) -> bool {
        let (uid, gid) = (geteuid(), getegid());
        if (self.uid, self.gid) != (uid.as_raw(), gid.as_raw()) {
            return false;
        }
        let mut ours: Vec<u32> = getgroups().unwrap_or_default().into_iter().map(|g| g.as_raw()).collect();
        ours.push(self.gid);
        ours.sort_unstable();
        ours.dedup();
        ours == self.groups || (!uid.is_root() && !self.groups_given)
    }
}

/// Looks users and groups up in the files of one directory, usually `/etc`.
#[derive(Debug)]
pub struct Users {
    passwd: Cached,
    group: Cached,
}

impl Users {
    /// Reads nothing yet.
    pub fn new(etc: &Path) -> Users {
        Users { passwd: Cached::new(etc.join("passwd")), group: Cached::new(etc.join("group")) }
    }

    /// Who a service runs as; `None` if its file says nothing about it.
    ///
    /// # Errors
    /// One line that names the user or group and the cure.
    pub fn resolve(&mut self, process: &Process) -> Result<Option<Credentials>, String> {
        if process.user.is_none() && process.group.is_none() && process.groups.is_none() {
            return Ok(None);
        }
        let user = match &process.user {
            Some(user) => self.user(user)?,
            None => self.ourselves()?,
        };
        let gid = match &process.group {
            Some(group) => self.group(group)?,
            None => user.gid,
        };
        let mut groups = match &process.groups {
            Some(names) => names.iter().map(|name| self.group(name)).collect::<Result<_, _>>()?,
            None => self.groups_of(user.name.as_deref())?,
        };
        groups.push(gid);
        groups.sort_unstable();
        groups.dedup();
        Ok(Some(Credentials {
            uid: user.uid,
            gid,
            groups,
            groups_given: process.groups.is_some(),
            name: user.name.map(OsString::from_vec),
            home: user.home.map(|path| OsString::from_vec(path).into()),
            shell: user.shell.map(|path| OsString::from_vec(path).into()),
            user_given: process.user.is_some(),
        }))
    }

    /// By name first, then by number. A number that is in no file is its own group: group 0, as Docker has it, would
    /// hand root's files to a service that was meant to be nobody.
    fn user(&mut self, wanted: &str) -> Result<User, String> {
        let number = id(wanted);
        let known = self.passwd.find(|line| User::parse(line).filter(|user| user.is(wanted.as_bytes())))?;
        if let Some(user) = known {
            return Ok(user);
        }
        match number {
            Some(uid) => self.user_of(uid, uid),
            None => Err(format!(
                "cannot find user `{wanted}` in {}: add it to the image (useradd), or give its number",
                self.passwd.path.display()
            )),
        }
    }

    fn ourselves(&mut self) -> Result<User, String> {
        let mut user = self.user_of(geteuid().as_raw(), getegid().as_raw())?;
        user.gid = getegid().as_raw();
        Ok(user)
    }

    fn user_of(&mut self, uid: u32, gid: u32) -> Result<User, String> {
        let known = self.passwd.find(|line| User::parse(line).filter(|user| user.uid == uid))?;
        Ok(known.unwrap_or(User { uid, gid, name: None, home: None, shell: None }))
    }

    /// The number of a group, by its name or its number.
    ///
    /// # Errors
    /// One line that names the group and the cure.
    pub fn group(&mut self, wanted: &str) -> Result<u32, String> {
        let known = self
            .group
            .find(|line| GroupLine::parse(line).filter(|g| g.name == wanted.as_bytes()).map(|g| g.gid))?;
        known.or_else(|| id(wanted)).ok_or_else(|| {
            format!(
                "cannot find group `{wanted}` in {}: add it to the image (groupadd), or give its number",
                self.group.path.display()
            )
        })
    }

    /// The groups that list the user as a member.
    fn groups_of(&mut self, name: Option<&[u8]>) -> Result<Vec<u32>, String> {
        let Some(name) = name else { return Ok(Vec::new()) };
        let text = self.group.text()?;
        Ok(lines(text).filter_map(GroupLine::parse).filter(|g| g.lists(name)).map(|g| g.gid).collect())
    }
}

/// A user as a service may be run as it.
#[derive(Debug)]
struct User {
    uid: u32,
    gid: u32,
    name: Option<Vec<u8>>,
    home: Option<Vec<u8>>,
    shell: Option<Vec<u8>>,
}

impl User {
    fn parse(line: &[u8]) -> Option<User> {
        let UserLine { name, uid, gid, home, shell } = UserLine::parse(line)?;
        let filled = |field: Option<&[u8]>| field.filter(|field| !field.is_empty()).map(<[u8]>::to_vec);
        Some(User { uid, gid, name: filled(Some(name)), home: filled(home), shell: filled(shell) })
    }

    fn is(&self, name: &[u8]) -> bool {
        self.name.as_deref() == Some(name)
    }
}

/// A file's bytes, and what it looked like when they were read.
#[derive(Debug)]
struct Cached {
    path: PathBuf,
    seen: Option<Stamp>,
    text: Vec<u8>,
}

impl Cached {
    fn new(path: PathBuf) -> Cached {
        Cached { path, seen: None, text: Vec::new() }
    }

    fn find<T>(&mut self, matches: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, String> {
        Ok(lines(self.text()?).find_map(matches))
    }

    /// The file's bytes, none if it does not exist.
    fn text(&mut self) -> Result<&[u8], String> {
        match self.refresh() {
            Ok(()) => Ok(&self.text),
            Err(error) => {
                Err(format!("cannot read {}: {error}; make it a readable file", self.path.display()))
            }
        }
    }

    fn refresh(&mut self) -> io::Result<()> {
        let stamp = match std::fs::metadata(&self.path) {
            Ok(metadata) => Stamp::of(&metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.seen = None;
                self.text = Vec::new();
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if self.seen != Some(stamp) {
            self.seen = None;
            let (text, stamp) = read(&self.path)?;
            self.text = text;
            self.seen = Some(stamp);
        }
        Ok(())
    }
}

/// The stamp is taken before the bytes: a file that changes meanwhile is read again next time.
fn read(path: &Path) -> io::Result<(Vec<u8>, Stamp)> {
    // Non-blocking: opening a FIFO would otherwise wait for its writer, and all services with it.
    let file: File = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.len() > LARGEST_FILE {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    let mut text = Vec::new();
    file.take(LARGEST_FILE).read_to_end(&mut text)?;
    Ok((text, Stamp::of(&metadata)))
}

/// What tells a changed file from the one that was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests;

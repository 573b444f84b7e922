//! `fix-attrs.d`: files that say to whom paths belong, and with which mode.
//!
//! ```text
//! # path  recurse  account[,UID:GID]  mode-of-files  mode-of-directories
//! /var/lib/app  true  app,1000:1000  0640  0750
//! ```
//! Root does this, below directories that others may write. So no link is followed that anybody but root can have made,
//! and a file with several names is left alone: one of them may be elsewhere.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmodat, fstat};
use nix::unistd::{Gid, Uid, fchownat};

use super::users::{group_in_file, in_files, numbers};

/// Longer chains of links are loops.
const MOST_LINKS: usize = 40;

/// A line of such a file.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Rule {
    pattern: String,
    recurse: bool,
    owner: Uid,
    group: Gid,
    file_mode: Mode,
    directory_mode: Mode,
}

/// Users and groups by name.
pub struct Accounts<'a> {
    /// The text of `/etc/passwd`.
    pub passwd: &'a [u8],
    /// The text of `/etc/group`.
    pub group: &'a [u8],
}

/// Applies the text of a file; `hidden`: to names with a dot before them, too. Returns what could not be done, a line
/// each.
pub fn apply(text: &str, accounts: &Accounts<'_>, hidden: bool) -> Vec<String> {
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        match rule(line, accounts) {
            Ok(rule) => {
                for path in matching(Path::new(&rule.pattern)) {
                    let walk = Walk { rule: &rule, hidden };
                    walk.path(&path, &mut problems);
                }
            }
            Err(why) => problems.push(format!("line {number}: {why}")),
        }
    }
    problems
}

fn rule(line: &str, accounts: &Accounts<'_>) -> Result<Rule, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [pattern, recurse, account, file_mode, directory_mode] = words.as_slice() else {
        return Err("write PATH true|false ACCOUNT FILE-MODE DIRECTORY-MODE".to_owned());
    };
    if !pattern.starts_with('/') {
        return Err(format!("{pattern} is not an absolute path"));
    }
    let mode = |text: &str| {
        let bits = u32::from_str_radix(text, 8).ok().filter(|&bits| bits <= 0o7777);
        bits.map(Mode::from_bits_truncate).ok_or_else(|| format!("{text} is no octal mode"))
    };
    let (owner, group) = accounts.ids(account)?;
    Ok(Rule {
        pattern: (*pattern).to_owned(),
        recurse: *recurse == "true",
        owner,
        group,
        file_mode: mode(file_mode)?,
        directory_mode: mode(directory_mode)?,
    })
}

impl Accounts<'_> {
    /// Of `USER`, `USER:GROUP` or `UID:GID`, with numbers behind a comma for where there is no such user.
    fn ids(&self, account: &str) -> Result<(Uid, Gid), String> {
        let (names, otherwise) = account.split_once(',').unwrap_or((account, ""));
        let found = self.named(names).or_else(|| numbers(names)).or_else(|| numbers(otherwise));
        found.ok_or_else(|| format!("there is no user {names} in /etc/passwd"))
    }

    fn named(&self, names: &str) -> Option<(Uid, Gid)> {
        let (user, group) = names.split_once(':').map_or((names, None), |(user, group)| (user, Some(group)));
        let (uid, gid, _) = in_files(user, self.passwd, self.group)?;
        match group {
            None => Some((uid, gid)),
            Some(group) => Some((uid, group_in_file(group, self.group)?)),
        }
    }
}

/// The paths that a pattern stands for. `*` and `?` match as in a shell.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for component in pattern.components() {
        let Component::Normal(name) = component else { continue };
        let name = name.to_string_lossy().into_owned();
        if !name.contains(['*', '?']) {
            found.iter_mut().for_each(|path| path.push(&name));
            continue;
        }
        let inner = found.into_iter().flat_map(|path| {
            let names = super::import::places::entries(&path).into_iter();
            let fitting = names.filter(|known| fits(name.as_bytes(), known.as_bytes()));
            fitting.map(|known| path.join(known)).collect::<Vec<_>>()
        });
        found = inner.collect();
    }
    found
}

fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            fits(rest, name) || name.split_first().is_some_and(|(_, tail)| fits(pattern, tail))
        }
        (Some((b'?', rest)), Some((_, tail))) => fits(rest, tail),
        (Some((one, rest)), Some((other, tail))) => one == other && fits(rest, tail),
        _ => false,
    }
}

struct Walk<'a> {
    rule: &'a Rule,
    hidden: bool,
}

impl Walk<'_> {
    fn path(&self, path: &Path, problems: &mut Vec<String>) {
        match open(path) {
            // What does not exist yet is no mistake.
            Err(Errno::ENOENT) => {}
            Err(errno) => problems.push(format!("{}: {}", path.display(), said(errno))),
            Ok(file) => self.apply(&file, path, problems),
        }
    }

    /// `file` was opened with `O_PATH` and is no link.
    fn apply(&self, file: &OwnedFd, path: &Path, problems: &mut Vec<String>) {
        let done = fstat(file).and_then(|stat| self.change(file, &stat).map(|()| stat));
        let stat = match done {
            Ok(stat) => stat,
            Err(errno) => return problems.push(format!("{}: {}", path.display(), said(errno))),
        };
        if is(&stat, SFlag::S_IFDIR) && self.rule.recurse {
            self.inside(file, path, problems);
        }
    }

    fn change(&self, file: &OwnedFd, stat: &FileStat) -> nix::Result<()> {
        let directory = is(stat, SFlag::S_IFDIR);
        if is(stat, SFlag::S_IFLNK) || !directory && stat.st_nlink > 1 {
            return Err(if is(stat, SFlag::S_IFLNK) { Errno::ELOOP } else { Errno::EMLINK });
        }
        fchownat(file, "", Some(self.rule.owner), Some(self.rule.group), AtFlags::AT_EMPTY_PATH)?;
        let mode = if directory { self.rule.directory_mode } else { self.rule.file_mode };
        // A descriptor of O_PATH names its file here, whatever has become of the path.
        let named = format!("/proc/self/fd/{}", file.as_raw_fd());
        fchmodat(AT_FDCWD, named.as_str(), mode, FchmodatFlags::FollowSymlink)
    }

    fn inside(&self, directory: &OwnedFd, path: &Path, problems: &mut Vec<String>) {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut listed = match Dir::openat(directory, ".", flags, Mode::empty()) {
            Ok(listed) => listed,
            Err(errno) => return problems.push(format!("{}: {}", path.display(), said(errno))),
        };
        let names: Vec<OsString> = listed
            .iter()
            .flatten()
            .map(|entry| std::os::unix::ffi::OsStringExt::from_vec(entry.file_name().to_bytes().to_vec()))
            .filter(|name: &OsString| name != "." && name != ".." && (self.hidden || !is_hidden(name)))
            .collect();
        for name in names {
            let inner = path.join(&name);
            match openat(directory, name.as_os_str(), PATH | OFlag::O_NOFOLLOW, Mode::empty()) {
                // Links stay as they are, as with `chown -R`.
                Ok(file) if fstat(&file).is_ok_and(|stat| is(&stat, SFlag::S_IFLNK)) => {}
                Ok(file) => self.apply(&file, &inner, problems),
                Err(errno) => problems.push(format!("{}: {}", inner.display(), said(errno))),
            }
        }
    }
}

const PATH: OFlag = OFlag::O_PATH.union(OFlag::O_CLOEXEC);

/// Opens a path, a component at a time. A link is followed only in a directory where nobody but root can have made it.
fn open(path: &Path) -> nix::Result<OwnedFd> {
    let root = || openat(AT_FDCWD, "/", PATH | OFlag::O_DIRECTORY, Mode::empty());
    let mut here = root()?;
    let mut left: Vec<OsString> = names(path.as_os_str());
    let mut links = 0;
    while let Some(name) = left.pop() {
        let inner = openat(here.as_fd(), name.as_os_str(), PATH | OFlag::O_NOFOLLOW, Mode::empty())?;
        if !is(&fstat(&inner)?, SFlag::S_IFLNK) {
            here = inner;
            continue;
        }
        let holder = fstat(&here)?;
        links += 1;
        if links > MOST_LINKS || holder.st_uid != 0 || holder.st_mode & 0o022 != 0 {
            return Err(Errno::ELOOP);
        }
        let target = readlinkat(here.as_fd(), name.as_os_str())?;
        if Path::new(&target).is_absolute() {
            here = root()?;
        }
        left.extend(names(&target));
    }
    Ok(here)
}

/// The components of a path, the last one first.
fn names(path: &OsStr) -> Vec<OsString> {
    let normal = Path::new(path).components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let mut names: Vec<OsString> = normal.collect();
    names.reverse();
    names
}

fn is(stat: &FileStat, kind: SFlag) -> bool {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == kind
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn said(errno: Errno) -> String {
    match errno {
        Errno::ELOOP => "left as it is: a link that is not root's is in this path".to_owned(),
        Errno::EMLINK => "left as it is: the file has several names".to_owned(),
        other => other.desc().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    const PASSWD: &[u8] = b"root:x:0:0::/:/bin/sh\napp:x:12345:12346::/:/bin/sh\n";

    fn applied(line: &str, hidden: bool) -> Vec<String> {
        apply(line, &Accounts { passwd: PASSWD, group: b"app:x:12346:\nweb:x:33:\n" }, hidden)
    }

    fn look(path: &Path) -> (u32, u32, u32) {
        let meta = fs::symlink_metadata(path).unwrap();
        (meta.uid(), meta.gid(), meta.mode() & 0o7777)
    }

    #[test]
    fn owners_and_modes_are_set_below_a_path_and_links_are_left_alone() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        for name in ["a/file", "a/b/file", "a/.hidden", "victim"] {
            fs::write(at(name), "").unwrap();
        }
        symlink(at("victim"), at("a/link")).unwrap();
        fs::hard_link(at("victim"), at("a/hard")).unwrap();
        let before = look(&at("victim"));
        let line = format!("{} true app:web,1:1 0640 0750", at("a").display());
        let problems = applied(&line, false);
        assert_eq!(look(&at("a")), (12345, 33, 0o750));
        assert_eq!((look(&at("a/b/file")), look(&at("a/file"))), ((12345, 33, 0o640), (12345, 33, 0o640)));
        assert_eq!(look(&at("victim")), before);
        assert_eq!(look(&at("a/.hidden")).0, 0);
        assert_eq!(
            problems,
            [format!("{}: left as it is: the file has several names", at("a/hard").display())]
        );
    }

    #[test]
    fn path_through_a_link_of_another_user_is_refused() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("etc")).unwrap();
        fs::write(at("etc/shadow"), "").unwrap();
        fs::create_dir(at("volume")).unwrap();
        symlink(at("etc"), at("volume/data")).unwrap();
        let line = format!("{} false app 0666 0777", at("volume/data/shadow").display());
        std::os::unix::fs::chown(at("volume"), Some(12345), None).unwrap();
        assert_eq!(applied(&line, false).len(), 1);
        assert_eq!(look(&at("etc/shadow")).0, 0);
    }

    #[test]
    fn lines_are_read_and_patterns_match_as_in_a_shell() {
        for (line, why) in [
            ("/x true nobody-here 0644 0755", "no user nobody-here"),
            ("/x true app 0644", "write PATH"),
            ("x true app 0644 0755", "not an absolute"),
            ("/x true app 0844 0755", "no octal mode"),
        ] {
            let problems = applied(line, false);
            assert!(problems.len() == 1 && problems[0].contains(why), "{line}: {problems:?}");
        }
        assert!(
            applied("# a comment\n\n/nonexistent true app 0644 0755\n/y true gone,1:2 1 1", false).is_empty()
        );
        for (pattern, name, expected) in
            [("*.log", "a.log", true), ("*.log", "a.logs", false), ("a?c*", "abc", true), ("", "a", false)]
        {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}

//! From a path to a directory: a component at a time, each in the open directory before it.
//!
//! A link is followed where nobody but root can have made it: the administrator may have moved a volume that way. From
//! the first directory on in which somebody else may write, none is. (systemd calls this rule CHASE_SAFE.)

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path};

use nix::errno::Errno;

use super::directory::Directory;
use super::failure::{Failure, Kind, Reason};
use crate::context::Owner;

/// As many links as the kernel follows in a path (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Opens the directory at this path.
pub fn open(path: &Path) -> Result<Directory, Failure> {
    Walk::begin(path)?.walk_to_the_end(None)
}

/// The same, and makes what is missing. The last directory gets this owner and mode if it is made; those above it are
/// ours.
pub fn open_or_make(path: &Path, owner: Option<Owner>, mode: u32) -> Result<Directory, Failure> {
    Walk::begin(path)?.walk_to_the_end(Some((owner, mode)))
}

/// The directory that a path's last component is in, and that component.
pub fn parent(path: &Path) -> Result<(Directory, &OsStr), Failure> {
    let name = path.file_name().ok_or_else(|| Failure::kernel(path, Errno::EINVAL))?;
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((open(above)?, name))
}

struct Walk {
    /// The directories from the root to where we are.
    here: Vec<Directory>,
    /// The components that are still to be gone through.
    todo: VecDeque<OsString>,
    links: usize,
}

impl Walk {
    fn begin(path: &Path) -> Result<Walk, Failure> {
        let path = std::path::absolute(path).map_err(|error| Failure::io(path, &error))?;
        Ok(Walk { here: vec![Directory::root()?], todo: components(&path), links: 0 })
    }

    fn walk_to_the_end(mut self, made: Option<(Option<Owner>, u32)>) -> Result<Directory, Failure> {
        while let Some(name) = self.todo.pop_front() {
            self.step(&name, made)?;
        }
        self.here.pop().ok_or_else(|| Failure::kernel("/", Errno::EINVAL))
    }

    fn step(&mut self, name: &OsStr, made: Option<(Option<Owner>, u32)>) -> Result<(), Failure> {
        if name == ".." {
            if self.here.len() > 1 {
                self.here.pop();
            }
            return Ok(());
        }
        let above = self.here.last().ok_or_else(|| Failure::kernel("/", Errno::EINVAL))?;
        let next = match (above.child(name), made) {
            (Err(failure), Some((owner, mode))) if failure.is_missing() => {
                let (owner, mode) = if self.todo.is_empty() { (owner, mode) } else { (None, 0o755) };
                above.make(name, owner, mode).map(|(made, _)| made)
            }
            (other, _) => other,
        };
        match next {
            Ok(next) => self.here.push(next),
            Err(Failure { reason: Reason::Found(Kind::Link), path }) => {
                let target = above.followed(name)?;
                let target = target.ok_or_else(|| Failure::found(&path, Kind::Link))?;
                self.follow(&path, &target)?;
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    fn follow(&mut self, link: &Path, target: &Path) -> Result<(), Failure> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(Failure::kernel(link, Errno::ELOOP));
        }
        if target.is_absolute() {
            self.here.truncate(1);
        }
        let mut target = components(target);
        target.append(&mut self.todo);
        self.todo = target;
        Ok(())
    }
}

fn components(path: &Path) -> VecDeque<OsString> {
    let words = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    });
    words.collect()
}

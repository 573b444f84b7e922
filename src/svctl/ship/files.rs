//! A file for each service in a directory, which makes room for a new one when it is large.
//!
//! The directory is opened once, and only if nobody but its owner can put a link there that we would follow.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use init_control::time::rfc3339;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use super::destination::Outcome;
use super::queue::Record;

/// The usual size of a file, in bytes.
pub const SIZE: u64 = 10_000_000;
/// The smallest that may be asked for.
pub const LEAST: u64 = 64 * 1024;
/// So many old files are usually kept.
pub const KEEP: u32 = 5;
/// Nobody keeps more.
pub const MOST: u32 = 1000;

/// The files of a directory.
pub struct Files {
    directory: File,
    size: u64,
    keep: u32,
    open: HashMap<String, (File, u64)>,
}

impl Files {
    /// Opens the directory, which must exist.
    ///
    /// # Errors
    /// Why it cannot be used, with what helps.
    pub fn open(directory: &Path, size: u64, keep: u32) -> Result<Files, String> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let opened = open(directory, flags, Mode::empty());
        let file =
            File::from(opened.map_err(|error| format!("cannot open the directory: {}", error.desc()))?);
        let metadata = file.metadata().map_err(|error| error.to_string())?;
        let own = geteuid().as_raw();
        if metadata.uid() != own || metadata.mode() & 0o022 != 0 {
            return Err(format!(
                "others can change what is in this directory: it must belong to user {own}, and nobody else may write there"
            ));
        }
        Ok(Files { directory: file, size, keep, open: HashMap::new() })
    }

    /// Writes records, each to the file of its service.
    pub fn write(&mut self, records: &[Record]) -> Outcome {
        let mut texts: HashMap<&str, String> = HashMap::new();
        for record in records {
            let text = texts.entry(&record.service).or_default();
            text.push_str(&rfc3339(record.time_ms));
            text.push(' ');
            text.push_str(&record.line);
            text.push('\n');
        }
        for (service, text) in texts {
            if let Err(error) = self.append(service, text.as_bytes()) {
                self.open.remove(service);
                return Outcome::Later(format!("cannot write the file of {service}: {error}"));
            }
        }
        Outcome::Sent
    }

    fn append(&mut self, service: &str, text: &[u8]) -> io::Result<()> {
        let name = format!("{service}.log");
        if self.open.get(service).is_some_and(|(_, size)| *size > 0 && size + text.len() as u64 > self.size) {
            self.open.remove(service);
            self.rotate(&name)?;
        }
        if !self.open.contains_key(service) {
            let file = self.open_file(&name)?;
            let size = file.metadata()?.len();
            self.open.insert(service.to_owned(), (file, size));
        }
        let Some((file, size)) = self.open.get_mut(service) else { return Ok(()) };
        file.write_all(text)?;
        *size += text.len() as u64;
        Ok(())
    }

    fn open_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP;
        let file = File::from(openat(self.directory.as_fd(), name, flags | OFlag::O_NONBLOCK, mode)?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("there is something that is no file"));
        }
        Ok(file)
    }

    /// `NAME.log` becomes `NAME.log.1`, and so on; the last one goes.
    fn rotate(&self, name: &str) -> io::Result<()> {
        let directory = self.directory.as_fd();
        let numbered = |number: u32| if number == 0 { name.to_owned() } else { format!("{name}.{number}") };
        let absent = |result: nix::Result<()>| match result {
            Err(Errno::ENOENT) => Ok(()),
            other => other,
        };
        absent(unlinkat(directory, &*numbered(self.keep), UnlinkatFlags::NoRemoveDir))?;
        for number in (0..self.keep).rev() {
            absent(renameat(directory, &*numbered(number), directory, &*numbered(number + 1)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn record(service: &str, line: &str) -> Record {
        Record { service: service.into(), time_ms: 0, line: line.into() }
    }

    #[test]
    fn each_service_has_a_file_that_makes_room_for_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Files::open(dir.path(), 100, 2).unwrap();
        for number in 0..10 {
            let line = format!("line {number} {}", "x".repeat(40));
            assert!(matches!(files.write(&[record("web", &line), record("db", "up")]), Outcome::Sent));
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(read("web.log").starts_with("1970-01-01T00:00:00.000Z line 9 "), "{}", read("web.log"));
        assert!(read("web.log.1").contains("line 8 ") && read("web.log.2").contains("line 7 "));
        assert_eq!(read("db.log").lines().count(), 1, "three fit");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 6);
        // Another start goes on where this one ended.
        let mut files = Files::open(dir.path(), 100, 2).unwrap();
        files.write(&[record("web", &"y".repeat(40))]);
        assert!(read("web.log").contains("line 9") && read("web.log").contains("yyy"));
        let keeps_none = tempfile::tempdir().unwrap();
        let mut files = Files::open(keeps_none.path(), 10, 0).unwrap();
        files.write(&[record("web", "one")]);
        files.write(&[record("web", "two")]);
        assert_eq!(std::fs::read_dir(keeps_none.path()).unwrap().count(), 1);
    }

    #[test]
    fn no_link_is_followed_and_no_directory_taken_that_others_can_change() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        std::fs::write(&target, "").unwrap();
        let logs = dir.path().join("logs");
        std::fs::create_dir(&logs).unwrap();
        symlink(&target, logs.join("web.log")).unwrap();
        nix::unistd::mkfifo(&logs.join("db.log"), Mode::S_IRWXU).unwrap();
        let mut files = Files::open(&logs, SIZE, KEEP).unwrap();
        for service in ["web", "db"] {
            assert!(matches!(files.write(&[record(service, "x")]), Outcome::Later(_)), "{service}");
        }
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "");
        std::fs::set_permissions(&logs, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Files::open(&logs, SIZE, KEEP).is_err());
        symlink(&logs, dir.path().join("link")).unwrap();
        for wrong in ["link", "nowhere", "target"] {
            assert!(Files::open(&dir.path().join(wrong), SIZE, KEEP).is_err(), "{wrong}");
        }
    }
}

//! Replacing a file as a whole, so that whoever reads it sees the old text or the new one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Whether the new text has to be on the disk before the old one goes away: after a power cut there is one of the two, and not
/// an empty file (fsync(2)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lasting {
    /// Until the machine is started again, at most.
    No,
    /// After a power cut, too.
    Yes,
}

/// Writes a file beside this one, with this mode, and renames it. A link that somebody has put in the place of either is not followed.
///
/// # Errors
/// Those of the file system; the old text is there then.
pub fn replace(path: &Path, text: &str, mode: u32, lasting: Lasting) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    // What is left of a write that was killed, or what somebody has put there.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    file.write_all(text.as_bytes())?;
    if lasting == Lasting::Yes {
        file.sync_all()?;
    }
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn text_is_replaced_with_its_mode_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("file"), dir.path().join("other"));
        fs::write(&other, "untouched").unwrap();
        symlink(&other, dir.path().join("file.new")).unwrap();
        symlink(&other, &path).unwrap();
        for (text, lasting) in [("first", Lasting::No), ("second", Lasting::Yes)] {
            replace(&path, text, 0o640, lasting).unwrap();
            let metadata = fs::symlink_metadata(&path).unwrap();
            assert!(metadata.is_file() && metadata.permissions().mode() & 0o777 == 0o640);
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_to_string(&other).unwrap(), "untouched");
        fs::create_dir(dir.path().join("file.new")).unwrap();
        assert!(replace(&path, "third", 0o640, Lasting::No).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "second");
    }
}

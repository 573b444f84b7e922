//! The container's environment as s6-overlay keeps it: a directory with a file for each variable.
//!
//! Services that come from s6 start with almost no variables, and ask for the container's by `with-contenv`. Scripts add
//! some for those that start later, by writing a file. The directory holds passwords, so it is root's alone; s6-overlay
//! lets every user read it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{become_command, become_with, refuse, write_out};

/// Where scripts expect it.
pub const DIRECTORY: &str = "/run/s6/container_environment";

/// A name and its value.
pub type Variable = (OsString, OsString);

/// More than execve(2) takes.
const LARGEST: u64 = 128 * 1024;

/// `with-contenv`: runs a command with the container's environment, and with what scripts added to it.
pub fn with_contenv(arguments: &[OsString]) -> ExitCode {
    if arguments.is_empty() {
        return refuse("with-contenv", "a command is missing", "with-contenv COMMAND...");
    }
    // Without the directory, every process has the container's environment already.
    let variables = wanted(Path::new(DIRECTORY)).unwrap_or_else(|why| {
        let _ = writeln!(io::stderr(), "with-contenv: {why}");
        None
    });
    match variables {
        Some(variables) => become_with("with-contenv", arguments, Some(variables)),
        None => become_command("with-contenv", arguments),
    }
}

/// `printcontenv`: prints a variable of the container's environment.
pub fn printcontenv(arguments: &[OsString]) -> ExitCode {
    let [name] = arguments else {
        return refuse("printcontenv", "name exactly one variable", "printcontenv VARIABLE");
    };
    let value = match wanted(Path::new(DIRECTORY)) {
        Ok(Some(variables)) => variables.into_iter().find(|(known, _)| known == name).map(|(_, value)| value),
        Ok(None) | Err(_) => std::env::var_os(name),
    };
    let Some(value) = value else { return ExitCode::from(1) };
    let mut bytes = value.into_vec();
    bytes.push(b'\n');
    write_out(&bytes)
}

/// What `with-contenv` is to set, `PATH` first; `None`: leave everything as it is.
fn wanted(directory: &Path) -> Result<Option<Vec<Variable>>, String> {
    let kept = std::env::var_os("S6_KEEP_ENV").unwrap_or_default();
    if !matches!(kept.as_bytes(), b"" | b"0") {
        return Ok(None);
    }
    match read(directory) {
        Ok(found) => Ok(Some(with_path(found, std::env::var_os("PATH")))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!(
            "cannot read {}: {error}; it is root's alone: call with-contenv before s6-setuidgid; going on with the environment that is here",
            directory.display()
        )),
    }
}

/// Keeps what `PATH` has here besides: execline finds its own programs by that.
fn with_path(mut found: Vec<Variable>, here: Option<OsString>) -> Vec<Variable> {
    let Some(here) = here else { return found };
    let at = found.iter().position(|(name, _)| name == "PATH").map(|at| found.swap_remove(at).1);
    let theirs: Vec<PathBuf> = at.iter().flat_map(std::env::split_paths).collect();
    let more = std::env::split_paths(&here).filter(|place| !theirs.contains(place));
    let path = std::env::join_paths(more.chain(theirs.iter().cloned())).unwrap_or(here.clone());
    found.insert(0, ("PATH".into(), path));
    found
}

/// The variables in the files of a directory. A value's last newline is not part of it, and an empty file unsets.
fn read(directory: &Path) -> io::Result<Vec<Variable>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let flags = libc_flags();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(directory.join(&name));
        let Ok(file) = file else { continue };
        if !file.metadata()?.is_file() || !is_name(&name) {
            continue;
        }
        let mut value = Vec::new();
        file.take(LARGEST).read_to_end(&mut value)?;
        if value.pop_if(|last| *last == b'\n').is_some() || !value.is_empty() {
            found.push((name, OsString::from_vec(value)));
        }
    }
    found.sort();
    Ok(found)
}

/// A FIFO must not make us wait, and a link may lead anywhere.
fn libc_flags() -> i32 {
    (nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_NOFOLLOW).bits()
}

fn is_name(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    !bytes.starts_with(b".") && !bytes.iter().any(|&byte| byte == b'=' || byte == 0)
}

/// Makes the directory anew from these variables. What another run of the container left there is gone.
///
/// # Errors
/// One line with the path and the cure.
pub fn write(directory: &Path, variables: impl IntoIterator<Item = Variable>) -> Result<(), String> {
    let cannot = |error: io::Error| {
        format!("cannot make {}: {error}; mount a tmpfs on /run (--tmpfs /run)", directory.display())
    };
    if let Some(parent) = directory.parent() {
        DirBuilder::new().mode(0o755).recursive(true).create(parent).map_err(cannot)?;
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot(error)),
        _ => {}
    }
    DirBuilder::new().mode(0o700).create(directory).map_err(cannot)?;
    for (name, value) in variables {
        // A variable may be named like no file can.
        if !is_name(&name) || name.as_bytes().contains(&b'/') || name.len() > 255 || value.is_empty() {
            continue;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(directory.join(&name));
        let mut bytes = value.into_vec();
        bytes.push(b'\n');
        file.and_then(|mut file| file.write_all(&bytes)).map_err(cannot)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn of(text: &str) -> Vec<Variable> {
        text.split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    #[test]
    fn what_is_written_is_read_again_and_is_for_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("s6/container_environment");
        write(&place, of("A=1 SECRET=x B=")).unwrap();
        assert_eq!(read(&place).unwrap(), of("A=1 SECRET=x"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&place), mode(&place.join("SECRET"))), (0o700, 0o600));
        write(&place, of("C=3")).unwrap();
        assert_eq!(read(&place).unwrap(), of("C=3"));
    }

    #[test]
    fn scripts_add_variables_and_take_them_away() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("e"), of("GONE=1")).unwrap();
        let place = dir.path().join("e");
        for (name, text) in [("NEW", "two\nlines\n\n"), ("BARE", "x"), ("GONE", ""), ("EMPTY", "\n")] {
            fs::write(place.join(name), text).unwrap();
        }
        symlink("/etc/passwd", place.join("LINK")).unwrap();
        nix::unistd::mkfifo(&place.join("FIFO"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        let expected: Vec<Variable> =
            [("BARE", "x"), ("EMPTY", ""), ("NEW", "two\nlines\n")].map(|(n, v)| (n.into(), v.into())).into();
        assert_eq!(read(&place).unwrap(), expected);
    }

    #[test]
    fn path_keeps_what_the_caller_has_besides() {
        let path = |found: &str, here: Option<&str>| with_path(of(found), here.map(Into::into));
        assert_eq!(
            path("PATH=/usr/bin:/bin A=1", Some("/execline:/bin")),
            of("PATH=/execline:/usr/bin:/bin A=1")
        );
        assert_eq!(path("A=1", Some("/bin")), of("PATH=/bin A=1"));
        assert_eq!(path("PATH=/bin", None), of("PATH=/bin"));
    }

    #[test]
    fn without_a_directory_the_environment_stays_as_it_is() {
        assert_eq!(wanted(Path::new("/nonexistent/e")), Ok(None));
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("e"), of("A=1")).unwrap();
        let found = wanted(&dir.path().join("e")).unwrap().unwrap();
        assert!(found.contains(&("A".into(), "1".into())) && found[0].0 == "PATH");
    }
}

//! How the running `init` was started: its process, its command line, its environment. Only who may act can read that.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use init_control::path;
use init_plan::load::Directory;
use init_plan::{Environment, id};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;

use crate::commands::ask::Init;
use crate::exit::{Code, Trouble};

/// The running `init`.
#[derive(Debug)]
pub struct Started {
    /// Its process id.
    pub pid: i32,
    /// Its runtime directory, in which its sockets are.
    pub runtime: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(String, String)>,
}

impl Started {
    /// Of the `init` that answers.
    ///
    /// # Errors
    /// If there is none, or it is not for this user to know.
    pub fn of(init: &Init) -> Result<Started, Trouble> {
        let stream = init.connect()?.into_stream();
        let peer =
            getsockopt(&stream, PeerCredentials).map_err(|error| Trouble::connection(&error.into()))?;
        let pid = peer.pid();
        let address = stream.peer_addr().map_err(|error| Trouble::connection(&error))?;
        let runtime = address.as_pathname().and_then(Path::parent).unwrap_or(Path::new("/")).to_owned();
        let variables = words(pid, "environ")?.into_iter().filter_map(halves).collect();
        Ok(Started { pid, runtime, arguments: words(pid, "cmdline")?, variables })
    }

    /// One of its environment's variables.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// Its environment, as far as that is text.
    pub fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// The same, for definitions.
    pub fn environment(&self) -> Environment {
        // Of a name that comes twice the first counts.
        self.variables.iter().rev().cloned().collect()
    }

    /// The directories of definitions that its command line names.
    pub fn services(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut words = self.arguments.iter().skip(1);
        while let Some(word) = words.next() {
            let text = word.to_string_lossy();
            match text.split_once('=') {
                Some(("--services", directory)) => found.push(directory.into()),
                _ if text == "--services" => found.extend(words.next().map(PathBuf::from)),
                _ if text == "--log" => drop(words.next()),
                _ if text == "--" || !text.starts_with('-') => break,
                _ => {}
            }
        }
        found
    }

    /// The directories of definitions that are below its runtime directory: what its generator wrote, read before all others, and what
    /// `svctl set` wrote, read after them.
    pub fn below_runtime(&self) -> (Option<Directory>, Directory) {
        let below = |path| Directory { path, optional: true };
        let generated = self.variable("INIT_GENERATOR").map(|_| below(self.runtime.join("generated")));
        (generated, below(path::set_directory(&self.runtime)))
    }
}

/// What /proc says of `init` is for its own user and for root (proc(5), PTRACE_MODE_READ).
pub fn unreadable(error: &std::io::Error) -> Trouble {
    let message = format!("cannot read how init was started ({error}): only its own user and root may");
    Trouble::said(Code::Denied, id!("C0204"), message)
}

fn words(pid: i32, file: &str) -> Result<Vec<OsString>, Trouble> {
    let bytes = std::fs::read(format!("/proc/{pid}/{file}")).map_err(|error| unreadable(&error))?;
    let mut words: Vec<OsString> =
        bytes.split(|&byte| byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect();
    // Each word ends with a zero, so there is nothing behind the last.
    words.pop();
    Ok(words)
}

fn halves(assignment: OsString) -> Option<(String, String)> {
    let text: &OsStr = &assignment;
    let (name, value) = text.to_str()?.split_once('=')?;
    Some((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(words: &[&str]) -> Started {
        Started {
            pid: 1,
            runtime: "/run".into(),
            arguments: words.iter().map(OsString::from).collect(),
            variables: Vec::new(),
        }
    }

    #[test]
    fn directories_are_those_of_options_and_not_of_the_command() {
        for (words, directories) in [
            (&["/init"][..], &[][..]),
            (&["/init", "--services", "/a", "--log", "json", "--services=/b"], &["/a", "/b"]),
            (&["/init", "--services", "-/a", "sh", "--services", "/c"], &["-/a"]),
            (&["/init", "--", "--services", "/c"], &[]),
        ] {
            let expected: Vec<PathBuf> = directories.iter().map(PathBuf::from).collect();
            assert_eq!(started(words).services(), expected, "{words:?}");
        }
    }
}

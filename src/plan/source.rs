//! The files of the services directories, as the compiler gets them: already read, or why not.

use super::message_id::MessageId;
use super::report::At;
use crate::id;

/// The container's environment. Variables that are not UTF-8 are left out: no TOML string could name their value.
pub type Environment = std::collections::BTreeMap<String, String>;

/// Templates that have another number of instances than their definitions say.
pub type Scale = Vec<(String, usize)>;

/// Larger files are refused unread: no service is described by a megabyte, and PID 1 has to hold it.
pub const MAX_SIZE: usize = 1 << 20;

/// One file of a services directory.
#[derive(Clone, Debug)]
pub struct Source {
    /// The place of its directory among the services directories; later ones win.
    pub layer: u32,
    /// Its path inside the directory: `web.toml`, `web.d/10-local.toml`, `init.toml`.
    pub path: String,
    /// Its name in problems.
    pub shown: String,
    /// What it holds, or why it cannot be read.
    pub text: Result<Vec<u8>, String>,
}

impl Source {
    /// A file of the first directory, shown by the same name.
    pub fn new(path: &str, text: impl Into<Vec<u8>>) -> Source {
        Source { layer: 0, path: path.to_owned(), shown: path.to_owned(), text: Ok(text.into()) }
    }

    /// The same in another directory.
    #[must_use]
    pub fn in_layer(mut self, layer: u32, shown: &str) -> Source {
        self.layer = layer;
        self.shown = shown.to_owned();
        self
    }

    /// Its text; the error is a message.
    pub(super) fn utf8(&self, file: u32) -> Result<&str, (At, MessageId, String)> {
        let bytes = self.text.as_ref().map_err(|why| (At::file(file), id!("D0103"), why.clone()))?;
        if bytes.len() > MAX_SIZE {
            let message = "cannot read a definition larger than 1 MiB".to_owned();
            return Err((At::file(file), id!("D0104"), message));
        }
        std::str::from_utf8(bytes).map_err(|error| {
            let message = "cannot read this byte: the file is not UTF-8".to_owned();
            (At::new(file, error.valid_up_to()), id!("D0105"), message)
        })
    }
}

/// What a path inside a services directory means.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Role<'s> {
    /// `NAME.toml`.
    Definition(&'s str),
    /// `NAME.d/FILE.toml`.
    DropIn(&'s str, &'s str),
}

impl<'s> Role<'s> {
    /// `None`: the file is none of ours.
    pub fn of(path: &'s str) -> Option<Role<'s>> {
        let stem = path.strip_suffix(".toml")?;
        match stem.split_once('/') {
            None => Some(Role::Definition(stem)),
            Some((directory, file)) => {
                let name = directory.strip_suffix(".d")?;
                (!file.contains('/')).then_some(Role::DropIn(name, file))
            }
        }
    }
}

/// Why a name cannot be a service's; `None` if it can.
pub(super) fn name_fault(name: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '@');
    if let Some(c) = name.chars().find(|&c| !fits(c)) {
        return Some(format!("cannot name a service `{name}`: `{c}` is not one of A-Z a-z 0-9 _ . - @"));
    }
    let at_fault = match name {
        "" | "@" => "it is empty",
        "init" => "that name is kept for the settings of `init` itself",
        "cmd" => "that name is kept for the command of `init CMD`",
        _ if name.len() > 128 => "it is longer than 128 bytes",
        _ if name.starts_with(['.', '-', '@']) => "it must start with a letter, a digit or `_`",
        _ if name.matches('@').count() > 1 => "`@` may stand in it once only",
        _ => return None,
    };
    Some(format!("cannot name a service `{name}`: {at_fault}"))
}

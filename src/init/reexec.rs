//! `svctl reexec`: another version of our program takes our place, and everything else stays as it is.
//!
//! PID 1 cannot end, so it executes the other program: it stays the same process, and keeps its children, its descriptors and its
//! signals. What it knows it writes down as JSON, into memory that has a descriptor (memfd_create(2)). The variable [`VARIABLE`] tells the other
//! program which one. If that cannot read what is written there, it executes the program before it again, which goes on. So there is
//! always one that goes on.
//!
//! [`STATE`] is the number of what is written. Something new in it, which may be missing, leaves it as it is; a change that a program with
//! the same number could not read raises it, and the number before stays in [`READS`] as long as it can be read.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{execve, fexecve};

use crate::event_loop::State;
use crate::kernel::fault::{self, Call};
use crate::kernel::kept::Kept;

/// The number of the state that this program writes.
pub const STATE: u32 = 1;
/// The numbers of those that it reads.
pub const READS: [u32; 1] = [STATE];

/// [`READS`] as a line, as `--reexec-state` prints it.
pub fn kinds() -> String {
    READS.map(|kind| kind.to_string()).join(" ") + "\n"
}

/// The environment variable that names the state: `PID:STATE:PROGRAM:WHY`, with the numbers of the descriptors of the state and of the
/// program before, and why that goes on, if it does.
pub const VARIABLE: &str = "INIT_STATE";

/// What the variable says.
struct Given {
    state: Kept,
    program: Kept,
    /// Why this program goes on, and not the one that was to.
    why: Option<String>,
}

impl Given {
    /// `None` if there is none, or it is for another process.
    fn from_environment() -> Option<Given> {
        let value = std::env::var(VARIABLE).ok()?;
        let mut parts = value.splitn(4, ':');
        let mut number = || parts.next()?.parse::<i32>().ok();
        let (pid, state, program) = (number()?, number()?, number()?);
        let why = parts.next().filter(|why| !why.is_empty()).map(str::to_owned);
        let (state, program) = (Kept::numbered(state), Kept::numbered(program));
        let is_ours = pid == std::process::id().cast_signed() && state.is_open() && program.is_open();
        is_ours.then_some(Given { state, program, why })
    }
}

/// What the program before left; `None` if there was none. If it cannot be read, this does not return: the program before goes on.
///
/// # Errors
/// One line, if that is not possible either.
pub(crate) fn taken() -> Result<Option<State>, String> {
    let Some(Given { state, program, why }) = Given::from_environment() else { return Ok(None) };
    let (file, program) = (File::from(state.own()), program.own());
    // What was written by this program is not put to the test.
    let fault = if why.is_none() { fault::point(Call::State) } else { Ok(()) };
    let found = fault.map_err(|error| error.to_string()).and_then(|()| read(&file));
    match (found, why) {
        (Ok(mut state), why) => {
            state.went_back(why);
            Ok(Some(state))
        }
        (Err(error), Some(why)) => Err(format!("cannot go on ({why}), nor go back ({error})")),
        (Err(error), None) => {
            let why = format!("the new program cannot read what the running one left: {error}");
            let value = Value { state: Kept::new(file), program: Kept::new(program), why: &why };
            Err(format!("cannot go on ({error}), nor go back: {}", value.execute(None)))
        }
    }
}

fn read(mut file: &File) -> Result<State, String> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(|error| error.to_string())?;
    let state: State = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    state.check().map(|()| state)
}

/// Writes the state down and executes the program. Returns only if that fails: the state, and why.
pub(crate) fn execute(program: &Path, state: State) -> (State, String) {
    let file = match write(&state) {
        Ok(file) => file,
        Err(error) => return (state, format!("cannot write the state down: {error}")),
    };
    let own = match File::open("/proc/self/exe") {
        Ok(own) => own,
        Err(error) => return (state, format!("cannot keep this program: {error}")),
    };
    let value = Value { state: Kept::new(file), program: Kept::new(own), why: "" };
    let error = value.execute(Some(program));
    drop((value.state.own(), value.program.own()));
    (state, format!("cannot execute {}: {error}", program.display()))
}

fn write(state: &State) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"init-state", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(&serde_json::to_vec(state)?)?;
    Ok(file)
}

/// The value of the variable.
struct Value<'a> {
    state: Kept,
    program: Kept,
    why: &'a str,
}

impl Value<'_> {
    /// Executes a program, or the one before, with our own arguments and environment.
    fn execute(&self, program: Option<&Path>) -> io::Error {
        let words = std::env::args_os().map(|word| CString::new(word.as_bytes()));
        let others = std::env::vars_os().filter(|(name, _)| name != VARIABLE);
        let (state, before) = (self.state.number(), self.program.number());
        let value = format!("{}:{state}:{before}:{}", std::process::id(), self.why);
        let own = (VARIABLE.into(), value.into());
        let variables = others
            .chain([own])
            .map(|(name, value)| CString::new([name.as_bytes(), value.as_bytes()].join(&b'=')));
        // Neither can have a zero in it: the kernel gave them to us.
        let words: Vec<CString> = words.flatten().collect();
        let variables: Vec<CString> = variables.flatten().collect();
        let result = match program {
            Some(path) => match CString::new(OsStr::as_bytes(path.as_os_str())) {
                Ok(path) => execve(&path, &words, &variables),
                Err(_) => return io::ErrorKind::InvalidInput.into(),
            },
            None => fexecve(crate::kernel::given(before), &words, &variables),
        };
        result.map_or_else(io::Error::from, |never| match never {})
    }
}

/// Bytes as a text of the characters up to U+00FF, one each: JSON has no bytes.
pub mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes them.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<'a, B, S>(bytes: &'a B, serializer: S) -> Result<S::Ok, S::Error>
    where
        &'a B: IntoIterator<Item = &'a u8>,
        S: Serializer,
    {
        let text: String = bytes.into_iter().map(|&byte| char::from(byte)).collect();
        serializer.serialize_str(&text)
    }

    /// Reads them.
    ///
    /// # Errors
    /// Those of the deserializer, and another character.
    pub fn deserialize<'de, B, D>(deserializer: D) -> Result<B, D::Error>
    where
        B: From<Vec<u8>>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        let bytes: Option<Vec<u8>> = text.chars().map(|char| u8::try_from(char).ok()).collect();
        bytes.map(B::from).ok_or_else(|| serde::de::Error::custom("a character that is no byte"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use serde::{Deserialize, Serialize};

    use super::bytes;

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct Both(#[serde(with = "bytes")] Vec<u8>, #[serde(with = "bytes")] VecDeque<u8>);

    #[test]
    fn every_byte_is_read_back_as_it_was_written() {
        let all: Vec<u8> = (0..=255).collect();
        let both = Both(all.clone(), all.into());
        assert_eq!(serde_json::from_str::<Both>(&serde_json::to_string(&both).unwrap()).unwrap(), both);
        assert!(serde_json::from_str::<Both>("[\"\u{100}\", \"\"]").is_err());
    }
}

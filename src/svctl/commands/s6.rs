//! `import-s6`, and the two steps that definitions from s6 call.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::args::{ImportS6, S6FixAttrs};
use super::complain;
use crate::exit::{Code, Trouble};
use crate::output::Out;
use crate::s6::attributes::{self, Accounts};
use crate::s6::contenv;
use crate::s6::import::fit::fitting;
use crate::s6::import::places::Places;
use init_plan::id;
use init_plan::load::{SERVICES_VARIABLE, default_directories, environment as variables};

/// `svctl import-s6`.
pub fn import(options: &ImportS6, out: &mut Out) -> Result<(), Trouble> {
    let failed = |why: String| Trouble::said(Code::Failed, id!("C0701"), why);
    let environment = variables();
    let places = Places::find(&options.directory, &environment).map_err(failed)?;
    let directories = default_directories(std::env::var_os(SERVICES_VARIABLE).as_deref());
    let made = fitting(&places, &environment, &directories);
    for (file, text) in &made.files {
        match &options.into {
            Some(directory) => write(directory, file, text).map_err(failed)?,
            None => out.write(&format!("# ---- {file}\n{text}\n"))?,
        }
    }
    out.flush()?;
    for line in &made.lines {
        complain(&format!("from s6: {line}"));
    }
    Ok(())
}

/// Writes a new file; one that is there already stays, unless it is the same.
fn write(directory: &Path, file: &str, text: &str) -> Result<(), String> {
    let path = directory.join(file);
    let new = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path);
    let written = match new {
        Ok(mut new) => new.write_all(text.as_bytes()),
        Err(_) if fs::read(&path).is_ok_and(|known| known == text.as_bytes()) => Ok(()),
        Err(error) => Err(error),
    };
    written.map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// `svctl s6-environment`.
pub fn environment() -> Result<(), Trouble> {
    contenv::write(Path::new(contenv::DIRECTORY), std::env::vars_os())
        .map_err(|why| Trouble::said(Code::Failed, id!("C0702"), why))
}

/// `svctl s6-fix-attrs`.
pub fn fix_attributes(options: &S6FixAttrs) -> Result<(), Trouble> {
    let read = |path: &str| fs::read(path).unwrap_or_default();
    let (passwd, group) = (read("/etc/passwd"), read("/etc/group"));
    let accounts = Accounts { passwd: &passwd, group: &group };
    let hidden =
        std::env::var_os("S6_FIX_ATTRS_HIDDEN").is_some_and(|value| value != "0" && !value.is_empty());
    let mut problems = 0;
    for file in &options.files {
        let text = fs::read_to_string(file);
        let found = match &text {
            Ok(text) => attributes::apply(text, &accounts, hidden),
            Err(error) => vec![error.to_string()],
        };
        problems += found.len();
        found.iter().for_each(|line| complain(&format!("{}: {line}", file.display())));
    }
    if problems == 0 { Ok(()) } else { Err(Trouble::Shown(Code::Failed)) }
}

//! `show` and `diff`: what services are defined as, where that comes from, and what a reload would change.

use std::path::PathBuf;

use init_plan::load::{Directory, SERVICES_VARIABLE, default_directories, read};
use init_plan::{Origin, origins};
use serde::Serialize;

use super::args::{Diff, Show};
use super::ask::{AT_ONCE, Init, finished, json_array, received};
use crate::exit::{Code, Trouble};
use crate::output::Out;
use crate::render::definition::show as show_text;
use crate::secrets::looks_secret;
use crate::started::Started;
use init_control::wire::{Request, Response};

/// A service of `svctl show --json`.
#[derive(Serialize)]
pub struct Shown {
    /// Its name.
    pub name: String,
    /// Whether its definition on disk is newer than the one it runs with.
    pub changed: bool,
    /// Every key that its definition has.
    pub keys: Vec<Origin>,
}

/// `svctl show`.
pub fn show(init: &Init, options: &Show, out: &mut Out) -> Result<(), Trouble> {
    let (services, _) = init.services(&options.names)?;
    let started = Started::of(init)?;
    let environment = started.environment();
    let (sources, problems) = read(&directories(&started));
    if let Some(problem) = problems.first() {
        return Err(Trouble::said(Code::Failed, format!("{problem}")));
    }
    let mut shown = Vec::new();
    for service in services {
        let Some(mut keys) = origins(&sources, &environment, &service.name) else {
            let message = format!("{} has no definition on disk that can be read", service.name);
            return Err(Trouble::said(Code::Failed, message));
        };
        if !options.secrets {
            keys.iter_mut().for_each(mask);
        }
        shown.push(Shown { name: service.name, changed: service.changed, keys });
    }
    if options.json {
        return out.write(&json_array(&shown.iter().collect::<Vec<_>>())?);
    }
    out.write(&show_text(&shown, out.screen))
}

/// Hides the value of a key that is likely to hold a secret, by its own name or by that of a variable in it.
fn mask(origin: &mut Origin) {
    let of_environment = origin.key.strip_prefix("env.").filter(|key| looks_secret(key));
    if of_environment.is_some() || origin.variables.iter().any(|name| looks_secret(name)) {
        origin.value = "\"***\"".to_owned();
    }
}

/// Where definitions are, in the order in which `init` reads them.
fn directories(started: &Started) -> Vec<Directory> {
    let named: Vec<PathBuf> = started.services();
    let variable = started.variable(SERVICES_VARIABLE);
    let mut all = started.generated();
    all.extend(match named.as_slice() {
        [] => default_directories(variable.as_deref().map(std::ffi::OsStr::new)),
        named => named.iter().map(|path| Directory::listed(path)).collect(),
    });
    all
}

/// A service of `svctl diff --json`.
#[derive(Serialize)]
pub struct Difference {
    /// Its name.
    pub name: String,
    /// `new`, `removed` or `changed`.
    #[serde(rename = "change")]
    pub what: &'static str,
}

/// What differs between the plan on disk and the one in force.
pub fn differences(init: &Init) -> Result<Vec<Difference>, Trouble> {
    let mut marked = Vec::new();
    for answer in init.ask(&Request::Diff, AT_ONCE)? {
        match received(answer)? {
            Response::Names { names } => marked.extend(names),
            other => finished(other)?,
        }
    }
    let what = |marked: &str| match marked.chars().next() {
        Some('+') => "new",
        Some('-') => "removed",
        _ => "changed",
    };
    let difference =
        |one: &String| Difference { name: one.get(1..).unwrap_or_default().to_owned(), what: what(one) };
    Ok(marked.iter().map(difference).collect())
}

/// What applying the plan on disk would change: also what an earlier reload changed and no restart has applied yet.
pub fn changes(init: &Init) -> Result<Vec<Difference>, Trouble> {
    let mut found = differences(init)?;
    let (services, _) = init.services(&[])?;
    for service in services.into_iter().filter(|service| service.changed) {
        if found.iter().all(|one| one.name != service.name) {
            found.push(Difference { name: service.name, what: "changed" });
        }
    }
    Ok(found)
}

/// `svctl diff`.
pub fn diff(init: &Init, options: &Diff, out: &mut Out) -> Result<(), Trouble> {
    let found = differences(init)?;
    if options.json {
        out.write(&json_array(&found.iter().collect::<Vec<_>>())?)?;
    } else if found.is_empty() {
        out.write("a reload would change nothing\n")?;
    }
    for one in found.iter().filter(|_| !options.json) {
        out.write(&format!("{}: {}\n", one.name, one.what))?;
    }
    if options.exit_code && !found.is_empty() { Err(Trouble::Shown(Code::Failed)) } else { Ok(()) }
}

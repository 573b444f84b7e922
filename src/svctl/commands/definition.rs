//! `show` and `diff`: what services are defined as, where that comes from, and what a reload would change.

use std::path::PathBuf;

use init_core::status::ServiceStatus;
use init_plan::load::{Directory, SERVICES_VARIABLE, default_directories, load, read};
use init_plan::{Id, Origin, Service, id, origins};
use serde::Serialize;

use super::args::{Diff, Show};
use super::ask::{AT_ONCE, Init, finished, json_array, received};
use crate::exit::{Code, Trouble};
use crate::keys;
use crate::output::Out;
use crate::render::definition::{diff as diff_text, show as show_text};
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
        return Err(Trouble::Said(Code::Failed, problem.to_string()));
    }
    let mut shown = Vec::new();
    for service in services {
        let Some(mut keys) = origins(&sources, &environment, &service.name) else {
            let message = format!("{} has no definition on disk that can be read", service.name);
            return Err(Trouble::said(Code::Failed, id!("C0209"), message));
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

/// What stands for a value that is likely to be a secret.
const HIDDEN: &str = "\"***\"";

/// Whether a key is likely to hold a secret, by its own name or by that of a variable in it.
fn is_secret(key: &str, variables: &[String]) -> bool {
    key.strip_prefix("env.").is_some_and(looks_secret) || variables.iter().any(|name| looks_secret(name))
}

/// Hides the value of such a key.
fn mask(origin: &mut Origin) {
    if is_secret(&origin.key, &origin.variables) {
        HIDDEN.clone_into(&mut origin.value);
    }
}

/// Where definitions are, in the order in which `init` reads them.
fn directories(started: &Started) -> Vec<Directory> {
    let named: Vec<PathBuf> = started.services();
    let variable = started.variable(SERVICES_VARIABLE);
    let (generated, set) = started.below_runtime();
    let mut all: Vec<Directory> = generated.into_iter().collect();
    all.extend(match named.as_slice() {
        [] => default_directories(variable.as_deref().map(std::ffi::OsStr::new)),
        named => named.iter().map(|path| Directory::listed(path)).collect(),
    });
    all.push(set);
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
    /// Which keys of a changed one; none if that is not for this user to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Key>,
}

/// A key that changes.
#[derive(Serialize)]
pub struct Key {
    /// The key and both values.
    #[serde(flatten)]
    pub changed: keys::Changed,
    /// The file that says it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
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
    let difference = |one: &String| {
        let name = one.get(1..).unwrap_or_default().to_owned();
        Difference { name, what: what(one), keys: Vec::new() }
    };
    Ok(marked.iter().map(difference).collect())
}

/// Adds to each changed service which keys change. Who may not know what is in force is not told.
fn add_keys(init: &Init, found: &mut [Difference]) -> Result<(), Trouble> {
    let changed: Vec<String> =
        found.iter().filter(|one| one.what == "changed").map(|one| one.name.clone()).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let running = match in_force(init, &changed) {
        Err(Trouble::Said(Code::Denied, _)) => return Ok(()),
        other => other?,
    };
    let started = Started::of(init)?;
    let (environment, directories) = (started.environment(), directories(&started));
    let (sources, _) = read(&directories);
    // `init` has just read it without a problem; if that is different now, the next diff says so.
    let Ok(plan) = load(&directories, &environment) else { return Ok(()) };
    for (status, service) in running {
        let Some(one) = found.iter_mut().find(|one| one.name == status.name) else { continue };
        let Some(next) = plan.services.iter().find(|next| *next.name == *status.name) else { continue };
        let name_of =
            |id: Id| plan.services.get(id.index()).map_or_else(String::new, |it| it.name.to_string());
        let written = origins(&sources, &environment, &status.name).unwrap_or_default();
        let changed = keys::compare(&keys::of_running(&service, &status), &keys::of(next, name_of));
        one.keys = changed.into_iter().map(|changed| placed(changed, &written)).collect();
    }
    Ok(())
}

/// The definitions of these services as they are in force.
fn in_force(init: &Init, names: &[String]) -> Result<Vec<(ServiceStatus, Service)>, Trouble> {
    let (statuses, _) = init.services(names)?;
    let mut found = Vec::new();
    for answer in init.ask(&Request::Definitions { names: names.to_vec() }, AT_ONCE)? {
        match received(answer)? {
            Response::Definition { service } => {
                let status = statuses.iter().find(|status| *status.name == *service.name);
                found.extend(status.map(|status| (status.clone(), *service)));
            }
            other => finished(other)?,
        }
    }
    Ok(found)
}

/// With the place where it is written, and without secrets.
fn placed(mut changed: keys::Changed, written: &[Origin]) -> Key {
    let is_it = |origin: &&Origin| {
        origin.key == changed.key
            || changed.key.strip_prefix(&origin.key).is_some_and(|rest| rest.starts_with('.'))
    };
    let origin = written.iter().find(is_it);
    let variables = origin.map(|origin| origin.variables.as_slice()).unwrap_or_default();
    if is_secret(&changed.key, variables) {
        for value in [&mut changed.from, &mut changed.to].into_iter().flatten() {
            HIDDEN.clone_into(value);
        }
    }
    let (file, line) = origin.map(|origin| (origin.file.clone(), origin.line)).unzip();
    Key { changed, file, line }
}

/// What applying the plan on disk would change: also what an earlier reload changed and no restart has applied yet.
pub fn changes(init: &Init) -> Result<Vec<Difference>, Trouble> {
    let mut found = differences(init)?;
    let (services, _) = init.services(&[])?;
    for service in services.into_iter().filter(|service| service.changed) {
        if found.iter().all(|one| one.name != service.name) {
            found.push(Difference { name: service.name, what: "changed", keys: Vec::new() });
        }
    }
    Ok(found)
}

/// `svctl diff`.
pub fn diff(init: &Init, options: &Diff, out: &mut Out) -> Result<(), Trouble> {
    let mut found = differences(init)?;
    add_keys(init, &mut found)?;
    if options.json {
        out.write(&json_array(&found.iter().collect::<Vec<_>>())?)?;
    } else if found.is_empty() {
        out.write("a reload would change nothing\n")?;
    }
    for one in found.iter().filter(|_| !options.json) {
        out.write(&diff_text(one, out.screen))?;
    }
    if options.exit_code && !found.is_empty() { Err(Trouble::Shown(Code::Failed)) } else { Ok(()) }
}

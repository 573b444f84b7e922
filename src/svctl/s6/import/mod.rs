//! Services and scripts that an image has for s6-overlay, as definitions for `init`.
//!
//! Nothing is copied: scripts run where they lie, in s6's order, under s6's names. [`translate`] reads the directories of
//! an image and returns definitions and lines for a person; it changes nothing.
//!
//! | module | what it is |
//! |---|---|
//! | [`places`] | where an image has what, and its programs |
//! | `source` | service directories as they are written |
//! | `script` | how a script is run |
//! | `services` | longruns, oneshots and bundles of s6-rc |
//! | `legacy` | `cont-init.d`, `cont-finish.d`, `fix-attrs.d` and `services.d` |
//! | `settings` | the variables of s6-overlay |
//! | `toml` | definitions as text |
//! | [`fit`] | only what fits into the plan that the image has |

pub mod fit;
mod legacy;
pub mod places;
mod script;
mod services;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod toml;

use std::collections::{BTreeMap, BTreeSet};

use init_plan::Environment;

use self::places::Places;
use self::settings::Settings;
use self::toml::Definition;

/// The oneshot that makes the environment's directory.
const ENVIRONMENT: &str = "s6-environment";

/// What is defined beside s6.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Names of services and bundles.
    pub names: BTreeSet<String>,
    /// Services that come after no other.
    pub first: Vec<String>,
    /// Services that no other comes after.
    pub last: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Translation {
    /// Names of files, and their text.
    pub files: BTreeMap<String, String>,
    /// What a person should know, a line each.
    pub lines: Vec<String>,
}

/// One translation at work.
struct Import<'a> {
    places: &'a Places,
    settings: Settings,
    known: &'a Known,
    /// Names that did not fit, which are left out.
    without: &'a BTreeSet<String>,
    made: BTreeMap<String, Definition>,
    lines: Vec<String>,
}

/// Translates what is there.
pub fn translate(
    places: &Places,
    environment: &Environment,
    known: &Known,
    without: &BTreeSet<String>,
) -> Translation {
    let (settings, lines) = settings::settings(environment);
    let mut import = Import { places, settings, known, without, made: BTreeMap::new(), lines };
    import.scripts();
    import.services();
    import.legacy_services();
    import.last_scripts();
    import.environment();
    let files = import.made.iter().map(|(name, made)| (format!("{name}.toml"), made.done()));
    Translation { files: files.collect(), lines: import.lines }
}

impl Import<'_> {
    /// Keeps a definition, unless there is one of that name already or it is known not to fit.
    fn add(&mut self, name: &str, definition: &Definition) {
        self.made.insert(name.to_owned(), definition.clone());
    }

    /// Whether a name is still free; a name that no service may have is told.
    fn may_add(&mut self, name: &str) -> bool {
        if self.without.contains(name) || self.known.names.contains(name) {
            return false;
        }
        let ok = may_be_name(name);
        if !ok {
            self.lines.push(format!(
                "{}: no service can have this name here: rename it, with A-Z a-z 0-9 _ . -",
                name.escape_debug()
            ));
        }
        ok && !self.made.contains_key(name)
    }

    /// What a process of s6 finds in its environment: `PATH`, or everything where it asks for that.
    fn inherit(&self, definition: &mut Definition, contenv: bool) {
        if !contenv && !self.settings.keep_env {
            definition.table("env").list("inherit", &["PATH"]);
        }
    }

    /// The oneshot that makes the environment's directory, before everything that may read it.
    fn environment(&mut self) {
        if self.made.is_empty() || !self.may_add(ENVIRONMENT) {
            return;
        }
        let mut made = Definition::from(super::contenv::DIRECTORY, "oneshot");
        made.list("exec", &["svctl", ENVIRONMENT]);
        let later: Vec<&String> = self.made.keys().filter(|name| !self.is_bundle(name)).collect();
        made.list("before", &later);
        self.add(ENVIRONMENT, &made);
    }

    fn is_bundle(&self, name: &str) -> bool {
        self.made.get(name).is_some_and(|made| made.done().contains("type = \"bundle\""))
    }
}

/// Whether a service may have this name.
fn may_be_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '@');
    name.chars().all(fits)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && !name.ends_with('@')
        && name.matches('@').count() <= 1
        && name.len() <= 128
        && !matches!(name, "init" | "cmd")
}

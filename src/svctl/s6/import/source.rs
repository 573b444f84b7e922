//! The service directories of s6-rc, as they are written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::places::{Places, entries, text};

/// What the file `type` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A daemon.
    Longrun,
    /// A command that ends.
    Oneshot,
    /// A name for several.
    Bundle,
}

/// A service directory.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it is here.
    pub directory: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// The names in `dependencies.d`.
    pub needs: BTreeSet<String>,
    /// The names in `contents.d`.
    pub contents: BTreeSet<String>,
}

impl Source {
    /// The number in one of its files.
    pub fn number(&self, file: &str) -> Option<u64> {
        number(&self.directory, file)
    }

    /// Whether it has this file.
    pub fn has(&self, file: &str) -> bool {
        self.directory.join(file).exists()
    }
}

/// The number in a file of a service directory.
pub fn number(directory: &Path, file: &str) -> Option<u64> {
    text(&directory.join(file))?.parse().ok()
}

/// The bundles that s6-overlay starts.
const STARTED: &[&str] = &["user", "user2"];

/// All service directories by name, the lines about those that are none, and what is started at boot.
pub struct Sources {
    /// Services and bundles, without the bundles that s6-overlay starts.
    pub all: BTreeMap<String, Source>,
    /// What the bundles `user` and `user2` hold.
    pub started: BTreeMap<String, BTreeSet<String>>,
}

/// Reads them; each line is about a directory that is no service.
pub fn read(places: &Places) -> (Sources, Vec<String>) {
    let mut sources = Sources { all: BTreeMap::new(), started: BTreeMap::new() };
    let mut lines = Vec::new();
    for name in entries(&places.services) {
        let directory = places.services.join(&name);
        if STARTED.contains(&name.as_str()) || !directory.is_dir() {
            continue;
        }
        let kind = match text(&directory.join("type")).as_deref() {
            Some("longrun") => Kind::Longrun,
            Some("oneshot") => Kind::Oneshot,
            Some("bundle") => Kind::Bundle,
            _ => {
                lines.push(format!("{name}: {}/type is not longrun, oneshot or bundle", directory.display()));
                continue;
            }
        };
        let needs = listed(&directory, "dependencies");
        let contents = listed(&directory, "contents");
        sources.all.insert(name, Source { directory, kind, needs, contents });
    }
    for name in STARTED {
        let mut held = listed(&places.services.join(name), "contents");
        held.extend(listed(&places.bundles.join(name), "contents"));
        if !held.is_empty() {
            sources.started.insert((*name).to_owned(), held);
        }
    }
    (sources, lines)
}

/// The names in `FILE.d`, or in the lines of `FILE`, as older releases of s6-rc have it.
fn listed(directory: &Path, file: &str) -> BTreeSet<String> {
    let lines = text(&directory.join(file)).unwrap_or_default();
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    entries(&directory.join(format!("{file}.d"))).into_iter().chain(lines.map(str::to_owned)).collect()
}

impl Sources {
    /// Everything that is started at boot: what the bundles hold, and what these hold.
    pub fn at_boot(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut left: Vec<&String> = self.started.values().flatten().collect();
        while let Some(name) = left.pop() {
            if found.insert(name.clone())
                && let Some(source) = self.all.get(name)
            {
                left.extend(&source.contents);
            }
        }
        found
    }
}

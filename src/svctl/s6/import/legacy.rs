//! What s6-overlay ran before it had s6-rc, and still runs: `fix-attrs.d` and `cont-init.d` before everything else,
//! `services.d` after everything else, `cont-finish.d` at the end.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Import;
use super::places::entries;
use super::script::{self, Script};
use super::services::{Daemon, Links, PIPES};
use super::toml::{Definition, list};

/// The bundle of what comes before everything else, as s6-overlay calls it.
const BASE: &str = "base";

impl Import<'_> {
    /// What runs before everything else.
    pub(super) fn scripts(&mut self) {
        let Some(etc) = &self.places.etc else { return };
        let mut base = Vec::new();
        base.extend(self.attributes(&etc.join("fix-attrs.d")));
        base.extend(self.first_scripts(&etc.join("cont-init.d"), base.last().cloned()));
        if !base.is_empty() && self.may_add(BASE) {
            let text = list(&base);
            self.add(BASE, Definition::from(&self.inside(etc), "bundle").raw("contents", &text));
        }
    }

    fn attributes(&mut self, directory: &Path) -> Option<String> {
        let files: Vec<String> =
            entries(directory).into_iter().map(|name| self.inside(&directory.join(name))).collect();
        let name = "fix-attrs".to_owned();
        if files.is_empty() || !self.may_add(&name) {
            return None;
        }
        let words = ["svctl", "s6-fix-attrs"].map(str::to_owned);
        let mut made = Definition::from(&self.inside(directory), "oneshot");
        made.list("exec", &[&words[..], &files].concat());
        self.first(&mut made, None);
        self.add(&name, &made);
        Some(name)
    }

    /// `cont-init.d`: one after the other, whatever becomes of them.
    fn first_scripts(&mut self, directory: &Path, mut before: Option<String>) -> Vec<String> {
        let mut names = Vec::new();
        for (name, path, script) in self.scripts_of(directory, "cont-init-") {
            let mut made = Definition::from(&self.inside(&path), "oneshot");
            made.list("exec", &script.exec);
            self.first(&mut made, before.as_ref());
            self.inherit(&mut made, script.contenv);
            self.add(&name, &made);
            names.push(name.clone());
            before = Some(name);
        }
        if !names.is_empty() && self.may_add("legacy-cont-init") {
            let made =
                Definition::from(&self.inside(directory), "bundle").raw("contents", &list(&names)).clone();
            self.add("legacy-cont-init", &made);
        }
        names
    }

    /// A step before everything that is not of s6.
    fn first(&self, made: &mut Definition, before: Option<&String>) {
        made.list("after", before.map_or(&[][..], std::slice::from_ref));
        made.list("before", &self.known.first);
        if self.settings.strict {
            made.raw("essential", "true");
        }
    }

    /// `cont-finish.d`: each runs when everything else is down, the first one first. What stops last has started first.
    pub(super) fn last_scripts(&mut self) {
        let Some(etc) = &self.places.etc else { return };
        let scripts = self.scripts_of(&etc.join("cont-finish.d"), "cont-finish-");
        let mut before: Option<String> = None;
        for (name, path, script) in scripts.into_iter().rev() {
            let mut made = Definition::from(&self.inside(&path), "oneshot");
            made.list("exec", &["true"]);
            made.list("after", before.as_slice());
            let others = self
                .made
                .iter()
                .filter(|(known, _)| !known.starts_with("cont-finish-") && !self.is_bundle(known));
            let later: Vec<&String> = self.known.first.iter().chain(others.map(|(known, _)| known)).collect();
            made.list("before", &later);
            let time = &self.settings.finish_time;
            made.raw("down", &format!("{{ exec = {}, timeout = \"{time}\" }}", list(&script.exec)));
            self.inherit(&mut made, script.contenv);
            self.add(&name, &made);
            before = Some(name);
        }
    }

    /// The scripts of a directory that can run, in order, with the names of their services.
    fn scripts_of(&mut self, directory: &Path, prefix: &str) -> Vec<(String, PathBuf, Script)> {
        let mut found = Vec::new();
        for file in entries(directory) {
            let path = directory.join(&file);
            if !path.is_file() {
                continue;
            }
            let shown = self.inside(&path);
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
            let name = format!("{prefix}{}", file.replace(|c| !fits(c), "_"));
            match script::command(self.places, &path, &shown) {
                Ok(script) if self.may_add(&name) => found.push((name, path, script)),
                Ok(_) => {}
                Err(why) => self.lines.push(format!(
                    "{name}: not run: {shown}: {why}; or write /etc/services.d/{name}.toml: type = \"oneshot\", exec = [\"PROGRAM\"], before = {}",
                    list(&self.known.first)
                )),
            }
        }
        found
    }

    /// `services.d`: directories with `run`. Definitions in TOML may stand beside them.
    pub(super) fn legacy_services(&mut self) {
        let names = self.legacy_names();
        let Some(etc) = self.places.etc.as_ref().map(|etc| etc.join("services.d")) else { return };
        let before: BTreeSet<String> = ["base", "user"]
            .into_iter()
            .filter(|name| self.made.contains_key(*name))
            .map(str::to_owned)
            .chain(self.known.last.iter().cloned())
            .collect();
        let mut made = Vec::new();
        for name in names {
            let directory = etc.join(&name);
            let links = || Links { requires: BTreeSet::new(), after: before.clone() };
            let autostart = !directory.join("down").exists();
            made.extend(self.legacy_service(&name, &directory, links(), autostart));
        }
        if !made.is_empty() && self.may_add("legacy-services") {
            let text = list(&made);
            let shown = self.inside(&etc);
            self.add("legacy-services", Definition::from(&shown, "bundle").raw("contents", &text));
        }
    }

    /// One of them, and its logger, which reads what it writes. Returns the names.
    fn legacy_service(
        &mut self,
        name: &str,
        directory: &Path,
        mut links: Links,
        autostart: bool,
    ) -> Vec<String> {
        if self.known.names.contains(name) {
            let shown = self.inside(directory);
            self.lines.push(format!("{name}: there is a definition in TOML, so {shown} is not used"));
        }
        if !self.may_add(name) {
            return Vec::new();
        }
        let mut names = Vec::new();
        let stop_time = Some(self.settings.services_grace.clone());
        let logger = directory.join("log");
        let mut output = None;
        if logger.join("run").is_file() {
            let own = format!("{name}-log");
            let fifo = format!("{PIPES}/{own}");
            let daemon = Daemon {
                name: &own,
                directory: &logger,
                links: Links::default(),
                autostart,
                stop_time: stop_time.clone(),
                pipes: (Some(fifo.clone()), None),
            };
            if self.may_add(&own) && self.keep(&own, daemon) {
                links.requires.insert(own.clone());
                names.push(own);
                output = Some(fifo);
            }
        }
        let daemon = Daemon { name, directory, links, autostart, stop_time, pipes: (None, output) };
        if self.keep(name, daemon) {
            names.push(name.to_owned());
        }
        names
    }

    fn keep(&mut self, name: &str, daemon: Daemon<'_>) -> bool {
        let shown = self.inside(daemon.directory);
        match self.daemon(daemon) {
            Ok(made) => self.add(name, &made),
            Err(why) => {
                self.lines.push(format!(
                    "{name}: not started: {shown}: {why}; or write /etc/services.d/{name}.toml: exec = [\"PROGRAM\", \"ARGUMENT\"]"
                ));
                return false;
            }
        }
        true
    }

    /// The names of the directories in `services.d` that are services of s6.
    pub(super) fn legacy_names(&self) -> BTreeSet<String> {
        let Some(etc) = &self.places.etc else { return BTreeSet::new() };
        let directory = etc.join("services.d");
        entries(&directory).into_iter().filter(|name| directory.join(name).join("run").is_file()).collect()
    }

    fn inside(&self, path: &Path) -> String {
        self.places.inside(path).unwrap_or_else(|| path.display().to_string())
    }
}

//! Longruns, oneshots and bundles of s6-rc.

use std::collections::BTreeSet;
use std::path::Path;

use super::places::text;
use super::script::{self, Script};
use super::settings::{limit, millis};
use super::source::{self, Kind, Source, Sources, number};
use super::toml::{Definition, list};
use super::{Import, may_be_name};
use crate::s6::names;
use init_plan::Signal;

/// Where FIFOs between producers and consumers are.
pub(super) const PIPES: &str = "/run/s6/pipes";

/// Files of a service directory that have no equivalent here, and what to do instead.
const WITHOUT_MEANING: &[(&str, &str)] = &[
    ("max-death-tally", "write [restart] limit = { count = N, interval = \"60s\" } in a drop-in"),
    ("lock-fd", "it gets no lock on its directory"),
    ("flag-newpidns", "it gets no PID namespace of its own"),
    ("flag-essential", "`svctl stop` stops it like any other"),
    ("template", "write a template NAME@.toml"),
];

/// Dependencies on what s6-overlay itself defines.
const OVERLAYS: &[&str] = &["base", "fix-attrs", "legacy-cont-init", "legacy-services", "user", "user2"];

/// What a service comes after.
#[derive(Default)]
pub(super) struct Links {
    pub requires: BTreeSet<String>,
    pub after: BTreeSet<String>,
}

/// A service directory and how it is to be run.
pub(super) struct Daemon<'a> {
    pub name: &'a str,
    pub directory: &'a Path,
    pub links: Links,
    pub autostart: bool,
    /// How long it may take to stop, where its directory says nothing.
    pub stop_time: Option<String>,
    /// The FIFOs that are its standard input and output.
    pub pipes: (Option<String>, Option<String>),
}

impl Import<'_> {
    /// Everything below `s6-rc.d`.
    pub(super) fn services(&mut self) {
        let (sources, lines) = source::read(self.places);
        self.lines.extend(lines);
        let at_boot = sources.at_boot();
        let mut ours = Vec::new();
        let mut idle = Vec::new();
        for (name, source) in &sources.all {
            if self.is_defined(name) {
                ours.push(name.as_str());
                continue;
            }
            if !at_boot.contains(name) && source.kind != Kind::Bundle {
                idle.push(name.as_str());
            }
            if self.may_add(name) {
                self.service(name, source, &sources, at_boot.contains(name));
            }
        }
        self.started_bundles(&sources);
        let services = self.places.inside(&self.places.services).unwrap_or_default();
        if !ours.is_empty() {
            self.lines.push(format!(
                "{}: there is a definition in TOML, so {services} is not used for it",
                ours.join(", ")
            ));
        }
        if !idle.is_empty() {
            self.lines.push(format!(
                "{}: not started at boot, as it is not in {services}/user/contents.d (`svctl start NAME` starts it)",
                idle.join(", ")
            ));
        }
    }

    /// Whether a definition of this name, or of the name that upstream's service has here, exists.
    fn is_defined(&self, name: &str) -> bool {
        let known = |name: &str| self.known.names.contains(name);
        known(name) || names::is_upstreams(name) && known(&names::dependency(name))
    }

    fn service(&mut self, name: &str, source: &Source, sources: &Sources, autostart: bool) {
        let made = match source.kind {
            Kind::Bundle => return self.bundle(name, &source.contents, sources, &source.directory),
            Kind::Oneshot => self.oneshot(name, source, sources, autostart),
            Kind::Longrun => self.longrun(name, source, sources, autostart),
        };
        match made {
            Ok(made) => self.add(name, &made),
            Err(why) => self.cannot_run(name, source, &why),
        }
        for (file, instead) in WITHOUT_MEANING {
            if source.has(file) {
                self.lines.push(format!("{name}: the file {file} has no effect here: {instead}"));
            }
        }
    }

    /// Says what to write by hand.
    fn cannot_run(&mut self, name: &str, source: &Source, why: &str) {
        let kind = if source.kind == Kind::Oneshot { "type = \"oneshot\", " } else { "" };
        let requires: Vec<String> = source
            .needs
            .iter()
            .filter(|need| !OVERLAYS.contains(&need.as_str()))
            .map(|need| names::dependency(need))
            .collect();
        let requires =
            if requires.is_empty() { String::new() } else { format!(", requires = {}", list(&requires)) };
        self.lines.push(format!(
            "{name}: not started: {why}; or write /etc/services.d/{name}.toml: {kind}exec = [\"PROGRAM\", \"ARGUMENT\"]{requires}"
        ));
    }

    fn oneshot(
        &mut self,
        name: &str,
        source: &Source,
        sources: &Sources,
        autostart: bool,
    ) -> Result<Definition, String> {
        let shown = |file: &str| self.shown(&source.directory.join(file));
        let up = script::line(self.places, &source.directory.join("up"), &shown("up")?)?;
        let down = match source.has("down") {
            true => script::line(self.places, &source.directory.join("down"), &shown("down")?)?,
            false => None,
        };
        let nothing = Script { exec: vec!["true".to_owned()], contenv: false };
        let up = up.unwrap_or(nothing);
        let mut made = Definition::from(&self.shown(&source.directory)?, "oneshot");
        made.list("exec", &up.exec);
        let links = self.links(name, source, sources);
        write_links(&mut made, &links, autostart);
        if let Some(time) = source.number("timeout-up").filter(|&time| time > 0) {
            made.string("start-timeout", &millis(time));
        }
        if self.settings.strict && autostart {
            made.raw("essential", "true");
        }
        if let Some(down) = &down {
            let time = limit(source.number("timeout-down").unwrap_or(0));
            made.raw("down", &format!("{{ exec = {}, timeout = \"{time}\" }}", list(&down.exec)));
        }
        self.inherit(&mut made, up.contenv || down.is_some_and(|down| down.contenv));
        Ok(made)
    }

    fn longrun(
        &mut self,
        name: &str,
        source: &Source,
        sources: &Sources,
        autostart: bool,
    ) -> Result<Definition, String> {
        let mut links = self.links(name, source, sources);
        let consumer = text(&source.directory.join("producer-for"));
        // It becomes part of a shell's command line.
        let consumer =
            consumer.filter(|consumer| sources.all.contains_key(consumer) && may_be_name(consumer));
        let output = consumer.map(|consumer| {
            let fifo = format!("{PIPES}/{consumer}");
            // s6-rc starts whoever reads before whoever writes.
            links.requires.extend(self.resolved(name, &consumer, sources));
            fifo
        });
        let input = (source.has("consumer-for") && may_be_name(name)).then(|| format!("{PIPES}/{name}"));
        self.daemon(Daemon {
            name,
            directory: &source.directory,
            links,
            autostart,
            stop_time: None,
            pipes: (input, output),
        })
    }

    /// A service directory with `run`.
    pub(super) fn daemon(&mut self, daemon: Daemon<'_>) -> Result<Definition, String> {
        let Daemon { name, directory, links, autostart, stop_time, pipes } = daemon;
        let run = script::command(self.places, &directory.join("run"), "./run")?;
        let finish = match directory.join("finish").exists() {
            true => Some(script::command(self.places, &directory.join("finish"), "./finish")?),
            false => None,
        };
        let shown = self.shown(directory)?;
        let mut made = Definition::from(&shown, "longrun");
        made.list("exec", &piped(run.exec.iter().cloned().chain([name.to_owned()]).collect(), &pipes));
        made.string("cwd", &shown);
        write_links(&mut made, &links, autostart);
        made.string("start-timeout", &limit(number(directory, "timeout-up").unwrap_or(0)));
        let contenv = run.contenv || finish.as_ref().is_some_and(|finish| finish.contenv);
        self.inherit(&mut made, contenv);
        match number(directory, "notification-fd") {
            Some(fd @ 3..=255) => drop(made.table("ready").raw("fd", &fd.to_string())),
            Some(fd) => self
                .lines
                .push(format!("{name}: notification-fd {fd} is not between 3 and 255: not waited for")),
            None => {}
        }
        // s6 starts it again at once, but at most once a second.
        made.table("restart").string("policy", "always").string("delay", "1s").raw("factor", "1.0");
        made.string("max-delay", "1s").raw("jitter", "0.0").string("reset-after", "1s");
        self.stop(&mut made, name, directory, stop_time);
        if let Some(finish) = finish {
            let time = limit(number(directory, "timeout-finish").unwrap_or(5000));
            made.table("finish").list("exec", &finished(&finish.exec, name)).string("timeout", &time);
        }
        Ok(made)
    }

    fn stop(&mut self, made: &mut Definition, name: &str, directory: &Path, otherwise: Option<String>) {
        let signal = |import: &mut Self, file: &str| {
            let word = text(&directory.join(file))?;
            if word.parse::<Signal>().is_err() {
                import.lines.push(format!("{name}: {file} is no signal: {}", word.escape_debug()));
                return None;
            }
            Some(word)
        };
        let time = number(directory, "timeout-kill").filter(|&time| time > 0).map(millis).or(otherwise);
        let down = signal(self, "down-signal");
        if down.is_some() || time.is_some() {
            made.table("stop");
        }
        down.map(|word| made.string("signal", &word));
        time.map(|time| made.string("timeout", &time));
        if let Some(word) = signal(self, "reload-signal") {
            made.table("reload").string("signal", &word);
        }
    }

    fn bundle(&mut self, name: &str, contents: &BTreeSet<String>, sources: &Sources, directory: &Path) {
        let held: BTreeSet<String> =
            contents.iter().filter_map(|held| self.resolved(name, held, sources)).collect();
        let shown = self.shown(directory).unwrap_or_default();
        self.add(name, Definition::from(&shown, "bundle").raw("contents", &list(&Vec::from_iter(held))));
    }

    /// `user` and `user2`, for `svctl stop user` and for who depends on them.
    fn started_bundles(&mut self, sources: &Sources) {
        for (name, held) in &sources.started {
            let held: BTreeSet<String> =
                held.iter().filter(|held| self.made.contains_key(*held)).cloned().collect();
            if !held.is_empty() && self.may_add(name) {
                let shown = self.shown(&self.places.services.join(name)).unwrap_or_default();
                self.add(
                    name,
                    Definition::from(&shown, "bundle").raw("contents", &list(&Vec::from_iter(held))),
                );
            }
        }
    }

    fn links(&mut self, name: &str, source: &Source, sources: &Sources) -> Links {
        let mut links = Links::default();
        for need in &source.needs {
            match need.as_str() {
                // Scripts that failed do not keep s6-overlay from starting services.
                "base" | "fix-attrs" | "legacy-cont-init" => {
                    links.after.extend(self.made.contains_key(need).then(|| need.clone()));
                }
                "legacy-services" => links.after.extend(self.legacy_names()),
                _ => links.requires.extend(self.resolved(name, need, sources)),
            }
        }
        links
    }

    /// The name that a dependency has here; `None`, with a line, if there is none.
    fn resolved(&mut self, by: &str, name: &str, sources: &Sources) -> Option<String> {
        let ours = names::dependency(name);
        // Without a plan to look into, the image is taken for one of Pulp's.
        let any = self.known.names.is_empty();
        if self.known.names.contains(&ours) || any && names::is_upstreams(name) {
            return Some(ours);
        }
        let found = sources.all.contains_key(name) || sources.started.contains_key(name);
        if found && !self.without.contains(name) && self.can_run(name, sources) {
            return Some(name.to_owned());
        }
        let why = if found { "which cannot run here" } else { "which does not exist" };
        self.lines.push(format!("{by}: starts without {name}, {why}"));
        None
    }

    /// Whether a service of the same directory will be made.
    fn can_run(&self, name: &str, sources: &Sources) -> bool {
        let Some(source) = sources.all.get(name) else { return true };
        let file = |file: &str| source.directory.join(file);
        match source.kind {
            Kind::Bundle => true,
            Kind::Longrun => script::command(self.places, &file("run"), "./run").is_ok(),
            Kind::Oneshot => script::line(self.places, &file("up"), "up").is_ok(),
        }
    }

    /// A path as it is called in the image.
    pub(super) fn shown(&self, path: &Path) -> Result<String, String> {
        self.places.inside(path).ok_or_else(|| "its path is not UTF-8".to_owned())
    }
}

fn write_links(made: &mut Definition, links: &Links, autostart: bool) {
    made.list("requires", &Vec::from_iter(&links.requires));
    made.list("after", &Vec::from_iter(&links.after));
    if !autostart {
        made.raw("autostart", "false");
    }
}

/// The command with FIFOs as its standard input and output. They are open for reading and writing, so that neither side
/// waits for the other, and nothing is lost when one of them restarts.
fn piped(exec: Vec<String>, pipes: &(Option<String>, Option<String>)) -> Vec<String> {
    let (input, output) = pipes;
    if input.is_none() && output.is_none() {
        return exec;
    }
    let mut script = format!("umask 077; mkdir -p {PIPES}; ");
    for (fifo, redirection) in [(input, "0"), (output, "1")] {
        if let Some(fifo) = fifo {
            script.push_str(&format!(
                "[ -p {fifo} ] || mkfifo {fifo} 2>/dev/null || [ -p {fifo} ]; exec {redirection}<>{fifo}; "
            ));
        }
    }
    script.push_str("umask 022; exec \"$0\" \"$@\"");
    ["sh".to_owned(), "-c".to_owned(), script].into_iter().chain(exec).collect()
}

/// `finish` with s6's arguments: exit code (256: ended by a signal), signal, name, process group. That group is gone when
/// `finish` runs here; the number is one that no process can have.
fn finished(exec: &[String], name: &str) -> Vec<String> {
    let script = "if [ \"$EXIT_SIGNAL\" ]; then exec \"$@\" 256 \"$EXIT_SIGNAL\" \"$0\" 2147483647; fi; \
                  exec \"$@\" \"$EXIT_CODE\" 0 \"$0\" 2147483647";
    [&["sh".to_owned(), "-c".to_owned(), script.to_owned(), name.to_owned()], exec].concat()
}

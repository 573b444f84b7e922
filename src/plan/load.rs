//! Reads services directories: the only file of `plan` that touches the file system.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::compile::{Examined, compile_scaled, examine};
use super::model::Plan;
use super::problem::{Problem, Problems};
use super::source::{Environment, MAX_SIZE, Source};

/// A services directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Directory {
    /// Where.
    pub path: PathBuf,
    /// Nobody asked for it by name: if it does not exist, it is as if it were empty.
    pub optional: bool,
}

impl Directory {
    /// One that must exist.
    pub fn named(path: impl Into<PathBuf>) -> Directory {
        Directory { path: path.into(), optional: false }
    }

    /// As a person lists it: `PATH`, or `-PATH` for one that may be missing.
    pub fn listed(path: &Path) -> Directory {
        match path.as_os_str().as_bytes().strip_prefix(b"-") {
            Some(path) => Directory { path: OsStr::from_bytes(path).into(), optional: true },
            None => Directory::named(path),
        }
    }
}

/// Where services are if nobody says it.
pub const DEFAULT_SERVICES: &str = "/etc/services.d";

/// The environment variable that lists services directories, separated by colons.
pub const SERVICES_VARIABLE: &str = "INIT_SERVICES";

/// The services directories if none is named on a command line: those of [`SERVICES_VARIABLE`], whose value is
/// `variable`, else [`DEFAULT_SERVICES`], which need not exist. `init` and `init check` both ask this function.
pub fn default_directories(variable: Option<&OsStr>) -> Vec<Directory> {
    let listed = variable.map(std::env::split_paths).into_iter().flatten();
    let named: Vec<Directory> =
        listed.filter(|path| !path.as_os_str().is_empty()).map(|path| Directory::listed(&path)).collect();
    if named.is_empty() {
        return vec![Directory { path: DEFAULT_SERVICES.into(), optional: true }];
    }
    named
}

/// This process's environment, without what is not UTF-8.
pub fn environment() -> Environment {
    let variables = std::env::vars_os();
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads and compiles services directories, later ones over earlier ones.
///
/// # Errors
/// Every problem of every file and directory.
pub fn load(directories: &[Directory], environment: &Environment) -> Result<Plan, Problems> {
    load_scaled(directories, environment, &[])
}

/// The same with other numbers of instances.
///
/// # Errors
/// Those of [`load`], and a number for a template whose instances have names.
pub fn load_scaled(
    directories: &[Directory],
    environment: &Environment,
    scale: &[(String, usize)],
) -> Result<Plan, Problems> {
    let (sources, unreadable) = read(directories);
    match compile_scaled(&sources, environment, scale) {
        Ok(plan) if unreadable.is_empty() => Ok(plan),
        Ok(_) => Err(Problems::new(unreadable)),
        Err(problems) => Err(problems.with(unreadable)),
    }
}

/// The same for a person: with warnings, and with what is claimed of the system.
pub fn inspect(directories: &[Directory], environment: &Environment) -> Examined {
    let (sources, unreadable) = read(directories);
    let mut examined = examine(&sources, environment);
    if !unreadable.is_empty() {
        examined.plan = None;
        examined.problems = examined.problems.with(unreadable);
    }
    examined
}

/// Reads the files of services directories; the problems are those of the directories themselves.
pub fn read(directories: &[Directory]) -> (Vec<Source>, Vec<Problem>) {
    let mut reader = Reader::default();
    for (layer, directory) in (0..).zip(directories) {
        match list(&directory.path) {
            Ok(names) => reader.directory(layer, &directory.path, names),
            Err(error) if directory.optional && error.kind() == io::ErrorKind::NotFound => (),
            Err(error) => reader.unreadable(&directory.path, &error),
        }
    }
    (reader.sources, reader.problems)
}

#[derive(Default)]
struct Reader {
    sources: Vec<Source>,
    problems: Vec<Problem>,
}

impl Reader {
    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let message = format!("cannot read the directory: {error}");
        self.problems.push(Problem::of_file(path.to_string_lossy(), crate::id!("D0102"), message));
    }

    fn directory(&mut self, layer: u32, path: &Path, names: Vec<String>) {
        for name in names {
            let inner = path.join(&name);
            if name.ends_with(".toml") {
                self.file(layer, name, &inner);
            } else if name.ends_with(".d") && inner.is_dir() {
                match list(&inner) {
                    Ok(files) => {
                        for file in files.into_iter().filter(|file| file.ends_with(".toml")) {
                            self.file(layer, format!("{name}/{file}"), &inner.join(&file));
                        }
                    }
                    Err(error) => self.unreadable(&inner, &error),
                }
            }
        }
    }

    fn file(&mut self, layer: u32, path: String, place: &Path) {
        let text = contents(place);
        self.sources.push(Source { layer, path, shown: place.to_string_lossy().into_owned(), text });
    }
}

/// The names in a directory, sorted, without dot files (ConfigMaps have `..data` directories).
///
/// A name that is not UTF-8 comes with replacement characters, which no service's name may have: it is reported
/// when it cannot be opened.
fn list(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// A regular file's bytes; the error is a message.
fn contents(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: io::Error| format!("cannot read the file: {error}");
    // Opening a FIFO would wait for a writer, and PID 1 with it.
    let meta = fs::metadata(path).map_err(cannot)?;
    if !meta.is_file() {
        return Err("cannot read this: it is no regular file".to_owned());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(MAX_SIZE).min(MAX_SIZE) + 1);
    // One byte more than allowed, so that the compiler sees that it is too large.
    let limit = MAX_SIZE as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(cannot)?;
    Ok(bytes)
}

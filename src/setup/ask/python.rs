//! Where Python packages are in the image, found without Python.

use std::fs;
use std::path::PathBuf;

use crate::Context;

/// The directories of installed packages that are there, in the order in which Debian's Python searches them:
/// what pip installed before what apt did.
pub fn directories(context: &Context) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (libraries, packages) in [
        ("/usr/local/lib", "dist-packages"),
        ("/usr/local/lib", "site-packages"),
        ("/usr/lib", "dist-packages"),
        ("/usr/lib", "site-packages"),
    ] {
        found.extend(pythons(&context.path(libraries)).into_iter().map(|python| python.join(packages)));
    }
    found.retain(|path| path.is_dir());
    found
}

/// The first of this name in the directories of packages.
pub fn find(context: &Context, name: &str) -> Option<PathBuf> {
    directories(context).into_iter().map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// `python3`, `python3.13` and the like in a directory of libraries, sorted by name.
fn pythons(libraries: &std::path::Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(libraries).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

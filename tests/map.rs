//! The map for newcomers in CONTRIBUTING.md has every folder of the repository.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on is to panic")]

use std::path::Path;

/// Folders that are made by tools, and so are not part of the repository.
const MADE: [&str; 4] = ["target", ".git", ".cache", "__pycache__"];

/// How deep the map goes: into the rooms of a crate, and one level into everything else.
fn depth(top: &str) -> usize {
    if top == "src" { 3 } else { 2 }
}

fn folders(root: &Path, inside: &str, depth: usize) -> Vec<String> {
    let entries = std::fs::read_dir(root.join(inside)).unwrap().map(|entry| entry.unwrap());
    let directories = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let names = directories.map(|entry| entry.file_name().into_string().unwrap());
    let mut found = Vec::new();
    for name in names.filter(|name| !MADE.contains(&name.as_str())) {
        let path = if inside.is_empty() { name.clone() } else { format!("{inside}/{name}") };
        let below = if inside.is_empty() { self::depth(&name) } else { depth };
        if below > path.matches('/').count() + 1 {
            found.extend(folders(root, &path, below));
        }
        found.push(path);
    }
    found.sort();
    found
}

#[test]
fn every_folder_is_on_the_map() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = std::fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let missing: Vec<String> =
        folders(root, "", 0).into_iter().filter(|folder| !map.contains(&format!("`{folder}/`"))).collect();
    assert_eq!(missing, Vec::<String>::new(), "these folders have no line in CONTRIBUTING.md");
}

//! What the documentation promises of the code itself: where unsafe code is, and that the tests exist which it names.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on is to panic"
)]

use std::path::{Path, PathBuf};

use regex::Regex;

/// How many `unsafe` blocks there may be. This number only ever gets smaller.
const UNSAFE_BLOCKS: usize = 62;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust files below a folder, as paths from the top of the repository.
fn sources(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap());
    let below = entries.map(|entry| format!("{folder}/{}", entry.file_name().to_str().unwrap()));
    let (folders, files): (Vec<_>, Vec<_>) = below.partition(|path| root().join(path).is_dir());
    let files = files.into_iter().filter(|path| path.ends_with(".rs")).map(PathBuf::from);
    files.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// A file's code, without comments and without attributes about unsafe code.
fn code(path: &Path) -> String {
    let text = text(path);
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    lines.filter(|line| !line.contains("unsafe_code")).flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn unsafe_code_is_in_one_place_and_does_not_grow() {
    let (word, block) = (Regex::new(r"(?-u)\bunsafe\b").unwrap(), Regex::new(r"(?-u)\bunsafe *\{").unwrap());
    let (kernel, elsewhere): (Vec<_>, Vec<_>) =
        sources("src").into_iter().partition(|path| path.starts_with("src/init/kernel"));
    let other: Vec<_> = elsewhere.iter().filter(|path| word.is_match(&code(path))).collect();
    assert!(other.is_empty(), "unsafe code outside of src/init/kernel: {other:?}");
    let blocks: usize = kernel.iter().map(|path| block.find_iter(&code(path)).count()).sum();
    assert_eq!(blocks, UNSAFE_BLOCKS, "if there are fewer now, lower the number in this test");
}

/// The rows of the table that begins with this cell, each as its cells.
fn rows(page: &str, first: &str) -> Vec<Vec<String>> {
    let page = text(page);
    let table = page.split(&format!("| {first} |")).nth(1).unwrap().lines().skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Whether a file has this test.
fn exists(file: &str, test: &str) -> bool {
    let text = text(file);
    let at = text.find(&format!("fn {test}("));
    at.is_some_and(|at| text[..at].trim_end().rsplit('\n').take(3).any(|line| line.trim() == "#[test]"))
}

/// How many tests a cell names, all of which exist.
fn tests(cell: &str) -> usize {
    let name = Regex::new(r"`([a-z0-9_/]+\.rs)::([a-z0-9_]+)`").unwrap();
    for found in name.captures_iter(cell) {
        assert!(exists(&found[1], &found[2]), "{} has no test {}", &found[1], &found[2]);
    }
    name.captures_iter(cell).count()
}

#[test]
fn every_known_mistake_cannot_happen_or_names_tests_that_exist() {
    let rows = rows("docs/threat-model.md", "mistake");
    assert!(rows.len() >= 25, "{} rows", rows.len());
    for row in rows {
        assert_eq!(row.len(), 4, "{row:?}");
        assert_eq!(tests(&row[3]) == 0, row[2].starts_with("cannot: ") && row[3] == "—", "{row:?}");
    }
}

#[test]
fn every_report_of_users_names_tests_that_exist() {
    let rows = rows("docs/reports.md", "report");
    assert!(rows.len() >= 39, "{} rows", rows.len());
    for row in rows {
        assert!(row.len() == 4 && tests(&row[3]) > 0, "{row:?}");
    }
}

#[test]
fn each_id_of_a_message_is_used_in_one_place_and_explained() {
    let id = Regex::new("\"(S[0-9]{4})\"").unwrap();
    let mut used = Vec::new();
    for path in sources("src/setup") {
        let text = text(&path);
        // What a test makes up has no number.
        used.extend(id.captures_iter(&text).map(|found| found[1].to_owned()).filter(|id| id != "S0000"));
    }
    used.sort();
    let mut once = used.clone();
    once.dedup();
    assert_eq!(used, once, "an id is used twice: give the newer message another one");
    let page = text(Path::new("docs/messages.md"));
    let mut explained: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### S")).collect();
    explained.sort_unstable();
    let used: Vec<&str> = used.iter().map(|id| &id[1..]).collect();
    assert_eq!(used, explained, "docs/messages.md has to have each id, and no other");
}

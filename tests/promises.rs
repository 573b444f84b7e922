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

/// Who says a message: the letter of its id, and the folders of the code.
const SPEAKERS: [(char, &[&str]); 4] =
    [('S', &["src/setup"]), ('D', &["src/plan"]), ('I', &["src/init"]), ('C', &["src/svctl", "src/control"])];

/// All ids of a letter in these folders, as often as they stand there. What a test makes up has the number 0.
fn ids_in(folders: &[&str], letter: char) -> Vec<String> {
    let id = Regex::new(&format!("\"({letter}[0-9]{{4}})\"")).unwrap();
    let files = folders.iter().flat_map(|folder| sources(folder)).filter(|path| !is_test(path));
    let mut ids = Vec::new();
    for path in files {
        let text = text(&path);
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        ids.extend(
            id.captures_iter(code).map(|found| found[1].to_owned()).filter(|id| !id.ends_with("0000")),
        );
    }
    ids.sort();
    ids
}

/// Whether a file below `src/` holds tests.
fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs" || part == "scenarios")
}

#[test]
fn each_id_of_a_message_is_used_in_one_place_and_explained() {
    let page = text(Path::new("docs/messages.md"));
    for (letter, folders) in SPEAKERS {
        let used = ids_in(folders, letter);
        let mut once = used.clone();
        once.dedup();
        assert_eq!(used, once, "an id is used twice: give the newer message another one");
        let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
        let mut explained: Vec<&str> = headings.filter(|id| id.starts_with(letter)).collect();
        explained.sort_unstable();
        assert_eq!(used, explained, "docs/messages.md has to have each id, and no other");
    }
}

/// Ids of messages of definitions, `init` and `svctl` that no test can provoke, each with the reason.
const UNPROVOKED: &[(&str, &str)] = &[
    ("I0114", "takes a machine without /dev/null on which no pipe can be made either"),
    ("I0218", "takes an `init` whose own output cannot be opened once more"),
    ("I0303", "definitions with a NUL character are refused before (D0402)"),
    ("I0315", "takes a cgroup that somebody removes from below `init`"),
    ("I0401", "prctl(PR_SET_CHILD_SUBREAPER) cannot fail on a kernel that we support"),
    ("I0405", "takes a host without cgroup v2"),
    ("I0407", "takes a host whose cgroup lacks a controller"),
    ("I0413", "takes a container without the capability KILL and a service of another user"),
    ("I0417", "takes a cgroup that somebody removes from below `init`"),
    ("C0202", "takes a terminal that refuses to be one"),
    ("C0203", "takes a machine without the directory /proc"),
    ("C0205", "what we write is always JSON"),
    ("C0211", "takes a pattern of ours that is no regular expression"),
    ("C0305", "takes a program of `init` that runs and cannot be executed"),
    ("C0601", "takes a kernel without timerfd"),
];

#[test]
fn each_message_is_provoked_by_a_test_or_there_is_a_reason() {
    let files = ["src", "tests"].iter().flat_map(|folder| sources(folder));
    let mut tests = text("src/plan/tests/problems.txt");
    for path in files.filter(|path| !path.ends_with("promises.rs")) {
        let text = text(&path);
        let of_tests = if path.starts_with("tests") || is_test(&path) {
            &*text
        } else {
            text.split_once("#[cfg(test)]\nmod tests").map_or("", |(_, tests)| tests)
        };
        tests.push_str(of_tests);
    }
    let mut unprovoked = Vec::new();
    for (letter, folders) in SPEAKERS.iter().filter(|(letter, _)| *letter != 'S') {
        unprovoked.extend(ids_in(folders, *letter).into_iter().filter(|id| !tests.contains(id)));
    }
    let reasons: Vec<&str> = UNPROVOKED.iter().map(|(id, _)| *id).collect();
    assert_eq!(unprovoked, reasons, "a message without a test, or a reason without need");
}

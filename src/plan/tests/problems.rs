//! Wrong files and exactly what is said of them: `src/plan/tests/problems.txt`.
//!
//! In that file a case is `=== NAME`, then each file as `--- PATH` and its text, then `--- says` and the problems.
//! With `UPDATE=1` in the environment the problems are written anew; read the difference before you commit it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use init_plan::{Environment, Problem, Source, examine};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/problems.txt");

struct Case {
    name: String,
    files: Vec<(String, String)>,
    says: String,
}

fn cases(text: &str) -> Vec<Case> {
    text.split("=== ").skip(1).map(case).collect()
}

fn case(text: &str) -> Case {
    let (name, rest) = text.split_once('\n').unwrap();
    let mut parts: Vec<(String, String)> = rest
        .split("--- ")
        .skip(1)
        .map(|part| part.split_once('\n').unwrap())
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect();
    let (says, text) = parts.pop().unwrap();
    assert_eq!(says, "says", "case {name}");
    Case { name: name.to_owned(), files: parts, says: text.trim_end().to_owned() }
}

fn said(case: &Case) -> String {
    let sources: Vec<Source> =
        case.files.iter().map(|(path, text)| Source::new(path, text.as_str())).collect();
    let environment = Environment::from([("SET".to_owned(), "value".to_owned())]);
    examine(&sources, &environment).problems.to_string()
}

#[test]
fn wrong_files_are_answered_with_exactly_these_words() {
    let text = std::fs::read_to_string(CASES).unwrap();
    let cases = cases(&text);
    if std::env::var_os("UPDATE").is_some() {
        let show = |case: &Case| {
            let files: String = case.files.iter().map(|(path, text)| format!("--- {path}\n{text}")).collect();
            format!("=== {}\n{files}--- says\n{}\n\n", case.name, said(case))
        };
        let new: String = cases.iter().map(show).collect();
        std::fs::write(CASES, new.trim_end().to_owned() + "\n").unwrap();
        return;
    }
    for case in &cases {
        assert_eq!(said(case), case.says, "case {}", case.name);
    }
    assert!(cases.len() > 40);
}

fn problems(sources: &[Source]) -> Vec<String> {
    let examined = examine(sources, &Environment::new());
    examined.problems.iter().map(Problem::to_string).collect()
}

#[test]
fn file_that_is_not_utf8_is_a_problem_at_the_wrong_byte() {
    let sources = [Source::new("a.toml", b"exec = ['a']\n# \xff\n".to_vec())];
    assert_eq!(problems(&sources), ["a.toml:2:3: cannot read this byte: the file is not UTF-8 [D0105]"]);
}

#[test]
fn file_of_more_than_a_mebibyte_is_refused() {
    let sources = [Source::new("a.toml", vec![b'#'; (1 << 20) + 1])];
    assert_eq!(problems(&sources), ["a.toml: cannot read a definition larger than 1 MiB [D0104]"]);
}

#[test]
fn thousands_of_problems_are_cut_short() {
    let text: String = (0..5000).map(|n| format!("nonsense{n} = 1\n")).collect();
    let said = problems(&[Source::new("a.toml", text)]);
    assert_eq!(said.len(), 1001);
    assert!(
        said.iter().any(|line| line.contains("more problems are not shown") && line.ends_with("[D0106]"))
    );
}

#[test]
fn more_instances_than_anybody_needs_are_refused_by_name_too() {
    let names: Vec<String> = (0..1001).map(|number| format!("i{number}")).collect();
    let said = problems(&[Source::new("a@.toml", format!("exec = ['x']\ninstances = {names:?}"))]);
    assert_eq!(said, ["a@.toml:2:13: instances: must be at most 1000 names [D0502]"]);
}

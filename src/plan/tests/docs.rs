//! What is written about the format is true: the schema that is shipped, and the page with every key.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use init_plan::schema::{keys, schema_text};
use init_plan::{Environment, Source, compile};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/services.schema.json");
const PAGE: &str = include_str!("../../../docs/services.md");

#[test]
fn shipped_schema_is_that_of_the_types() {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(SCHEMA, schema_text()).unwrap();
    }
    let shipped = std::fs::read_to_string(SCHEMA).unwrap_or_default();
    assert!(shipped == schema_text(), "run the tests with UPDATE=1 and commit docs/services.schema.json");
}

#[test]
fn page_has_every_key() {
    for key in keys("ServiceFile").iter().chain(&keys("SettingsFile")) {
        // Each limit may have a soft and a hard part; the page says so once.
        let parts: Vec<&str> = key.split('.').collect();
        let shown = match parts.as_slice() {
            ["limits", _, part] => format!("`limits.*.{part}`"),
            _ => format!("`{key}`"),
        };
        assert!(PAGE.contains(&shown), "docs/services.md does not have {shown}");
    }
}

#[test]
fn page_has_no_key_that_does_not_exist() {
    let known: Vec<String> = keys("ServiceFile").into_iter().chain(keys("SettingsFile")).collect();
    // The first column of the tables whose second column is a default.
    let rows = PAGE
        .split("| key |")
        .skip(1)
        .flat_map(|table| table.lines().skip(2).take_while(|l| l.starts_with('|')));
    for row in rows {
        let first = row.split('|').nth(1).unwrap();
        for key in first.split('`').skip(1).step_by(2) {
            let key = key.replace('*', "nofile");
            assert!(known.contains(&key), "docs/services.md has `{key}`, which does not exist");
        }
    }
}

#[test]
fn examples_of_the_page_compile() {
    let environment = Environment::new();
    for (number, example) in PAGE.split("```toml\n").skip(1).enumerate() {
        let text = example.split("```").next().unwrap();
        let whole =
            if text.contains("exec =") || text.contains("contents =") { "" } else { "exec = ['x']\n" };
        let template = text.contains("instances =");
        let name = if template { "example@.toml" } else { "example.toml" };
        let others = ["certs", "db", "migrate", "web", "worker", "redis"];
        let mut sources: Vec<Source> =
            others.iter().map(|name| Source::new(&format!("{name}.toml"), "exec = ['x']")).collect();
        sources.push(Source::new(name, format!("{whole}{text}")));
        if let Err(problems) = compile(&sources, &environment) {
            panic!("example {number}: {problems}");
        }
    }
}

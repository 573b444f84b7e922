//! What is linked into the programs: licences, crates and sources are those that `deny.toml` allows.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on is to panic"
)]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Every crate of the lock file, as cargo tells it.
fn crates() -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version=1", "--locked", "--all-features"]);
    let said = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let mut metadata: Value = serde_json::from_slice(&said.stdout).unwrap();
    metadata["packages"].as_array_mut().unwrap().drain(..).collect()
}

fn rules() -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

fn strings(value: &toml::Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}

/// Whether an SPDX expression can be met with these licences alone. An exception only allows more, so it is passed over.
fn may_be_used(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = any(&words, &mut at, allowed);
    assert_eq!(at, words.len(), "{expression}");
    met
}

fn any(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut met = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all(words, at, allowed);
    }
    met
}

fn all(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let word = words[*at];
    *at += 1;
    if word == "(" {
        let met = any(words, at, allowed);
        *at += 1;
        return met;
    }
    if words.get(*at) == Some(&"WITH") {
        *at += 2;
    }
    allowed.contains(&word)
}

#[test]
fn expressions_of_licences_are_understood() {
    let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"];
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("Unlicense/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR GPL-3.0) AND Unicode-3.0", true),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
        ("GPL-3.0 AND (MIT OR Apache-2.0)", false),
    ] {
        assert_eq!(may_be_used(expression, &allowed), met, "{expression}");
    }
}

#[test]
fn licences_crates_and_sources_are_those_that_are_allowed() {
    let rules = rules();
    let licences = strings(&rules["licenses"]["allow"]);
    let registries = strings(&rules["sources"]["allow-registry"]);
    let banned: Vec<&str> =
        rules["bans"]["deny"].as_array().unwrap().iter().map(|ban| ban["crate"].as_str().unwrap()).collect();
    let crates = crates();
    assert!(crates.len() > 50);
    // Our own are those without a source.
    for foreign in crates.iter().filter(|one| !one["source"].is_null()) {
        let name = foreign["name"].as_str().unwrap();
        let licence = foreign["license"].as_str().unwrap_or_else(|| panic!("{name} names no licence"));
        assert!(may_be_used(licence, &licences), "{name} is under {licence}, which deny.toml does not allow");
        assert!(!banned.contains(&name), "deny.toml bans {name}");
        let source = foreign["source"].as_str().unwrap();
        let registry = source.strip_prefix("registry+");
        assert!(registry.is_some_and(|it| registries.contains(&it)), "{name} comes from {source}");
    }
}

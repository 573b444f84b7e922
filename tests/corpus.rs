//! Runs the fuzz targets on the inputs kept in `fuzz/corpus`: what was found once stays found.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on is to panic")]

#[path = "../fuzz/properties.rs"]
mod properties;

use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(&directory).unwrap().flatten().collect();
    assert!(!files.is_empty(), "no inputs in {}", directory.display());
    for file in files {
        println!("{}", file.path().display());
        run(&std::fs::read(file.path()).unwrap());
    }
}

#[test]
fn service_files_of_the_corpus_are_plans_or_problems() {
    replay("plan", properties::plan);
}

#[test]
fn messages_of_the_corpus_are_read_as_they_are_written() {
    replay("control", properties::control);
}

#[test]
fn notifications_of_the_corpus_have_a_harmless_status() {
    replay("notify", properties::notify);
}

#[test]
fn output_of_the_corpus_comes_out_whole_however_it_is_cut() {
    replay("lines", properties::lines);
}

#[test]
fn answers_of_the_corpus_are_judged_the_same_however_they_are_cut() {
    replay("http", properties::http);
}

#[test]
fn environment_files_of_the_corpus_are_read_as_they_are_written() {
    replay("env_file", properties::env_file);
}

#[test]
fn strings_of_the_corpus_expand_whatever_the_variables_are() {
    replay("expansion", properties::expansion);
}

#[test]
fn locations_of_the_corpus_are_read_as_they_are_written() {
    replay("nginx", properties::nginx);
}

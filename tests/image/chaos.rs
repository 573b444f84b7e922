//! Random processes of the container are killed, ended and stopped while clients write and read.
//!
//! `PULP_INIT_CHAOS` says for how many minutes (1; 0: not at all). `make chaos` does the same for half an hour.

use std::process::Command;

use crate::harness::{alone, image, number};

#[test]
fn chaos_leaves_a_container_that_is_well_and_has_all_that_was_accepted() {
    let _turn = alone();
    let minutes = number("PULP_INIT_CHAOS", 1).to_string();
    if minutes == "0" {
        return needs::skip("chaos", "PULP_INIT_CHAOS is 0");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chaos/chaos.py");
    let mut chaos = Command::new("python3");
    chaos.env("PYTHONDONTWRITEBYTECODE", "1").args([script, "--image", image(), "--minutes", &minutes]);
    assert!(chaos.status().unwrap().success(), "see the lines before this one");
}

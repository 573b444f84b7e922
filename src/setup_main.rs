//! `pulp-setup`: the init steps of the Pulp images. A program of its own, so that the supervisor, which stays in memory
//! for as long as the container runs, carries nothing of Pulp. It has other names too: those of upstream's scripts.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    pulp_init::setup::main(&arguments)
}

//! `pulp-setup`: the init steps of the Pulp images. It has other names too: those of upstream's scripts.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    pulp_setup::main(&arguments)
}

//! `/init`: the supervisor, and `init check`.

use std::ffi::OsString;
use std::process::ExitCode;

use pulp_init::{check, command_line, exec};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == "check" => ExitCode::from(check::main(rest.iter().cloned())),
        Some((first, rest)) if first == exec::WORD => ExitCode::from(exec::main(rest)),
        _ => command_line::main(&arguments),
    }
}

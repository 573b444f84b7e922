//! `init-probe`: one try of a readiness probe or health check. `init` starts it as a child.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(init_probe::main(std::env::args_os().skip(1)))
}

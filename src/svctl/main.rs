//! `svctl`, and the names of s6 that it answers to. The name that it was called by, usually that of a symbolic link,
//! decides which program it is.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use svctl::{commands, s6};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    let rest: Vec<OsString> = arguments.collect();
    match Path::new(&called).file_name().and_then(OsStr::to_str) {
        Some("s6-rc") => s6::rc(&rest),
        Some("s6-svc") => s6::svc(&rest),
        Some("s6-svstat") => s6::svstat(&rest),
        Some("s6-setuidgid") => s6::setuidgid(&rest),
        Some("s6-echo") => s6::echo(&rest),
        Some(s6::notify::WORD) => s6::notify::notify_on_check(&rest),
        Some("with-contenv") => s6::contenv::with_contenv(&rest),
        Some("printcontenv") => s6::contenv::printcontenv(&rest),
        _ => match rest.split_first() {
            Some((word, rest)) if word == s6::notify::WORD => s6::notify::notify_on_check(rest),
            _ => commands::main(&rest),
        },
    }
}

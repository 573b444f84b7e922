//! Runs the real `init` as PID 1: of a new pid namespace, or, with the feature `containers`, of a container.
//!
//! A test describes services ([`Setup`]), starts them ([`Running`]), and waits for what it expects: a line of output,
//! a change of state ([`Events`]), an exit. Every wait is for an event, with a bound after which the test fails and
//! shows all output. Only what the kernel tells nobody of, such as the end of a process that is not ours, is asked for
//! again and again ([`Running::until`]).

mod asking;
mod client;
mod host;
mod processes;
#[path = "../../programs/mod.rs"]
mod programs;
mod running;
mod setup;

use std::time::Duration;

pub use asking::Said;
pub use host::as_user;
#[cfg(feature = "containers")]
pub use host::podman;
pub use programs::{away_from_others, init, probe, puppet, svctl};
pub use running::Running;
pub use setup::{Input, Setup, exec, words};

/// No test waits longer than this for anything. A timeout that must not be waited for is an hour in a test: there are no
/// bounds that a busy machine could miss.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A TCP port of this machine that nobody listens at.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

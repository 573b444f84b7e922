//! `svctl`: the command line, and what it shows.
//!
//! `svctl` asks `init` over the control socket ([`init_control`]) and shows the answer; rendering is pure
//! functions over that answer, so that it is tested without a terminal.

pub mod boot;
pub mod commands;
pub mod dependencies;
#[cfg(feature = "docs")]
pub mod docs;
pub mod duration;
pub mod exit;
#[cfg(feature = "docs")]
pub mod init_command;
pub mod keys;
pub mod live;
pub mod notify;
pub mod output;
pub mod processes;
pub mod render;
mod replace;
pub mod s6;
pub mod secrets;
pub mod serve;
pub mod ship;
pub mod started;
pub mod timer;
pub mod top;
pub mod trace;
pub mod why;

//! What a person types and sees.
//!
//! `svctl` asks `init` over the control socket ([`crate::control`]) and shows the answer; rendering is pure
//! functions over that answer, so that it is tested without a terminal. The command line of `init` itself is here too.

pub mod boot;
pub mod check;
#[cfg(feature = "docs")]
pub mod docs;
pub mod duration;
pub mod exit;
pub mod init;
pub mod output;
pub mod render;
pub mod s6;
pub mod svctl;

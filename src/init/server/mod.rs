//! The control socket: `svctl`'s other side.

pub mod connections;
pub mod push;
pub mod requests;

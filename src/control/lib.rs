//! The protocol between `svctl` and `init`: its messages, its socket, and a blocking client.

pub mod client;
pub mod path;
pub mod time;
pub mod wire;

//! What `svctl` and `init` say to each other, and over which socket.

pub mod client;
pub mod path;
pub mod time;
pub mod wire;

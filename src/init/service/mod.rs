//! What one service holds: its environment, the descriptors that its processes speak through, and their messages.

pub mod environment;
pub mod io;
pub mod launch;
pub mod log;
pub mod notify;
pub mod sockets;

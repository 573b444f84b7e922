//! Everything that touches the kernel.

pub mod environment;
pub mod runtime_dir;
pub mod users;

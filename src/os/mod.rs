//! Everything that touches the kernel.

pub mod cgroup;
pub mod environment;
pub mod notify;
pub mod probe;
pub mod runtime_dir;
pub mod users;

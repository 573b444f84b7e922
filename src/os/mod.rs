//! Everything that touches the kernel.

pub mod log;

//! Everything that root writes to a volume.

pub mod files;
pub mod owner;

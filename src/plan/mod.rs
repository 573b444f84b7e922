//! `services.d`: from TOML as written to a [`Plan`] that can be run, or every problem in it.

pub mod model;
pub mod signal;

pub use model::*;
pub use signal::Signal;

//! The state machine: an event and a time in, actions out. No clock, no I/O, no randomness of its own.

pub mod status;

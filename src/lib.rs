//! A supervisor for containers that runs as PID 1.
//!
//! The modules form layers; each may use only those above it in this list:
//!
//! | module | what it is |
//! |---|---|
//! | [`plan`] | `services.d` as written, every problem in it, or a [`plan::Plan`] valid by construction |
//! | [`core`] | the state machine: an event and a time in, actions out; no clock, no I/O |
//! | [`control`] | what `svctl` and `init` say to each other |
//! | [`os`] | everything that touches the kernel: the event loop, processes, signals, logs |
//! | [`cli`] | what a person types and sees |
//! | [`setup`] | the init steps of the Pulp images; uses none of the above, and is used by none |

pub mod cli;
pub mod control;
pub mod core;
#[doc(hidden)]
pub mod fuzz;
pub mod os;
pub mod plan;
pub mod setup;

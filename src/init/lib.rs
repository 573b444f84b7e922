//! PID 1: everything that touches the kernel.
//!
//! | module | what it is |
//! |---|---|
//! | [`command_line`], [`check`] | what `init` is told, and `init check` |
//! | [`kernel`] | system calls, with a name for each failure; all `unsafe` code is here |
//! | [`service`] | what one service holds: its environment, its descriptors, its log, its notify socket |
//! | `server` | the control socket: connections, requests, and what is pushed without a request |
//! | [`generator`] | `$INIT_GENERATOR`: definitions that a program writes |
//! | `event_loop` | waits, observes, asks the core, acts |
//! | [`exec`] | `init exec`: a command as a service would run it |
//! | `reexec` | `svctl reexec`: another program takes our place |
//! | `second` | whether another `init` runs here already |
//! | `trace` | `INIT_LOG=debug` |
//! | `start` | how all of it begins |

pub mod check;
pub mod command_line;
mod event_loop;
pub mod exec;
pub mod generator;
pub mod kernel;
mod reexec;
mod second;
mod server;
pub mod service;
mod start;
mod trace;

pub use event_loop::Options;
pub use start::run;

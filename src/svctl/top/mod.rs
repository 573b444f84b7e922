//! `svctl top`: the services of this container, live.
//!
//! | module | what it is |
//! |---|---|
//! | [`sample`] | what is shown: what `init` and /proc said at one moment, and what changed since the moment before |
//! | [`model`] | what the person chose: a pure value that keys change |
//! | [`draw`] | the two as a picture, for a screen of any size |
//! | `run` | the terminal, the clock, and the questions to `init` |
//!
//! It only looks, so everybody may use it. Whatever a service can choose (notes, log lines, command lines) passes
//! through [`one_line`](crate::render::paint::one_line) before it is drawn.

pub mod draw;
pub mod model;
mod run;
pub mod sample;
#[cfg(test)]
mod tests;

pub use run::run;

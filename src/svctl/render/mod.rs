//! What `init` says, as text for people: pure functions from values to strings.

pub mod boot;
pub mod branches;
pub mod definition;
pub mod dependencies;
pub mod details;
pub mod note;
pub mod paint;
pub mod plot;
pub mod stream;
pub mod table;
pub mod tree;
pub mod why;

#[cfg(test)]
pub mod samples;
#[cfg(test)]
mod tests;

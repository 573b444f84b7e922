//! What `init` says, as text for people: pure functions from values to strings.

pub mod details;
pub mod note;
pub mod paint;
pub mod stream;
pub mod table;

#[cfg(test)]
pub mod samples;
#[cfg(test)]
mod tests;

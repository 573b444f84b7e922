//! Everything that root writes to a volume.
//!
//! `/var/lib/pulp` belongs to the user pulp and `/var/lib/pgsql` to postgres. Each may put a link, a named pipe or
//! another directory where root is about to work, at any moment. Three rules keep that from mattering:
//!
//! 1. Root goes to a directory by [`path`], which follows no link that somebody else can have made, and holds it open
//!    as a [`Directory`]. All it does there, it does by that descriptor and a single name.
//! 2. What is changed is what was examined: both happen to one open file. Nothing but directories, links and files with
//!    one name changes hands.
//! 3. What can be done as the volume's owner is done as the owner: the step `postgres` gives up root for good before it
//!    touches the database.

pub mod copy;
pub mod directory;
pub mod failure;
mod file;
pub mod files;
pub mod path;
pub mod tree;

#[cfg(test)]
mod tests;

pub use directory::Directory;
pub use failure::{Failure, Kind, Reason};

//! `services.d`: from TOML as written to a [`Plan`] that can be run, or every problem in it.
//!
//! The way of a file, in the order of the modules that it passes:
//!
//! | module | what it does |
//! |---|---|
//! | [`load`] | reads the directories (nothing else here touches the file system) |
//! | `compile` | picks the file that counts for each name, lays drop-ins over it, makes a template's instances |
//! | `tree` | TOML to a tree in which every key and value knows its place |
//! | `read` | a typed reader over that tree, which notes what is wrong and goes on |
//! | [`expand`] | `${VAR}` in strings |
//! | `service`, `process`, `probe`, `sections`, `settings` | the keys, by table |
//! | [`values`], [`url`], [`header`], [`pattern`], [`caps`], [`signal`] | words with a meaning; run time reads them with the same functions |
//! | [`probe_command`] | from a check to the command line of the program that makes it |
//! | `resolve`, [`order`] | names to ids, bundles to members, dependencies to an order |
//! | [`model`], `query` | the plan |
//! | `origin` | where each key of a service comes from |
//! | [`mod@file`], [`schema`] | the format as types, from which the JSON Schema is made |
//! | [`problem`], [`message_id`] | what is wrong, in lines for a person |

pub mod caps;
mod compile;
pub mod expand;
#[cfg(feature = "docs")]
pub mod file;
pub mod header;
mod keys;
pub mod load;
pub mod message_id;
pub mod model;
pub mod order;
mod origin;
pub mod passwd;
pub mod pattern;
mod probe;
pub mod probe_command;
pub mod problem;
mod process;
mod query;
mod read;
mod report;
mod resolve;
#[cfg(feature = "docs")]
pub mod schema;
mod sections;
mod service;
mod settings;
pub mod signal;
pub mod source;
mod suggest;
mod tree;
pub mod url;
pub mod values;

pub use compile::{Examined, compile, compile_scaled, examine};
pub use message_id::MessageId;
pub use model::*;
pub use origin::{Origin, origins};
pub use problem::{Problem, Problems, Severity};
pub use query::{COMMAND, is_name};
pub use read::Claim;
pub use signal::Signal;
pub use source::{Environment, Scale, Source};

/// Compiles one file's bytes as the service `fuzz`: the entry of the fuzz target and of quick tests.
///
/// # Errors
/// Every problem of the file.
pub fn check_text(text: &[u8], environment: &Environment) -> Result<Plan, Problems> {
    compile(&[Source::new("fuzz.toml", text)], environment)
}

//! The files of a PostgreSQL cluster, and what must be known of the server that runs on them.
//!
//! The step `postgres-init` makes and upgrades a cluster: [`place`] knows the directories and how far a change of them
//! came, [`kept`] the clusters beside the one in use, [`release`] the installed programs, [`upgrade`] the way from one
//! release to the next. [`lock`] keeps two containers from using one volume, [`stale`] removes what a killed server
//! left, [`access`] writes who may connect, [`connections`] knows how many, and [`answer`] asks a running server whether
//! it accepts connections.

pub mod access;
pub mod answer;
pub mod connections;
pub mod kept;
pub mod lock;
pub mod place;
pub mod release;
pub mod stale;
pub mod upgrade;

/// In a data directory: its indexes may be in another order than this system's, the step `database` rebuilds them.
pub const REINDEX: &str = "pulp-init.reindex";
/// In a kept old cluster: the one that replaced it has run Pulp.
pub const PROVEN: &str = "pulp-init.proven";
/// Where PostgreSQL's socket is.
pub const SOCKETS: &str = "/run/postgresql";

//! Asking others: child programs with a limit in time ([`command`]), PostgreSQL through its client ([`psql`]), and the
//! installed Python packages ([`python`]).

pub mod command;
pub mod psql;
pub mod python;

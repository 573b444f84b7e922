//! Asking others: child programs with a limit in time ([`command`]), PostgreSQL through its client ([`psql`]), the
//! installed Python packages ([`python`]), and the users of the image ([`users`]).

pub mod command;
pub mod psql;
pub mod python;
pub mod users;

//! Asking others: child programs with a limit in time ([`command`]), PostgreSQL through its client ([`psql`]), the
//! installed Python packages ([`python`]), the users of the image ([`users`]), and the kernel: which [`processes`] there are,
//! and which of them are [`listeners`].

pub mod command;
pub mod listeners;
pub mod processes;
pub mod psql;
pub mod python;
pub mod users;

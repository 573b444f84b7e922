//! Whether something is well: the readiness and health checks of services and containers.
//!
//! [`ready`] and [`readyz`] ask the services. The others look for causes that a service does not tell by itself: a full
//! volume ([`space`]), processes that are stopped ([`stopped`]), tasks of processes that are gone ([`abandoned`]).

pub mod abandoned;
pub mod leftovers;
pub mod ready;
pub mod readyz;
pub mod space;
pub mod stopped;

//! What `pulp-setup` turns into: it prepares a program, then executes it in its own place.
//!
//! [`exec`] becomes a service of the image with everything, the [`daemons`] among them, or has it forked from a process
//! that has [`imports`] done already; [`bind`] says where these listen, beside the [`sockets`] that we are given. [`single`] and [`web`] are for containers of one process: they also wait for what
//! the steps do elsewhere.

pub mod bind;
pub mod daemons;
pub mod environment;
pub mod exec;
pub mod imports;
pub mod manager;
pub mod reload;
pub mod single;
pub mod sockets;
pub mod web;

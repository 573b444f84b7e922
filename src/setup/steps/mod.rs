//! The init steps: each file is the oneshot of the same name in `services.d`.
//!
//! A step does what is missing and nothing else, so it may be killed at any moment and run again. Those that are no
//! oneshots of the image with everything are [`secrets`] and [`server`], oneshots where each process has a container of
//! its own, and [`route_paths`], which Pulp's operator calls. [`readable`] is for several of them.

pub mod admin;
pub mod certs;
pub mod database;
pub mod keys;
pub mod memory;
pub mod migrations;
pub mod nginx_config;
pub mod ports;
pub mod postgres_init;
pub mod readable;
pub mod route_paths;
pub mod secrets;
pub mod server;
pub mod settings;
pub mod signing;
pub mod variables;
pub mod volumes;

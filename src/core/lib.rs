//! The state machine of the supervisor: an event and a time go in, actions come out. It has no clock, no I/O and no
//! randomness of its own.
//!
//! # How it works
//!
//! Each service has a *goal* (what is wanted of it) and a *state* (where it is). [`Supervisor::step`] takes one event
//! and does what it says, for example puts a service whose process ended into `Ending`. Then it *settles*: it applies
//! the rules to every service whose situation may have changed, until no rule applies to any of them. The rules are
//! few:
//!
//! * A service that is wanted up starts once everything that it depends on has settled ([`start`]).
//! * A service that is not wanted up stops once nothing that depends on it is left running ([`stop`]).
//! * When its process has ended, its process group is killed, its finish hook runs, and then it is decided what becomes
//!   of it ([`exit`], [`restart`]).
//!
//! Whatever is to happen later is kept in the state as a time. [`Supervisor::deadline`] is the earliest of these times,
//! and [`Event::Tick`] lets every service act whose time has come ([`timers`]).
//!
//! # The files
//!
//! [`supervisor`] has the data and the one place where a state is assigned. Each file of rules adds methods to it, and
//! [`step`] calls these. [`view`] only reads.
//!
//! # What always holds
//!
//! The simulation (`src/core/simulation`) checks these after every step of 100,000 random histories, and more:
//!
//! * A service's process starts only when all that the service requires is ready, complete or skipped.
//! * A service has at most one main process.
//! * No signal goes to a process that was reaped.
//! * A service is stopped on purpose only after everything that depends on it is down.
//! * A shutdown ends within its time, whatever the processes do.
//! * The same events give the same actions.

mod dependencies;
mod dependency_failure;
pub mod event;
mod exit;
pub mod first_start;
mod goal;
mod graph;
mod health;
mod hold;
mod processes;
mod replan;
mod requests;
mod restart;
mod shutdown;
mod shutdown_budget;
mod start;
pub mod state;
pub mod status;
mod step;
mod stop;
mod stopped;
mod supervisor;
pub mod time;
mod timers;
mod trial;
mod view;

#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod simulation;

pub use event::{Action, Change, Event, Notification, Pid, Role, Run, SpawnError};
pub use supervisor::Supervisor;
pub use time::Time;

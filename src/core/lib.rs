//! The state machine: an event and a time in, actions out. No clock, no I/O, no randomness of its own.
//!
//! # How it works
//!
//! Each service has a *goal* (what is wanted of it) and a *state* (where it is). [`Supervisor::step`] takes one
//! event, observes what it says (a process ended: its service goes to `Ending`), and then *settles*: every service
//! whose situation may have changed is looked at until no rule applies to any of them. The rules are few:
//!
//! * wanted up, and everything it depends on has settled: start it ([`needs`]);
//! * not wanted up, and nothing that depends on it is left running: stop it ([`halt`]);
//! * its process ended: clear away its group, run its finish hook, and decide what comes then ([`ending`]).
//!
//! What is to happen later stands in the state as a time; [`Supervisor::deadline`] is the earliest of them, and
//! [`Event::Tick`] lets those that have come act ([`timers`]).
//!
//! # What holds, always
//!
//! The simulation (`src/core/simulation`) checks these after every step of 100,000 random histories:
//!
//! * a service's process starts only when all it requires is ready, complete or skipped;
//! * a service has at most one main process;
//! * no signal goes to a process that was reaped;
//! * a service is stopped on purpose only after everything that depends on it is down;
//! * a shutdown ends within its time, whatever the processes do;
//! * the same events give the same actions.

mod dependency_failure;
mod ending;
pub mod event;
pub mod first_start;
mod halt;
mod needs;
mod replan;
mod requests;
pub mod state;
pub mod status;
mod supervisor;
pub mod time;
mod timers;
mod view;

mod planted;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod simulation;

pub use event::{Action, Change, Event, Notification, Pid, Role, Run, SpawnError};
pub use supervisor::Supervisor;
pub use time::Time;

//! sd_notify(3), both ways: what services say to us, and what we say to the container manager.
//!
//! Each run of a service has a socket of its own, whose path only that service is told and which only its user may
//! write to. So a message needs no cookie to be matched with its run, and one from the last run goes nowhere. On top of
//! that the kernel says who sent it, and [`membership`] whether that process is one of the service's. `MAINPID` is believed
//! only of the main process itself, about a child of ours ([`check_main_pid`]): which process is the service's, its parent knows
//! best.

mod main_pid;
mod manager;
mod message;
mod sender;
mod socket;

pub use main_pid::check_main_pid;
pub use manager::{ContainerManager, notify_manager};
pub use message::{LARGEST_MESSAGE, LARGEST_STATUS, Notification, Watchdog, parse};
pub use sender::{Membership, membership};
pub use socket::NotifySocket;

pub use crate::kernel::datagram::Sender;

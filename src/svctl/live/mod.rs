//! Commands that wait or stream: `logs`, `events`, `wait`, `start`, `stop` and `restart`.
//!
//! They wait for several things at once: for `init`, for a signal that interrupts them, and for the end of their patience.
//! So they run on tokio, on one thread and with as little of it as will do. Commands that get their answer at once use
//! the blocking client of `init_control` instead and build no runtime: `svctl health` runs every few seconds.

mod connection;
mod interrupt;
mod lines;

use std::io;
use std::time::Duration;

use init_control::client::Client;
use init_control::wire::{Request, Response};
use init_plan::id;

use crate::exit::{Code, Trouble};
use crate::output::Out;
pub use connection::Connection;
pub use interrupt::Interrupts;

/// Sends a request to `init` and hands each response to `show`, up to and including the last.
///
/// `connect` makes the connection. `patience` bounds each silence of `init`; `None` waits for ever. Whatever `show`
/// writes is flushed before `init` is waited for again.
///
/// # Errors
/// What `connect` and `show` return, what goes wrong with the connection, and [`Trouble::Interrupted`] after SIGINT or
/// SIGTERM.
pub fn follow(
    connect: impl FnOnce() -> Result<Client, Trouble>,
    request: &Request,
    patience: Option<Duration>,
    out: &mut Out,
    mut show: impl FnMut(Response, &mut Out) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    runtime.map_err(|error| refused("start the runtime", &error))?.block_on(async {
        // First of all: whoever has seen the request may interrupt us.
        let mut interrupts = Interrupts::listen().map_err(|error| refused("handle signals", &error))?;
        let mut connection = Connection::new(connect()?, patience).map_err(|e| Trouble::connection(&e))?;
        interrupts.or(connection.send(request)).await?.map_err(|e| Trouble::connection(&e))?;
        while !connection.has_ended() {
            if !connection.is_next_here() {
                out.flush()?;
            }
            let received = interrupts.or(connection.next()).await?;
            show(received.map_err(|e| Trouble::connection(&e))?, out)?;
        }
        Ok(())
    })
}

fn refused(what: &str, error: &io::Error) -> Trouble {
    Trouble::said(Code::Failed, id!("C0111"), format!("cannot {what}: {error}"))
}

//! A connection to `init` that does not block the thread.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::time::Duration;

use init_control::client::Client;
use init_control::wire::{self, Request, Response};
use tokio::net::UnixStream;

use super::lines::Lines;

/// A connection, good for one request.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    patience: Option<Duration>,
    lines: Lines,
    ended: bool,
}

impl Connection {
    /// From a connection that was made and checked. The runtime must have been entered.
    ///
    /// `patience` bounds each silence of `init`; `None` waits for ever.
    ///
    /// # Errors
    /// If the system does not let it be waited for.
    pub fn new(client: Client, patience: Option<Duration>) -> io::Result<Connection> {
        let stream = client.into_stream();
        stream.set_nonblocking(true)?;
        Ok(Connection {
            stream: UnixStream::from_std(stream)?,
            patience,
            lines: Lines::default(),
            ended: false,
        })
    }

    /// Sends the request.
    ///
    /// # Errors
    /// If the request is longer than a message may be, or `init` does not take it.
    pub async fn send(&mut self, request: &Request) -> io::Result<()> {
        let message = wire::encode(request)?;
        tracing::debug!(?request, bytes = message.len(), "asks");
        let mut rest = message.as_slice();
        while !rest.is_empty() {
            within(self.patience, self.stream.writable()).await?;
            match self.stream.try_write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // It may have hung up after saying why: that is there to be read.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether the last response was received, or there will be none.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the next response has already arrived, so that [`Connection::next`] does not wait.
    pub fn is_next_here(&self) -> bool {
        self.lines.has_line()
    }

    /// The next response.
    ///
    /// # Errors
    /// What reading says, `TimedOut` after a silence that was too long, and `InvalidData` if `init` makes no sense.
    pub async fn next(&mut self) -> io::Result<Response> {
        let response = self.receive().await;
        self.ended = response.as_ref().map_or(true, Response::is_last);
        response
    }

    async fn receive(&mut self) -> io::Result<Response> {
        while !self.lines.has_line() {
            within(self.patience, self.stream.readable()).await?;
            match self.lines.fill(|buffer| self.stream.try_read(buffer)) {
                Ok(0) => return Err(self.lines.end()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        let line = self.lines.take_line().ok_or_else(wire::cut_off)?;
        let response = wire::decode_response(line)?;
        tracing::debug!(kind = response.kind(), bytes = line.len() + 1, "is answered");
        Ok(response)
    }
}

/// What comes of it, or `TimedOut` if it takes longer than this.
async fn within<T>(patience: Option<Duration>, wait: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match patience {
        Some(patience) => tokio::time::timeout(patience, wait).await.map_err(|_| ErrorKind::TimedOut)?,
        None => wait.await,
    }
}

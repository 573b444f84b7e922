//! Asking `init`, and the parts of an answer that all commands treat alike.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::exit::{Code, Trouble};
use crate::cli::output::Out;
use crate::control::client::{Answers, Client};
use crate::control::path;
use crate::control::wire::{Request, Response};
use crate::core::status::{ServiceStatus, Stage};

/// How long `init` may be silent over what it can answer at once.
pub const AT_ONCE: Option<Duration> = Some(Duration::from_secs(10));

/// How long after the end of a wait that `init` bounds itself its silence means that it is stuck.
const GRACE: Duration = Duration::from_secs(10);

/// The `init` of this container.
pub struct Init {
    directories: Vec<PathBuf>,
    uid: u32,
}

impl Default for Init {
    fn default() -> Init {
        let uid = nix::unistd::geteuid().as_raw();
        Init { directories: path::candidates(std::env::var_os(path::VARIABLE), uid), uid }
    }
}

impl Init {
    /// Sends a request over a connection of its own.
    pub fn ask(&self, request: &Request, patience: Option<Duration>) -> Result<Answers, Trouble> {
        let client = Client::connect(&self.directories, self.uid)?;
        client.ask(request, patience).map_err(|error| Trouble::connection(&error))
    }

    /// The services of these names, or all.
    pub fn services(&self, names: &[String]) -> Result<(Vec<ServiceStatus>, Stage), Trouble> {
        let request = Request::List { names: names.to_vec() };
        let (mut found, mut how_far) = (Vec::new(), Stage::Booting);
        for answer in self.ask(&request, AT_ONCE)? {
            match received(answer)? {
                Response::Services { services, stage } => {
                    // A plan too big for one message comes in several.
                    found.extend(services);
                    how_far = stage;
                }
                other => finished(other)?,
            }
        }
        Ok((found, how_far))
    }
}

/// How long to bear silence while `init` waits at most this long.
pub fn patience(timeout: Option<Duration>) -> Option<Duration> {
    timeout.map(|timeout| timeout.saturating_add(GRACE))
}

/// The response, unless the connection failed.
pub fn received(answer: std::io::Result<Response>) -> Result<Response, Trouble> {
    answer.map_err(|error| Trouble::connection(&error))
}

/// What a response means that ends the answer.
pub fn finished(response: Response) -> Result<(), Trouble> {
    match response {
        Response::Done { .. } => Ok(()),
        Response::Error(failure) => Err(failure.into()),
        // Something a newer init says beside what was asked: no harm in not knowing it.
        Response::Services { .. }
        | Response::Event(_)
        | Response::Log { .. }
        | Response::Dropped { .. }
        | Response::Health { .. } => Ok(()),
    }
}

/// What a response means that ends the answer; its message is shown.
pub fn finished_aloud(response: Response, out: &mut Out) -> Result<(), Trouble> {
    match response {
        Response::Done { message } if !message.is_empty() => {
            out.write(&message)?;
            out.write(if message.ends_with('\n') { "" } else { "\n" })
        }
        other => finished(other),
    }
}

/// A value as one line of JSON.
pub fn json<T: serde::Serialize>(value: &T) -> Result<String, Trouble> {
    serde_json::to_string(value)
        .map_err(|error| Trouble::said(Code::Failed, format!("cannot write JSON: {error}")))
}

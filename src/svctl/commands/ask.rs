//! Requests to `init`, and the parts of an answer that all commands handle alike.

use std::path::PathBuf;
use std::time::Duration;

use crate::boot::Boot;
use crate::exit::{Code, Trouble};
use crate::output::Out;
use init_control::client::{Answers, Client};
use init_control::path;
use init_control::wire::{Request, Response};
use init_core::status::{ServiceStatus, Stage};
use init_plan::id;

/// How long `init` may be silent if it can answer at once.
pub const AT_ONCE: Option<Duration> = Some(Duration::from_secs(10));

/// `init` itself ends a wait with a timeout. If it stays silent for this long afterwards, it is stuck.
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
    /// Connects.
    pub fn connect(&self) -> Result<Client, Trouble> {
        Ok(Client::connect(&self.directories, self.uid)?)
    }

    /// Sends a request over a connection of its own.
    pub fn ask(&self, request: &Request, patience: Option<Duration>) -> Result<Answers, Trouble> {
        self.connect()?.ask(request, patience).map_err(|error| Trouble::connection(&error))
    }

    /// The status of the services with these names, or of all services if there are none.
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

    /// The same, with processes that left their service's process group, where the user may know of them.
    pub fn services_with_strays(&self, names: &[String]) -> Result<(Vec<ServiceStatus>, Stage), Trouble> {
        if !names.is_empty() {
            return self.services(names);
        }
        let all = self.services(&[])?;
        let names: Vec<String> = all.0.iter().map(|service| service.name.clone()).collect();
        // Whoever may only look may not ask for many by name, and is told of no strays anyway.
        Ok(if names.is_empty() { all } else { self.services(&names).unwrap_or(all) })
    }

    /// The last lines of a service's output that `init` has kept; why not, if the user may not read them.
    pub fn last_lines(&self, name: &str, count: usize) -> Result<Result<Vec<String>, String>, Trouble> {
        let mut lines = Vec::new();
        if count == 0 {
            return Ok(Ok(lines));
        }
        let request = Request::Logs { names: vec![name.to_owned()], lines: Some(count), follow: false };
        for answer in self.ask(&request, AT_ONCE)? {
            match received(answer)? {
                Response::Log { line, .. } => lines.push(line),
                other => match finished(other) {
                    Err(Trouble::Said(Code::Denied, why)) => return Ok(Err(why)),
                    other => other?,
                },
            }
        }
        Ok(Ok(lines))
    }

    /// The first start of each service.
    pub fn boot(&self) -> Result<Boot, Trouble> {
        let mut boot = Boot::default();
        for answer in self.ask(&Request::Boot, AT_ONCE)? {
            match received(answer)? {
                Response::Boot { services, now_ms, complete_ms } => {
                    boot.services.extend(services);
                    boot.now_ms = now_ms;
                    boot.complete_ms = complete_ms;
                }
                other => finished(other)?,
            }
        }
        Ok(boot)
    }
}

/// How long `init` may be silent during a wait with this timeout.
pub fn patience(timeout: Option<Duration>) -> Option<Duration> {
    timeout.map(|timeout| timeout.saturating_add(GRACE))
}

/// The response, unless the connection failed.
pub fn received(answer: std::io::Result<Response>) -> Result<Response, Trouble> {
    answer.map_err(|error| Trouble::connection(&error))
}

/// Handles a response that ends an answer.
pub fn finished(response: Response) -> Result<(), Trouble> {
    match response {
        Response::Done { .. } => Ok(()),
        Response::Error(failure) => Err(failure.into()),
        // A newer init may send more than was asked for. It does no harm to ignore that.
        Response::Services { .. }
        | Response::Names { .. }
        | Response::Event(_)
        | Response::Log { .. }
        | Response::Dropped { .. }
        | Response::Health { .. }
        | Response::Boot { .. }
        | Response::Definition { .. } => Ok(()),
    }
}

/// Handles a response that ends an answer, and shows its message.
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
        .map_err(|error| Trouble::said(Code::Failed, id!("C0205"), format!("cannot write JSON: {error}")))
}

/// A JSON array with one element a line, so that line-based tools can read it, too.
pub fn json_array<T: serde::Serialize>(values: &[&T]) -> Result<String, Trouble> {
    let elements = values.iter().map(json).collect::<Result<Vec<_>, _>>()?;
    Ok(if elements.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", elements.join(",\n")) })
}

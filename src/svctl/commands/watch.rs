//! `logs` and `events`: output and changes of state, as they come.

use std::time::Duration;

use super::args::{Events, Logs};
use super::ask::{AT_ONCE, Init, finished, json};
use crate::exit::Trouble;
use crate::live::follow;
use crate::output::Out;
use crate::render::stream::{LogStyle, dropped, event_line, log_line};
use init_control::wire::{Request, Response};

/// `svctl logs`.
pub fn logs(init: &Init, options: &Logs, out: &mut Out) -> Result<(), Trouble> {
    let request =
        Request::Logs { names: options.names.clone(), lines: options.lines, follow: options.follow };
    let patience = if options.follow { None } else { AT_ONCE };
    let only = match options.names.as_slice() {
        [name] => Some(name.as_str()),
        _ => None,
    };
    let style = LogStyle { only, timestamps: options.timestamps, colour: out.screen.colour };
    copy(init, &request, patience, out, |response| match response {
        _ if options.json => json_line(response),
        Response::Log { service, time_ms, line } => Ok(Some(log_line(service, *time_ms, line, style))),
        Response::Dropped { count } => Ok(Some(dropped(*count, "lines"))),
        _ => Ok(None),
    })
}

/// `svctl events`.
pub fn events(init: &Init, options: &Events, out: &mut Out) -> Result<(), Trouble> {
    let colour = out.screen.colour;
    copy(init, &Request::Events, None, out, |response| match response {
        _ if options.json => json_line(response),
        Response::Event(event) => Ok(Some(event_line(event, true, colour))),
        Response::Dropped { count } => Ok(Some(dropped(*count, "events"))),
        _ => Ok(None),
    })
}

/// The JSON of a response as `init` sent it, if it belongs to a stream.
fn json_line(response: &Response) -> Result<Option<String>, Trouble> {
    match response {
        Response::Log { .. } | Response::Event(_) | Response::Dropped { .. } => {
            Ok(Some(json(response)? + "\n"))
        }
        Response::Services { .. }
        | Response::Names { .. }
        | Response::Health { .. }
        | Response::Boot { .. }
        | Response::Done { .. }
        | Response::Error(_) => Ok(None),
    }
}

/// Shows responses as they come.
fn copy(
    init: &Init,
    request: &Request,
    patience: Option<Duration>,
    out: &mut Out,
    mut show: impl FnMut(&Response) -> Result<Option<String>, Trouble>,
) -> Result<(), Trouble> {
    follow(
        || init.connect(),
        request,
        patience,
        out,
        |response, out| match show(&response)? {
            Some(text) => out.write(&text),
            None => finished(response),
        },
    )
}

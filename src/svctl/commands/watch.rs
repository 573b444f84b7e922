//! `logs` and `events`: what happens, as it happens.

use super::args::{Events, Logs};
use super::ask::{AT_ONCE, Init, finished, json, received};
use crate::exit::Trouble;
use crate::output::Out;
use crate::render::stream::{LogStyle, dropped, event_line, log_line};
use init_control::client::Answers;
use init_control::wire::{Request, Response};

/// `svctl logs`.
pub fn logs(init: &Init, options: &Logs, out: &mut Out) -> Result<(), Trouble> {
    let request =
        Request::Logs { names: options.names.clone(), lines: options.lines, follow: options.follow };
    let answers = init.ask(&request, if options.follow { None } else { AT_ONCE })?;
    let only = match options.names.as_slice() {
        [name] => Some(name.as_str()),
        _ => None,
    };
    let style = LogStyle { only, timestamps: options.timestamps, colour: out.screen.colour };
    copy(answers, out, |response| match response {
        _ if options.json => json_line(response),
        Response::Log { service, time_ms, line } => Ok(Some(log_line(service, *time_ms, line, style))),
        Response::Dropped { count } => Ok(Some(dropped(*count, "lines"))),
        _ => Ok(None),
    })
}

/// `svctl events`.
pub fn events(init: &Init, options: &Events, out: &mut Out) -> Result<(), Trouble> {
    let answers = init.ask(&Request::Events, None)?;
    let colour = out.screen.colour;
    copy(answers, out, |response| match response {
        _ if options.json => json_line(response),
        Response::Event(event) => Ok(Some(event_line(event, true, colour))),
        Response::Dropped { count } => Ok(Some(dropped(*count, "events"))),
        _ => Ok(None),
    })
}

/// The response as `init` sent it, if it is one of a stream.
fn json_line(response: &Response) -> Result<Option<String>, Trouble> {
    match response {
        Response::Log { .. } | Response::Event(_) | Response::Dropped { .. } => {
            Ok(Some(json(response)? + "\n"))
        }
        Response::Services { .. }
        | Response::Health { .. }
        | Response::Boot { .. }
        | Response::Done { .. }
        | Response::Error(_) => Ok(None),
    }
}

/// Shows responses as they come; what has come is on the screen before the next is waited for.
fn copy(
    mut answers: Answers,
    out: &mut Out,
    mut show: impl FnMut(&Response) -> Result<Option<String>, Trouble>,
) -> Result<(), Trouble> {
    loop {
        if !answers.is_next_here() {
            out.flush()?;
        }
        let Some(answer) = answers.next() else { return Ok(()) };
        let response = received(answer)?;
        match show(&response)? {
            Some(text) => out.write(&text)?,
            None => finished(response)?,
        }
    }
}

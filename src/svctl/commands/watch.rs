//! `logs` and `events`: output and changes of state, as they come.

use std::time::{Duration, SystemTime};

use super::args::{Events, Logs};
use super::ask::{AT_ONCE, Init, finished, json};
use super::show::is_ill;
use crate::exit::Trouble;
use crate::live::follow;
use crate::output::Out;
use crate::render::stream::{LogStyle, dropped, event_line, log_line};
use init_control::wire::{Request, Response};

/// `svctl logs`.
pub fn logs(init: &Init, options: &Logs, out: &mut Out) -> Result<(), Trouble> {
    let names = if options.failed { ill_of(init, &options.names)? } else { options.names.clone() };
    if options.failed && names.is_empty() {
        return Ok(());
    }
    let only = match options.names.as_slice() {
        [name] => Some(name.clone()),
        _ => None,
    };
    let request = Request::Logs { names, lines: options.lines, follow: options.follow };
    let patience = if options.follow { None } else { AT_ONCE };
    let style = LogStyle { only: only.as_deref(), timestamps: options.timestamps, colour: out.screen.colour };
    let oldest = options.since.map_or(0, oldest);
    let is_shown = |time_ms: u64, line: &str| {
        time_ms >= oldest && options.grep.as_ref().is_none_or(|pattern| pattern.is_match(line.as_bytes()))
    };
    copy(init, &request, patience, out, |response| match response {
        Response::Log { time_ms, line, .. } if !is_shown(*time_ms, line) => Ok(Some(String::new())),
        _ if options.json => json_line(response),
        Response::Log { service, time_ms, line } => Ok(Some(log_line(service, *time_ms, line, style))),
        Response::Dropped { count } => Ok(Some(dropped(*count, "lines"))),
        _ => Ok(None),
    })
}

/// Those of these services, or of all, that failed, wait for their next start, or are unhealthy.
fn ill_of(init: &Init, names: &[String]) -> Result<Vec<String>, Trouble> {
    let (services, _) = init.services(names)?;
    Ok(services.into_iter().filter(is_ill).map(|service| service.name).collect())
}

/// So long ago, in milliseconds since 1970.
fn oldest(since: Duration) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.saturating_sub(since).as_millis()).unwrap_or(u64::MAX)
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

//! `logs`, `history` and `events`: output and changes of state, as they come.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use super::args::{Events, History, Logs};
use super::ask::{AT_ONCE, Init, finished, json, received};
use super::show::is_ill;
use crate::exit::{Code, Trouble};
use crate::live::follow;
use crate::output::Out;
use crate::render::stream::{LogStyle, dropped, event_line, log_line};
use init_control::wire::{Event, Request, Response};
use init_core::status::Phase;
use init_plan::id;

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
    let lives = if options.previous { Some(previous(init, options)?) } else { None };
    let is_shown = |service: &str, time_ms: u64, line: &str| {
        let lived =
            lives.as_ref().is_none_or(|lives| lives.get(service).is_some_and(|life| life.contains(&time_ms)));
        lived
            && time_ms >= oldest
            && options.grep.as_ref().is_none_or(|pattern| pattern.is_match(line.as_bytes()))
    };
    copy(init, &request, patience, out, |response| match response {
        Response::Log { service, time_ms, line } if !is_shown(service, *time_ms, line) => {
            Ok(Some(String::new()))
        }
        _ if options.json => json_line(response),
        Response::Log { service, time_ms, line } => Ok(Some(log_line(service, *time_ms, line, style))),
        Response::Dropped { count } => Ok(Some(dropped(*count, "lines"))),
        _ => Ok(None),
    })
}

/// `svctl logs --previous`: what services wrote in the life before the present or last one.
fn previous(init: &Init, options: &Logs) -> Result<BTreeMap<String, Range<u64>>, Trouble> {
    let (services, _) = init.services(&options.names)?;
    let names: Vec<String> = services.into_iter().map(|service| service.name).collect();
    let (events, dropped) = history_of(init, &names)?;
    let mut lives = BTreeMap::new();
    for name in names {
        if let Some(life) = life_before(events.iter().filter(|event| event.service == name)) {
            lives.insert(name, life);
        }
    }
    if lives.is_empty() {
        let why = if dropped > 0 { ": you are shown the newest changes only" } else { "" };
        let message = format!("none of them has started twice within what `svctl history` knows{why}");
        return Err(Trouble::said(Code::Failed, id!("C0208"), message));
    }
    Ok(lives)
}

/// From the last start but one to the last.
fn life_before<'a>(events: impl Iterator<Item = &'a Event>) -> Option<Range<u64>> {
    let is_on_its_way = |phase| matches!(phase, Phase::Checking | Phase::Starting);
    let starts = events.filter(|event| is_on_its_way(event.to) && !is_on_its_way(event.from));
    let times: Vec<u64> = starts.map(|event| event.time_ms).collect();
    let [.., from, to] = times.as_slice() else { return None };
    Some(*from..*to)
}

/// `svctl history`.
pub fn history(init: &Init, options: &History, out: &mut Out) -> Result<(), Trouble> {
    let names: Vec<String> = match options.names.as_slice() {
        [] => Vec::new(),
        // `init` knows what a bundle holds, and what a wrong name may have been meant to be.
        some => init.services(some)?.0.into_iter().map(|service| service.name).collect(),
    };
    let (mut events, missing) = history_of(init, &names)?;
    let from = options.since.map_or(0, oldest);
    events.retain(|event| event.time_ms >= from);
    let surplus = events.len().saturating_sub(options.lines.unwrap_or(usize::MAX));
    let colour = out.screen.colour;
    if missing > 0 && !options.json {
        out.write(&format!("svctl: {missing} earlier changes do not fit into an answer\n"))?;
    }
    for event in events.drain(surplus..) {
        out.write(&if options.json {
            json(&Response::Event(event))? + "\n"
        } else {
            event_line(&event, true, colour)
        })?;
    }
    Ok(())
}

/// The last changes of these services, or of all, and how many more there are.
pub fn history_of(init: &Init, names: &[String]) -> Result<(Vec<Event>, u64), Trouble> {
    let (mut events, mut missing) = (Vec::new(), 0);
    for answer in init.ask(&Request::History, AT_ONCE)? {
        match received(answer)? {
            Response::Event(event) if names.is_empty() || names.contains(&event.service) => {
                events.push(event)
            }
            Response::Dropped { count } => missing += count,
            other => finished(other)?,
        }
    }
    Ok((events, missing))
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
        | Response::Definition { .. }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn event(time_ms: u64, from: Phase, to: Phase) -> Event {
        Event { service: "a".into(), time_ms, from, to, pid: None, exit: None, note: None }
    }

    #[test]
    fn a_life_is_from_one_start_to_the_next() {
        let mut events = vec![
            event(1, Phase::Down, Phase::Waiting),
            event(2, Phase::Waiting, Phase::Checking),
            event(3, Phase::Checking, Phase::Starting),
            event(4, Phase::Starting, Phase::Up),
            event(5, Phase::Up, Phase::Ending),
            event(6, Phase::Ending, Phase::Backoff),
        ];
        assert_eq!(life_before(events.iter()), None);
        events.push(event(8, Phase::Backoff, Phase::Waiting));
        events.push(event(9, Phase::Waiting, Phase::Starting));
        assert_eq!(life_before(events.iter()), Some(2..9));
    }
}

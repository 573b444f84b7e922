//! `list`, `names`, `status` and `health`: the state of services.

use super::args::{Health, List, Status};
use super::ask::{AT_ONCE, Init, finished, json, json_array, received};
use crate::exit::{Code, Trouble};
use crate::output::{Out, Screen};
use crate::render::details::details;
use crate::render::paint::{self, DIM};
use crate::render::table::{is_of_interest, table};
use init_control::wire::{Request, Response};
use init_core::status::{Phase, ServiceStatus, Stage, Wellness};

/// `svctl list`.
pub fn list(init: &Init, options: &List, out: &mut Out) -> Result<(), Trouble> {
    let (services, stage) = init.services(&options.names)?;
    let shown: Vec<&ServiceStatus> = services.iter().filter(|service| is_shown(service, options)).collect();
    if options.json {
        return out.write(&json_array(&shown)?);
    }
    out.write(&table(&shown, out.screen))?;
    out.write(&footer(services.len() - shown.len(), stage, options, out.screen))
}

fn is_shown(service: &ServiceStatus, options: &List) -> bool {
    if options.failed {
        return is_ill(service);
    }
    options.all || options.json || !options.names.is_empty() || is_of_interest(service)
}

/// Whether it has failed, has to be started again, or is not well.
fn is_ill(service: &ServiceStatus) -> bool {
    let ill = service.wanted && service.health == Wellness::Unhealthy;
    ill || matches!(service.state, Phase::Failed | Phase::Backoff)
}

/// A hint at what the table leaves out, and at the stage of `init`, on a terminal only.
fn footer(hidden: usize, stage: Stage, options: &List, screen: Screen) -> String {
    let mut text = String::new();
    if screen.width.is_none() {
        return text;
    }
    if hidden > 0 && !options.failed {
        let line = format!("{hidden} not shown (done, or never asked for): svctl list -a\n");
        paint::add(&mut text, &line, DIM, screen.colour);
    }
    match stage {
        Stage::Booting => text.push_str("init is still booting\n"),
        Stage::Running => {}
        Stage::Stopping => text.push_str("init is shutting down\n"),
    }
    text
}

/// `svctl names`.
pub fn names(init: &Init, out: &mut Out) -> Result<(), Trouble> {
    for answer in init.ask(&Request::Names, AT_ONCE)? {
        match received(answer)? {
            Response::Names { names } => out.write(&(names.join("\n") + "\n"))?,
            other => finished(other)?,
        }
    }
    Ok(())
}

/// `svctl status`.
pub fn status(init: &Init, options: &Status, out: &mut Out) -> Result<(), Trouble> {
    let (services, _) = init.services(&options.names)?;
    if options.json {
        return out.write(&json_array(&services.iter().collect::<Vec<_>>())?);
    }
    let (all, _) = init.services(&[])?;
    for (index, service) in services.iter().enumerate() {
        let lines =
            if options.lines == 0 { Ok(Vec::new()) } else { last_lines(init, &service.name, options.lines) };
        // Whoever may not read logs may see the rest.
        let lines = match lines {
            Err(Trouble::Said(Code::Denied, why)) => Err(why),
            other => Ok(other?),
        };
        out.write(if index == 0 { "" } else { "\n" })?;
        out.write(&details(service, &all, lines.as_deref().map_err(String::as_str), out.screen))?;
    }
    Ok(())
}

fn last_lines(init: &Init, name: &str, count: usize) -> Result<Vec<String>, Trouble> {
    let request = Request::Logs { names: vec![name.to_owned()], lines: Some(count), follow: false };
    let mut lines = Vec::new();
    for answer in init.ask(&request, AT_ONCE)? {
        match received(answer)? {
            Response::Log { line, .. } => lines.push(line),
            other => finished(other)?,
        }
    }
    Ok(lines)
}

/// `svctl health`. A health check of Docker has two exit codes, so every problem is 1.
pub fn health(init: &Init, options: &Health, out: &mut Out) -> Result<(), Trouble> {
    let verdict = ask_health(init, options, out);
    verdict.map_err(|trouble| match trouble {
        Trouble::Said(_, _) if options.quiet => Trouble::Shown(Code::Failed),
        Trouble::Said(_, message) => Trouble::Said(Code::Failed, message),
        Trouble::Shown(_) => Trouble::Shown(Code::Failed),
        other @ (Trouble::Interrupted(..) | Trouble::NobodyReads) => other,
    })
}

fn ask_health(init: &Init, options: &Health, out: &mut Out) -> Result<(), Trouble> {
    let mut answered = None;
    for answer in init.ask(&Request::Health, AT_ONCE)? {
        match received(answer)? {
            Response::Health { healthy, stage, problems } => answered = Some((healthy, stage, problems)),
            other => finished(other)?,
        }
    }
    let Some((healthy, stage, mut problems)) = answered else {
        return Err(Trouble::said(Code::Unreachable, "cannot tell: init gave no answer"));
    };
    let goes_on = !healthy && options.live && stage != Stage::Running && !any_is_ill(init)?;
    if goes_on {
        problems.clear();
    }
    out.write(&health_text(healthy || goes_on, stage, &problems, options)?)?;
    if healthy || goes_on { Ok(()) } else { Err(Trouble::Shown(Code::Failed)) }
}

/// Whether any service is in the way of a boot: those that only wait for others, or start, are not.
fn any_is_ill(init: &Init) -> Result<bool, Trouble> {
    Ok(init.services(&[])?.0.iter().any(is_ill))
}

fn health_text(
    healthy: bool,
    stage: Stage,
    problems: &[String],
    options: &Health,
) -> Result<String, Trouble> {
    if options.quiet {
        return Ok(String::new());
    }
    if options.json {
        let value = serde_json::json!({ "healthy": healthy, "stage": stage, "problems": problems });
        return Ok(json(&value)? + "\n");
    }
    Ok(match (stage, problems) {
        (Stage::Booting, []) => "still booting\n".to_owned(),
        (Stage::Stopping, []) => "shutting down\n".to_owned(),
        (Stage::Running, []) if healthy => "healthy\n".to_owned(),
        (Stage::Running, []) => "unhealthy\n".to_owned(),
        _ => problems.iter().map(|problem| paint::one_line(problem).into_owned() + "\n").collect(),
    })
}

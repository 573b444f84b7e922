//! `list`, `names`, `status` and `health`: the state of services.

use super::args::{Ask, Health, List, Status};
use super::ask::{AT_ONCE, Init, finished, json, json_array, received};
use crate::exit::{Code, Trouble};
use crate::output::{Out, Screen};
use crate::processes::{self, Usage};
use crate::render::details::details;
use crate::render::paint::{self, DIM};
use crate::render::table::{is_of_interest, table, table_with_usage};
use init_control::wire::{Request, Response};
use init_core::status::{Phase, ServiceStatus, Stage, Wellness};
use init_plan::id;
use serde::Serialize;

/// `svctl list`.
pub fn list(init: &Init, options: &List, out: &mut Out) -> Result<(), Trouble> {
    let (services, stage) = if options.usage {
        init.services_with_strays(&options.names)?
    } else {
        init.services(&options.names)?
    };
    let shown: Vec<&ServiceStatus> = services.iter().filter(|service| is_shown(service, options)).collect();
    let used = if options.usage { usages(&services, &shown)? } else { Vec::new() };
    match (options.json, options.usage) {
        (true, false) => return out.write(&json_array(&shown)?),
        (true, true) => return out.write(&json_array(&used.iter().collect::<Vec<_>>())?),
        (false, false) => out.write(&table(&shown, out.screen))?,
        (false, true) => {
            let usages: Vec<Usage> = used.iter().map(|used| used.usage).collect();
            out.write(&table_with_usage(&shown, &usages, out.screen))?;
        }
    }
    out.write(&footer(services.len() - shown.len(), stage, options, out.screen))
}

/// A service and what it uses.
#[derive(Serialize)]
struct Used<'a> {
    #[serde(flatten)]
    service: &'a ServiceStatus,
    #[serde(flatten)]
    usage: Usage,
}

/// What these of all services use.
fn usages<'a>(all: &[ServiceStatus], shown: &[&'a ServiceStatus]) -> Result<Vec<Used<'a>>, Trouble> {
    let processes = processes::all()?;
    let (of_services, _) = processes::by_service(&processes, all);
    let number = |service: &ServiceStatus| all.iter().position(|other| other.name == service.name);
    let of = |service| number(service).and_then(|number| of_services.get(number));
    let usage = |service| Usage::of(of(service).into_iter().flatten().copied());
    Ok(shown.iter().map(|&service| Used { service, usage: usage(service) }).collect())
}

fn is_shown(service: &ServiceStatus, options: &List) -> bool {
    if options.failed {
        return is_ill(service);
    }
    options.all || options.json || !options.names.is_empty() || is_of_interest(service)
}

/// Whether it has failed, has to be started again, or is not well.
pub fn is_ill(service: &ServiceStatus) -> bool {
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
        // Whoever may not read logs may see the rest.
        let lines = init.last_lines(&service.name, options.lines)?;
        out.write(if index == 0 { "" } else { "\n" })?;
        out.write(&details(service, &all, lines.as_deref().map_err(String::as_str), out.screen))?;
    }
    Ok(())
}

/// `svctl is-active`.
pub fn is_active(init: &Init, options: &Ask, out: &mut Out) -> Result<(), Trouble> {
    let is_active = |service: &ServiceStatus| matches!(service.state, Phase::Up | Phase::Done);
    tell(init, options, out, |services| services.iter().all(is_active))
}

/// `svctl is-failed`.
pub fn is_failed(init: &Init, options: &Ask, out: &mut Out) -> Result<(), Trouble> {
    tell(init, options, out, |services| services.iter().any(|service| service.state == Phase::Failed))
}

/// Shows the states of services, and ends with what is the case.
fn tell(
    init: &Init,
    options: &Ask,
    out: &mut Out,
    is_so: impl Fn(&[ServiceStatus]) -> bool,
) -> Result<(), Trouble> {
    let (services, _) = init.services(&options.names)?;
    if !options.quiet {
        for service in &services {
            out.write(&format!("{}: {}\n", service.name, service.state.as_str()))?;
        }
    }
    if is_so(&services) { Ok(()) } else { Err(Trouble::Shown(Code::Failed)) }
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
        return Err(Trouble::said(Code::Unreachable, id!("C0110"), "cannot tell: init gave no answer"));
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

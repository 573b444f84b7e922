//! `why`, `tree`, `deps` and `graph`: how services hang together, and what they are made of.

use std::collections::BTreeSet;

use serde::Serialize;

use super::args::{Deps, Format, Graph, Tree, Why};
use super::ask::{Init, json_array};
use crate::dependencies::Dependencies;
use crate::exit::Trouble;
use crate::output::Out;
use crate::processes::{self, Process, Usage};
use crate::render::dependencies::{deps as deps_text, dot, mermaid};
use crate::render::tree::tree as tree_text;
use crate::render::why::{Outputs, why as why_text};
use crate::why::{because_of, has_a_say, hints, is_well};
use init_core::status::ServiceStatus;

/// `svctl why`.
pub fn why(init: &Init, options: &Why, out: &mut Out) -> Result<(), Trouble> {
    // `init` knows what a bundle holds, and what a wrong name may have been meant to be.
    let named: Vec<String> = names_of(&init.services(&options.names)?.0);
    let (services, _) = init.services(&[])?;
    let all = Dependencies::new(&services);
    let roots = if options.names.is_empty() { not_well(&all, &services) } else { all.numbers(&named) };
    let shown = causes(&all, &roots);
    let outputs = outputs(init, &all, &shown, options.lines)?;
    if options.json {
        let reasons: Vec<Reason> =
            shown.iter().filter_map(|&number| reason(&all, number, &outputs)).collect();
        return out.write(&json_array(&reasons.iter().collect::<Vec<_>>())?);
    }
    if roots.is_empty() {
        return out.write("every service is as it should be\n");
    }
    out.write(&why_text(&all, &roots, &outputs, out.screen))
}

/// The services that are not as they should be and that no other such service leads to.
fn not_well(all: &Dependencies, services: &[ServiceStatus]) -> Vec<usize> {
    let ill = services.iter().enumerate().filter(|(_, service)| !is_well(service));
    let ill: Vec<usize> = ill.map(|(number, _)| number).collect();
    let led_to: BTreeSet<usize> = ill.iter().flat_map(|&number| because_of(all, number)).collect();
    ill.into_iter().filter(|number| !led_to.contains(number)).collect()
}

/// These services and their causes, down to the last.
fn causes(all: &Dependencies, roots: &[usize]) -> BTreeSet<usize> {
    let (mut queue, mut found) = (roots.to_vec(), BTreeSet::new());
    while let Some(number) = queue.pop() {
        if found.insert(number) {
            queue.extend(because_of(all, number));
        }
    }
    found
}

/// The last lines of those that have a part in what is wrong.
fn outputs(
    init: &Init,
    all: &Dependencies,
    shown: &BTreeSet<usize>,
    count: usize,
) -> Result<Outputs, Trouble> {
    let mut outputs = Outputs::new();
    for &number in shown {
        let Some(service) = all.service(number).filter(|service| has_a_say(service)) else { continue };
        match init.last_lines(&service.name, count)? {
            Ok(lines) => drop(outputs.insert(number, lines)),
            // Whoever may not read logs may see the rest.
            Err(_) => break,
        }
    }
    Ok(outputs)
}

/// A service of `svctl why --json`.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Reason<'a> {
    #[serde(flatten)]
    service: &'a ServiceStatus,
    because_of: Vec<&'a str>,
    last_output: &'a [String],
    hints: Vec<String>,
}

fn reason<'a>(all: &Dependencies<'a>, number: usize, outputs: &'a Outputs) -> Option<Reason<'a>> {
    let service = all.service(number)?;
    let causes = because_of(all, number);
    let hints = hints(service, !causes.is_empty()).into_iter().map(|(command, _)| command).collect();
    let because_of = causes.into_iter().filter_map(|on| all.service(on)).map(|on| on.name.as_str()).collect();
    let last_output = outputs.get(&number).map_or(&[][..], Vec::as_slice);
    Some(Reason { service, because_of, last_output, hints })
}

/// `svctl tree`.
pub fn tree(init: &Init, options: &Tree, out: &mut Out) -> Result<(), Trouble> {
    let is_whole = options.names.is_empty();
    // All of them, so that each process is shown with its own service and no other.
    let (services, _) = init.services_with_strays(&[])?;
    let chosen = if is_whole { Vec::new() } else { names_of(&init.services(&options.names)?.0) };
    let processes = processes::all()?;
    let (of_services, others) = processes::by_service(&processes, &services);
    let is_shown = |service: &ServiceStatus, own: &[&Process]| {
        if is_whole { !own.is_empty() } else { chosen.contains(&service.name) }
    };
    let shown = services.into_iter().zip(of_services).filter(|(service, own)| is_shown(service, own));
    let (services, of_services): (Vec<ServiceStatus>, Vec<Vec<&Process>>) = shown.unzip();
    let others = if is_whole { others } else { Vec::new() };
    if options.json {
        let named = services.iter().map(Some).zip(of_services);
        let all: Vec<Group> = named.chain([(None, others)]).filter_map(group).collect();
        return out.write(&json_array(&all.iter().collect::<Vec<_>>())?);
    }
    out.write(&tree_text(&services, &of_services, &others, out.screen))
}

/// A service of `svctl tree --json`; without a name: the processes of none.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Group<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    usage: Usage,
    processes: Vec<&'a Process>,
}

fn group<'a>((service, processes): (Option<&'a ServiceStatus>, Vec<&'a Process>)) -> Option<Group<'a>> {
    let (name, state) =
        (service.map(|service| service.name.as_str()), service.map(|service| service.state.as_str()));
    let usage = Usage::of(processes.iter().copied());
    (name.is_some() || !processes.is_empty()).then_some(Group { name, state, usage, processes })
}

/// `svctl deps`.
pub fn deps(init: &Init, options: &Deps, out: &mut Out) -> Result<(), Trouble> {
    let named = names_of(&init.services(&options.names)?.0);
    let (services, _) = init.services(&[])?;
    let all = Dependencies::new(&services);
    let roots = if options.names.is_empty() { all.roots(options.reverse) } else { all.numbers(&named) };
    if options.json {
        let reached = all.reached(&roots, options.reverse);
        let found: Vec<&ServiceStatus> = reached.iter().filter_map(|&number| all.service(number)).collect();
        return out.write(&json_array(&found)?);
    }
    out.write(&deps_text(&all, &roots, options.reverse, out.screen))
}

/// `svctl graph`.
pub fn graph(init: &Init, options: &Graph, out: &mut Out) -> Result<(), Trouble> {
    let named = names_of(&init.services(&options.names)?.0);
    let (services, _) = init.services(&[])?;
    let all = Dependencies::new(&services);
    let shown = all.reached(&all.numbers(&named), false);
    out.write(&match options.format {
        Format::Dot => dot(&all, &shown),
        Format::Mermaid => mermaid(&all, &shown),
    })
}

fn names_of(services: &[ServiceStatus]) -> Vec<String> {
    services.iter().map(|service| service.name.clone()).collect()
}

//! Only what fits: definitions are compiled together with those that the image has, as `init` will do, and what is wrong
//! is left out and told. So nothing that comes from s6 can keep `init` from starting.

use std::collections::BTreeSet;

use init_plan::load::{Directory, read};
use init_plan::{Environment, Plan, Source, compile};

use super::places::Places;
use super::{Known, Translation, translate};

/// What files of ours are called in problems.
const SHOWN: &str = "from s6: ";

/// Translates, and leaves out what does not fit to the definitions in these directories.
pub fn fitting(places: &Places, environment: &Environment, directories: &[Directory]) -> Translation {
    // The usual image has nothing of s6; then nothing is read and compiled.
    let by_itself = translate(places, environment, &Known::default(), &BTreeSet::new());
    if by_itself == Translation::default() {
        return by_itself;
    }
    let (others, unreadable) = read(directories);
    let plan = compile(&alone(&others), environment).ok();
    // Where the others are wrong, or there are none, there is nothing to fit to.
    let plan = plan.filter(|plan| unreadable.is_empty() && !plan.services.is_empty());
    let known = plan.as_ref().map(known).unwrap_or_default();
    let mut without = BTreeSet::new();
    let mut told = Vec::new();
    loop {
        let mut made = translate(places, environment, &known, &without);
        let wrong = if plan.is_some() { wrong(&made, &others, environment) } else { Vec::new() };
        let before = without.len();
        for (name, why) in wrong {
            told.push(format!("{name}: not started: {why}"));
            without.insert(name);
        }
        if without.len() == before {
            made.lines.extend(told);
            made.lines.sort();
            made.lines.dedup();
            return made;
        }
    }
}

/// The others without what is laid over definitions that are not among them: it may be for one that comes from s6.
fn alone(others: &[Source]) -> Vec<Source> {
    let defined: BTreeSet<&str> =
        others.iter().filter_map(|source| source.path.strip_suffix(".toml")).collect();
    let is_alone = |source: &&Source| {
        let Some((name, _)) = source.path.split_once(".d/") else { return true };
        let template = name.find('@').and_then(|at| name.get(..=at));
        name == "init"
            || defined.contains(name)
            || template.is_some_and(|template| defined.contains(template))
    };
    others.iter().filter(is_alone).cloned().collect()
}

/// The names whose definitions are wrong, and why.
fn wrong(made: &Translation, others: &[Source], environment: &Environment) -> Vec<(String, String)> {
    // Below the others, as init reads them.
    let ours = made
        .files
        .iter()
        .map(|(file, text)| Source::new(file, text.as_bytes()).in_layer(0, &format!("{SHOWN}{file}")));
    let others = others.iter().cloned().map(|source| Source { layer: source.layer + 1, ..source });
    let sources: Vec<Source> = ours.chain(others).collect();
    let Err(problems) = compile(&sources, environment) else { return Vec::new() };
    let ours = problems.into_iter().filter_map(|problem| {
        let name = problem.file.strip_prefix(SHOWN)?.strip_suffix(".toml")?.to_owned();
        Some((name, problem.message))
    });
    ours.collect()
}

fn known(plan: &Plan) -> Known {
    let services = || plan.services.iter();
    let name = |service: &init_plan::Service| service.name.to_string();
    let names = services().map(name).chain(plan.bundles.keys().cloned()).collect();
    let before: BTreeSet<usize> =
        services().flat_map(|service| service.dependencies().map(init_plan::Id::index)).collect();
    let first = services().filter(|service| service.dependencies().next().is_none()).map(name).collect();
    let last =
        services().enumerate().filter(|(at, _)| !before.contains(at)).map(|(_, service)| name(service));
    Known { names, first, last: last.collect() }
}

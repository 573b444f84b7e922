//! From names to ids: bundles are unfolded, references found, `before` turned round, and all put in order.

use std::collections::BTreeMap;
use std::time::Duration;

use super::model::{Id, Plan, Service, Settings};
use super::order;
use super::query::natural;
use super::report::{At, Report};
use super::service::{Draft, Link, LinkKind};
use super::suggest::did_you_mean;
use crate::id;

/// A name and what it stands for.
pub(super) struct Definition {
    pub name: Box<str>,
    pub at: At,
    pub body: Body,
}

/// What a name stands for.
pub(super) enum Body {
    Service(Box<Draft>),
    Bundle(Vec<(Box<str>, At)>),
    /// Its file has problems, but nobody who refers to it is to blame. A name that ends in `@` stands for every
    /// instance.
    Broken,
}

#[derive(Clone, Copy)]
enum Target {
    Service(usize),
    Bundle(usize),
    Broken,
}

/// Why one service comes after another.
struct Edge {
    to: usize,
    kind: LinkKind,
    at: At,
    /// Written as `before`, in the other one's file.
    turned: bool,
}

struct Bundle {
    name: Box<str>,
    contents: Vec<(Box<str>, At)>,
}

struct Resolver<'a> {
    report: &'a Report<'a>,
    names: BTreeMap<Box<str>, Target>,
    drafts: Vec<Draft>,
    bundles: Vec<Bundle>,
    /// Each bundle's services, bundles within unfolded.
    members: Vec<Vec<usize>>,
}

/// Makes the plan. `None` if that cannot be done, which is reported.
pub(super) fn resolve(definitions: Vec<Definition>, settings: Settings, report: &Report<'_>) -> Option<Plan> {
    let mut resolver = Resolver::new(definitions, report);
    resolver.unfold()?;
    resolver.check_terminal();
    resolver.check_budget(settings.shutdown_timeout);
    let mut edges = resolver.edges();
    let needs: Vec<Vec<usize>> = edges.iter().map(|row| row.iter().map(|edge| edge.to).collect()).collect();
    match order::sort(&needs) {
        Ok(order) => Some(resolver.plan(&order, &mut edges, settings)),
        Err(cycles) => {
            cycles.iter().for_each(|cycle| resolver.report_cycle(cycle, &edges));
            None
        }
    }
}

impl<'a> Resolver<'a> {
    fn new(mut definitions: Vec<Definition>, report: &'a Report<'a>) -> Resolver<'a> {
        definitions.sort_by(|a, b| natural(&a.name, &b.name).then(a.at.cmp(&b.at)));
        let mut resolver = Resolver {
            report,
            names: BTreeMap::new(),
            drafts: Vec::new(),
            bundles: Vec::new(),
            members: Vec::new(),
        };
        let mut places: BTreeMap<Box<str>, At> = BTreeMap::new();
        for Definition { name, at, body } in definitions {
            if let Some(first) = places.insert(name.clone(), at) {
                let first = report.place(first);
                let message = format!("cannot define `{name}` twice: {first} makes it too; rename one");
                report.error(at, id!("D0202"), message);
                continue;
            }
            let target = match body {
                Body::Service(draft) => {
                    resolver.drafts.push(*draft);
                    Target::Service(resolver.drafts.len() - 1)
                }
                Body::Bundle(contents) => {
                    resolver.bundles.push(Bundle { name: name.clone(), contents });
                    Target::Bundle(resolver.bundles.len() - 1)
                }
                Body::Broken => Target::Broken,
            };
            resolver.names.insert(name, target);
        }
        resolver
    }

    fn find(&self, name: &str) -> Option<Target> {
        self.names.get(name).copied().or_else(|| {
            let template = name.find('@').and_then(|at| name.get(..=at))?;
            self.names.get(template).copied()
        })
    }

    /// `by` is the one that refers to it, which it will hardly have meant.
    fn unknown(&self, at: At, by: &str, verb: &str, name: &str) {
        let known = self.names.keys().map(|known| &**known);
        let known = known.filter(|known| !known.ends_with('@') && *known != by);
        let mut cure = did_you_mean(name, known);
        if cure.is_empty() {
            cure = format!("; add {name}.toml or remove the name");
        }
        self.report.error(at, id!("D0203"), format!("`{by}` {verb} unknown service `{name}`{cure}"));
    }

    /// Finds each bundle's services, those of inner bundles first.
    fn unfold(&mut self) -> Option<()> {
        let mut direct: Vec<Vec<usize>> = Vec::new();
        let mut inner: Vec<Vec<(usize, At)>> = Vec::new();
        for bundle in &self.bundles {
            let (mut services, mut bundles) = (Vec::new(), Vec::new());
            for (name, at) in &bundle.contents {
                match self.find(name) {
                    Some(Target::Service(index)) => services.push(index),
                    Some(Target::Bundle(index)) => bundles.push((index, *at)),
                    Some(Target::Broken) => (),
                    None => self.unknown(*at, &bundle.name, "contains", name),
                }
            }
            direct.push(services);
            inner.push(bundles);
        }
        let needs: Vec<Vec<usize>> =
            inner.iter().map(|row| row.iter().map(|&(index, _)| index).collect()).collect();
        let order = order::sort(&needs);
        let order = order.map_err(|cycles| self.report_bundle_cycles(&cycles, &inner)).ok()?;
        self.members = vec![Vec::new(); self.bundles.len()];
        for index in order {
            let mut all = direct.get_mut(index).map(std::mem::take).unwrap_or_default();
            for inner in needs.get(index).into_iter().flatten() {
                all.extend(self.members.get(*inner).into_iter().flatten());
            }
            all.sort_unstable();
            all.dedup();
            if let Some(members) = self.members.get_mut(index) {
                *members = all;
            }
        }
        Some(())
    }

    fn report_bundle_cycles(&self, cycles: &[Vec<usize>], inner: &[Vec<(usize, At)>]) {
        for cycle in cycles {
            let names = cycle.iter().chain(cycle.first()).filter_map(|&index| self.bundles.get(index));
            let path = names.map(|bundle| &*bundle.name).collect::<Vec<_>>().join(" -> ");
            let (Some(&first), Some(&second)) = (cycle.first(), cycle.get(1).or(cycle.first())) else {
                continue;
            };
            let edge = inner.get(first).and_then(|row| row.iter().find(|(to, _)| *to == second));
            if let Some((_, at)) = edge {
                let message = format!("bundles hold each other: {path}; remove one from another");
                self.report.error(*at, id!("D0601"), message);
            }
        }
    }

    /// One terminal cannot have two readers.
    fn check_terminal(&self) {
        let mut asking = self.drafts.iter().filter_map(|draft| Some((&draft.service.name, draft.tty_at?)));
        let Some((first, _)) = asking.next() else { return };
        for (name, at) in asking {
            let message = format!("stdin: `{name}` cannot have the terminal: `{first}` has it already");
            self.report.error(at, id!("D0602"), message);
        }
    }

    /// A stop that may take longer than all of the shutdown is cut short there.
    fn check_budget(&self, budget: Duration) {
        for draft in &self.drafts {
            let timeout = draft.service.stop.timeout;
            if let Some(at) = draft.stop_timeout_at.filter(|_| timeout > budget) {
                let message = format!(
                    "stop.timeout: {timeout:?} is longer than the whole shutdown may take ({budget:?}); raise `shutdown-timeout` in init.toml"
                );
                self.report.warning(at, id!("D0603"), message);
            }
        }
    }

    /// For each service, what comes before it: each once, with the strongest reason.
    fn edges(&self) -> Vec<Vec<Edge>> {
        let mut edges: Vec<Vec<Edge>> = self.drafts.iter().map(|_| Vec::new()).collect();
        for (from, draft) in self.drafts.iter().enumerate() {
            for link in &draft.links {
                let single;
                let targets: &[usize] = match self.find(&link.name) {
                    Some(Target::Service(index)) => {
                        single = [index];
                        &single
                    }
                    Some(Target::Bundle(index)) => {
                        self.members.get(index).map(Vec::as_slice).unwrap_or_default()
                    }
                    Some(Target::Broken) => continue,
                    None => {
                        self.unknown(link.at, &draft.service.name, verb(link.kind), &link.name);
                        continue;
                    }
                };
                self.connect(&mut edges, from, link, targets);
            }
        }
        for row in &mut edges {
            row.sort_by_key(|edge| (edge.to, edge.kind, edge.at));
            row.dedup_by_key(|edge| edge.to);
        }
        edges
    }

    fn connect(&self, edges: &mut [Vec<Edge>], from: usize, link: &Link, targets: &[usize]) {
        for &to in targets {
            if to == from {
                self.report_self(from, link);
                continue;
            }
            let turned = link.kind == LinkKind::Before;
            let (holder, to) = if turned { (to, from) } else { (from, to) };
            let kind = if turned { LinkKind::After } else { link.kind };
            if let Some(row) = edges.get_mut(holder) {
                row.push(Edge { to, kind, at: link.at, turned });
            }
        }
    }

    fn report_self(&self, from: usize, link: &Link) {
        let name = self.drafts.get(from).map(|draft| &*draft.service.name).unwrap_or_default();
        let through = match self.find(&link.name) {
            Some(Target::Bundle(_)) => format!(" through the bundle `{}`", link.name),
            _ => String::new(),
        };
        let message = format!("`{name}` {} itself{through}; remove it", verb(link.kind));
        self.report.error(link.at, id!("D0604"), message);
    }

    fn report_cycle(&self, cycle: &[usize], edges: &[Vec<Edge>]) {
        let name =
            |index: usize| self.drafts.get(index).map(|draft| &*draft.service.name).unwrap_or_default();
        let steps = cycle.iter().zip(cycle.iter().cycle().skip(1));
        let mut path = String::new();
        let mut reasons = Vec::new();
        let mut first = None;
        for (&from, &to) in steps {
            path.push_str(name(from));
            path.push_str(" -> ");
            let edge = edges.get(from).and_then(|row| row.iter().find(|edge| edge.to == to));
            let Some(edge) = edge else { continue };
            first = first.or(Some(edge.at));
            let (one, word, other) = match edge.turned {
                false => (from, edge.kind, to),
                true => (to, LinkKind::Before, from),
            };
            reasons.push(format!(
                "{} {} {} at {}",
                name(one),
                verb(word),
                name(other),
                self.report.place(edge.at)
            ));
        }
        path.push_str(cycle.first().map(|&index| name(index)).unwrap_or_default());
        if let Some(at) = first {
            let message = format!("dependency cycle {path}: {}; remove one", reasons.join(", "));
            self.report.error(at, id!("D0605"), message);
        }
    }

    /// Everything is resolved: numbers the services in their order.
    fn plan(self, order: &[usize], edges: &mut [Vec<Edge>], settings: Settings) -> Plan {
        let mut ids = vec![Id(0); order.len()];
        for (number, &index) in (0..).zip(order) {
            if let Some(id) = ids.get_mut(index) {
                *id = Id(number);
            }
        }
        let id = |index: usize| ids.get(index).copied();
        let mut drafts: Vec<Option<Service>> =
            self.drafts.into_iter().map(|draft| Some(draft.service)).collect();
        let mut services = Vec::with_capacity(order.len());
        for &index in order {
            let Some(mut service) = drafts.get_mut(index).and_then(Option::take) else { continue };
            for edge in edges.get(index).into_iter().flatten() {
                let list = match edge.kind {
                    LinkKind::Requires => &mut service.requires,
                    LinkKind::Wants => &mut service.wants,
                    LinkKind::After | LinkKind::Before => &mut service.after,
                };
                list.extend(id(edge.to));
            }
            for list in [&mut service.requires, &mut service.wants, &mut service.after] {
                list.sort_unstable();
                list.shrink_to_fit();
            }
            services.push(service);
        }
        let bundles = self.bundles.into_iter().zip(self.members).map(|(bundle, members)| {
            let mut members: Vec<Id> = members.into_iter().filter_map(id).collect();
            members.sort_unstable();
            (bundle.name.into_string(), members)
        });
        Plan { services, bundles: bundles.collect(), settings }
    }
}

fn verb(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::Requires => "requires",
        LinkKind::Wants => "wants",
        LinkKind::After => "starts after",
        LinkKind::Before => "starts before",
    }
}

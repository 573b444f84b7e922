//! From files to a plan: which file counts, what is laid over it, which instances a template has.
//!
//! Nothing in here reads a file, a clock or the process's environment: the same sources and variables give the same
//! plan, in whatever order the sources come.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::message_id::MessageId;
use super::model::{Log, Plan, Settings};
use super::problem::{Problem, Problems};
use super::read::{Claim, Item, Scope, Table};
use super::report::{At, Report};
use super::resolve::{Body, Definition, resolve};
use super::service::{Drafted, Pool, draft};
use super::settings::settings;
use super::source::{Environment, Role, Source, name_fault};
use super::suggest::did_you_mean;
use super::tree::{Tree, Value, parse};
use crate::id;

/// No container needs more of one service, and a slip of the pen must not fork thousands.
const MAX_INSTANCES: usize = 1000;

/// A name that no service can have.
const NAME: MessageId = id!("D0201");

/// Everything the compiler can say.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The plan, unless there are errors.
    pub plan: Option<Plan>,
    /// Errors and warnings.
    pub problems: Problems,
    /// What the plan says of the system, each with the problem it would be if it is not so (a warning, its message
    /// still empty).
    pub claims: Vec<(Problem, Claim)>,
}

/// Compiles the files of the services directories with the container's environment.
///
/// # Errors
/// Every problem of every file. (Warnings of a usable plan are for [`examine`].)
pub fn compile(sources: &[Source], environment: &Environment) -> Result<Plan, Problems> {
    compile_scaled(sources, environment, &[])
}

/// The same with other numbers of instances.
///
/// # Errors
/// Those of [`compile`], and a number for a template whose instances have names.
pub fn compile_scaled(
    sources: &[Source],
    environment: &Environment,
    scale: &[(String, usize)],
) -> Result<Plan, Problems> {
    let report = Report::new(sources);
    let plan = Compiler { scale, ..Compiler::new(sources, environment, &report, None) }.run();
    match plan {
        Some(plan) if !report.any_errors() => Ok(plan),
        _ => Err(report.into_problems()),
    }
}

/// The same for a person who wants to know everything: the warnings, and what is claimed of the system.
pub fn examine(sources: &[Source], environment: &Environment) -> Examined {
    let report = Report::new(sources);
    let claims = RefCell::default();
    let plan = Compiler::new(sources, environment, &report, Some(&claims)).run();
    let plan = plan.filter(|_| !report.any_errors());
    let claims = claims.take().into_iter().collect::<BTreeSet<(At, Claim)>>();
    let claims =
        claims.into_iter().map(|(at, claim)| (report.blank_warning(at, claim.id()), claim)).collect();
    Examined { plan, problems: report.into_problems(), claims }
}

/// The keys of one definition, drop-ins laid over it; `None` if there is none, or one that cannot be read.
pub(super) fn merged_tree<'a>(
    sources: &'a [Source],
    environment: &'a Environment,
    report: &'a Report<'a>,
    name: &str,
) -> Option<Tree<'a>> {
    let mut compiler = Compiler::new(sources, environment, report, None);
    compiler.gather();
    if let Some(&file) = compiler.files.get(name) {
        let base = compiler.tree(file);
        return compiler.merged(name, base);
    }
    let template = format!("{}@", name.split_once('@')?.0);
    let base = compiler.tree(*compiler.files.get(template.as_str())?);
    let tree = compiler.merged(&template, base);
    compiler.merged(name, tree)
}

struct Compiler<'a> {
    sources: &'a [Source],
    environment: &'a Environment,
    report: &'a Report<'a>,
    claims: Option<&'a RefCell<Vec<(At, Claim)>>>,
    /// The definition that counts for each name.
    files: BTreeMap<&'a str, u32>,
    /// The drop-ins for each name, in the order in which they are laid over it.
    drop_ins: BTreeMap<&'a str, Vec<u32>>,
    /// How services log that do not say it themselves.
    log: Log,
    /// Numbers of instances that count in place of what definitions say.
    scale: &'a [(String, usize)],
    pool: Pool,
    definitions: Vec<Definition>,
}

impl<'a> Compiler<'a> {
    fn new(
        sources: &'a [Source],
        environment: &'a Environment,
        report: &'a Report<'a>,
        claims: Option<&'a RefCell<Vec<(At, Claim)>>>,
    ) -> Compiler<'a> {
        Compiler {
            sources,
            environment,
            report,
            claims,
            files: BTreeMap::new(),
            drop_ins: BTreeMap::new(),
            log: Settings::default().log,
            scale: &[],
            pool: Pool::default(),
            definitions: Vec::new(),
        }
    }

    fn run(mut self) -> Option<Plan> {
        self.gather();
        let settings = self.settings();
        self.log = settings.log;
        for (name, file) in std::mem::take(&mut self.files) {
            self.define(name, file);
        }
        self.check_left_over();
        resolve(self.definitions, settings, self.report)
    }

    /// Sorts the sources by what they are for: later directories win, drop-ins go by directory, then name.
    fn gather(&mut self) {
        let mut order: Vec<(u32, Role<'a>, u32)> = (0..)
            .zip(self.sources)
            .filter_map(|(file, source)| Some((source.layer, Role::of(&source.path)?, file)))
            .collect();
        order.sort();
        for (_, role, file) in order {
            match role {
                Role::Definition(name) => drop(self.files.insert(name, file)),
                Role::DropIn(name, _) => self.drop_ins.entry(name).or_default().push(file),
            }
        }
    }

    /// A file's tree; `None` if it has none, which is reported.
    fn tree(&self, file: u32) -> Option<Tree<'a>> {
        match self.sources.get(file as usize)?.utf8(file) {
            Ok(text) => parse(file, text, self.report),
            Err((at, id, message)) => {
                self.report.error(at, id, message);
                None
            }
        }
    }

    /// A definition with its drop-ins laid over it; `None` if any of them cannot be read.
    fn merged(&mut self, name: &str, base: Option<Tree<'a>>) -> Option<Tree<'a>> {
        let drop_ins = self.drop_ins.remove(name).unwrap_or_default();
        // All are read, so that all their problems are seen.
        let over: Vec<Option<Tree>> = drop_ins.into_iter().map(|file| self.tree(file)).collect();
        let mut tree = base?;
        for over in over {
            tree.merge(over?);
        }
        Some(tree)
    }

    fn settings(&mut self) -> Settings {
        let file = self.files.remove("init");
        if file.is_none() && !self.drop_ins.contains_key("init") {
            return Settings::default();
        }
        let at = At::new(file.or_else(|| self.drop_ins.get("init")?.first().copied()).unwrap_or_default(), 0);
        let base = file.map_or_else(|| Some(Tree::default()), |file| self.tree(file));
        let Some(tree) = self.merged("init", base) else { return Settings::default() };
        settings(&self.scope(&[]), at, &tree)
    }

    fn scope<'b>(&'b self, own: &'b [(&'static str, &'b str)]) -> Scope<'b> {
        Scope { report: self.report, environment: self.environment, own, log: self.log, claims: self.claims }
    }

    fn define(&mut self, name: &'a str, file: u32) {
        let at = At::new(file, 0);
        let template = name.strip_suffix('@');
        if let Some(fault) = name_fault(template.unwrap_or(name)).or_else(|| name_fault(name)) {
            self.report.error(at, NAME, fault);
            self.drop_ins.remove(name);
            return;
        }
        let base = self.tree(file);
        let tree = self.merged(name, base);
        match (template, tree) {
            (Some(base), Some(tree)) => self.template(base, at, &tree),
            (None, Some(tree)) => self.plain(name, at, &tree),
            (_, None) => self.add_broken(name, at),
        }
    }

    fn add(&mut self, name: &str, at: At, body: Body) {
        self.definitions.push(Definition { name: name.into(), at, body });
    }

    /// A definition that says nothing, and of a template its bundle and instances too.
    fn add_broken(&mut self, name: &str, at: At) {
        if let Some(base) = name.strip_suffix('@') {
            self.add(base, at, Body::Broken);
        }
        self.add(name, at, Body::Broken);
    }

    fn plain(&mut self, name: &str, at: At, tree: &Tree<'_>) {
        let of_templates = ["instances", FALLBACK];
        if let Some((key, entry)) = of_templates.iter().find_map(|key| Some((key, tree.get(key)?))) {
            let message = format!("`{key}` is only for templates, as in {name}@.toml");
            self.report.error(entry.at, id!("D0318"), message);
        }
        let body = self.draft(name, at, tree, &[("SERVICE", name)]);
        self.add(name, at, body);
    }

    fn draft(&mut self, name: &str, at: At, tree: &Tree<'_>, own: &[(&'static str, &str)]) -> Body {
        let mut pool = std::mem::take(&mut self.pool);
        let drafted = draft(&self.scope(own), name, at, tree, &mut pool);
        self.pool = pool;
        match drafted {
            Drafted::Service(draft) => Body::Service(draft),
            Drafted::Bundle(contents) => Body::Bundle(contents),
        }
    }

    /// `w@.toml`: its instances, and the bundle `w` of them.
    fn template(&mut self, base: &str, at: At, tree: &Tree<'a>) {
        if let Some(entry) = tree.get("type")
            && matches!(&entry.node.value, Value::String(text) if text == "bundle")
        {
            let message = "a template cannot be a bundle; its instances already are one";
            self.report.error(entry.node.at, id!("D0319"), message);
            self.add_broken(&format!("{base}@"), at);
            return;
        }
        let other = self.scale.iter().find(|(name, _)| name == base).map(|&(_, count)| count);
        let Some(instances) = instances(&self.scope(&[("TEMPLATE", base)]), base, at, tree, other) else {
            self.add_broken(&format!("{base}@"), at);
            return;
        };
        let mut contents = Vec::new();
        for instance in &instances {
            let name = format!("{base}@{instance}");
            if let Some(fault) = name_fault(&name) {
                self.report.error(at, NAME, fault);
                continue;
            }
            let own = [("SERVICE", &*name), ("TEMPLATE", base), ("INSTANCE", instance)];
            let body = if self.drop_ins.contains_key(name.as_str()) {
                match self.merged(&name, Some(tree.clone())) {
                    Some(tree) => self.draft(&name, at, &tree, &own),
                    None => Body::Broken,
                }
            } else {
                self.draft(&name, at, tree, &own)
            };
            self.add(&name, at, body);
            contents.push((name.into_boxed_str(), at));
        }
        self.add(base, at, Body::Bundle(contents));
    }

    /// Drop-ins for what does not exist.
    fn check_left_over(&self) {
        for (name, files) in &self.drop_ins {
            let known = self.definitions.iter().map(|definition| &*definition.name);
            let cure = did_you_mean(name, known);
            for &file in files {
                let message = format!("cannot add to `{name}`: there is no {name}.toml{cure}");
                self.report.error(At::new(file, 0), id!("D0204"), message);
            }
        }
    }
}

/// How many instances there are where `instances` is no number: its variable is then for a oneshot to refuse, which can
/// tell all that is wrong at once.
const FALLBACK: &str = "instances-fallback";

/// The names of a template's instances; `None` if they are wrong or missing, which is reported.
fn instances(
    scope: &Scope<'_>,
    base: &str,
    at: At,
    tree: &Tree<'_>,
    other: Option<usize>,
) -> Option<Vec<String>> {
    let table = Table::new(scope, "", at, tree);
    let Some(item) = table.peek("instances") else {
        let message = format!("a template needs `instances`: a number, or a list of names for {base}@NAME");
        table.missing(id!("D0320"), &message);
        return None;
    };
    if let Some(count) = other {
        if item.is_list() || count > MAX_INSTANCES {
            let cure = format!("must be a number, at most {MAX_INSTANCES}, for another number of them");
            return item.wrong(id!("D0501"), cure);
        }
        return Some((1..=count).map(|number| number.to_string()).collect());
    }
    if !item.is_list() {
        let counts = 0..=MAX_INSTANCES as i64;
        let fallback = match table.peek(FALLBACK) {
            Some(fallback) => Some(fallback.number(counts.clone())?),
            None => None,
        };
        let count: usize = match fallback {
            Some(count) if !item.fits(counts.clone()) => count,
            _ => item.number(counts)?,
        };
        return Some((1..=count).map(|number| number.to_string()).collect());
    }
    let items = item.list()?;
    if items.len() > MAX_INSTANCES {
        return item.wrong(id!("D0502"), format!("must be at most {MAX_INSTANCES} names"));
    }
    let mut names = BTreeSet::new();
    let mut unique = |item: &Item<'_>| {
        let name = instance_name(item)?;
        if names.insert(name.clone()) {
            Some(name)
        } else {
            item.wrong(id!("D0503"), format!("`{name}` is named twice"))
        }
    };
    let read: Vec<Option<String>> = items.iter().map(&mut unique).collect();
    read.into_iter().collect()
}

fn instance_name(item: &Item<'_>) -> Option<String> {
    if let Value::Integer(_) = item.node.value {
        return item.integer(0..=i64::MAX).map(|number| number.to_string());
    }
    item.parsed(id!("D0504"), |text| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let ok = !text.is_empty() && text.bytes().all(fits);
        if ok {
            Ok(text.to_owned())
        } else {
            Err(format!("cannot name an instance `{text}`: use A-Z a-z 0-9 _ . -"))
        }
    })
}

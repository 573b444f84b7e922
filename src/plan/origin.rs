//! Where each key of a service comes from: the file that says it last, and the variables in it.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::Serialize;

use super::compile::merged_tree;
use super::expand::expand;
use super::report::Report;
use super::source::{Environment, Source};
use super::tree::{Node, Tree, Value};

/// A key of a definition, and where it comes from.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Origin {
    /// With the tables it is in: `restart.delay`.
    pub key: String,
    /// Its value as TOML, variables replaced.
    pub value: String,
    /// The file.
    pub file: String,
    /// The line in it.
    pub line: usize,
    /// The variables that its value was made with, set or not.
    pub variables: Vec<String>,
}

/// Every key of the definition of a service, template instance or bundle, in the order in which they are written; `None` if it
/// has none, or one that cannot be read.
pub fn origins(sources: &[Source], environment: &Environment, name: &str) -> Option<Vec<Origin>> {
    let report = Report::new(sources);
    let tree = merged_tree(sources, environment, &report, name)?;
    let (template, instance) = name.split_once('@').unzip();
    let own = [("SERVICE", Some(name)), ("TEMPLATE", template), ("INSTANCE", instance)];
    let lookup = |variable: &str| {
        let own = own.iter().find(|(key, _)| *key == variable).and_then(|(_, value)| *value);
        own.or_else(|| environment.get(variable).map(String::as_str))
    };
    let mut found = Vec::new();
    collect(&tree, "", &report, &lookup, &mut found);
    found.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    Some(found.into_iter().map(|(_, _, origin)| origin).collect())
}

type Placed = (String, u32, Origin);

fn collect<'v>(
    tree: &Tree<'_>,
    prefix: &str,
    report: &Report<'_>,
    lookup: &dyn Fn(&str) -> Option<&'v str>,
    found: &mut Vec<Placed>,
) {
    for entry in &tree.entries {
        let key = format!("{prefix}{}", entry.key);
        if let Value::Table(inner) = &entry.node.value {
            collect(inner, &format!("{key}."), report, lookup, found);
            continue;
        }
        let variables = RefCell::default();
        let value = written(&entry.node, lookup, &variables);
        let (file, line, _) = report.locate(entry.at);
        let variables = variables.into_inner().into_iter().collect();
        let origin = Origin { key, value, file: file.to_owned(), line, variables };
        found.push((file.to_owned(), entry.at.offset, origin));
    }
}

/// A value as TOML. What cannot be expanded stays as it is written.
fn written<'v>(
    node: &Node<'_>,
    lookup: &dyn Fn(&str) -> Option<&'v str>,
    variables: &RefCell<BTreeSet<String>>,
) -> String {
    match &node.value {
        Value::String(text) => {
            let noting = |name: &str| {
                variables.borrow_mut().insert(name.to_owned());
                lookup(name)
            };
            quoted(&expand(text, &noting).unwrap_or_else(|_| text.clone()))
        }
        Value::Integer(number) => number.map_or_else(|| "?".to_owned(), |number| number.to_string()),
        Value::Float(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Datetime => "?".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| written(item, lookup, variables)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(tree) => {
            let inner = |entry: &super::tree::Entry<'_>| {
                format!("{} = {}", entry.key, written(&entry.node, lookup, variables))
            };
            format!("{{ {} }}", tree.entries.iter().map(inner).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sources: &[Source], name: &str) -> Vec<String> {
        let environment = Environment::from([("DELAY".into(), "3s".into())]);
        let line = |origin: Origin| {
            let variables = origin.variables.join(" ");
            format!("{} = {} {}:{} {variables}", origin.key, origin.value, origin.file, origin.line)
        };
        origins(sources, &environment, name).unwrap().into_iter().map(line).collect()
    }

    #[test]
    fn each_key_comes_from_the_file_that_says_it_last() {
        let sources = [
            Source::new(
                "web.toml",
                "exec = [\"web\", \"${PORT:-80}\"]\n[restart]\ndelay = \"1s\"\njitter = 5",
            ),
            Source::new("web.d/10.toml", "[restart]\ndelay = \"${DELAY}\"")
                .in_layer(1, "/over/web.d/10.toml"),
        ];
        assert_eq!(
            shown(&sources, "web"),
            [
                "restart.delay = \"3s\" /over/web.d/10.toml:2 DELAY",
                "exec = [\"web\", \"80\"] web.toml:1 PORT",
                "restart.jitter = 5 web.toml:4 ",
            ]
        );
    }

    #[test]
    fn instances_have_the_keys_of_their_template_and_their_own() {
        let sources = [
            Source::new("w@.toml", "exec = [\"w\", \"${INSTANCE}\"]\ninstances = 2"),
            Source::new("w@2.d/x.toml", "nice = 5"),
        ];
        assert_eq!(
            shown(&sources, "w@1"),
            ["exec = [\"w\", \"1\"] w@.toml:1 INSTANCE", "instances = 2 w@.toml:2 "]
        );
        assert_eq!(shown(&sources, "w@2").len(), 3);
        assert_eq!(origins(&sources, &Environment::new(), "other"), None);
    }
}

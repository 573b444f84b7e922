//! What holds of the compiler for whatever it is given.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use init_plan::expand::expand;
use init_plan::{Environment, Plan, Source, check_text, compile};
use proptest::prelude::*;

/// Pieces of TOML that are nearly right: random bytes alone never get past the parser.
fn fragment() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "type",
        "exec",
        "requires",
        "after",
        "before",
        "restart",
        "ready",
        "health",
        "stop",
        "env",
        "limits",
        "limit",
        "instances",
        "contents",
        "start-if",
        "user",
        "umask",
        "http",
        "tcp",
        "log",
        "fd",
        "set",
        "timeout",
        "nofile",
        "header",
        "status",
        "down",
        "finish",
        "cgroup",
        "memory",
        "cpu",
        "factor",
        "jitter",
        "signal",
    ]);
    let value = prop::sample::select(vec![
        "'fuzz'",
        "['fuzz']",
        "[]",
        "{}",
        "1",
        "-1",
        "9223372036854775807",
        "1e308",
        "nan",
        "inf",
        "true",
        "'5s'",
        "'${A:-${B}}'",
        "'${'",
        "['a', ['b']]",
        "1979-05-27",
        "'(x'",
        "'http://x/'",
        "'99999999999999999999'",
        "'oneshot'",
        "'bundle'",
        "{ a = { b = 1 } }",
        "'\u{0}'",
        "'é'",
        "0x7f",
        "[[]]",
        "'100%'",
        "'never'",
        "''",
    ]);
    prop_oneof![
        4 => (key.clone(), value).prop_map(|(key, value)| format!("{key} = {value}\n")),
        1 => key.clone().prop_map(|key| format!("[{key}]\n")),
        1 => (key.clone(), key).prop_map(|(a, b)| format!("[{a}.{b}]\n")),
        1 => ".{0,20}\n",
    ]
}

fn environment() -> Environment {
    [("A", "a"), ("EMPTY", ""), ("N", "3")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// A graph without cycles: each service refers to services with smaller numbers only.
fn graph() -> impl Strategy<Value = Vec<Vec<(usize, u8)>>> {
    prop::collection::vec(prop::collection::vec((any::<usize>(), 0..4_u8), 0..5), 1..40).prop_map(|rows| {
        let bounded = |(node, row): (usize, Vec<(usize, u8)>)| {
            if node == 0 { Vec::new() } else { row.into_iter().map(|(to, kind)| (to % node, kind)).collect() }
        };
        rows.into_iter().enumerate().map(bounded).collect()
    })
}

/// Files whose names say nothing of the order, but for ties.
fn name(node: usize) -> String {
    format!("s{}", (node * 7919) % 1009)
}

fn files(graph: &[Vec<(usize, u8)>]) -> Vec<Source> {
    let mut lists: BTreeMap<(usize, &str), BTreeSet<String>> = BTreeMap::new();
    for (node, row) in graph.iter().enumerate() {
        for &(to, kind) in row {
            let (owner, key, other) = match kind {
                0 => (node, "requires", to),
                1 => (node, "wants", to),
                2 => (node, "after", to),
                _ => (to, "before", node),
            };
            lists.entry((owner, key)).or_default().insert(format!("'{}'", name(other)));
        }
    }
    let file = |node: usize| {
        let mut text = "exec = ['x']\n".to_owned();
        for ((_, key), names) in lists.iter().filter(|((owner, _), _)| *owner == node) {
            text += &format!("{key} = [{}]\n", names.iter().cloned().collect::<Vec<_>>().join(", "));
        }
        Source::new(&format!("{}.toml", name(node)), text)
    };
    (0..graph.len()).map(file).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = check_text(&bytes, &environment());
    }

    #[test]
    fn nearly_right_files_never_panic(fragments in prop::collection::vec(fragment(), 0..12)) {
        let text = fragments.concat();
        let files = [
            Source::new("a.toml", "exec = ['x']\nafter = ['fuzz']"),
            Source::new("fuzz.toml", text.as_str()),
            Source::new("w@.toml", format!("instances = 2\n{text}")),
            Source::new("w@1.d/x.toml", text.as_str()),
            Source::new("init.toml", text.as_str()),
        ];
        if let Err(problems) = compile(&files, &environment()) {
            prop_assert!(problems.any_errors());
            for problem in problems.iter() {
                prop_assert!(!problem.to_string().contains('\n'));
            }
        }
    }

    #[test]
    fn text_without_a_dollar_stays_as_it_is(text in "[^$]{0,40}") {
        let same = expand(&text, &|_| None);
        prop_assert_eq!(same.as_deref(), Ok(text.as_str()));
    }

    #[test]
    fn doubled_dollars_give_the_text_back(text in ".{0,40}") {
        let doubled = text.replace('$', "$$");
        let back = expand(&doubled, &|_| None);
        prop_assert_eq!(back.as_deref(), Ok(text.as_str()));
    }

    #[test]
    fn value_is_put_in_as_it_is(before in "[^$]{0,10}", value in ".{1,20}", after in "[^$]{0,10}") {
        let lookup = |name: &str| (name == "V").then_some(value.as_str());
        let whole = format!("{before}{value}{after}");
        for form in ["${V}", "${V:-x}", "${V:+${V}}", "${X:-${V}}"] {
            let out = expand(&format!("{before}{form}{after}"), &lookup).unwrap().into_owned();
            prop_assert_eq!(&out, &whole);
        }
    }

    #[test]
    fn random_expansions_never_panic(text in r"(\$|\{|\}|:|-|\+|A|EMPTY|x|é){0,40}") {
        let environment = environment();
        let _ = expand(&text, &|name| environment.get(name).map(String::as_str));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn graph_without_cycles_is_in_dependency_order(graph in graph()) {
        let plan = compile(&files(&graph), &environment()).unwrap();
        prop_assert_eq!(plan.services.len(), graph.len());
        for (index, service) in plan.services.iter().enumerate() {
            let ids: Vec<_> = service.dependencies().collect();
            prop_assert!(ids.iter().all(|id| id.index() < index));
            prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        }
        for (node, row) in graph.iter().enumerate() {
            let service = plan.get(plan.lookup(&name(node)).unwrap()[0]).unwrap();
            for &(to, _) in row {
                prop_assert!(service.dependencies().any(|id| id == plan.lookup(&name(to)).unwrap()[0]));
            }
        }
        let same = Plan::new(plan.services.clone(), plan.bundles.clone(), plan.settings.clone());
        prop_assert_eq!(same, Ok(plan));
    }

    #[test]
    fn order_of_the_files_changes_nothing(
        (sorted, shuffled) in graph().prop_map(|graph| files(&graph)).prop_flat_map(|files| {
            (Just(files.clone()), Just(files).prop_shuffle())
        })
    ) {
        prop_assert_eq!(compile(&sorted, &environment()), compile(&shuffled, &environment()));
    }

    #[test]
    fn edge_that_closes_a_cycle_is_reported(graph in graph(), pick in any::<usize>()) {
        let mut graph = graph;
        let used: Vec<(usize, usize)> =
            graph.iter().enumerate().flat_map(|(node, row)| row.iter().map(move |&(to, _)| (node, to))).collect();
        prop_assume!(!used.is_empty());
        let (node, to) = used[pick % used.len()];
        graph[to].push((node, 0));
        let problems = compile(&files(&graph), &environment()).unwrap_err();
        let all = problems.iter().all(|problem| problem.message.starts_with("dependency cycle"));
        prop_assert!(all && problems.any_errors(), "{}", problems);
    }
}

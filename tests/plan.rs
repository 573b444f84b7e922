//! The compiler of `services.d`, from outside: what it makes of right files.

use std::time::Duration;

use pulp_init::plan::{Environment, Id, Plan, Problems, Source, compile};

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn build(files: &[(&str, &str)]) -> Result<Plan, Problems> {
    let sources: Vec<Source> = files.iter().map(|&(path, text)| Source::new(path, text)).collect();
    compile(&sources, &environment(&[("WORKERS", "3"), ("EMPTY", "")]))
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.services.iter().map(|service| &*service.name).collect()
}

#[test]
fn dependencies_stand_before_their_dependents_and_ties_go_by_name() {
    let plan = build(&[
        ("web.toml", "exec = ['web']\nrequires = ['db']\nafter = ['db', 'cache']\nwants = ['cache']"),
        ("cache.toml", "exec = ['cache']\nbefore = ['db']"),
        ("db.toml", "exec = ['db']"),
        ("alone.toml", "exec = ['alone']"),
    ])
    .unwrap();
    assert_eq!(names(&plan), ["alone", "cache", "db", "web"]);
    assert_eq!(plan.services[2].after, [Id(1)]);
    assert_eq!(plan.services[3].requires, [Id(2)]);
    assert_eq!(plan.services[3].wants, [Id(1)]);
    assert!(plan.services[3].after.is_empty());
}

#[test]
fn template_makes_its_instances_and_a_bundle_of_them() {
    let plan = build(&[
        ("w@.toml", "exec = ['w', '${INSTANCE}', '${TEMPLATE}', '${SERVICE}']\ninstances = '${WORKERS:-2}'"),
        ("all.toml", "type = 'bundle'\ncontents = ['w', 'x']"),
        ("x.toml", "exec = ['x']\nrequires = ['w']"),
        ("w@2.d/slow.toml", "[stop]\ntimeout = '7s'"),
    ])
    .unwrap();
    assert_eq!(names(&plan), ["w@1", "w@2", "w@3", "x"]);
    assert_eq!(plan.lookup("w"), Some(vec![Id(0), Id(1), Id(2)]));
    assert_eq!(plan.lookup("all").map(|ids| ids.len()), Some(4));
    assert_eq!(plan.services[3].requires.len(), 3);
    assert_eq!(plan.services[1].exec.iter().map(|word| &**word).collect::<Vec<_>>(), ["w", "2", "w", "w@2"]);
    assert_eq!(plan.services[1].stop.timeout, Duration::from_secs(7));
    assert!(std::sync::Arc::ptr_eq(&plan.services[0].process, &plan.services[2].process));
}

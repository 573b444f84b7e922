//! An image like those that people derive, translated and compiled with definitions like ours.

use std::path::{Path, PathBuf};

use init_plan::load::Directory;
use init_plan::{Environment, Kind, Log, Plan, Ready, Service, Source, compile};

use super::fit::fitting;
use super::places::Places;
use super::*;

/// What stands for the definitions of the image.
const OURS: &[(&str, &str)] = &[
    ("variables.toml", "type = 'oneshot'\nexec = ['true']"),
    ("migrations.toml", "type = 'oneshot'\nexec = ['true']\nrequires = ['variables']"),
    ("pulp-api.toml", "exec = ['api']\nrequires = ['migrations']"),
    ("pulp-content.toml", "exec = ['content']\nrequires = ['migrations']"),
    ("nginx.toml", "exec = ['nginx']\nafter = ['pulp-api']"),
];

fn image() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/s6/image")
}

fn environment(more: &[(&str, &str)]) -> Environment {
    let all = [("PATH", "/usr/bin:/bin")].iter().chain(more);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The image's services beside these definitions, and the plan of all.
fn beside(definitions: &[(&str, &str)], more: &[(&str, &str)]) -> (Translation, Plan) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in definitions {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let environment = environment(more);
    let places = Places::find(&image(), &environment).unwrap();
    let directories = [Directory::named(dir.path())];
    let made = fitting(&places, &environment, &directories);
    let ours = made.files.iter().map(|(file, text)| Source::new(file, text.as_bytes()));
    let theirs = definitions.iter().map(|(name, text)| Source::new(name, text.as_bytes()).in_layer(1, name));
    let plan = compile(&ours.chain(theirs).collect::<Vec<_>>(), &environment).unwrap();
    (made, plan)
}

fn get<'a>(plan: &'a Plan, name: &str) -> &'a Service {
    let ids = plan.lookup(name).unwrap_or_else(|| panic!("there is no {name}"));
    plan.get(ids[0]).unwrap()
}

fn names(plan: &Plan, ids: &[init_plan::Id]) -> Vec<String> {
    ids.iter().map(|&id| plan.get(id).unwrap().name.to_string()).collect()
}

#[test]
fn longrun_is_run_as_s6_runs_it() {
    let (_, plan) = beside(OURS, &[]);
    let exporter = get(&plan, "exporter");
    let words: Vec<&str> = exporter.exec.iter().map(|word| &**word).collect();
    assert_eq!(words, ["./run", "exporter"]);
    let cwd = exporter.process.cwd.as_ref().unwrap();
    assert_eq!(cwd, Path::new("/etc/s6-overlay/s6-rc.d/exporter"));
    let mut requires = names(&plan, &exporter.requires);
    requires.sort();
    assert_eq!(requires, ["migrations", "prepare", "pulp-api"]);
    assert_eq!(exporter.ready, Ready::Fd(3));
    assert_eq!(exporter.stop.signal.to_string().trim_start_matches("SIG"), "INT");
    assert_eq!(exporter.stop.timeout.as_millis(), 2500);
    assert_eq!(exporter.start_timeout.unwrap().as_secs(), 60);
    assert_eq!(exporter.process.env.inherit, init_plan::Inherit::Only(vec!["PATH".into()]));
    assert!(exporter.finish.as_ref().unwrap().exec.contains(&"./finish".into()) && exporter.autostart);
    assert_eq!(exporter.process.log, None::<Log>);
    // It waits for ever, as in s6.
    assert_eq!(get(&plan, "watcher").start_timeout, None);
}

#[test]
fn script_that_is_not_executable_or_whose_interpreter_is_elsewhere_is_run_by_its_interpreter() {
    let (_, plan) = beside(OURS, &[]);
    let words: Vec<&str> = get(&plan, "watcher").exec.iter().map(|word| &**word).collect();
    assert_eq!(words, ["/usr/bin/with-contenv", "bash", "./run", "watcher"]);
    // It asks for the container's environment by itself.
    assert_eq!(get(&plan, "watcher").process.env.inherit, init_plan::Inherit::All);
}

#[test]
fn oneshot_is_a_line_and_its_undoing() {
    let (_, plan) = beside(OURS, &[]);
    let prepare = get(&plan, "prepare");
    assert_eq!(prepare.kind, Kind::Oneshot);
    assert_eq!(prepare.exec.join(" "), "/etc/init/prepare --all");
    assert_eq!(prepare.start_timeout.unwrap().as_secs(), 30);
    let down = prepare.down.as_ref().unwrap();
    assert_eq!((down.exec.join(" "), down.timeout), ("/etc/init/undo".to_owned(), None));
    assert_eq!(names(&plan, &prepare.after).last().unwrap(), "cont-init-10-second.sh");
}

#[test]
fn scripts_come_before_ours_and_after_each_other_and_old_services_come_last() {
    let (_, plan) = beside(OURS, &[]);
    let after = |name: &str| names(&plan, &get(&plan, name).after);
    assert!(after("cont-init-01-first").contains(&"fix-attrs".to_owned()));
    assert!(after("cont-init-10-second.sh").contains(&"cont-init-01-first".to_owned()));
    for step in ["fix-attrs", "cont-init-01-first", "cont-init-10-second.sh", "cont-finish-01-last"] {
        assert!(after("variables").contains(&step.to_owned()), "{step}");
    }
    let old = after("old");
    for earlier in ["nginx", "pulp-content", "exporter", "prepare", "cont-init-01-first"] {
        assert!(old.contains(&earlier.to_owned()), "{earlier}: {old:?}");
    }
    // What starts first stops last, and then the first script is the first.
    assert!(after("cont-finish-01-last").contains(&"cont-finish-02-very-last".to_owned()));
    assert!(after("exporter").contains(&"cont-finish-01-last".to_owned()));
    assert_eq!(
        get(&plan, "cont-finish-01-last").down.as_ref().unwrap().exec.join(""),
        "/etc/cont-finish.d/01-last"
    );
    assert!(!get(&plan, "off").autostart && get(&plan, "old").stop.timeout.as_millis() == 3000);
}

#[test]
fn only_what_the_bundle_user_holds_starts_at_boot() {
    let (made, plan) = beside(OURS, &[]);
    assert!(!get(&plan, "idle").autostart && get(&plan, "watcher").autostart);
    assert!(made.lines.iter().any(|line| line.starts_with("idle: not started at boot")), "{:#?}", made.lines);
    assert_eq!(plan.lookup("monitoring").unwrap().len(), 2);
    assert!(plan.lookup("user").unwrap().len() >= 4 && plan.lookup("legacy-services").is_some());
}

#[test]
fn what_cannot_run_is_named_with_the_definition_to_write() {
    let (made, plan) = beside(OURS, &[]);
    let line = |start: &str| {
        let found = made.lines.iter().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no line about {start}: {:#?}", made.lines)).clone()
    };
    let said = line("needs-execline: not started");
    for part in [
        "execline in the image",
        "/etc/services.d/needs-execline.toml",
        "exec = [",
        "requires = [\"pulp-content\"]",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(line("execline: not started").contains("written in execline"));
    assert!(line("exporter: starts without gone").contains("does not exist"));
    assert!(line("exporter: the file max-death-tally").contains("[restart] limit"));
    assert!(line("nginx: there is a definition").contains("is not used"));
    assert!(line("broken: ").contains("type"));
    assert!(plan.lookup("needs-execline").is_none() && get(&plan, "nginx").exec.len() == 1);
}

#[test]
fn pipeline_has_a_fifo_between_its_ends() {
    let (_, plan) = beside(OURS, &[]);
    let script = |name: &str| get(&plan, name).exec[2].to_string();
    assert!(script("writer").contains("exec 1<>/run/s6/pipes/reader"), "{}", script("writer"));
    assert!(script("reader").contains("exec 0<>/run/s6/pipes/reader"));
    assert!(names(&plan, &get(&plan, "writer").requires).contains(&"reader".to_owned()));
    assert!(script("old").contains("1<>/run/s6/pipes/old-log") && script("old-log").contains("0<>"));
}

#[test]
fn definition_of_ones_own_replaces_that_from_s6_and_a_drop_in_changes_it() {
    let mine =
        [OURS, &[("needs-execline.toml", "exec = ['mine']"), ("exporter.d/x.toml", "nice = 3")]].concat();
    let (made, plan) = beside(&mine, &[]);
    assert_eq!(&*get(&plan, "needs-execline").exec[0], "mine");
    assert_eq!(get(&plan, "exporter").process.nice, Some(3));
    assert!(!made.lines.iter().any(|line| line.contains("not started: it needs")), "{:#?}", made.lines);
    // What stands beside it is still known: nothing is replaced by accident.
    assert_eq!(&*get(&plan, "nginx").exec[0], "nginx");
}

#[test]
fn what_would_break_the_plan_is_left_out_and_told() {
    let mine = [OURS, &[("prepare.d/x.toml", "requires = ['exporter']")]].concat();
    // The drop-in is a person's, and makes a circle out of what comes from s6.
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in &mine {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let environment = environment(&[]);
    let places = Places::find(&image(), &environment).unwrap();
    let made = fitting(&places, &environment, &[Directory::named(dir.path())]);
    assert!(
        made.lines.iter().any(|line| line.contains("not started: dependency cycle")),
        "{:#?}",
        made.lines
    );
}

#[test]
fn variables_of_s6_overlay_count() {
    let (made, plan) =
        beside(OURS, &[("S6_KEEP_ENV", "1"), ("S6_BEHAVIOUR_IF_STAGE2_FAILS", "2"), ("S6_LOGGING", "1")]);
    assert_eq!(get(&plan, "exporter").process.env.inherit, init_plan::Inherit::All);
    assert!(get(&plan, "cont-init-01-first").essential && get(&plan, "prepare").essential);
    assert_eq!(made.lines.iter().filter(|line| line.contains("S6_LOGGING")).count(), 1);
    let (_, plan) = beside(OURS, &[]);
    assert!(!get(&plan, "cont-init-01-first").essential);
}

#[test]
fn image_without_anything_of_s6_gives_nothing() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("etc/services.d/ours.d")).unwrap();
    let places = Places::find(root.path(), &environment(&[])).unwrap();
    assert_eq!(fitting(&places, &environment(&[]), &[]), Translation::default());
    assert!(Places::find(&root.path().join("etc"), &environment(&[])).unwrap_err().contains("nothing of s6"));
}

#[test]
fn directory_of_service_directories_is_enough_outside_an_image() {
    let services = image().join("etc/s6-overlay/s6-rc.d");
    let places = Places::find(&services, &environment(&[])).unwrap();
    let made = fitting(&places, &environment(&[]), &[]);
    // Names of upstream's services are believed where there is no plan to look into.
    let exporter = &made.files["exporter.toml"];
    assert!(exporter.contains(r#"requires = ["migrations", "pulp-api"]"#), "{exporter}");
    assert!(!made.files.contains_key("cont-init-01-first.toml"));
}

#[test]
fn name_that_no_service_may_have_is_told() {
    let root = tempfile::tempdir().unwrap();
    let services = root.path().join("etc/s6-overlay/s6-rc.d");
    for name in ["cmd", "with space", "a;b", "fine"] {
        let directory = services.join(name);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("type"), "oneshot\n").unwrap();
        std::fs::write(directory.join("up"), "").unwrap();
    }
    let places = Places::find(root.path(), &environment(&[])).unwrap();
    let made = fitting(&places, &environment(&[]), &[]);
    assert_eq!(made.files.keys().collect::<Vec<_>>(), ["fine.toml", "s6-environment.toml"]);
    assert_eq!(made.lines.iter().filter(|line| line.contains("no service can have this name")).count(), 3);
}

//! Services directories on a disk, and other numbers of instances than they say.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use init_plan::load::{
    DEFAULT_SERVICES, Directory, default_directories, environment, inspect, load, load_scaled, read,
};
use init_plan::source::MAX_SIZE;
use init_plan::{Environment, Source, check_text, examine};

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn messages(directories: &[Directory]) -> Vec<String> {
    match load(directories, &Environment::new()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn later_directory_replaces_files_and_drop_ins_of_all_are_laid_over() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "one/web.toml", "exec = ['old']\nnice = 1");
    write(root.path(), "one/web.d/20-nice.toml", "nice = 3\numask = '077'");
    write(root.path(), "two/web.toml", "exec = ['new']");
    write(root.path(), "two/web.d/10-nice.toml", "nice = 4");
    write(root.path(), "one/.hidden.toml", "rubbish");
    write(root.path(), "one/README", "rubbish");
    let directories = [root.path().join("one"), root.path().join("two")].map(Directory::named);
    let plan = load(&directories, &Environment::new()).unwrap();
    let [web] = plan.services.as_slice() else { panic!("{plan:?}") };
    assert_eq!((&*web.exec[0], web.process.nice, web.process.umask), ("new", Some(4), Some(0o77)));
}

#[test]
fn named_directory_must_exist_and_the_default_need_not() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("none");
    let said = messages(&[Directory::named(&path)]);
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("cannot read the directory"), "{said:?}");
    assert!(messages(&[Directory { path, optional: true }]).is_empty());
}

#[test]
fn what_is_no_regular_file_is_a_problem_and_not_opened() {
    let root = tempfile::tempdir().unwrap();
    let fifo = root.path().join("pipe.toml");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    fs::create_dir(root.path().join("directory.toml")).unwrap();
    symlink("nowhere", root.path().join("link.toml")).unwrap();
    let said = messages(&[Directory::named(root.path())]);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].ends_with("directory.toml: cannot read this: it is no regular file [D0103]"), "{said:?}");
    assert!(said[1].contains("link.toml: cannot read the file: No such file"), "{said:?}");
    assert!(said[2].ends_with("pipe.toml: cannot read this: it is no regular file [D0103]"), "{said:?}");
}

#[test]
fn config_map_of_symlinks_is_read() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "..2026/web.toml", "exec = ['x']");
    symlink("..2026", root.path().join("..data")).unwrap();
    symlink("..data/web.toml", root.path().join("web.toml")).unwrap();
    assert_eq!(load(&[Directory::named(root.path())], &Environment::new()).unwrap().services.len(), 1);
}

#[test]
fn a_file_is_read_as_it_is_and_one_that_is_too_large_is_a_problem() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "web.toml", "exec = ['x']");
    let (sources, problems) = read(&[Directory::named(root.path())]);
    assert!(problems.is_empty());
    assert_eq!(sources[0].text, Ok(b"exec = ['x']".to_vec()));
    assert_eq!(sources[0].path, "web.toml");
    let largest = format!("exec = ['x']\n#{}", "-".repeat(MAX_SIZE - 14));
    assert_eq!(largest.len(), MAX_SIZE);
    write(root.path(), "web.toml", &largest);
    assert!(messages(&[Directory::named(root.path())]).is_empty());
    write(root.path(), "web.toml", &format!("{largest}-"));
    assert!(messages(&[Directory::named(root.path())])[0].contains("larger than 1 MiB"));
}

#[test]
fn directories_are_those_of_the_variable_or_the_default_that_need_not_be_there() {
    let default = [Directory { path: DEFAULT_SERVICES.into(), optional: true }];
    for nothing in [None, Some(OsStr::new("")), Some(OsStr::new("::"))] {
        assert_eq!(default_directories(nothing), default);
    }
    let listed = default_directories(Some(OsStr::new("/a::-/b")));
    assert_eq!(listed, [Directory::named("/a"), Directory { path: "/b".into(), optional: true }]);
}

#[test]
fn the_environment_is_this_process_s() {
    assert_eq!(environment().get("PATH").map(String::as_str), std::env::var("PATH").ok().as_deref());
}

#[test]
fn who_inspects_gets_the_plan_or_the_problems_and_what_is_claimed() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "web.toml", "exec = ['x']\nuser = 'www'");
    let right = inspect(&[Directory::named(root.path())], &Environment::new());
    assert_eq!(right.plan.unwrap().services.len(), 1);
    assert!(right.problems.is_empty());
    assert_eq!(right.claims.len(), 2);
    let unreadable =
        inspect(&[Directory::named(root.path()), Directory::named("/nowhere")], &Environment::new());
    assert!(unreadable.plan.is_none());
    assert_eq!(unreadable.problems.iter().count(), 1);
    write(root.path(), "worse.toml", "exec = 'x'");
    assert!(inspect(&[Directory::named(root.path())], &Environment::new()).plan.is_none());
    let wrong =
        [Source::new("a.toml", "exec = ['a']"), Source::new("b.toml", "exec = ['b']\nrequires = ['c']")];
    assert!(examine(&wrong, &Environment::new()).plan.is_none());
}

#[test]
fn a_problem_of_a_directory_is_told_with_those_of_files() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "web.toml", "exec = 'x'");
    let said = messages(&[Directory::named(root.path()), Directory::named("/nowhere")]);
    assert_eq!(said.len(), 2, "{said:?}");
    // One that is there and cannot be read is a problem, also where it need not be there.
    let file = root.path().join("web.toml");
    assert!(messages(&[Directory { path: file, optional: true }])[0].contains("cannot read the directory"));
    assert!(said.iter().any(|line| line.starts_with("/nowhere: ") && line.ends_with("[D0102]")), "{said:?}");
}

#[test]
fn a_template_has_as_many_instances_as_somebody_wants_and_no_other_one() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "w@.toml", "exec = ['w']\ninstances = 2");
    write(root.path(), "v@.toml", "exec = ['v']\ninstances = 1");
    write(root.path(), "named@.toml", "exec = ['n']\ninstances = ['a', 'b']");
    let directories = [Directory::named(root.path())];
    let count = |scale: &[(&str, usize)]| {
        let scale: Vec<(String, usize)> =
            scale.iter().map(|&(name, count)| (name.to_owned(), count)).collect();
        let plan = load_scaled(&directories, &Environment::new(), &scale);
        plan.map(|plan| plan.services.len()).map_err(|problems| problems.to_string())
    };
    assert_eq!(count(&[]), Ok(5));
    assert_eq!(count(&[("w", 4)]), Ok(7));
    assert_eq!(count(&[("w", 0), ("v", 2)]), Ok(4));
    assert_eq!(count(&[("w", MOST)]), Ok(3 + MOST));
    let refused = "for another number of them [D0501]";
    assert!(count(&[("w", MOST + 1)]).unwrap_err().contains(refused));
    assert!(count(&[("named", 1)]).unwrap_err().contains(refused));
}

/// The most instances of a template.
const MOST: usize = 1000;

#[test]
fn a_text_is_a_plan_of_its_service() {
    assert_eq!(check_text(b"exec = ['x']", &Environment::new()).unwrap().services.len(), 1);
}

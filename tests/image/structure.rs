//! What each image must be: owners, modes, setuid programs, users, ports, variables, labels, programs.
//!
//! `structure/*.json` list it in the format of container-structure-test, so that this tool can be asked as well
//! (`container-structure-test test --image localhost/pulp --config tests/image/structure/everything.json --config
//! tests/image/structure/pulp.json`). The tests need nothing but podman.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use crate::harness::{Boot, Pulp, Said, image, minimal, podman_ok, product, turn, web};

const EVERY: &str = include_str!("structure/every-image.json");

/// How many checks there must be at least, so that none gets lost.
const CHECKS: usize = 60;

/// The mode as Go writes it, which is how the lists have it: a letter for the kind, `u`, `g`, `t`, then `rwxr-xr-x`.
fn shown(mode: u32) -> String {
    let kinds = [(0o40000, 'd'), (0o120_000, 'L'), (0o10000, 'p'), (0o140_000, 'S')];
    let kind = kinds.iter().filter(|(bits, _)| mode & 0o170_000 == *bits).map(|(_, letter)| *letter);
    let special = [(0o4000, 'u'), (0o2000, 'g'), (0o1000, 't')];
    let special = special.iter().filter(|(bit, _)| mode & bit != 0).map(|(_, letter)| *letter);
    let mut text: String = kind.chain(special).collect();
    if text.is_empty() {
        text.push('-');
    }
    for (place, letter) in "rwxrwxrwx".chars().enumerate() {
        text.push(if mode & (0o400 >> place) != 0 { letter } else { '-' });
    }
    text
}

fn list<'a>(checks: &'a Value, kind: &str) -> &'a [Value] {
    checks[kind].as_array().map_or(&[], Vec::as_slice)
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().map_or(Vec::new(), |all| all.iter().map(|word| word.as_str().unwrap()).collect())
}

/// Mode, user and group of each path that is there.
fn files(container: &Pulp, paths: &[&str]) -> BTreeMap<String, (String, u64, u64)> {
    let said = container.exec(&[&["stat", "-c", "%n %f %u %g", "--"], paths].concat());
    let fields = said.out.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let read = fields.map(|f| {
        let mode = shown(u32::from_str_radix(f[1], 16).unwrap());
        (f[0].to_owned(), (mode, f[2].parse().unwrap(), f[3].parse().unwrap()))
    });
    read.collect()
}

fn check_files(container: &Pulp, checks: &Value, wrong: &mut Vec<String>) -> usize {
    let checks = list(checks, "fileExistenceTests");
    let paths: Vec<&str> = checks.iter().map(|check| check["path"].as_str().unwrap()).collect();
    let found = files(container, &paths);
    for (check, path) in checks.iter().zip(paths) {
        let should = check["shouldExist"].as_bool().unwrap_or(true);
        let Some((mode, uid, gid)) = found.get(path) else {
            if should {
                wrong.push(format!("{path} is missing"));
            }
            continue;
        };
        let right = should
            && check["permissions"].as_str().is_none_or(|wanted| wanted == mode)
            && check["uid"].as_u64().is_none_or(|wanted| wanted == *uid)
            && check["gid"].as_u64().is_none_or(|wanted| wanted == *gid);
        if !right {
            wrong.push(format!("{path} is {mode} of {uid}:{gid}, and the list says {check}"));
        }
    }
    checks.len()
}

/// Whether what a command printed is as the list says.
fn as_listed(check: &Value, said: &Said) -> bool {
    let matches = |pattern: &str, text: &str| Regex::new(pattern).unwrap().is_match(text);
    i64::from(said.code) == check["exitCode"].as_i64().unwrap_or(0)
        && words(&check["expectedOutput"]).iter().all(|pattern| matches(pattern, &said.out))
        && !words(&check["excludedOutput"]).iter().any(|pattern| matches(pattern, &said.out))
}

fn check_commands(container: &Pulp, checks: &Value, wrong: &mut Vec<String>) -> usize {
    let checks = list(checks, "commandTests");
    for check in checks {
        let command = [vec![check["command"].as_str().unwrap()], words(&check["args"])].concat();
        let said = container.exec(&command);
        if !as_listed(check, &said) {
            wrong.push(format!(
                "{}: {command:?}: exit code {}: {}{}",
                check["name"], said.code, said.out, said.err
            ));
        }
    }
    checks.len()
}

/// Whether a value is as listed, as it stands or as a regular expression.
fn fits(check: &Value, value: Option<&str>) -> bool {
    let wanted = check["value"].as_str().unwrap();
    let pattern = check["isRegex"].as_bool().unwrap_or(false);
    value.is_some_and(
        |value| if pattern { Regex::new(wanted).unwrap().is_match(value) } else { wanted == value },
    )
}

fn check_metadata(image: &str, checks: &Value, wrong: &mut Vec<String>) -> usize {
    let said = podman_ok(&["image", "inspect", "--format", "{{json .Config}}", image]);
    let config: Value = serde_json::from_str(&said).unwrap();
    let listed = &checks["metadataTest"];
    let variable = |name: &str| {
        words(&config["Env"]).into_iter().find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    };
    let variables =
        list(listed, "envVars").iter().map(|check| (check, variable(check["key"].as_str().unwrap())));
    let labels = list(listed, "labels")
        .iter()
        .map(|check| (check, config["Labels"][check["key"].as_str().unwrap()].as_str()));
    let mut count = 0;
    for (check, value) in variables.chain(labels) {
        count += 1;
        if !fits(check, value) {
            wrong.push(format!("{} is {value:?}, and the list says {check}", check["key"]));
        }
    }
    let names = |value: &Value| {
        value.as_object().map_or(Vec::new(), |all| all.keys().map(|key| key.replace("/tcp", "")).collect())
    };
    for (key, found) in
        [("exposedPorts", names(&config["ExposedPorts"])), ("volumes", names(&config["Volumes"]))]
    {
        count += words(&listed[key]).len();
        if listed[key].is_array() && words(&listed[key]) != found {
            wrong.push(format!("{key} are {found:?}, and the list says {}", listed[key]));
        }
    }
    for (key, name) in
        [("cmd", "Cmd"), ("entrypoint", "Entrypoint"), ("user", "User"), ("workdir", "WorkingDir")]
    {
        let nothing =
            config[name].is_null() && (listed[key] == "" || listed[key] == Value::Array(Vec::new()));
        count += usize::from(!listed[key].is_null());
        if !listed[key].is_null() && listed[key] != config[name] && !nothing {
            wrong.push(format!("{key} is {}, and the list says {}", config[name], listed[key]));
        }
    }
    count
}

#[test]
fn images_are_as_their_lists_say() {
    let _turn = turn();
    let mut all = 0;
    let mut wrong = Vec::new();
    // What each of a kind is, and what a product's is.
    let own = if product().is_pulp() {
        [
            include_str!("structure/pulp.json"),
            include_str!("structure/pulp-minimal.json"),
            include_str!("structure/pulp-web.json"),
        ]
    } else {
        [
            include_str!("structure/galaxy.json"),
            include_str!("structure/galaxy-minimal.json"),
            include_str!("structure/galaxy-web.json"),
        ]
    };
    let kinds = [
        ("everything", image(), include_str!("structure/everything.json")),
        ("minimal", minimal(), include_str!("structure/minimal.json")),
        ("web", web(), include_str!("structure/web.json")),
    ];
    for ((name, image, kind), own) in kinds.into_iter().zip(own) {
        let boot = Boot::new("structure").of(image, &[]).podman(&[
            "--network=none",
            "--user=root",
            "--stop-signal=KILL",
        ]);
        let container = boot.instead(&["sleep", "infinity"]).start();
        let mut found = Vec::new();
        for list in [EVERY, kind, own] {
            let checks: Value = serde_json::from_str(list).unwrap();
            all += check_files(&container, &checks, &mut found);
            all += check_commands(&container, &checks, &mut found);
            all += check_metadata(image, &checks, &mut found);
        }
        wrong.extend(found.into_iter().map(|what| format!("{name}: {what}")));
    }
    eprintln!("{all} checks of three images");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(all >= CHECKS, "{all} checks");
}

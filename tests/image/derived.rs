//! Images that people derive from ours as they did from upstream's: with services and scripts for s6.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::{Boot, PATIENCE, image, podman, podman_ok, turn, until};

/// A tree for the root of an image: paths and what they hold. What begins with `#!` is executable.
fn tree(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let place = root.join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, text).unwrap();
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Builds an image with these files, and removes it when it is dropped.
struct Derived(String);

impl Derived {
    fn new(files: &[(&str, &str)]) -> Derived {
        let dir = tempfile::tempdir().unwrap();
        tree(&dir.path().join("root"), files);
        fs::write(dir.path().join("Containerfile"), format!("FROM {}\nCOPY root /\n", image())).unwrap();
        let name = format!("localhost/pulp-test-derived-{}", std::process::id());
        let context = dir.path().display().to_string();
        podman_ok(&["build", "--quiet", "--format", "docker", "--tag", &name, &context]);
        Derived(name)
    }
}

impl Drop for Derived {
    fn drop(&mut self) {
        podman(&["rmi", "-f", &self.0]);
    }
}

const RC: &str = "etc/s6-overlay/s6-rc.d";

#[test]
fn services_and_scripts_of_s6_run_as_they_are_in_order_with_ours_and_others_are_named() {
    let _turn = turn();
    let rc = |path: &str| format!("{RC}/{path}");
    let files: Vec<(String, &str)> = vec![
        // The usual first line of scripts in s6-overlay, and a variable published for later ones.
        (
            "etc/cont-init.d/01-first".into(),
            "#!/command/with-contenv bash\necho first sees $FROM_PODMAN\necho published >/run/s6/container_environment/PUBLISHED\n",
        ),
        ("etc/cont-init.d/02-second".into(), "#!/bin/sh\necho second sees [$FROM_PODMAN]\nexit 5\n"),
        ("etc/fix-attrs.d/10-data".into(), "/srv/data true pulp 0640 0750\n"),
        ("srv/data/file".into(), "x\n"),
        (rc("prepare/type"), "oneshot\n"),
        (rc("prepare/up"), "/etc/init/prepare\n"),
        (rc("prepare/dependencies.d/base"), ""),
        (rc("prepare/dependencies.d/postgres-prepare"), ""),
        (
            "etc/init/prepare".into(),
            "#!/usr/bin/with-contenv sh\necho prepare sees $PUBLISHED and $(stat -c %U:%a /srv/data/file)\n",
        ),
        // execline, as upstream's own services are written.
        (rc("exporter/type"), "longrun\n"),
        (
            rc("exporter/run"),
            "#!/usr/bin/execlineb -P\nwith-contenv\nforeground { s6-echo \"Calling exporter\" }\ns6-setuidgid pulp\nsh -c \"echo exporter is $(id -un) with $PUBLISHED; echo >&3; exec sleep 100000\"\n",
        ),
        (rc("exporter/notification-fd"), "3\n"),
        (rc("exporter/dependencies.d/prepare"), ""),
        (rc("exporter/dependencies.d/pulpcore-api"), ""),
        (rc("impossible/type"), "longrun\n"),
        (rc("impossible/run"), "#!/usr/bin/perl6\n"),
        (rc("impossible/dependencies.d/pulpcore-content"), ""),
        (rc("user/contents.d/prepare"), ""),
        (rc("user/contents.d/exporter"), ""),
        (rc("user/contents.d/impossible"), ""),
        ("etc/services.d/old/run".into(), "#!/bin/sh\necho old runs\nexec sleep 100000\n"),
        ("etc/cont-finish.d/01-end".into(), "#!/bin/sh\necho the end has come\n"),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let derived = Derived::new(&files);
    let pulp = Boot::new("derived").of(&derived.0, &[80]).env("FROM_PODMAN", "podman").start();
    // 1: the boot is complete, and one of the scripts failed.
    until("the boot is complete", PATIENCE, || pulp.exec(&["svctl", "wait", "-t", "300s"]).code == 1);
    let services = pulp.services();
    let state =
        |name: &str| services.get(name).map_or("missing", |service| service["state"].as_str().unwrap());
    let names = [
        "prepare",
        "exporter",
        "old",
        "fix-attrs",
        "cont-init-01-first",
        "cont-init-02-second",
        "nginx",
        "impossible",
    ];
    let expected = ["done", "up", "up", "done", "done", "failed", "up", "missing"];
    assert_eq!(names.map(state), expected, "{names:?}");
    let log = pulp.logs();
    let mut from = 0;
    for said in [
        "first sees podman",
        "second sees []",
        "prepare sees published and pulp:640",
        "exporter is pulp with published",
        "old runs",
    ] {
        let at = log[from..].find(said).unwrap_or_else(|| panic!("`{said}` is not in its place:\n{log}"));
        from += at;
    }
    let named = log.lines().find(|line| line.contains("impossible: not started")).unwrap();
    for part in ["/usr/bin/perl6", "/etc/services.d/impossible.toml", "exec = [", "pulp-content"] {
        assert!(named.contains(part), "{part}: {named}");
    }
    pulp.status();
    // Passwords are in there.
    let mode = pulp.ok(&["stat", "-c", "%a %U", "/run/s6/container_environment"]);
    assert_eq!(mode.trim(), "700 root");
    let code = pulp.stop();
    assert!(code == 0 && pulp.logs().contains("the end has come"), "{code}: {}", pulp.logs());
}

//! Images that Pulp builds of a Containerfile: in a container without any privilege, as `podman run` makes it.
//!
//! The program that RUN starts is static, and the image that it is in is built on nothing: no registry is asked.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::Site;
use crate::harness::{Boot, PASSWORD, Pulp, busy, podman, podman_ok, turn};

const CONTAINERFILE: &str = "FROM scratch\nADD root.tar /\nRUN [\"/ldconfig\", \"-C\", \"/made\"]\n";

/// A file system with a program, and a file of the last user that images have.
fn root(pulp: &Pulp, dir: &Path) -> String {
    podman_ok(&["cp", &format!("{}:/usr/sbin/ldconfig", pulp.name), &dir.join("ldconfig").to_string_lossy()]);
    fs::write(dir.join("nobodys"), "").unwrap();
    let tar = dir.join("root.tar");
    let pack = |how: &str, owner: &str, file: &str| {
        let mut command = Command::new("tar");
        command.arg(how).arg(&tar).args(["--numeric-owner", "--owner", owner, "--group", owner, "-C"]);
        assert!(command.arg(dir).arg(file).status().unwrap().success());
    };
    pack("-cf", "0", "ldconfig");
    pack("-rf", "65534", "nobodys");
    tar.to_string_lossy().into_owned()
}

/// A repository of files with this one, and where its version is.
fn context(site: &Site<'_>, file: &str) -> String {
    let api = site.admin();
    let name = json!({ "name": format!("{}-context", site.name) });
    let repository = api.post("/pulp/api/v3/repositories/file/file/", &name);
    let repository = repository["pulp_href"].as_str().unwrap().to_owned();
    let fields = [&format!("file=@{file}"), "relative_path=root.tar", &format!("repository={repository}")];
    api.upload("/pulp/api/v3/content/file/files/", &fields);
    format!("{repository}versions/1/")
}

/// Has Pulp build the image; returns what it is called in its registry.
fn built(site: &Site<'_>) -> String {
    let dir = tempfile::tempdir().unwrap();
    let containerfile = dir.path().join("Containerfile");
    fs::write(&containerfile, CONTAINERFILE).unwrap();
    let version = context(site, &root(site.pulp, dir.path()));
    let (repository, distribution) = site.distributed(
        ("repositories/container/container/", json!({})),
        ("distributions/container/container/", json!({})),
    );
    let fields = [
        &format!("containerfile=@{}", containerfile.display()),
        "tag=one",
        &format!("build_context={version}"),
    ];
    site.admin().upload(&format!("{repository}build_image/"), &fields);
    format!("{}/{}:one", site.host(), distribution["base_path"].as_str().unwrap())
}

/// An image that Pulp has built is pulled from it, and has what RUN and ADD made.
fn image_is_built(site: &Site<'_>) {
    let image = built(site);
    podman_ok(&["pull", "--quiet", "--tls-verify=false", &image]);
    let container = podman_ok(&["create", &image, "/ldconfig"]);
    let listed = Command::new("sh")
        .args(["-c", "podman export \"$0\" | tar -tv --numeric-owner", &container])
        .output();
    podman(&["rm", &container]);
    podman(&["rmi", &image]);
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let owner_of = |file: &str| {
        let line =
            listed.lines().find(|line| line.ends_with(file)).unwrap_or_else(|| panic!("{file}: {listed}"));
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!((owner_of(" made"), owner_of(" nobodys")), ("0/0".to_owned(), "65534/65534".to_owned()));
}

#[test]
fn image_is_built_in_a_container_without_privileges_and_what_is_run_is_in_it() {
    let _turn = turn();
    image_is_built(&Site::plain(busy(), "built"));
}

#[test]
fn image_is_built_with_a_fuse_device_in_a_read_only_container() {
    let _turn = turn();
    if !needs::time() {
        return;
    }
    let boot = Boot::new("fuse").env("PULP_DEFAULT_ADMIN_PASSWORD", PASSWORD);
    let boot = if Path::new("/dev/fuse").exists() { boot.podman(&["--device", "/dev/fuse"]) } else { boot };
    let pulp = boot.podman(&["--read-only", "--tmpfs", "/run", "--tmpfs", "/tmp"]).ready();
    image_is_built(&Site::plain(&pulp, "fuse"));
}

#[test]
fn who_may_not_build_images_is_told_what_forbids_it() {
    let _turn = turn();
    let told = |args: &[&str]| {
        let podman = ["podman", "build", "/tmp"];
        let pulp = Boot::new("forbidden").podman(args).instead(&["sleep", "600"]).start();
        let said = pulp.exec_as("pulp", &podman, b"");
        assert_eq!(said.code, 125, "{}", said.err);
        said.err
    };
    let error = told(&["--security-opt", "no-new-privileges"]);
    assert!(error.contains("started with no-new-privileges") && error.contains("to fix it: "), "{error}");
    // As docker's own profile.
    let profile = tempfile::NamedTempFile::new().unwrap();
    let refused = json!({ "names": ["unshare"], "action": "SCMP_ACT_ERRNO", "args": [] });
    let rules = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refused] });
    fs::write(profile.path(), rules.to_string()).unwrap();
    let error = told(&["--security-opt", &format!("seccomp={}", profile.path().display())]);
    assert!(error.contains("unshare failed: Operation not permitted"), "{error}");
    assert!(error.contains("--security-opt seccomp=unconfined"), "{error}");
}

/// In the place of `unshare`: kills who calls it for an overlay.
const KILLS: &str = r#"#!/bin/sh
case "$*" in *overlay*) kill -KILL $PPID ;; *) exec /usr/bin/unshare "$@" ;; esac
"#;

#[test]
fn what_a_killed_try_of_the_overlay_left_goes_at_the_next_call_unless_somebody_tries_and_links_stay() {
    let _turn = turn();
    let pulp = Boot::new("killed-try").instead(&["sleep", "600"]).start();
    let layers = "/var/lib/pulp/.local/share/containers";
    let ask = |script: &str, input: &str| pulp.exec_as("pulp", &["bash", "-c", script], input.as_bytes());
    let tries = || ask(&format!("cd {layers} && find . -name 'try.*' | sort"), "").out;
    let put = "mkdir /tmp/kills && cat >/tmp/kills/unshare && chmod +x /tmp/kills/unshare";
    assert_eq!(ask(put, KILLS).code, 0);
    assert_eq!(ask("PATH=/tmp/kills:$PATH; podman images", "").code, 137);
    assert_eq!(tries().lines().count(), 1, "{}", tries());
    // As an overlay leaves it; and what a try never makes.
    let more = format!(
        "cd {layers} && mkdir -p try.abcdef/work/work keep && chmod 0 try.abcdef/work/work && touch keep/file \
         && ln -s $PWD/keep try.linked"
    );
    assert_eq!(ask(&more, "").code, 0);
    let before = tries();
    let beside = ask(&format!("flock {layers} env STORAGE_DRIVER=vfs podman images"), "");
    assert_eq!((beside.code, tries()), (0, before), "{}", beside.err);
    let next = ask("podman images", "");
    assert_eq!((next.code, tries().trim()), (0, "./try.linked"), "{}", next.err);
    assert_eq!(ask(&format!("ls {layers}/keep"), "").out.trim(), "file");
}

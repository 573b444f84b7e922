//! What Galaxy has instead of files: a collection, which is uploaded, approved and downloaded as its clients do.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::{Api, PASSWORD, PATIENCE, Said, image, podman_ok, until};

/// The namespace of all of them.
const NAMESPACE: &str = "shop";
const VERSION: &str = "1.0.0";
/// Where the file is in its archive.
const FILE: &str = "files/file";

/// The archive of a collection with a file of these bytes, made by the `ansible-galaxy` of the image.
fn build(name: &str, bytes: &[u8]) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path().join("collection");
    for folder in ["files", "meta"] {
        fs::create_dir_all(top.join(folder)).unwrap();
    }
    let galaxy = format!(
        "namespace: {NAMESPACE}\nname: {name}\nversion: {VERSION}\nreadme: README.md\nauthors: [somebody]\n\
         license: [MIT]\ntags: [linux]\nrepository: https://example.com/{NAMESPACE}\n"
    );
    fs::write(top.join("galaxy.yml"), galaxy).unwrap();
    fs::write(top.join("README.md"), format!("# {name}\n")).unwrap();
    fs::write(top.join("meta/runtime.yml"), "requires_ansible: '>=2.15.0'\n").unwrap();
    fs::write(top.join(FILE), bytes).unwrap();
    let mount = format!("{}:/w:z", dir.path().display());
    let run = ["run", "--rm", "--network=none", "--volume", &mount, "--workdir", "/w", "--env", "HOME=/w"];
    podman_ok(
        &[run.as_slice(), &[image(), "ansible-galaxy", "collection", "build", "/w/collection"]].concat(),
    );
    let archive = format!("{NAMESPACE}-{name}-{VERSION}.tar.gz");
    assert!(dir.path().join(&archive).exists());
    (dir, archive)
}

/// Publishes a collection of this name with a file of these bytes; returns where the content app has the archive.
pub(super) fn publish(api: &Api, name: &str, bytes: &[u8]) -> String {
    let (dir, archive) = build(name, bytes);
    if api.get(&format!("/api/galaxy/v3/namespaces/{NAMESPACE}/")).status == 404 {
        api.post("/api/galaxy/v3/namespaces/", &json!({ "name": NAMESPACE, "groups": [] }));
    }
    let file = format!("file=@{}", dir.path().join(&archive).display());
    let sum = format!("sha256={}", sha256(&dir.path().join(&archive)));
    api.upload("/api/galaxy/v3/artifacts/collections/", &[&file, &sum]);
    // Where the import ends a task of its own begins, which puts it there.
    let staged = format!(
        "/api/galaxy/v3/plugin/ansible/content/staging/collections/index/{NAMESPACE}/{name}/versions/{VERSION}/"
    );
    until("the collection in staging", PATIENCE, || api.get(&staged).status == 200);
    let moving =
        format!("/api/galaxy/v3/collections/{NAMESPACE}/{name}/versions/{VERSION}/move/staging/published/");
    let tasks = api.post(&moving, &json!({}));
    for task in ["copy_task_id", "remove_task_id"] {
        let task =
            format!("/pulp/api/v3/tasks/{}/", tasks[task].as_str().unwrap_or_else(|| panic!("{tasks}")));
        until("the collection's way to what is published", PATIENCE, || {
            api.get(&task).expect(200).json()["state"] == "completed"
        });
    }
    // Who may download it is sent to the content app, with a signature in the address.
    let download = format!("/api/galaxy/v3/plugin/ansible/content/published/collections/artifacts/{archive}");
    let answer = api.get(&download).expect(302);
    let there = answer.header("Location").unwrap();
    there[there.find("/pulp/content/").unwrap()..].to_owned()
}

fn sha256(path: &Path) -> String {
    let said = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(said.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

/// The file in such an archive.
pub(super) fn file_in(archive: &[u8]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive");
    fs::write(&path, archive).unwrap();
    let tar =
        Command::new("tar").arg("-xzOf").arg(&path).arg(FILE).stderr(Stdio::inherit()).output().unwrap();
    assert!(tar.status.success(), "{} bytes are no collection", archive.len());
    tar.stdout
}

/// The file in a collection that the `ansible-galaxy` of the image has installed from this server.
pub(super) fn installed(server: &str, name: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let mount = format!("{}:/w:z", dir.path().display());
    let run = ["run", "--rm", "--network=host", "--volume", &mount, "--workdir", "/w", "--env", "HOME=/w"];
    let mut command = Command::new("podman");
    command.args(run);
    for (name, value) in [
        ("ANSIBLE_GALAXY_SERVER_LIST", "here"),
        ("ANSIBLE_GALAXY_SERVER_HERE_URL", server),
        ("ANSIBLE_GALAXY_SERVER_HERE_USERNAME", "admin"),
        ("ANSIBLE_GALAXY_SERVER_HERE_PASSWORD", PASSWORD),
    ] {
        command.args(["--env", name]).env(name, value);
    }
    let wanted = format!("{NAMESPACE}.{name}");
    command.args([image(), "ansible-galaxy", "collection", "install", "--collections-path", "/w", &wanted]);
    let said: Said = command.output().unwrap().into();
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    fs::read(dir.path().join(format!("ansible_collections/{NAMESPACE}/{name}/{FILE}"))).unwrap()
}

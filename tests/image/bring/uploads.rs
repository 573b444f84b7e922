//! 50 MB to each endpoint that takes uploads: nginx refused more than 10 MB to some. And more than the container's own disk
//! has room for: all of it waits on the volume.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::{Site, clients, galaxy, python_index};
use crate::harness::{Boot, PASSWORD, Pulp, busy, number, turn};

/// More than any limit that a location may have. It is no package of any kind, and Pulp says so when it has all of it.
fn big(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    let mut file = File::create(&path).unwrap();
    let block: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    for number in 0..50_u8 {
        file.write_all(&[number]).unwrap();
        file.write_all(&block).unwrap();
    }
    path
}

#[test]
fn uploads_of_50_mb_reach_pulp_at_each_endpoint() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let site = Site::plain(busy(), "big");
    let user = format!("admin:{PASSWORD}");
    let index = python_index(&site)["base_url"].as_str().unwrap().to_owned();
    let galaxy = galaxy(&site)["client_url"].as_str().unwrap().to_owned();
    let wheel = big(dir.path(), "big-1.0-py3-none-any.whl");
    let file = wheel.display().to_string();
    let form = format!("file=@{file};filename=test-big-1.0.0.tar.gz");
    let pypi = format!("{}legacy/", site.path_of(&index));
    let collections = format!("{}api/v3/artifacts/collections/", site.path_of(&galaxy));
    let mut seen = vec![(pypi.clone(), clients::twine(&site, &pypi, &wheel))];
    for (path, args) in [
        (collections.as_str(), ["--form", &form]),
        ("/pulp/api/v3/artifacts/", ["--form", &form]),
        ("/pulp/maven/big/org/test/big/1.0/big-1.0.jar", ["--upload-file", &file]),
        ("/pulp_npm/content/big/big", ["--upload-file", &file]),
        ("/v2/big/blobs/uploads/", ["--data-binary", &format!("@{file}")]),
        ("/pulp/big/api/v3/artifacts/", ["--form", &form]),
    ] {
        let answer = site.curl(path, &[&["--user", &user], &args[..]].concat());
        seen.push((path.to_owned(), answer));
    }
    for (path, answer) in seen {
        // What Pulp says of it is another thing: it has no package of that kind, or no such path.
        assert!(answer.status != 413 && answer.status != 0, "{path}: {}", answer.headers);
        // The content app, which has npm's packages, has no such header.
        let by_pulp = answer.header("Correlation-ID").is_some() || answer.text() == "404: Not Found";
        assert!(by_pulp, "{path} did not reach Pulp: {}", answer.headers);
        eprintln!("{path}: {}", answer.status);
    }
}

/// A container whose own disk takes next to nothing: its root cannot be written at all, and what it has in memory is small.
fn on_a_small_disk(what: &str) -> Pulp {
    let boot = Boot::new(what).env("PULP_DEFAULT_ADMIN_PASSWORD", PASSWORD).podman(&["--read-only"]);
    // podman itself would put a tmpfs of any size at /var/tmp.
    let small = ["/run:size=32m", "/tmp:size=32m", "/var/tmp:size=32m"].map(|place| ["--tmpfs", place]);
    boot.podman(&small.concat()).ready()
}

/// A blob to the registry, as clients push it: one request opens an upload, and one brings it. What the last answers.
fn push(site: &Site<'_>, file: &Path) -> u16 {
    let user = format!("admin:{PASSWORD}");
    let sum = Command::new("sha256sum").arg(file).output().unwrap().stdout;
    let digest = String::from_utf8(sum).unwrap().split(' ').next().unwrap().to_owned();
    let scope = format!("/token/?service={}&scope=repository:small/image:pull,push", site.host());
    let token = site.curl(&scope, &["--user", &user]).expect(200).json();
    let header = format!("Authorization: Bearer {}", token["token"].as_str().unwrap());
    let opened =
        site.curl("/v2/small/image/blobs/uploads/", &["--header", &header, "--request", "POST"]).expect(202);
    let path = |answer: &crate::harness::Answer| {
        let location = answer.header("Location").unwrap();
        location.strip_prefix(&site.origin).unwrap_or(location).to_owned()
    };
    let at = path(&opened);
    let chunk =
        ["--header", &header, "--header", "Content-Type: application/octet-stream", "--max-time", "900"];
    let upload = file.display().to_string();
    let sent =
        site.curl(&at, &[&chunk[..], &["--request", "PATCH", "--upload-file", &upload]].concat()).expect(202);
    let at = path(&sent);
    site.curl(&format!("{at}?digest=sha256:{digest}"), &[&chunk[..], &["--request", "PUT"]].concat()).status
}

/// To the API, to the registry and to maven, with a file of so many MB.
fn uploads_fit(megabytes: u64) {
    let site_of = on_a_small_disk("small");
    let site = Site::plain(&site_of, "small");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big");
    // Without blocks of its own on this host's disk, but for the last.
    File::create(&path).unwrap().set_len(megabytes << 20).unwrap();
    let user = format!("admin:{PASSWORD}");
    let form = format!("file=@{}", path.display());
    let patient = ["--max-time", "900", "--user", &user];
    let answer =
        site.curl("/pulp/api/v3/artifacts/", &[&patient[..], &["--form", &form]].concat()).expect(201);
    assert_eq!(answer.json()["size"], megabytes << 20);
    assert_eq!(push(&site, &path), 201);
    site.distributed(("repositories/maven/maven/", json!({})), ("distributions/maven/maven/", json!({})));
    let at = "/pulp/maven/small-maven/org/test/small/1.0/small-1.0.jar";
    let answer = site.curl(at, &[&patient[..], &["--upload-file", &path.display().to_string()]].concat());
    assert_eq!(answer.status, 201, "{}", answer.text());
    let left = site_of.ok(&["find", "/var/lib/pulp/tmp", "/var/lib/pulp/.tmp", "-type", "f", "-size", "+1M"]);
    assert_eq!(left, "", "what was uploaded is kept once");
}

#[test]
fn uploads_larger_than_the_containers_own_disk_wait_on_the_volume() {
    let _turn = turn();
    uploads_fit(200);
}

/// 3 GB: some minutes, and 9 GB of disk.
#[test]
fn uploads_of_3_gb_wait_on_the_volume() {
    if number("PULP_INIT_BIG_UPLOADS", 0) == 0 {
        return needs::skip("big-uploads", "takes a minute: set PULP_INIT_BIG_UPLOADS=1");
    }
    let _turn = turn();
    uploads_fit(3 << 10);
}

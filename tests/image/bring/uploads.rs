//! 50 MB to each endpoint that takes uploads: nginx refused more than 10 MB to some.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Site, clients, galaxy, python_index};
use crate::harness::{PASSWORD, shared, turn};

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
    let site = Site::plain(shared(), "big");
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

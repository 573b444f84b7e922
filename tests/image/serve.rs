//! How content is served: files by nginx, answers from the cache, and all of it as Pulp itself would.

use std::sync::atomic::{AtomicBool, Ordering};

use ring::digest;
use serde_json::json;

use crate::harness::{Answer, Api, Boot, Pulp, curl, turn};

fn boot(name: &str, env: &[(&str, &str)]) -> Pulp {
    let boot = Boot::new(name).env("PULP_DEFAULT_ADMIN_PASSWORD", "secret");
    env.iter().fold(boot, |boot, (name, value)| boot.env(name, value)).ready()
}

/// What the content app says to nginx, whose socket this is.
fn to_nginx(pulp: &Pulp, path: &str) -> String {
    let url = format!("http://localhost{path}");
    pulp.ok(&["curl", "--silent", "--include", "--unix-socket", "/run/pulp/content/socket", &url])
}

fn get(pulp: &Pulp, path: &str, args: &[&str]) -> Answer {
    curl(&[args, &[&pulp.url(path)]].concat())
}

fn hex(algorithm: &'static digest::Algorithm, bytes: &[u8]) -> String {
    digest::digest(algorithm, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", hex(&digest::SHA256, bytes))
}

#[test]
fn nginx_sends_files_as_the_content_app_would_and_changes_are_seen_at_once() {
    let _turn = turn();
    let pulp = boot("serve", &[]);
    let api = Api::admin(&pulp, "secret");
    let bytes: Vec<u8> = (0..100_000_u32).map(|number| (number * 7 % 251) as u8).collect();
    let path = api.publish_file("served", &bytes);

    let said = to_nginx(&pulp, &path);
    assert!(said.contains("X-Accel-Redirect: /_sent_files_") && said.contains("Content-Length: 0"), "{said}");
    let location = said.lines().find_map(|line| line.strip_prefix("X-Accel-Redirect: ")).unwrap().trim();
    get(&pulp, location, &[]).expect(404);
    // Whoever asks the content app itself gets the file from it.
    let own = pulp.ok(&["curl", "--silent", "--head", &format!("http://127.0.0.1:24816{path}")]);
    assert!(own.contains("Content-Length: 100000") && !own.contains("X-Accel"), "{own}");

    let answer = get(&pulp, &path, &[]).expect(200);
    assert!(answer.body == bytes);
    assert_eq!(answer.header("ETag"), Some(&*etag(&bytes)));
    assert_eq!(answer.header("X-PULP-CACHE"), Some("HIT"), "the cache is on: {}", answer.headers);
    assert_eq!(answer.header("X-PULP-ARTIFACT-SIZE"), Some("100000"));
    assert_eq!(get(&pulp, &path, &["--range", "10-19"]).expect(206).body, bytes[10..20]);
    assert!(get(&pulp, &path, &["--head"]).expect(200).body.is_empty());
    get(&pulp, &path, &["--header", &format!("If-None-Match: {}", etag(&bytes))]).expect(304);

    // What nginx may not read, the content app sends itself.
    pulp.ok(&["chmod", "-R", "o-rwx", "/var/lib/pulp/media/artifact"]);
    assert!(get(&pulp, &path, &[]).expect(200).body == bytes);
    pulp.ok(&["chmod", "-R", "o+rX", "/var/lib/pulp/media/artifact"]);

    let other = b"something else".to_vec();
    api.publish_file("other", &other);
    let found = |name: &str| {
        api.get(&format!("/pulp/api/v3/distributions/file/file/?name={name}")).expect(200).json()["results"]
            [0]
        .clone()
    };
    let (served, other_one) = (found("served"), found("other"));
    let href = served["pulp_href"].as_str().unwrap();
    api.patch(href, &json!({ "publication": other_one["publication"] }));
    let answer = get(&pulp, &path, &[]).expect(200);
    assert_eq!((answer.body, answer.headers.contains(&etag(&other))), (other, true));
}

/// A file of the harness's, below its distribution's address.
const FILE: &str = "/a/file";

fn distribution(api: &Api, name: &str) -> String {
    let found = api.get(&format!("/pulp/api/v3/distributions/file/file/?name={name}")).expect(200).json();
    found["results"][0]["pulp_href"].as_str().unwrap().to_owned()
}

/// The content app has the answer at hand: the second one of two.
fn cached(pulp: &Pulp, path: &str) -> Answer {
    get(pulp, path, &[]).expect(200);
    let answer = get(pulp, path, &[]).expect(200);
    assert_eq!(answer.header("X-PULP-CACHE"), Some("HIT"), "{}", answer.headers);
    answer
}

#[test]
fn what_is_cached_needs_no_database_and_every_change_of_its_distribution_is_seen_at_once() {
    let _turn = turn();
    let pulp = boot("cached", &[]);
    let api = Api::admin(&pulp, "secret");
    let path = api.publish_file("cached", b"some bytes");
    let href = distribution(&api, "cached");

    cached(&pulp, &path);
    let postgresql = |signal: &str| pulp.ok(&["pkill", signal, "-x", "postgres"]);
    postgresql("-STOP");
    let answer = get(&pulp, &path, &["--max-time", "10"]);
    postgresql("-CONT");
    assert_eq!(&*answer.expect(200).body, b"some bytes");

    // A guard, and none again.
    let guard = api.post("/pulp/api/v3/contentguards/core/rbac/", &json!({ "name": "guard" }));
    api.patch(&href, &json!({ "content_guard": guard["pulp_href"] }));
    for _ in 0..2 {
        get(&pulp, &path, &[]).expect(403);
        get(&pulp, &path, &["--user", "admin:secret"]).expect(200);
    }
    api.patch(&href, &json!({ "content_guard": null }));
    cached(&pulp, &path);

    // Another place, and what was at the old one.
    api.patch(&href, &json!({ "base_path": "cached/deeper" }));
    get(&pulp, &path, &[]).expect(404);
    let deeper = format!("/pulp/content/cached/deeper{FILE}");
    assert_eq!(&*cached(&pulp, &deeper).body, b"some bytes");

    // Without redis, and when it is back.
    pulp.ok(&["svctl", "stop", "redis"]);
    assert_eq!(&*get(&pulp, &deeper, &[]).expect(200).body, b"some bytes");
    pulp.ok(&["svctl", "start", "redis"]);
    cached(&pulp, &deeper);

    api.delete(&href);
    get(&pulp, &deeper, &[]).expect(404);
}

#[test]
fn many_who_ask_at_once_for_what_is_not_cached_yet_all_get_it() {
    let _turn = turn();
    let pulp = boot("herd", &[]);
    let path = Api::admin(&pulp, "secret").publish_file("herd", b"some bytes");
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..24).map(|_| scope.spawn(|| get(&pulp, &path, &[]))).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for answer in answers {
        assert_eq!(&*answer.expect(200).body, b"some bytes");
    }
}

/// Ends those who ask, also where the test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_change_is_seen_by_the_next_request_however_many_ask_meanwhile() {
    let _turn = turn();
    let pulp = boot("changes", &[]);
    let api = Api::admin(&pulp, "secret");
    let path = api.publish_file("one", b"1");
    api.publish_file("two", b"2");
    let publications = ["one", "two"]
        .map(|name| api.get(&distribution(&api, name)).expect(200).json()["publication"].clone());
    let href = distribution(&api, "one");
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _end = End(&enough);
        for _ in 0..4 {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    get(&pulp, &path, &[]);
                }
            });
        }
        let seen: Vec<bool> = (1..=8)
            .map(|turn| {
                api.patch(&href, &json!({ "publication": publications[turn % 2] }));
                (0..4).all(|_| get(&pulp, &path, &[]).body == [b"1", b"2"][turn % 2])
            })
            .collect();
        assert_eq!(seen, [true; 8]);
    });
}

#[test]
fn an_upload_of_many_pieces_is_whole_and_has_its_hashes() {
    let _turn = turn();
    let pulp = boot("uploads", &[]);
    let api = Api::admin(&pulp, "secret");
    let bytes: Vec<u8> =
        (0..7_654_321_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("upload");
    std::fs::write(&path, &bytes).unwrap();
    let made = api.upload("/pulp/api/v3/artifacts/", &[&format!("file=@{}", path.display())]);
    assert_eq!(made["size"], bytes.len());
    for (name, algorithm) in
        [("sha256", &digest::SHA256), ("sha384", &digest::SHA384), ("sha512", &digest::SHA512)]
    {
        assert_eq!(made[name], hex(algorithm, &bytes), "{name}");
    }
}

#[test]
fn both_can_be_turned_off() {
    let _turn = turn();
    let pulp = boot("unserved", &[("PULP_X_ACCEL_REDIRECT", "false"), ("PULP_CACHE_ENABLED", "false")]);
    let path = Api::admin(&pulp, "secret").publish_file("served", b"some bytes");
    for _ in 0..2 {
        let answer = get(&pulp, &path, &[]).expect(200);
        assert_eq!((&*answer.body, answer.header("X-PULP-CACHE")), (&b"some bytes"[..], None));
    }
    assert!(!to_nginx(&pulp, &path).contains("X-Accel"));
}

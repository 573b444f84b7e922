//! How content is served: files by nginx, answers from the cache, and all of it as Pulp itself would.

use ring::digest;
use serde_json::json;

use crate::harness::{Answer, Api, Boot, Pulp, curl, turn};

fn boot(name: &str, env: &[(&str, &str)]) -> Pulp {
    let boot = Boot::new(name).env("PULP_DEFAULT_ADMIN_PASSWORD", "secret").cheap_passwords();
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

fn etag(bytes: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, bytes);
    format!("\"{}\"", hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
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

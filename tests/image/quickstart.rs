//! `podman run -p 8080:80 pulp/pulp`, with no settings at all.

use std::time::Duration;

use crate::harness::{Api, PASSWORD, Pulp, curl, podman_ok, shared, turn, until};

/// Those of `status/` whose processes run in this container: rows of dead ones stay for a while.
fn alive(pulp: &Pulp, what: &str) -> usize {
    let host = pulp.ok(&["hostname"]);
    let status = pulp.status();
    let names = status[what].as_array().unwrap().iter().map(|app| app["name"].as_str().unwrap());
    let here = names.filter_map(|name| name.strip_suffix(&format!("@{}", host.trim())));
    here.filter(|pid| pulp.exec(&["test", "-d", &format!("/proc/{pid}")]).code == 0).count()
}

#[test]
fn status_has_two_workers_two_api_and_two_content_processes() {
    let _turn = turn();
    let pulp = shared();
    assert!(!pulp.logs().contains("running Django's migrate"), "the prepared database is up to date");
    let status = pulp.status();
    assert_eq!(status["database_connection"]["connected"], true);
    assert_eq!(status["versions"].as_array().unwrap().len(), 13, "{status}");
    for what in ["online_workers", "online_api_apps", "online_content_apps"] {
        until(&format!("two of {what}"), Duration::from_secs(30), || alive(pulp, what) == 2);
    }
}

#[test]
fn images_have_the_names_of_upstreams_documentation_too() {
    let id = |name: &str| podman_ok(&["image", "inspect", "--format", "{{.Id}}", name]);
    for name in ["pulp", "pulp-minimal", "pulp-web"] {
        assert_eq!(id(&format!("pulp/{name}")), id(&format!("localhost/{name}")));
    }
}

#[test]
fn registry_asks_for_a_token_gives_one_and_takes_it() {
    let _turn = turn();
    let pulp = shared();
    let answer = pulp.get("/v2/").expect(401);
    let challenge = answer.header("WWW-Authenticate").unwrap();
    let part = |name: &str| {
        let rest = challenge.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("{challenge}")).1;
        rest.split('"').next().unwrap()
    };
    assert_eq!(part("realm"), pulp.url("/token/"));
    let ask = pulp.url(&format!("/token/?service={}", part("service")));
    let token = curl(&["--user", &format!("admin:{PASSWORD}"), &ask]).expect(200).json();
    let bearer = format!("Authorization: Bearer {}", token["token"].as_str().unwrap());
    curl(&["--header", &bearer, &pulp.url("/v2/")]).expect(200);
    curl(&["--header", "Authorization: Bearer forged", &pulp.url("/v2/")]).expect(401);
    curl(&["--user", "admin:wrong", &ask]).expect(401);
}

#[test]
fn content_app_answers() {
    let _turn = turn();
    let answer = shared().get("/pulp/content/").expect(200);
    assert!(answer.text().contains("Index of"), "{}", answer.text());
    shared().get("/pulp/content/nothing/here").expect(404);
}

#[test]
fn paths_of_plugins_are_answered_by_pulp_and_not_by_nginx() {
    let _turn = turn();
    let pulp = shared();
    pulp.get("/pulp_ansible/galaxy/none/api/").expect(200);
    for path in ["/pypi/none/simple/", "/extensions/v2/none/signatures/x"] {
        let answer = pulp.get(path);
        // Of a repository that does not exist.
        assert!([401, 404].contains(&answer.status), "{path}: {}", answer.status);
        assert!(answer.header("Correlation-ID").is_some(), "{path}: {}", answer.headers);
    }
    for path in ["/pypi/", "/pulp_ansible/galaxy/"] {
        let answer = shared().get(path);
        assert!(answer.header("X-Frame-Options").is_some(), "{path}: {}\n{}", answer.headers, answer.text());
    }
}

#[test]
fn static_files_are_served() {
    let _turn = turn();
    let answer = shared().get("/assets/rest_framework/css/default.css").expect(200);
    assert_eq!(answer.header("Content-Type"), Some("text/css"));
    shared().get("/auth/login/").expect(200);
    shared().get("/pulp/api/v3/docs/").expect(200);
}

#[test]
fn uploaded_file_is_published_by_the_workers_and_comes_back_as_it_was() {
    let _turn = turn();
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(|number| number.to_le_bytes()).collect();
    let path = Api::admin(shared(), PASSWORD).publish_file("quickstart", &bytes);
    let answer = shared().get(&path).expect(200);
    assert!(answer.body == bytes, "{} bytes of {}", answer.body.len(), bytes.len());
    let range = curl(&["--range", "4-7", &shared().url(&path)]).expect(206);
    assert_eq!(range.body, 1_u32.to_le_bytes());
}

#[test]
fn only_who_knows_the_password_may_see_the_users() {
    let _turn = turn();
    Api::admin(shared(), PASSWORD).get("/pulp/api/v3/users/").expect(200);
    Api::admin(shared(), "password").get("/pulp/api/v3/users/").expect(401);
    shared().get("/pulp/api/v3/users/").expect(401);
}

#[test]
fn check_for_deployment_finds_no_error() {
    let _turn = turn();
    let said = shared().exec_as("pulp", &["pulpcore-manager", "check", "--deploy"], b"");
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(!said.err.contains("ERRORS"), "{}", said.err);
}

#[test]
fn every_service_is_up_and_the_container_is_healthy() {
    let _turn = turn();
    let pulp = shared();
    pulp.ok(&["svctl", "health"]);
    for (name, service) in pulp.services() {
        let state = service["state"].as_str().unwrap();
        let wanted = match (name.as_str(), service["kind"].as_str()) {
            // Nobody has named a key, or a server for logs.
            ("signing" | "log-shipping", _) => "skipped",
            (_, Some("longrun")) => "up",
            _ => "done",
        };
        assert_eq!(state, wanted, "{name}: {service}");
    }
}

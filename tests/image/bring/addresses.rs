//! No settings, any port: addresses in answers are those that the client used.

use std::sync::OnceLock;

use super::{Site, clients, rpm_repository};
use crate::harness::{Boot, PASSWORD, Pulp, busy, curl, turn};

#[test]
fn clients_work_at_any_port_without_a_setting() {
    let _turn = turn();
    let site = Site::plain(busy(), "any_port");
    clients::run(&site, clients::QUICK);
    clients::run(&site, clients::SLOW);
}

/// A container with a name that means nothing to its clients, with HTTPS on another port, and with Pulp's cache.
fn https() -> &'static Pulp {
    static HTTPS: OnceLock<Pulp> = OnceLock::new();
    HTTPS.get_or_init(|| {
        let boot =
            Boot::new("named").publish(443).env("PULP_HTTPS", "true").env("PULP_CACHE_ENABLED", "true");
        let pulp = boot.podman(&["--hostname", "pulp"]).ready();
        pulp.set_password(PASSWORD);
        pulp
    })
}

#[test]
fn clients_work_by_https_on_another_port_whatever_the_containers_name_is() {
    let _turn = turn();
    let origin = format!("https://localhost:{}", https().port(443));
    clients::run(&Site { pulp: https(), origin, domain: "", name: "named" }, clients::QUICK);
}

#[test]
fn an_answer_that_was_kept_for_one_address_is_not_given_at_another() {
    let _turn = turn();
    let port = https().port(443);
    let site =
        Site { pulp: https(), origin: format!("https://localhost:{port}"), domain: "", name: "cached" };
    let base = rpm_repository(&site)["base_url"].as_str().unwrap().to_owned();
    let path = format!("{}config.repo", site.path_of(&base));
    let ask = |host: &str| {
        let header = format!("Host: {host}");
        let answer = site.curl(&path, &["--header", &header]).expect(200);
        let text = answer.text();
        let url = text.lines().find_map(|line| line.strip_prefix("baseurl=")).unwrap().to_owned();
        (url, answer.header("X-PULP-CACHE").map(str::to_owned))
    };
    for state in ["MISS", "HIT"] {
        for host in ["evil.example.com", "localhost", "localhost:81"] {
            let (url, kept) = ask(host);
            assert!(url.starts_with(&format!("https://{host}/pulp/content/")), "{host}: {url}");
            assert_eq!(kept.as_deref(), Some(state), "{host}");
        }
    }
}

#[test]
fn a_host_that_is_none_is_refused_and_shows_nowhere() {
    let _turn = turn();
    for host in ["a\"b", "a b", "a/b", "<script>"] {
        let answer = curl(&["--header", &format!("Host: {host}"), &busy().url("/v2/")]);
        assert_eq!(answer.status, 400, "{host}: {}", answer.headers);
        assert!(!answer.headers.contains(host), "{}", answer.headers);
    }
}

#[test]
fn what_the_user_says_of_the_address_wins() {
    let _turn = turn();
    let realm = |pulp: &Pulp, host: &str| {
        let answer = curl(&["--header", &format!("Host: {host}"), &pulp.url("/v2/")]).expect(401);
        let challenge = answer.header("WWW-Authenticate").unwrap().to_owned();
        challenge.split('"').nth(1).unwrap().to_owned()
    };
    let named =
        Boot::new("told").env("PULP_HOSTNAME", "pulp.example.com,10.0.0.7").env("PULP_WORKERS", "1").ready();
    for (host, address) in [
        ("pulp.example.com:9000", "http://pulp.example.com:9000/token/"),
        ("10.0.0.7:9000", "http://10.0.0.7:9000/token/"),
        ("localhost:9000", "http://pulp.example.com:9000/token/"),
        ("evil.example.com", "http://pulp.example.com/token/"),
    ] {
        assert_eq!(realm(&named, host), address, "{host}");
    }
    assert!(
        named.logs().contains("addresses in answers: the scheme and port that the client used, and the name")
    );
    drop(named);
    let fixed = Boot::new("told")
        .env("PULP_CONTENT_ORIGIN", "https://origin.example.com:8443")
        .env("PULP_WORKERS", "1");
    let fixed = fixed.ready();
    assert_eq!(realm(&fixed, "localhost:9000"), "https://origin.example.com:8443/token/");
    let status = fixed.status();
    assert_eq!(status["content_settings"]["content_origin"], "https://origin.example.com:8443");
    assert!(
        fixed
            .logs()
            .contains("addresses in answers: https://origin.example.com:8443, as CONTENT_ORIGIN says")
    );
    assert!(busy().logs().contains("addresses in answers: those that the client used"));
}

#[test]
fn the_api_and_the_content_app_answer_on_their_own_ports_too() {
    let _turn = turn();
    let pulp = Boot::new("ports").publish(24816).publish(24817).env("PULP_WORKERS", "1").ready();
    let at = |port: u16, path: &str| format!("http://localhost:{}{path}", pulp.port(port));
    let lie = ["--header", "X-Forwarded-Proto: https"];
    let status = curl(&[&lie[..], &[&at(24817, "/pulp/api/v3/status/")]].concat()).expect(200).json();
    // Here no nginx has looked at what a client says, and the client is not of this container.
    let origin = format!("http://localhost:{}", pulp.port(24817));
    assert_eq!(status["content_settings"]["content_origin"], origin.as_str());
    curl(&[&at(24816, "/pulp/content/")]).expect(200);
}

#[test]
fn clients_have_ipv6_or_have_none() {
    let _turn = turn();
    let off = ["--sysctl", "net.ipv6.conf.all.disable_ipv6=1", "--sysctl", "net.ipv6.conf.lo.disable_ipv6=1"];
    let pulp = Boot::new("v4").podman(&off).env("PULP_WORKERS", "1").ready();
    pulp.get("/pulp/api/v3/status/").expect(200);
    drop(pulp);
    if !needs::ipv6() {
        return;
    }
    let pulp = Boot::new("v6").env("PULP_WORKERS", "1").ready();
    let status = pulp.ok(&["curl", "--silent", "--globoff", "http://[::1]/pulp/api/v3/status/"]);
    assert!(status.contains("\"content_origin\":\"http://[::1]\""), "{status}");
}

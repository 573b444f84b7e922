//! `PULP_HTTPS=true`.

use std::sync::OnceLock;

use crate::harness::{Answer, Boot, Pulp, curl, podman_ok, turn};

struct Https {
    pulp: Pulp,
    dir: tempfile::TempDir,
}

/// A container with HTTPS, and the certificate that it has made.
fn https() -> &'static Https {
    static HTTPS: OnceLock<Https> = OnceLock::new();
    HTTPS.get_or_init(|| {
        let boot = Boot::new("https").publish(443).env("PULP_HTTPS", "true").env("PULP_PORT", "8443");
        let pulp = boot.podman(&["--hostname", "pulp.example.org"]).ready();
        let dir = tempfile::tempdir().unwrap();
        let from = format!("{}:/etc/pulp/certs/pulp_webserver.crt", pulp.name);
        podman_ok(&["cp", &from, &dir.path().join("ca.crt").to_string_lossy()]);
        Https { pulp, dir }
    })
}

/// `https://NAME/` and a path, trusting nothing but that certificate.
fn get(name: &str, path: &str, args: &[&str]) -> Answer {
    let https = https();
    let port = https.pulp.port(443);
    let resolve = format!("{name}:{port}:127.0.0.1");
    let ca = https.dir.path().join("ca.crt").to_string_lossy().into_owned();
    let url = format!("https://{name}:{port}{path}");
    curl(&[&["--cacert", &ca, "--resolve", &resolve, &url], args].concat())
}

#[test]
fn certificate_is_good_for_localhost_and_the_containers_name_and_for_no_other() {
    let _turn = turn();
    for name in ["localhost", "127.0.0.1", "pulp.example.org"] {
        get(name, "/pulp/api/v3/status/", &[]).expect(200);
    }
    let other = get("other.example.org", "/pulp/api/v3/status/", &[]);
    assert!(other.status == 0 && other.headers.contains("certificate subject name"), "{other:?}");
}

#[test]
fn http_is_led_to_https() {
    let _turn = turn();
    let answer = https().pulp.get("/pulp/api/v3/status/?x=y").expect(301);
    // Published at another port than 443, as PULP_PORT says.
    assert_eq!(answer.header("Location"), Some("https://127.0.0.1:8443/pulp/api/v3/status/?x=y"));
}

#[test]
fn versions_of_tls_before_1_2_are_refused() {
    let _turn = turn();
    let path = "/pulp/api/v3/status/";
    for version in ["1.2", "1.3"] {
        get("localhost", path, &["--tls-max", version, &format!("--tlsv{version}")]).expect(200);
    }
    // curl's own library would not offer them without being told to be careless.
    let old = ["--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"];
    let answer = get("localhost", path, &old);
    assert!(answer.status == 0 && answer.headers.contains("alert protocol version"), "{answer:?}");
}

#[test]
fn browsers_are_told_to_stay_with_https() {
    let _turn = turn();
    for path in ["/pulp/api/v3/status/", "/pulp/content/", "/assets/rest_framework/css/default.css"] {
        let answer = get("localhost", path, &[]).expect(200);
        assert!(answer.header("Strict-Transport-Security").is_some(), "{path}: {}", answer.headers);
    }
}

#[test]
fn addresses_in_answers_are_of_https() {
    let _turn = turn();
    let answer = get("localhost", "/v2/", &[]).expect(401);
    let challenge = answer.header("WWW-Authenticate").unwrap();
    // The name is the client's, the port that of PULP_PORT.
    assert!(challenge.contains("realm=\"https://localhost:8443/token/\""), "{challenge}");
}

#[test]
fn key_of_the_certificate_is_for_root_only() {
    let _turn = turn();
    let key = "/etc/pulp/certs/pulp_webserver.key";
    let mode = https().pulp.ok(&["stat", "-c", "%a", key]);
    assert!(["600", "640", "400", "440"].contains(&mode.trim()), "{mode}");
    assert_ne!(https().pulp.exec_as("nobody", &["cat", key], b"").code, 0);
}
